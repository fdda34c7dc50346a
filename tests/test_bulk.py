"""One action on many keys: chosen, confirmed, done in pieces, and a report by name of what could not be done."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apikeys import domain, exceptions
from apikeys.domain import ApiKeyQuery, BulkAction
from apikeys.models import ApiKeyRecord, AuditEvent, BulkRun
from apikeys.services import bulk, deletion, keys
from tests.addresses import KEYS
from tests.conftest import caller_for, program_of
from tests.markup import fields, page

pytestmark = pytest.mark.django_db

BULK = f"{KEYS}bulk/"
ALL_DAY = timedelta(days=1)
NO_TIME = timedelta()
LOCKED = "This API key is locked. Unlock it first."
GONE = "This API key does not exist. It may have been deleted."


def make_keys(person, number: int, **more: object) -> list[ApiKeyRecord]:
    """Write so many keys, which nobody has the values of, as quickly as a database takes them."""
    return ApiKeyRecord.objects.bulk_create(
        ApiKeyRecord(
            iam_id=person.iam_id,
            account_id=person.account_id,
            created_by=person.iam_id,
            name=f"key {n}",
            name_folded=f"key {n}",
            pepper=1,
            digest=f"{person.iam_id} {n}",
            hint="",
            **more,
        )
        for n in range(1, number + 1)
    )


def prepare(person, action: BulkAction, records) -> domain.BulkRun:
    return bulk.prepare(caller_for(person), action, bulk.chosen(caller_for(person), [record.id for record in records]))


def failures(run) -> list[tuple[str, str]]:
    return [(failure.name, failure.message) for failure in run.failures]


def press(client: Client, answer, dialog: str):
    """Send the form of a dialog, as a browser without script does, and return the page that comes."""
    form = page(answer).find("form", id=dialog) if dialog else page(answer).find("dialog").find("form")
    return client.post(form["action"], fields(form), follow=True)


# Many keys at once


def test_a_thousand_keys_are_disabled_and_the_four_that_can_not_be_are_named(alice, alice_client):
    made = make_keys(alice, 1000)
    for record in made[100:103]:
        keys.lock_api_key(caller_for(alice), record.id, locked=True)
    asked = alice_client.post(f"{BULK}?sort=name", {"all": "1", "action": "disable"}, follow=True)
    assert "Disable 1,000 API keys?" in page(asked).find("dialog").text
    assert "key 1" in page(asked).find("dialog").text
    deletion.delete_api_key(caller_for(alice), made[500].id)

    answer, pieces = press(alice_client, asked, "bulk_question-form"), 1
    while "Continue" in page(answer).find("dialog").text:
        answer, pieces = press(alice_client, answer, ""), pieces + 1

    told = page(answer).find("dialog").text
    assert "996 API keys were disabled." in told
    assert "This could not be done to 4 API keys" in told
    assert re.findall(r"(key \d+) (This API key [^.]*\.[^.]*\.)", told) == [
        *((f"key {n}", LOCKED) for n in (101, 102, 103)),
        ("key 501", GONE),
    ]
    assert ApiKeyRecord.objects.filter(disabled=True).count() == 996
    assert pieces < 10


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("disable", {}, {"disabled": True, "disabled_hold": "owner"}),
        ("enable", {"disabled": True}, {"disabled": False}),
        ("lock", {}, {"locked": True, "locked_hold": "owner"}),
        ("unlock", {"locked": True}, {"locked": False}),
    ],
)
def test_each_action_is_done_to_what_is_ticked_and_to_nothing_else(alice, alice_client, action, before, after):
    first, second, other = make_keys(alice, 3, **before)

    asked = alice_client.post(BULK, {"key": [first.id, second.id], "action": action}, follow=True)
    told = page(press(alice_client, asked, "bulk_question-form")).find("dialog").text

    assert f"2 API keys were {action.removesuffix('e')}ed." in told
    assert set(ApiKeyRecord.objects.filter(**after).values_list("id", flat=True)) == {first.id, second.id}
    events = AuditEvent.objects.filter(action="iam-identity.user-apikey.update", outcome="success")
    assert {event.target_name for event in events} == {first.name, second.name}
    assert other.id not in told


def test_all_keys_of_the_longest_page_can_be_ticked(alice, alice_client):
    make_keys(alice, max(domain.PAGE_SIZES))
    shown = page(alice_client.get(KEYS, {"per_page": max(domain.PAGE_SIZES)}))
    ticked = [box["value"] for box in shown.find_all("input", name="key")]
    token = shown.find_all("input", name="csrfmiddlewaretoken")[0]["value"]

    sent = alice_client.post(BULK, {"csrfmiddlewaretoken": token, "action": "disable", "key": ticked})

    assert (sent.status_code, len(BulkRun.objects.get().key_ids)) == (303, max(domain.PAGE_SIZES))


def test_keys_that_are_deleted_together_can_be_restored_each(alice, alice_client):
    made = make_keys(alice, 2)

    asked = alice_client.post(BULK, {"key": [record.id for record in made], "action": "delete"}, follow=True)
    assert "You can restore each of them for 24 hours." in page(asked).find("dialog").text
    told = page(press(alice_client, asked, "bulk_question-form")).find("dialog").text

    assert "2 API keys were deleted. Recently deleted" in told
    assert deletion.restore_api_key(caller_for(alice), made[0].id).is_new


def test_all_that_match_are_what_the_list_is_narrowed_down_to(alice, alice_client):
    make_keys(alice, 30)
    ApiKeyRecord.objects.filter(name__in=["key 3", "key 7"]).update(disabled=True)

    asked = alice_client.post(f"{BULK}?status=disabled", {"all": "1", "action": "delete"}, follow=True)

    assert "Delete 2 API keys?" in page(asked).find("dialog").text


def test_of_more_than_a_thousand_the_first_are_taken_and_that_is_said(alice, alice_client, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_AT_ONCE", 20)
    make_keys(alice, 21)
    query = ApiKeyQuery(page_size=10)
    assert [len(bulk.matching(caller_for(alice), query)[0]), bulk.matching(caller_for(alice), query)[1]] == [20, True]

    asked = alice_client.post(BULK, {"all": "1", "action": "lock"}, follow=True)

    assert "More keys match. These are the first 1,000: do the rest afterwards." in page(asked).find("dialog").text


def test_a_narrowed_list_without_a_key_is_nothing_to_do_something_to(alice, alice_client):
    make_keys(alice, 1)
    nothing = [
        alice_client.post(BULK, {"action": "lock"}, follow=True),
        alice_client.post(BULK, {"action": "nonsense", "key": [ApiKeyRecord.objects.get().id]}, follow=True),
        alice_client.post(f"{BULK}?status=disabled", {"all": "1", "action": "lock"}, follow=True),
    ]

    for answer in nothing:
        assert "Choose the API keys first." in answer.content.decode()
    assert not BulkRun.objects.exists()


def test_an_owner_who_is_not_settled_is_not_everybody(alice, bob, dora_client):
    make_keys(alice, 1)

    answer = dora_client.post(f"{BULK}?whose=nobody-like-this", {"all": "1", "action": "disable"}, follow=True)

    assert "Choose the API keys first." in answer.content.decode()


# Whose


def test_nobody_does_anything_to_the_keys_of_a_stranger_and_sees_no_run_but_their_own(
    alice, bob, bob_client, alice_client
):
    [record] = make_keys(alice, 1)
    answer = bob_client.post(BULK, {"key": [record.id], "action": "disable"}, follow=True)
    assert "Choose the API keys first." in answer.content.decode()
    run = prepare(alice, BulkAction.DISABLE, [record])

    for method in (bob_client.get, bob_client.post):
        assert method(f"{BULK}{run.id}/").status_code == 404
    assert not ApiKeyRecord.objects.get().disabled


def test_what_an_administrator_does_to_many_keys_their_owners_can_not_undo(alice, dora):
    made = make_keys(alice, 2)
    bulk.go_on(caller_for(dora), prepare(dora, BulkAction.DISABLE, made).id, ALL_DAY)

    run = bulk.go_on(caller_for(alice), prepare(alice, BulkAction.ENABLE, made).id, ALL_DAY)

    held = "An administrator disabled this API key. Only an administrator can enable it."
    assert failures(run) == [("key 1", held), ("key 2", held)]
    assert (run.done, run.succeeded, run.is_finished) == (2, 0, True)


# In pieces


def test_a_run_that_is_left_goes_on_where_it_stopped(alice, alice_client):
    run = prepare(alice, BulkAction.LOCK, make_keys(alice, 3))
    assert bulk.recent(caller_for(alice)) == []
    assert bulk.go_on(caller_for(alice), run.id, NO_TIME).done == 1

    left = alice_client.get(BULK)
    assert "It stopped at 1 of 3. Open it to continue." in page(left).find("dialog").text
    [link] = [link for link in page(left).find("dialog").find_all("a") if run.id in link["href"]]
    answer = press(alice_client, alice_client.get(link["href"]), "")

    assert "3 API keys were locked." in page(answer).find("dialog").text
    assert bulk.go_on(caller_for(alice), run.id, ALL_DAY).done == 3  # and is not done again
    assert ApiKeyRecord.objects.filter(locked=True, revision=2).count() == 3


def test_two_who_go_on_at_once_do_nothing_twice(alice):
    run = prepare(alice, BulkAction.LOCK, make_keys(alice, 2))
    bulk.go_on(caller_for(alice), run.id, NO_TIME)
    rows = BulkRun.objects.filter(id=run.id)
    rows.update(leased_until=timezone.now() + bulk.LEASE)

    assert bulk.go_on(caller_for(alice), run.id, ALL_DAY).done == 1
    rows.update(leased_until=timezone.now() - timedelta(seconds=1))  # whoever had it is gone
    assert bulk.go_on(caller_for(alice), run.id, ALL_DAY).is_finished


def test_whoever_lost_a_run_to_another_stops(alice, monkeypatch):
    run = prepare(alice, BulkAction.LOCK, make_keys(alice, 3))

    def overtaken(caller, key_id: str) -> None:
        BulkRun.objects.filter(id=run.id).update(done=3)

    monkeypatch.setitem(bulk.ACTS, BulkAction.LOCK, overtaken)

    assert bulk.go_on(caller_for(alice), run.id, ALL_DAY).done == 3
    assert not bulk.get_run(caller_for(alice), run.id).is_finished


def test_a_store_that_fails_ends_a_piece_and_the_key_is_tried_again(alice, monkeypatch):
    run = prepare(alice, BulkAction.LOCK, make_keys(alice, 2))

    def failing(caller, key_id: str) -> None:
        raise exceptions.BackendUnavailable

    with monkeypatch.context() as patched, pytest.raises(exceptions.BackendUnavailable):
        patched.setitem(bulk.ACTS, BulkAction.LOCK, failing)
        bulk.go_on(caller_for(alice), run.id, ALL_DAY)

    assert failures(bulk.go_on(caller_for(alice), run.id, ALL_DAY)) == []


def test_runs_are_forgotten_after_a_week(alice):
    made = make_keys(alice, 1)
    old, new = prepare(alice, BulkAction.LOCK, made), prepare(alice, BulkAction.LOCK, made)
    BulkRun.objects.filter(id=old.id).update(created_at=timezone.now() - bulk.KEPT)

    bulk.forget_old()

    assert [str(run.id) for run in BulkRun.objects.all()] == [new.id]


def test_a_value_that_is_sent_for_an_id_is_not_told_back(alice, alices_key):
    body = {"action": "disable", "ids": [alices_key.value, "ApiKey-unknown"]}

    answer = program_of(alice).post("/v1/apikeys/bulk", body, content_type="application/json")

    assert [failure["id"] for failure in answer.json()["failed"]] == ["[masked]", "ApiKey-unknown"]
    assert alices_key.value not in str(AuditEvent.objects.values_list("target_id", "target_name", "request_data"))
