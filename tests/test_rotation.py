"""A rotation: a new value for the same key, the end of the one before, and what becomes of the tokens of either."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.utils import timezone

from apikeys import exceptions
from apikeys.backends import leaking, records
from apikeys.backends.embedded import EmbeddedBackend
from apikeys.backends.records import history_of
from apikeys.backends.rotation import KEPT, forget_ended
from apikeys.domain import ApiKeyChanges, ApiKeyDraft, Condition, Match, Origin, Overlap, Reason
from apikeys.identity import tokens
from apikeys.models import ApiKeyRecord, AuditEvent, DeletedKeyRecord, HistoryRecord, PreviousValue, RefusalRecord
from apikeys.services import creation, deletion, keys, rotation
from apikeys.usage import counting
from apikeys.values import Peppers
from tests.conftest import NOON, caller_for, delivery_for
from tests.programs import API_KEY_GRANT

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_counted")]

HOUR, DAY, MOMENT = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)
LIFE = [
    ("create", ("terraform",), "API key created"),
    ("update", ("name",), "API key: update"),
    ("lock", (), "API key: lock"),
    ("unlock", (), "API key: unlock"),
    ("disable", (), "API key: disable"),
    ("enable", (), "API key: enable"),
    ("rotate", (), "API key rotated"),
    ("extend_previous", (), "Overlap of API key extended"),
    ("leak_previous", ("a place",), "Previous value of API key found in public"),
    ("rotate", (), "API key rotated"),
    ("end_previous", (), "Previous value of API key ended"),
    ("delete", (), "API key deleted"),
    ("leak_previous", ("a place",), "Previous value of API key found in public"),
    ("restore", (), "API key restored"),
]


def rotate(person, issued, lasts: timedelta | None = DAY, **overlap) -> str:
    return rotation.rotate_api_key(caller_for(person), issued.key.id, Overlap(lasts, **overlap)).value


def works(value: str, *, agent: str = "curl/8", address: str = "192.0.2.1") -> bool:
    try:
        tokens.authenticate(value, Origin(address, agent, "r"))
    except exceptions.ValueNotFound:
        return False
    return True


def let_pass(issued, time: timedelta) -> None:
    """Make the previous value that much older."""
    for row in PreviousValue.objects.filter(key_id=issued.key.id):
        row.replaced_at -= time
        row.ends_at = row.ends_at and row.ends_at - time
        row.last_used_at = row.last_used_at and row.last_used_at - time
        row.save()


def token_of(value: str) -> str:
    return Client().post("/identity/token", {"grant_type": API_KEY_GRANT, "apikey": value}).json()["access_token"]


def is_valid(token: str) -> bool:
    return Client().get("/v1/apikeys", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_the_key_stays_the_same_and_both_values_work(alice, alices_key):
    before = keys.get_api_key(caller_for(alice), alices_key.key.id)

    value = rotate(alice, alices_key)

    after = keys.get_api_key(caller_for(alice), alices_key.key.id)
    assert value != alices_key.value
    assert (after.id, after.name, after.created_at) == (before.id, before.name, before.created_at)
    assert (after.value_number, before.value_number) == (2, 1)
    assert after.hint.endswith(value[-4:])
    assert after.entity_tag != before.entity_tag
    assert works(value)
    assert works(alices_key.value)


def test_the_previous_value_ends_with_its_overlap(alice, alices_key):
    value = rotate(alice, alices_key, HOUR)

    let_pass(alices_key, HOUR - timedelta(seconds=5))
    assert works(alices_key.value)
    let_pass(alices_key, timedelta(seconds=5))
    assert not works(alices_key.value)
    assert works(value)


def test_without_an_overlap_it_ends_at_once_and_until_i_say_so_it_does_not(alice, create_key):
    at_once, until_told = create_key(alice, "leaked"), create_key(alice, "kept")

    rotate(alice, at_once, timedelta())
    rotate(alice, until_told, None)

    let_pass(until_told, timedelta(days=3650))
    assert not works(at_once.value)
    assert works(until_told.value)


def test_finish_now_ends_it_and_its_tokens(alice, alices_key):
    value = rotate(alice, alices_key)
    old_token, new_token = token_of(alices_key.value), token_of(value)
    assert is_valid(old_token)

    rotation.end_previous_value(caller_for(alice), alices_key.key.id)

    assert (works(alices_key.value), works(value)) == (False, True)
    assert (is_valid(old_token), is_valid(new_token)) == (False, True)
    with pytest.raises(exceptions.PreviousValueNotFound):
        rotation.end_previous_value(caller_for(alice), alices_key.key.id)


def test_tokens_of_before_the_rotation_live_as_long_as_the_previous_value(alice, alices_key):
    token = token_of(alices_key.value)
    rotate(alice, alices_key, HOUR)
    assert is_valid(token)

    let_pass(alices_key, HOUR)

    assert not is_valid(token)


def test_refresh_tokens_of_the_previous_value_end_with_it(alice, alices_key):
    basic = {"HTTP_AUTHORIZATION": "Basic Yng6Yng="}
    form = {"grant_type": API_KEY_GRANT, "apikey": alices_key.value}
    issued = Client().post("/identity/token", form, **basic).json()
    rotate(alice, alices_key, HOUR)

    def renew(token: str):
        return Client().post("/identity/token", {"grant_type": "refresh_token", "refresh_token": token}, **basic)

    renewed = renew(issued["refresh_token"]).json()["refresh_token"]
    let_pass(alices_key, HOUR)
    assert renew(renewed).status_code == 400


def test_one_that_is_still_used_at_its_end_is_asked_about_where_that_was_chosen(alice, alices_key):
    rotate(alice, alices_key, HOUR, asks_at_end=True)
    assert works(alices_key.value)
    counting.flush(everything=True)

    let_pass(alices_key, HOUR)

    key = keys.get_api_key(caller_for(alice), alices_key.key.id)
    assert works(alices_key.value)
    previous = rotation.previous_value_of(key)
    assert previous is not None and previous.awaits_answer
    rotation.extend_previous_value(caller_for(alice), key.id, Overlap(HOUR, asks_at_end=True))
    previous = rotation.previous_value_of(key)
    assert previous is not None and not previous.awaits_answer
    rotation.end_previous_value(caller_for(alice), key.id)
    assert not works(alices_key.value)


def test_one_that_nobody_used_ends_without_a_question(alice, alices_key):
    rotate(alice, alices_key, HOUR, asks_at_end=True)

    let_pass(alices_key, HOUR)

    assert not works(alices_key.value)


def test_a_use_on_an_earlier_day_is_no_reason_to_ask(alice, alices_key):
    rotate(alice, alices_key, timedelta(days=7), asks_at_end=True)
    assert works(alices_key.value)
    counting.flush(everything=True)

    let_pass(alices_key, timedelta(days=7))

    assert not works(alices_key.value)


def test_a_second_rotation_asks_first_and_then_ends_the_oldest_value(alice, alices_key):
    second = rotate(alice, alices_key)
    with pytest.raises(exceptions.RotationUnderWay):
        rotate(alice, alices_key)
    assert works(alices_key.value)

    third = rotate(alice, alices_key, ends_previous=True)

    assert [works(value) for value in (alices_key.value, second, third)] == [False, True, True]


def test_after_the_overlap_a_rotation_needs_no_confirmation(alice, alices_key):
    second = rotate(alice, alices_key, HOUR)
    let_pass(alices_key, HOUR)

    third = rotate(alice, alices_key)

    assert [works(value) for value in (alices_key.value, second, third)] == [False, True, True]


def test_a_refusal_of_the_previous_value_tells_that_it_was_replaced(alice, alices_key):
    rotate(alice, alices_key, timedelta())
    assert not works(alices_key.value)

    counting.flush(everything=True)

    refusal = RefusalRecord.objects.get()
    assert (refusal.key_id, refusal.reason, refusal.value_number) == (alices_key.key.id, Reason.REPLACED, 1)


def test_what_the_key_is_holds_for_both_values(alice, alices_key):
    value = rotate(alice, alices_key)

    keys.disable_api_key(caller_for(alice), alices_key.key.id, disabled=True)
    assert not works(value)
    assert not works(alices_key.value)
    keys.disable_api_key(caller_for(alice), alices_key.key.id, disabled=False)
    assert works(value)
    assert works(alices_key.value)
    deletion.delete_api_key(caller_for(alice), alices_key.key.id)
    assert not works(value)
    assert not works(alices_key.value)


def test_the_mark_of_a_leaked_key_stays_with_the_value_that_leaked(alice, alices_key):
    ApiKeyRecord.objects.update(leaked=True)

    rotate(alice, alices_key, HOUR)

    assert not keys.get_api_key(caller_for(alice), alices_key.key.id).leaked
    assert PreviousValue.objects.get().leaked


def test_audit_and_history_tell_both_steps(alice, alices_key):
    rotate(alice, alices_key)
    rotation.end_previous_value(caller_for(alice), alices_key.key.id)

    actions = [entry.action for entry in HistoryRecord.objects.order_by("id")]
    events = list(AuditEvent.objects.order_by("event_time").values_list("action", "outcome", "request_data"))
    assert actions == ["create", "rotate", "end_previous"]
    assert [action.rpartition(".")[2] for action, _outcome, _data in events] == ["create", "rotate", "update"]
    assert events[1][2] == {"value_number": 2, "overlap": 86400}
    assert events[2][2] == {"previous_value": "ended"}


# Who may, and what is refused


@pytest.mark.parametrize("who", ["bob", "dora"])
def test_nobody_rotates_another_persons_key(who, request, alices_key):
    error = exceptions.ApiKeyNotFound if who == "bob" else exceptions.NotAuthorized
    with pytest.raises(error):
        rotate(request.getfixturevalue(who), alices_key)

    assert works(alices_key.value)
    assert AuditEvent.objects.filter(action__endswith="rotate", outcome="failure").exists()


def test_a_locked_key_is_not_rotated(alice, alices_key):
    keys.lock_api_key(caller_for(alice), alices_key.key.id, locked=True)

    with pytest.raises(exceptions.ApiKeyLocked):
        rotate(alice, alices_key)


def test_a_decoy_is_rotated_like_any_key_so_that_no_program_can_tell_it_and_stays_one(alice, alices_key):
    ApiKeyRecord.objects.update(is_decoy=True)

    value = rotate(alice, alices_key, timedelta())

    assert not works(value)
    assert not works(alices_key.value)
    counting.flush(everything=True)
    assert {refusal.reason for refusal in RefusalRecord.objects.all()} == {Reason.DECOY}


@pytest.mark.parametrize("lasts", [timedelta(days=91), timedelta(seconds=-1)])
def test_an_overlap_has_its_limits(lasts, alice, alices_key):
    with pytest.raises(exceptions.InvalidApiKey):
        rotate(alice, alices_key, lasts)


# The hand-over


def test_a_rotation_that_is_sent_again_gives_the_same_value_and_makes_no_other(alice, alices_key):
    caller, nonce = caller_for(alice), delivery_for(alice).nonce
    overlap = Overlap(DAY)

    first = rotation.rotate_api_key(caller, alices_key.key.id, overlap, delivery_for(alice, nonce))
    again = rotation.rotate_api_key(caller, alices_key.key.id, overlap, delivery_for(alice, nonce))

    assert first == again
    assert again.key.value_number == 2


@pytest.mark.django_db(transaction=True)
def test_a_rotation_that_is_sent_ten_times_at_once_happens_once(alice, alices_key):
    caller, nonce = caller_for(alice), delivery_for(alice).nonce

    def send(_number: int) -> str:
        try:
            return rotation.rotate_api_key(caller, alices_key.key.id, Overlap(DAY), delivery_for(alice, nonce)).value
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        values = set(pool.map(send, range(10)))

    assert len(values) == 1
    assert PreviousValue.objects.count() == 1


def test_a_nonce_of_another_operation_or_key_is_refused(alice, create_key):
    caller, nonce = caller_for(alice), delivery_for(alice).nonce
    one, other = create_key(alice, "one"), create_key(alice, "other")
    rotation.rotate_api_key(caller, one.key.id, Overlap(DAY), delivery_for(alice, nonce))

    with pytest.raises(exceptions.IdempotencyKeyReused):
        rotation.rotate_api_key(caller, other.key.id, Overlap(DAY), delivery_for(alice, nonce))
    with pytest.raises(exceptions.IdempotencyKeyReused):
        creation.create_api_key(caller, ApiKeyDraft("one"), delivery_for(alice, nonce))


# How far it is


def test_progress_counts_clients_and_names_those_that_have_not_moved(alice, alices_key):
    clients = [("192.0.2.1", "curl/8"), ("192.0.2.1", "python-requests/2"), ("192.0.2.2", "curl/8")]

    def use(value: str, *which: int) -> None:
        for number in which:
            address, agent = clients[number]
            assert works(value, address=address, agent=agent)
        counting.flush(everything=True)

    use(alices_key.value, 0, 1, 2)
    value = rotate(alice, alices_key)
    key = keys.get_api_key(caller_for(alice), alices_key.key.id)
    previous = rotation.previous_value_of(key)
    assert previous is not None

    told = []
    for number in range(3):
        told.append(rotation.progress_of(key, previous))
        use(value, number)
    told.append(rotation.progress_of(key, previous))
    assert [(progress.moved, progress.clients) for progress in told] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [(place.address, place.client) for place in told[2].waiting] == [("192.0.2.2", "curl")]
    use(alices_key.value, 0)
    assert [place.client for place in rotation.progress_of(key, previous).waiting] == ["curl"]


def test_what_ended_long_ago_is_forgotten(alice, alices_key):
    rotate(alice, alices_key, HOUR)
    let_pass(alices_key, HOUR + KEPT - timedelta(minutes=1))
    forget_ended()
    assert PreviousValue.objects.count() == 1

    let_pass(alices_key, timedelta(minutes=2))
    forget_ended()
    assert PreviousValue.objects.count() == 0


# To the moment, and line by line


def test_each_change_of_a_key_is_a_line_of_its_history_in_its_words(alice, alices_key):
    store, key_id = EmbeddedBackend(caller_for(alice)), alices_key.key.id
    with transaction.atomic():
        store.update_api_key(key_id, ApiKeyChanges(name="ansible"), entity_tag=alices_key.key.entity_tag)
        store.set_locked(key_id, True)
        store.set_locked(key_id, False)
        store.set_disabled(key_id, True)
        store.set_disabled(key_id, False)
        value = store.rotate_api_key(key_id, Overlap(HOUR)).value
        store.extend_previous_value(key_id, Overlap(HOUR))
        leaking.act_on(alices_key.value, caller_for(alice).identity, ["a place"])
        store.rotate_api_key(key_id, Overlap(HOUR, ends_previous=True))
        store.end_previous_value(key_id)
        store.delete_api_key(key_id)
        leaking.act_on(value, caller_for(alice).identity, ["a place"])
    DeletedKeyRecord.objects.update(leaked=False)
    with transaction.atomic():
        store.restore_api_key(key_id)

    lines = history_of(key_id)
    assert {(line.iam_id, line.account_id) for line in lines} == {(alice.iam_id, alice.account_id)}
    assert [(line.action, line.params, line.message) for line in lines] == LIFE


def test_a_history_is_in_the_order_of_its_moments_whichever_server_wrote_it(alice, alices_key):
    keys.disable_api_key(caller_for(alice), alices_key.key.id, disabled=True)

    HistoryRecord.objects.filter(action="disable").update(timestamp=F("timestamp") - DAY)  # its clock is behind

    assert [line.action for line in history_of(alices_key.key.id)] == ["disable", "create"]


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_key_that_was_found_in_public_says_so_in_its_history(alice, dora, alices_key, is_deleted):
    if is_deleted:
        deletion.delete_api_key(caller_for(alice), alices_key.key.id)

    with transaction.atomic():
        assert leaking.act_on(alices_key.value, caller_for(dora).identity, ["a place"])

    line = history_of(alices_key.key.id)[-1]
    assert (line.iam_id, line.action, line.params, line.message) == (
        dora.iam_id, "leak", ("a place",), "API key found in public",
    )  # fmt: skip
    assert line.timestamp <= timezone.now()


def test_who_ends_a_value_that_they_found_is_named_in_the_history(alice, dora, alices_key):
    rotate(alice, alices_key, HOUR)
    identity = caller_for(dora).identity

    with transaction.atomic():
        _key, was_present = leaking.end(alices_key.key.id, 1, identity)
        assert not was_present
        key, was_present = leaking.end(alices_key.key.id, 2, identity)
        assert (was_present, key.disabled) == (True, True)
        with pytest.raises(exceptions.ApiKeyNotFound):
            leaking.end(alices_key.key.id[:-1] + "x", 1, identity)

    assert not works(alices_key.value)
    assert [(line.iam_id, line.action, line.message) for line in history_of(alices_key.key.id)[-2:]] == [
        (dora.iam_id, "end_previous", "Previous value of API key ended"),
        (dora.iam_id, "disable", "API key: disable"),
    ]


def test_a_value_that_was_found_of_a_key_of_the_release_before_is_its_first(alice, dora, alices_key):
    ApiKeyRecord.objects.update(value_number=None)

    with transaction.atomic():
        assert leaking.end(alices_key.key.id, 2, caller_for(dora).identity)[1] is False
        key, was_present = leaking.end(alices_key.key.id, 1, caller_for(dora).identity)

    assert (was_present, key.disabled) == (True, True)


def test_an_overlap_is_extended_from_now_or_without_an_end(alice, alices_key):
    rotate(alice, alices_key, HOUR)
    before = timezone.now()

    rotation.extend_previous_value(caller_for(alice), alices_key.key.id, Overlap(2 * HOUR, asks_at_end=True))

    previous = PreviousValue.objects.get()
    assert before + 2 * HOUR <= previous.ends_at <= timezone.now() + 2 * HOUR
    assert previous.asks_at_end
    rotation.extend_previous_value(caller_for(alice), alices_key.key.id, Overlap(None))
    previous = PreviousValue.objects.get()
    assert (previous.ends_at, previous.asks_at_end) == (None, False)


@pytest.mark.parametrize(("used_before_its_end", "is_kept"), [(DAY, True), (DAY + MOMENT, False), (-DAY, True)])
def test_a_value_that_was_in_use_on_its_last_day_is_not_forgotten(at, alice, alices_key, used_before_its_end, is_kept):
    rotate(alice, alices_key, HOUR, asks_at_end=True)
    PreviousValue.objects.update(ends_at=NOON, last_used_at=NOON - used_before_its_end)

    at(NOON + 2 * KEPT)
    forget_ended()

    assert PreviousValue.objects.exists() is is_kept


def test_a_key_moves_from_its_old_digest_to_that_under_the_newest_pepper(alices_key, settings):
    record = ApiKeyRecord.objects.get()
    assert records.plan_pepper_move(record, record.id, alices_key.value) is None
    settings.APIKEYS_PEPPERS = Peppers(settings.APIKEYS_PEPPERS.by_number | {7: b"7" * 32})

    move = records.plan_pepper_move(record, record.id, alices_key.value)

    new = settings.APIKEYS_PEPPERS.digest(alices_key.value, 7)
    assert (move.key_id, move.old_pepper, move.old_digest, move.digest) == (
        record.id, record.pepper, record.digest, new,
    )  # fmt: skip
    records.move_to_newest_pepper(move)
    moved = ApiKeyRecord.objects.get()
    assert (moved.pepper, moved.digest, moved.entity_tag) == (7, new, record.entity_tag)
    ApiKeyRecord.objects.update(pepper=record.pepper, digest="0" * 64)  # another one meanwhile
    records.move_to_newest_pepper(move)
    assert ApiKeyRecord.objects.get().digest == "0" * 64


def test_a_previous_value_moves_to_the_newest_pepper_as_its_key_does(alice, alices_key, settings):
    rotate(alice, alices_key)
    settings.APIKEYS_PEPPERS = Peppers(settings.APIKEYS_PEPPERS.by_number | {7: b"7" * 32})
    previous = PreviousValue.objects.get()

    records.move_to_newest_pepper(records.plan_pepper_move(previous, previous.key_id, alices_key.value))

    previous.refresh_from_db()
    assert (previous.pepper, previous.digest) == (7, settings.APIKEYS_PEPPERS.digest(alices_key.value, 7))


@pytest.mark.parametrize(
    ("condition", "is_met"),
    [
        (Condition("name", Match.EQUALS, "TERRAFORM"), True),
        (Condition("name", Match.EQUALS, "terra"), False),
        (Condition("name", Match.CONTAINS, "RRAF"), True),
        (Condition("name", Match.STARTS_WITH, "Terra"), True),
        (Condition("name", Match.STARTS_WITH, "form"), False),
        (Condition("description", Match.CONTAINS, "applies"), True),
        (Condition("description", Match.CONTAINS, "terraform"), False),
        (Condition("name", Match.CONTAINS, "x" * 10_000), False),
        (Condition("id", Match.CONTAINS, "APIKEY-"), True),
        (Condition("id", Match.EQUALS, "apikey-"), False),
    ],
)
def test_conditions_look_at_names_descriptions_and_ids_in_any_letters(alices_key, condition, is_met):
    assert ApiKeyRecord.objects.filter(records.filter_of(condition)).exists() is is_met


def test_an_id_is_found_in_any_letters(alices_key):
    for text in (alices_key.key.id, alices_key.key.id.upper(), alices_key.key.id.lower()):
        assert ApiKeyRecord.objects.filter(records.filter_of(Condition("id", Match.EQUALS, text))).exists()
    assert records._as_written("SERVICEID-1-2") == "ServiceId-1-2"
    assert records._as_written("Other-1") == "other-1"


def test_what_a_rotation_left_is_forgotten_thirty_days_after_its_end_to_the_moment(at, alice, alices_key):
    rotate(alice, alices_key, HOUR)
    previous = PreviousValue.objects.get()
    assert (previous.replaced_at, previous.ends_at, previous.is_ended) == (NOON, NOON + HOUR, False)

    at(NOON + HOUR + KEPT)
    forget_ended()
    assert PreviousValue.objects.exists()
    at(NOON + HOUR + KEPT + MOMENT)
    forget_ended()

    assert not PreviousValue.objects.exists()


def test_a_value_that_was_ended_stays_so_whatever_the_clock_says(alice, alices_key):
    rotate(alice, alices_key, HOUR, asks_at_end=True)
    rotation.end_previous_value(caller_for(alice), alices_key.key.id)

    PreviousValue.objects.update(ends_at=timezone.now() + HOUR)

    assert not works(alices_key.value)
    assert not PreviousValue.objects.get().asks_at_end


def test_a_value_keeps_the_moment_of_its_end_however_often_the_key_is_rotated(at, alice, alices_key):
    rotate(alice, alices_key, HOUR)
    at(NOON + 2 * HOUR)
    rotate(alice, alices_key, HOUR)
    at(NOON + HOUR / 2)  # set back
    rotate(alice, alices_key, HOUR, ends_previous=True)

    ends = PreviousValue.objects.order_by("number").values_list("ends_at", flat=True)
    assert list(ends) == [NOON + HOUR, NOON + HOUR / 2, NOON + HOUR * 1.5]


def test_a_value_is_known_by_itself_and_not_by_its_pepper(alice, alices_key, settings):
    assert records.is_known(alices_key.value)
    assert not records.is_known(alices_key.value[::-1])

    rotate(alice, alices_key)
    assert records.is_known(alices_key.value)
    deletion.delete_api_key(caller_for(alice), alices_key.key.id)
    assert records.is_known(alices_key.value)


@pytest.mark.parametrize(
    ("if_match", "is_named"),
    [
        ("*", True), (" * ", True), ("5-abc", True), ('"5-abc"', True), ('W/"5-abc"', True), ('"4-x", "5-abc"', True),
        ('"4-x","6-y"', False), ('"5-abc', False), ("", False), ('"', False), ("5-abcd", False),
    ],
)  # fmt: skip
def test_a_version_is_named_by_its_tag_alone_or_in_a_list(if_match, is_named):
    assert records.names_version(if_match, "5-abc") is is_named
