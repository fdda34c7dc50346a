"""What an administrator, a leak or a rule did to a key, its owner can't undo, through whichever door."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from apikeys import exceptions
from apikeys.backends import holding
from apikeys.domain import ApiKeyChanges, Hold, LeakedAction, Overlap, ServiceIdDraft
from apikeys.models import ApiKeyRecord
from apikeys.services import deletion, found_values, keys, leaks, rotation, service_ids
from apikeys.services.leaks import Report
from tests.addresses import KEYS, details_address
from tests.conftest import caller_for, program_of
from tests.markup import page

pytestmark = pytest.mark.django_db

BY_ADMINISTRATOR = "An administrator disabled this API key. Only an administrator can enable it."
BY_LEAK = "This API key was disabled because it was found in public. Only an administrator can enable it."
BY_RULE = "A rule of the administrators disabled this API key. Only an administrator can enable it."
LOCKED = "An administrator locked this API key. Only an administrator can unlock it."


def disable(person, key_id: str) -> None:
    keys.disable_api_key(caller_for(person), key_id, disabled=True)


def enable(person, key_id: str) -> None:
    keys.disable_api_key(caller_for(person), key_id, disabled=False)


def lock(person, key_id: str) -> None:
    keys.lock_api_key(caller_for(person), key_id, locked=True)


def unlock(person, key_id: str) -> None:
    keys.lock_api_key(caller_for(person), key_id, locked=False)


def held(key_id: str) -> tuple[str | None, ...]:
    names = ("disabled_by", "disabled_hold", "locked_by", "locked_hold")
    return ApiKeyRecord.objects.values_list(*names).get(id=key_id)


def by_administrator(issued, dora, **_people) -> None:
    disable(dora, issued.key.id)


def by_report(issued, **_people) -> None:
    report = Report(issued.value, "", "https://example.com/gist", "content")
    assert leaks.act_on(report, caller_for(_people["dora"]))


def by_finder(issued, bob, **_people) -> None:
    found = found_values.whose(caller_for(bob), issued.value)
    found_values.end_at_once(caller_for(bob), found.proof)


def by_finder_of_a_disabled_one(issued, bob, **_people) -> None:
    """Its owner disabled the key between the look and the end."""
    found = found_values.whose(caller_for(bob), issued.value)
    disable(get_user_model().objects.get(iam_id=issued.key.iam_id), issued.key.id)
    found_values.end_at_once(caller_for(bob), found.proof)


def by_rule(issued, dora, **_people) -> None:
    record = ApiKeyRecord.objects.get(id=issued.key.id)
    assert holding.disable(record, caller_for(dora).identity, Hold.RULE)
    record.save()


CONTAINED = {
    "administrator": (by_administrator, BY_ADMINISTRATOR),
    "report": (by_report, BY_LEAK),
    "finder": (by_finder, BY_LEAK),
    "finder of one that is disabled": (by_finder_of_a_disabled_one, BY_LEAK),
    "rule": (by_rule, BY_RULE),
}


def over_services(alice, _client, key_id: str) -> str:
    with pytest.raises(exceptions.ApiKeyHeld) as refused:
        enable(alice, key_id)
    return str(refused.value)


def over_the_page(_alice, client, key_id: str) -> str:
    answer = client.post(details_address(key_id) + "enable/")
    assert answer.status_code == 403
    return answer.content.decode()


def over_rest(alice, _client, key_id: str) -> str:
    answer = program_of(alice).delete(f"/v1/apikeys/{key_id}/disable")
    assert (answer.status_code, answer.json()["errors"][0]["message_code"]) == (403, "BXNIM0513E")
    return answer.content.decode()


def after_a_way_round(alice, _client, key_id: str) -> str:
    """Delete it, bring it back, and give it a new value: it is as it was."""
    deletion.delete_api_key(caller_for(alice), key_id)
    deletion.restore_api_key(caller_for(alice), key_id)
    rotation.rotate_api_key(caller_for(alice), key_id, Overlap(None))
    return over_services(alice, _client, key_id)


@pytest.mark.parametrize("door", [over_services, over_the_page, over_rest, after_a_way_round])
@pytest.mark.parametrize(("contain", "told"), CONTAINED.values(), ids=CONTAINED)
def test_an_owner_does_not_enable_what_was_contained(alice, bob, dora, alice_client, create_key, contain, told, door):
    issued = create_key(alice, action_when_leaked=LeakedAction.DISABLE)
    contain(issued, bob=bob, dora=dora)
    if door is after_a_way_round:
        ApiKeyRecord.objects.update(leaked=False)  # what leaked is never restored, and is not about this

    assert told in door(alice, alice_client, issued.key.id)

    assert ApiKeyRecord.objects.get().disabled
    enable(dora, issued.key.id)
    assert held(issued.key.id) == ("", "", "", "")
    disable(alice, issued.key.id)
    enable(alice, issued.key.id)


CHANGES = {
    "unlock": lambda caller, key: keys.lock_api_key(caller, key.id, locked=False),
    "enable": lambda caller, key: keys.disable_api_key(caller, key.id, disabled=False),
    "disable": lambda caller, key: keys.disable_api_key(caller, key.id, disabled=True),
    "edit": lambda caller, key: keys.update_api_key(caller, key.id, ApiKeyChanges(description="x"), entity_tag="*"),
    "rotate": lambda caller, key: rotation.rotate_api_key(caller, key.id, Overlap(None)),
    "end the previous value": lambda caller, key: rotation.end_previous_value(caller, key.id),
    "pause": lambda caller, key: deletion.pause_api_key(caller, key.id, deletion.MAX_PAUSE),
    "delete": lambda caller, key: deletion.delete_api_key(caller, key.id),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_owner_changes_nothing_of_a_key_that_an_administrator_locked(alice, dora, alices_key, change):
    lock(dora, alices_key.key.id)

    with pytest.raises(exceptions.ApiKeyHeld, match=LOCKED):
        change(caller_for(alice), alices_key.key)

    unlock(dora, alices_key.key.id)
    assert held(alices_key.key.id) == ("", "", "", "")


def test_a_program_is_told_that_it_can_not_unlock(alice, dora, alices_key):
    lock(dora, alices_key.key.id)

    answer = program_of(alice).delete(f"/v1/apikeys/{alices_key.key.id}/lock")

    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (403, LOCKED)


def test_an_administrator_takes_over_what_the_owner_disabled_and_locked(alice, dora, alices_key):
    key_id = alices_key.key.id
    disable(alice, key_id)
    lock(alice, key_id)
    assert held(key_id) == (alice.iam_id, Hold.OWNER, alice.iam_id, Hold.OWNER)
    unlock(alice, key_id)

    disable(dora, key_id)
    lock(dora, key_id)

    assert held(key_id) == (dora.iam_id, Hold.ADMINISTRATOR, dora.iam_id, Hold.ADMINISTRATOR)
    with pytest.raises(exceptions.ApiKeyHeld):
        unlock(alice, key_id)


def test_a_leak_holds_what_the_owner_had_disabled(alice, dora, create_key):
    issued = create_key(alice, action_when_leaked=LeakedAction.DISABLE)
    disable(alice, issued.key.id)

    by_report(issued, dora=dora)

    with pytest.raises(exceptions.ApiKeyHeld, match="found in public"):
        enable(alice, issued.key.id)


def test_who_manages_a_service_id_is_the_owner_of_its_keys_and_an_administrator_is_not(alice, dora, create_key):
    service = service_ids.create_service_id(caller_for(alice), ServiceIdDraft("robot"))[0]
    issued = create_key(alice, iam_id=service.iam_id, disabled=True, locked=True)
    assert held(issued.key.id) == (alice.iam_id, Hold.OWNER, alice.iam_id, Hold.OWNER)
    unlock(alice, issued.key.id)
    enable(alice, issued.key.id)

    disable(dora, issued.key.id)

    with pytest.raises(exceptions.ApiKeyHeld):
        enable(alice, issued.key.id)


def offered_in_the_list(client: Client) -> str:
    [link] = [link for link in page(client.get(KEYS)).find_all("a") if "data-can" in link]
    return link["data-can"]


def test_the_page_says_who_can_undo_it_and_offers_the_owner_nothing_in_vain(
    alice, dora, alice_client, dora_client, alices_key
):
    disable(dora, alices_key.key.id)

    def seen(client: Client) -> tuple[str, bool]:
        dialog = page(client.get(details_address(alices_key.key.id))).find("dialog")
        return dialog.text, any("Enable API key" in button.text for button in dialog.find_all("button"))

    text, can = seen(alice_client)
    assert BY_ADMINISTRATOR in text
    assert not can
    text, can = seen(dora_client)
    assert BY_ADMINISTRATOR in text
    assert can
    assert offered_in_the_list(alice_client) == "edit rotate lock delete"
    lock(dora, alices_key.key.id)
    assert LOCKED in seen(alice_client)[0]
    assert offered_in_the_list(alice_client) == ""


# Row by row


@pytest.mark.parametrize(
    ("act", "undo", "what"),
    [(holding.disable, holding.enable, "disabled"), (holding.lock, holding.unlock, "locked")],
)
def test_the_firmest_and_then_the_first_is_named_and_undone_by_whom_it_may(alice, bob, dora, act, undo, what):
    record = ApiKeyRecord()
    owner, finder, administrator = (caller_for(person).identity for person in (alice, bob, dora))

    def state() -> tuple[object, ...]:
        return tuple(getattr(record, name) for name in (what, f"{what}_by", f"{what}_hold"))

    assert act(record, owner, Hold.OWNER)
    assert not act(record, finder, Hold.OWNER)
    assert state() == (True, alice.iam_id, Hold.OWNER)
    assert act(record, administrator, Hold.ADMINISTRATOR)
    assert not act(record, finder, Hold.LEAK)
    assert not act(record, owner, Hold.OWNER)
    assert state() == (True, dora.iam_id, Hold.ADMINISTRATOR)
    with pytest.raises(exceptions.ApiKeyHeld) as refused:
        undo(record, owner)
    assert refused.value.message == (LOCKED if what == "locked" else BY_ADMINISTRATOR)
    assert undo(record, administrator)
    assert state() == (False, "", "")
    assert not undo(record, administrator)
    for hold in (None, ""):  # of the release before
        setattr(record, what, True)
        setattr(record, f"{what}_hold", hold)
        assert undo(record, owner)


def test_a_locked_record_is_told_from_one_that_somebody_else_locked(alice, dora):
    record = ApiKeyRecord()
    owner, administrator = caller_for(alice).identity, caller_for(dora).identity
    holding.check_unlocked(record, owner)

    holding.lock(record, owner, Hold.OWNER)
    with pytest.raises(exceptions.ApiKeyLocked):
        holding.check_unlocked(record, owner)
    holding.lock(record, administrator, Hold.ADMINISTRATOR)
    with pytest.raises(exceptions.ApiKeyHeld):
        holding.check_unlocked(record, owner)
    with pytest.raises(exceptions.ApiKeyLocked):
        holding.check_unlocked(record, administrator)
