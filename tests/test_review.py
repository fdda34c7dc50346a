"""The review: which keys are in which group, whose they are, and what the page offers for each."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys.backends import review as rows
from apikeys.domain import FOUND, NEVER_USED_AFTER, ReviewKind, ServiceIdDraft
from apikeys.exceptions import SearchTooSlow
from apikeys.identity import users
from apikeys.models import ApiKeyRecord
from apikeys.services import review, service_ids
from tests.addresses import KEYS, REVIEW, SERVICE_IDS, delete_address, details_address, edit_address
from tests.conftest import caller_for, make_person
from tests.markup import page
from tests.test_pages import many

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def found(person) -> dict[str, list[str]]:
    """Return the names in each group that has any."""
    groups = review.groups(caller_for(person))
    named = {
        group.kind: [each.name for each in (*group.keys, *(orphan.service for orphan in group.orphans))]
        for group in groups
    }
    return {kind: sorted(names) for kind, names in named.items() if names}


def made(create_key, owner, name: str, **columns: object):
    """Make a key that was used now, unless the columns say otherwise."""
    issued = create_key(owner, name)
    ApiKeyRecord.objects.filter(id=issued.key.id).update(**({"last_used_at": timezone.now()} | columns))
    return issued


@pytest.fixture
def one_of_each(alice, create_key):
    now = timezone.now()
    return {
        name: made(create_key, alice, name, **columns)
        for name, columns in {
            "fine": {},
            "leaked": {"leaked": True},
            "soon": {"expires_at": now + 13 * DAY},
            "later": {"expires_at": now + 15 * DAY},
            "over": {"expires_at": now - DAY},
            "old": {"last_used_at": now - 91 * DAY},
            "younger": {"last_used_at": now - 89 * DAY},
            "left": {"last_used_at": None, "created_at": now - NEVER_USED_AFTER},
            "new": {"last_used_at": None, "created_at": now - NEVER_USED_AFTER + timedelta(minutes=1)},
            "decoy": {"last_used_at": None, "created_at": now - NEVER_USED_AFTER, "is_decoy": True},
        }.items()
    }


OWN = {"leaked": ["leaked"], "expiring": ["soon"], "expired": ["over"], "unused": ["old"], "never_used": ["left"]}


def test_a_person_sees_their_own_keys_in_groups_and_an_administrator_everybodys(alice, bob, dora, one_of_each):
    assert found(alice) == OWN
    assert found(bob) == {}
    assert found(dora) == OWN


def test_keys_of_people_who_are_deactivated_or_gone_are_for_administrators(alice, bob, dora, create_key):
    gone = made(create_key, make_person("erin"), "of erin")
    made(create_key, alice, "of alice")
    made(create_key, bob, "of bob")
    ApiKeyRecord.objects.filter(id=gone.key.id).update(iam_id="IBMid-NOBODY0000")
    bob.is_active = False
    bob.save()

    assert found(dora) == {"inactive": ["of bob", "of erin"]}
    assert found(alice) == {}


def test_a_service_id_is_nobodys_without_an_active_manager_and_after_a_hand_over(alice, bob, dora, create_key):
    robots = {
        name: service_ids.create_service_id(caller_for(owner), ServiceIdDraft(name))[0]
        for name, owner in {"fine": alice, "left": bob, "handed": make_person("erin")}.items()
    }
    bob.is_active = False
    bob.save()
    erin = users.identity_of(type(bob).objects.get(username="erin"))
    service_ids.hand_over(caller_for(dora), erin, dora.iam_id)

    assert found(dora) == {"orphaned": ["handed", "left"]}
    assert found(alice) == {}

    service_ids.disable_service_id(caller_for(dora), robots["handed"].id, disabled=False)
    assert found(dora) == {"orphaned": ["left"]}


def test_more_keys_than_are_counted_are_a_hundred_and_more_and_the_first_25_are_shown(alice, dora):
    many(alice, FOUND + 1)

    [group] = [group for group in review.groups(caller_for(dora)) if group.count]

    assert (group.kind, group.number, len(group.keys), group.has_more) == (ReviewKind.NEVER_USED, "100+", 25, True)


def test_the_list_that_a_group_leads_to_has_its_keys(alice_client, dora_client, one_of_each):
    ApiKeyRecord.objects.filter(is_decoy=True).delete()  # it was never used, either

    listed = {}
    for client, view in ((alice_client, ""), (dora_client, "view=all&")):
        tree = page(client.get(REVIEW))
        for kind in OWN:
            url = tree.find("section", aria_labelledby=kind).find_all("a")[-1]["href"]
            assert url.startswith(f"{KEYS}?{view}")
            listed[view, kind] = [name.text for name in page(client.get(url)).find("tbody").find_all("th")]

    assert listed == {(view, kind): names for view in ("", "view=all&") for kind, names in OWN.items()}


def test_each_group_offers_what_can_be_done_and_nothing_for_a_locked_key(alice_client, one_of_each):
    ApiKeyRecord.objects.filter(name="old").update(locked=True)

    tree = page(alice_client.get(REVIEW))

    links = {
        kind: [link["href"] for link in tree.find("section", aria_labelledby=kind).find_all("a")][:-1] for kind in OWN
    }
    ids = {name: issued.key.id for name, issued in one_of_each.items()}
    assert links == {
        "leaked": [details_address(ids["leaked"]), delete_address(ids["leaked"])],
        "expiring": [details_address(ids["soon"]), edit_address(ids["soon"])],
        "expired": [details_address(ids["over"]), delete_address(ids["over"])],
        "unused": [details_address(ids["old"])],
        "never_used": [details_address(ids["left"]), delete_address(ids["left"])],
    }


def test_the_review_says_so_where_nothing_needs_a_decision(bob_client):
    assert "No API key needs a decision." in page(bob_client.get(REVIEW)).text


def test_what_was_handed_over_says_from_whom_and_leads_to_its_page(dora, dora_client):
    erin = make_person("erin", first_name="Erin")
    robot, _key = service_ids.create_service_id(caller_for(erin), ServiceIdDraft("robot"))
    service_ids.hand_over(caller_for(dora), users.identity_of(erin), dora.iam_id)

    section = page(dora_client.get(REVIEW)).find("section", aria_labelledby="orphaned")

    assert "robot" in section.text
    assert "Handed over from Erin to dora:" in section.text
    assert [link["href"] for link in section.find_all("a")] == [f"{SERVICE_IDS}{robot.id}/"]


def test_a_group_that_takes_too_long_to_be_counted_says_so_and_the_others_are_there(dora, monkeypatch, one_of_each):
    first_of = rows.first_of

    def slow(kind, identity):
        if kind is ReviewKind.INACTIVE:
            raise SearchTooSlow
        return first_of(kind, identity)

    monkeypatch.setattr(rows, "first_of", slow)

    groups = {group.kind: group.number for group in review.groups(caller_for(dora))}

    assert groups == dict.fromkeys(OWN, "1") | {"inactive": "?", "orphaned": "0"}


def test_the_ticked_keys_of_a_group_are_disabled_or_deleted_at_once(alice, alice_client, create_key):
    names = ("first", "second", "locked")
    made = {name: made_key.key.id for name in names for made_key in [create_key(alice, name)]}
    ApiKeyRecord.objects.filter(name="locked").update(locked=True)
    ApiKeyRecord.objects.update(created_at=timezone.now() - NEVER_USED_AFTER)
    form = page(alice_client.get(REVIEW)).find("section", aria_labelledby="never_used").find("form")
    boxes = form.find_all("input", type="checkbox")

    asked = alice_client.post(form["action"], {"key": [made["first"]], "action": "delete"}, follow=True)

    assert {box["value"] for box in boxes} == {made["first"], made["second"]}
    assert not any("checked" in box for box in boxes)  # nobody deletes by one press what they did not choose
    assert [button["value"] for button in form.find_all("button", name="action")] == ["disable", "delete"]
    assert "Delete 1 API key?" in page(asked).text
    assert ApiKeyRecord.objects.count() == 3


def test_nothing_is_offered_for_all_of_a_group_that_is_to_be_extended_or_locked(alice_client, one_of_each):
    ApiKeyRecord.objects.filter(name="old").update(locked=True)
    tree = page(alice_client.get(REVIEW))

    offered = {
        kind: [button["value"] for button in tree.find("section", aria_labelledby=kind).find_all("button")]
        for kind in OWN
    }

    both = ["disable", "delete"]
    assert offered == {"leaked": both, "expiring": [], "expired": ["delete"], "unused": [], "never_used": both}
