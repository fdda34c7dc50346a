"""The hand-over of a new value: once, to whoever asked, never lost on the way, and nothing left behind."""

import hashlib
from datetime import timedelta
from functools import partial

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.domain import ApiKeyDraft, ApiKeyQuery, IssuedApiKey
from apikeys.exceptions import (
    AlreadyReceived,
    ApiKeyError,
    ApiKeyLimitReached,
    ApiKeyNotFound,
    CreationUnconfirmed,
    HandoverExpired,
    IdempotencyKeyReused,
    InvalidApiKey,
)
from apikeys.models import ApiKeyRecord, Handover
from apikeys.services import creation, deletion, delivery, keys, unconfirmed
from apikeys.values import is_genuine
from apikeys.web.forms import new_nonce
from tests.conftest import caller_for, delivery_for
from tests.stores import all_cells, database_bytes, tables_with
from tests.threads import at_once


def send(person, nonce: str, name: str = "terraform") -> IssuedApiKey:
    """Send the create form once."""
    return creation.create_api_key(caller_for(person), ApiKeyDraft(name, ""), delivery_for(person, nonce))


def confirm(person, nonce: str) -> None:
    creation.confirm_receipt(caller_for(person), nonce)


def confirm_by_picture(person, nonce: str) -> None:
    creation.confirm_scriptless_receipt(caller_for(person), digest(nonce))


def digest(nonce: str) -> str:
    return hashlib.sha256(nonce.encode()).hexdigest()


def download(person, nonce: str) -> IssuedApiKey:
    return creation.download_api_key(caller_for(person), nonce)


def keys_of(person) -> list[str]:
    return [key.id for key in keys.list_api_keys(caller_for(person), ApiKeyQuery()).keys]


def is_same(first: IssuedApiKey, second: IssuedApiKey) -> bool:
    """Tell whether both are one key with one value, without ever printing it."""
    return first.key == second.key and first.value == second.value


def assert_refused(error: type[ApiKeyError], person, nonce: str) -> None:
    """Fail unless both the form sent again and a download are refused so."""
    for act in (send, download):
        with pytest.raises(error):
            act(person, nonce)


def more_time(person, nonce: str) -> delivery.Wait | None:
    return creation.more_time(caller_for(person), nonce)


def let_pass(seconds: int) -> None:
    """Let all hand-overs be that much older; fewer than 0 set the clock back."""
    for row in Handover.objects.all():
        row.created_at -= timedelta(seconds=seconds)
        row.sealed_at = row.sealed_at and row.sealed_at - timedelta(seconds=seconds)
        row.save()


@pytest.fixture
def nonce() -> str:
    return new_nonce()


# What a form carries


def test_each_form_has_a_nonce_of_its_own_with_128_random_bits_or_more(alice):
    nonces = {new_nonce() for _ in range(500)}

    assert len(nonces) == 500
    assert all(delivery_for(alice, nonce) for nonce in nonces)
    assert min(len(nonce) for nonce in nonces) * 6 >= 128


BAD_NONCES = [
    "", " ", "x", "x" * 21, "x" * 129, "x" * 21 + " ", "x" * 30 + "\n", "é" * 30, "x" * 30 + "\0", "+/=" * 10,
    "\ud800" * 30,
]  # fmt: skip


@pytest.mark.parametrize("nonce", BAD_NONCES[1:])  # an empty one asks for no hand-over
def test_a_form_without_a_real_nonce_makes_no_key(alice, nonce):
    with pytest.raises(InvalidApiKey) as refusal:
        send(alice, nonce)

    assert (refusal.value.field, refusal.value.message) == ("nonce", "This form is incomplete. Send it again.")
    assert keys_of(alice) == []
    assert Handover.objects.count() == 0


@pytest.mark.parametrize("nonce", BAD_NONCES)
def test_a_receipt_or_a_download_without_a_real_nonce_does_nothing(alice, nonce):
    held = new_nonce()
    send(alice, held)

    confirm(alice, nonce)
    with pytest.raises(InvalidApiKey):
        download(alice, nonce)

    assert download(alice, held).key.id in keys_of(alice)


# What is stored


def test_the_nonce_is_never_stored(alice, nonce):
    send(alice, nonce)

    found = tables_with(nonce)
    assert tables_with(digest(nonce)) == ["apikeys_handover"]
    assert found == []


def test_the_value_is_stored_nowhere_in_clear(alice, nonce):
    issued = send(alice, nonce)

    found = tables_with(issued.value)
    assert Handover.objects.get().sealed is not None
    assert found == []


def test_a_thief_with_the_database_and_all_secrets_of_the_server_opens_nothing(alice, nonce, settings):
    send(alice, nonce)
    row = Handover.objects.get()
    sealed, bound = bytes(row.sealed), f"{row.iam_id} {row.key_id}".encode()
    stolen = [str(cell).encode() for cells in all_cells().values() for cell in cells]
    stolen += [settings.SECRET_KEY.encode(), *settings.APIKEYS_PEPPERS.by_number.values()]
    stolen += [bytes.fromhex(row.nonce_digest), bound, b""]

    opened = [text for text in stolen if opens(text, sealed, bound)]

    assert opened == []
    assert opens(nonce.encode(), sealed, bound), "the attack itself works, with the one thing that is not there"


def opens(text: bytes, sealed: bytes, bound: bytes) -> bool:
    """Tell whether a key derived from `text`, or `text` itself as a key, opens the seal."""
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"apikeys hand-over v1").derive(text)
    for key in [derived] + [text] * (len(text) in (16, 24, 32)):
        try:
            AESGCM(key).decrypt(sealed[:12], sealed[12:], bound)
        except InvalidTag:
            continue
        return True
    return False


def test_two_seals_never_share_an_initialization_vector(alice):
    for _ in range(50):
        send(alice, new_nonce())

    sealed = [bytes(row.sealed) for row in Handover.objects.all()]
    assert len({box[:12] for box in sealed}) == len({box[12:] for box in sealed}) == 50


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_no_byte_of_the_database_on_disk_ever_holds_the_value_or_the_nonce(alice, nonce):
    issued = send(alice, nonce, "a name that is searched for")
    sealed = bytes(Handover.objects.get().sealed)
    during = database_bytes()
    confirm(alice, nonce)
    deletion.delete_api_key(caller_for(alice), issued.key.id)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    after = database_bytes()

    found = [secret in moment for secret in (issued.value.encode(), nonce.encode()) for moment in (during, after)]
    assert found == [False] * 4
    assert b"a name that is searched for" in during, "the search finds what is there"
    assert sealed in during
    assert sealed not in after, "what was wiped is overwritten, not only forgotten"


# The same form again


@pytest.mark.parametrize("name", ["terraform", "something else"])
def test_the_same_form_sent_again_gives_the_same_key_whatever_it_says_and_makes_no_second(alice, nonce, name):
    first = send(alice, nonce, "terraform")

    second = send(alice, nonce, name)

    assert is_same(first, second)
    assert keys_of(alice) == [first.key.id]
    assert second.key.name == "terraform"


def test_two_forms_make_two_keys(alice):
    first, second = send(alice, new_nonce()), send(alice, new_nonce())

    assert not is_same(first, second)
    assert sorted(keys_of(alice)) == sorted([first.key.id, second.key.id])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limit", [20, 1])
def test_twenty_sends_of_one_form_at_once_make_one_key_even_if_it_takes_the_last_room(alice, nonce, settings, limit):
    settings.APIKEYS_PER_IDENTITY = limit

    outcomes = at_once(20, lambda: send(alice, nonce))

    failures = [outcome for outcome in outcomes if not isinstance(outcome, IssuedApiKey)]
    assert failures == []
    assert all(is_same(outcome, outcomes[0]) for outcome in outcomes)
    assert keys_of(alice) == [outcomes[0].key.id]
    assert Handover.objects.count() == 1


def test_after_the_receipt_the_value_is_not_handed_over_again(alice, nonce):
    issued = send(alice, nonce)

    confirm(alice, nonce)

    with pytest.raises(AlreadyReceived) as refusal:
        send(alice, nonce)
    assert refusal.value.key_id == issued.key.id
    assert keys_of(alice) == [issued.key.id]
    assert Handover.objects.get().sealed is None


def test_a_receipt_that_arrives_twice_or_for_nothing_does_no_harm(alice, nonce):
    issued = send(alice, nonce)

    confirm(alice, new_nonce())
    still_there = is_same(send(alice, nonce), issued)
    confirm(alice, nonce)
    first_receipt = Handover.objects.get().received_at
    confirm(alice, nonce)

    assert still_there
    assert Handover.objects.get().received_at == first_receipt


@pytest.mark.django_db(transaction=True)
def test_sends_and_receipts_at_once_end_with_one_key_and_no_seal(alice, nonce):
    issued = send(alice, nonce)

    def send_and_confirm():
        try:
            return send(alice, nonce)
        finally:
            confirm(alice, nonce)

    outcomes = at_once(20, send_and_confirm)

    assert {type(outcome) for outcome in outcomes} <= {IssuedApiKey, AlreadyReceived}
    assert all(is_same(outcome, issued) for outcome in outcomes if isinstance(outcome, IssuedApiKey))
    assert keys_of(alice) == [issued.key.id]
    assert Handover.objects.get().sealed is None


# Somebody else's nonce


def test_bob_with_alices_nonce_gets_a_key_of_his_own_as_if_hers_never_was(alice, bob, nonce):
    alices = send(alice, nonce)

    bobs = send(bob, nonce)

    assert not is_same(alices, bobs)
    assert bobs.key.iam_id == bob.iam_id
    assert (keys_of(alice), keys_of(bob)) == ([alices.key.id], [bobs.key.id])
    assert is_same(send(alice, nonce), alices)
    assert is_same(send(bob, nonce), bobs)


def test_bob_can_neither_confirm_nor_download_what_is_on_its_way_to_alice(alice, bob, nonce):
    issued = send(alice, nonce)

    confirm(bob, nonce)
    confirm_by_picture(bob, nonce)
    with pytest.raises(ApiKeyNotFound):
        download(bob, nonce)

    assert is_same(send(alice, nonce), issued)


def test_after_alices_receipt_her_nonce_is_still_nothing_to_bob(alice, bob, nonce):
    send(alice, nonce)
    confirm(alice, nonce)

    with pytest.raises(ApiKeyNotFound):
        download(bob, nonce)
    assert send(bob, nonce).key.iam_id == bob.iam_id


# Time


def test_within_300_seconds_the_value_is_handed_over(alice, nonce):
    issued = send(alice, nonce)

    let_pass(seconds=270)

    assert is_same(send(alice, nonce), issued)
    assert is_same(download(alice, nonce), issued)


@pytest.mark.clock
@pytest.mark.parametrize("seconds", [301, -3600])
def test_after_300_seconds_or_once_the_clock_is_back_an_hour_the_value_is_handed_over_no_more(alice, nonce, seconds):
    issued = send(alice, nonce)

    let_pass(seconds)

    with pytest.raises(HandoverExpired) as refusal:
        send(alice, nonce)
    assert_refused(HandoverExpired, alice, nonce)
    assert refusal.value.key_id == issued.key.id
    assert more_time(alice, nonce) is None
    assert keys_of(alice) == [issued.key.id]


@pytest.mark.clock
@pytest.mark.parametrize(
    ("extensions", "seconds", "is_kept"),
    [
        (0, 240, True),
        (0, 300 - 5, False),  # it would be too old before the next sweep
        (0, 400, False),
        (1, 590, True),
        (1, 600 - 5, False),
        (0, -50, True),  # the clocks of two servers
        (0, -3600, False),
    ],
)
def test_the_sweep_wipes_what_has_waited_too_long_and_leaves_the_rest(alice, nonce, extensions, seconds, is_kept):
    issued = send(alice, nonce)
    for _ in range(extensions):
        more_time(alice, nonce)
    let_pass(seconds)

    delivery.Sweep().run()

    assert (Handover.objects.get().sealed is not None) == is_kept
    if is_kept:
        assert is_same(send(alice, nonce), issued)
    else:
        assert_refused(HandoverExpired, alice, nonce)
    assert keys_of(alice) == [issued.key.id]


# More time


def test_each_extension_lets_the_value_wait_300_seconds_more(alice, nonce):
    issued = send(alice, nonce)
    begun = Handover.objects.get().sealed_at

    first = more_time(alice, nonce)
    let_pass(seconds=590)
    within_600 = is_same(send(alice, nonce), issued)
    second = more_time(alice, nonce)
    let_pass(seconds=300)

    assert first == delivery.Wait(begun + timedelta(seconds=595), extensions_left=1)
    assert within_600
    assert second.extensions_left == 0
    assert is_same(send(alice, nonce), issued)
    let_pass(seconds=11)
    with pytest.raises(HandoverExpired):
        send(alice, nonce)


def test_a_third_extension_changes_nothing(alice, nonce):
    send(alice, nonce)

    waits = [more_time(alice, nonce) for _ in range(3)]

    assert [wait.extensions_left for wait in waits] == [1, 0, 0]
    assert waits[2] == waits[1]


@pytest.mark.django_db(transaction=True)
def test_of_twenty_extensions_at_once_two_count(alice, nonce):
    send(alice, nonce)

    at_once(20, lambda: more_time(alice, nonce))

    assert Handover.objects.get().extensions == 2


def test_the_first_key_of_a_service_id_has_a_nonce_of_its_own_and_the_same_one_each_time(alice):
    first = delivery.Delivery(alice.iam_id, "n" * 22).for_first_key()

    assert (first.iam_id, first.nonce) == (
        alice.iam_id, "81ee4769fbdb715fc9b3d5c8f6a21c80c035c5fb395dd8230ce2a2cc9adaf2c2",
    )  # fmt: skip


def test_a_value_that_the_release_before_sealed_is_a_first_value(alice, nonce):
    issued = send(alice, nonce)
    Handover.objects.update(value_number=None)

    assert is_same(send(alice, nonce), issued)


def test_where_it_must_be_the_same_key_another_draft_is_refused(alice, nonce):
    def send_same(name: str, description: str = "") -> IssuedApiKey:
        draft = ApiKeyDraft(name, description, iam_id=alice.iam_id)
        return creation.create_api_key(caller_for(alice), draft, delivery_for(alice, nonce), same_only=True)

    issued = send_same("terraform", "Applies changes")

    assert is_same(send_same("terraform", "Applies changes"), issued)
    for other in (("ansible", "Applies changes"), ("terraform", "")):
        with pytest.raises(IdempotencyKeyReused):
            send_same(*other)
    assert is_same(send(alice, nonce), issued)


def test_the_maker_of_a_key_is_told_until_when_its_value_surely_waits(alice, nonce):
    begun, again, before = delivery_for(alice, nonce), delivery_for(alice, nonce), timezone.now()

    for sent in (begun, again):
        creation.create_api_key(caller_for(alice), ApiKeyDraft("terraform"), sent)

    assert begun.wait == again.wait
    assert begun.wait is not None
    assert begun.wait.extensions_left == 2
    sealed_at = Handover.objects.get().sealed_at
    assert begun.wait.until == sealed_at + timedelta(seconds=300) - delivery.SWEEP
    assert before <= sealed_at <= timezone.now()


def test_the_one_download_of_a_page_without_script_waits_longer_too(alice, nonce):
    issued = send(alice, nonce)
    confirm_by_picture(alice, nonce)

    more_time(alice, nonce)
    let_pass(seconds=400)

    assert is_same(download(alice, nonce), issued)
    assert more_time(alice, nonce) is None


def test_what_was_received_is_over_or_is_somebody_elses_gets_no_more_time(alice, bob, nonce):
    received, over = new_nonce(), new_nonce()
    send(alice, over)
    let_pass(seconds=301)
    for sent in (received, nonce):
        send(alice, sent)
    confirm(alice, received)

    answers = [more_time(alice, received), more_time(alice, over), more_time(bob, nonce)]
    answers += [more_time(alice, bad) for bad in BAD_NONCES]

    assert set(answers) == {None}
    assert set(Handover.objects.values_list("extensions", flat=True)) == {0}


# The clock is set back


@pytest.mark.clock
@pytest.mark.parametrize(("extensions", "most"), [(0, 360), (1, 660), (2, 960)])
def test_a_clock_that_is_set_back_again_and_again_keeps_nothing_sealed(alice, nonce, extensions, most):
    ran = [0.0]
    sweep = delivery.Sweep(monotonic=lambda: ran[0])
    send(alice, nonce)
    for _ in range(extensions):
        more_time(alice, nonce)

    while Handover.objects.get().sealed is not None and ran[0] < 2000:  # the row never gets older
        ran[0] += 5
        sweep.run()

    assert most - 5 <= ran[0] <= most


@pytest.mark.clock
def test_more_values_than_one_statement_may_name_are_wiped_when_the_clock_is_set_back(alice):
    send(alice, new_nonce())
    row = Handover.objects.get()
    more = [
        Handover(nonce_digest=f"{n}", iam_id="x", key_id="x", sealed=b"x", sealed_at=row.sealed_at) for n in range(2500)
    ]
    Handover.objects.bulk_create(more)
    ran = [0.0]
    sweep = delivery.Sweep(monotonic=lambda: ran[0])
    sweep.run()

    ran[0] = 400.0
    with CaptureQueriesContext(connection) as asked:
        sweep.run()

    assert not Handover.objects.filter(sealed__isnull=False).exists()
    assert max(query["sql"].count(",") for query in asked) <= 1100


@pytest.mark.clock
def test_a_clock_that_is_set_back_ends_nothing_that_was_begun_since(alice, nonce):
    ran = [0.0]
    sweep = delivery.Sweep(monotonic=lambda: ran[0])
    send(alice, new_nonce())
    sweep.run()
    ran[0] = 400.0
    issued = send(alice, nonce)

    sweep.run()

    assert [row.key_id for row in Handover.objects.filter(sealed__isnull=False)] == [issued.key.id]


@pytest.mark.clock
def test_a_reservation_from_the_future_is_unconfirmed_and_waits_for_no_response(alice, nonce, settings):
    settings.APIKEYS_BACKEND = "ibm-cloud"
    delivery_for(alice, nonce).reserve("terraform")
    let_pass(seconds=-3600)

    assert not delivery_for(alice, nonce).is_reserved()
    with pytest.raises(CreationUnconfirmed):
        delivery_for(alice, nonce).open()
    assert [creation.name for creation in unconfirmed.creations(caller_for(alice))] == ["terraform"]


# Thirty days


def test_a_sweep_that_finds_nothing_asks_twice_and_writes_nothing(alice, nonce, django_assert_num_queries):
    send(alice, nonce)
    confirm(alice, nonce)

    with django_assert_num_queries(2):
        delivery.Sweep().run()


def test_rows_are_forgotten_after_thirty_days_and_not_before(alice):
    send(alice, new_nonce())
    let_pass(seconds=30 * 24 * 3600 + 1)
    send(alice, new_nonce())
    let_pass(seconds=29 * 24 * 3600)
    Handover.objects.filter(created_at__lt=timezone.now() - timedelta(days=40)).update(iam_id="the older one")

    delivery.Sweep().run()

    assert [row.iam_id for row in Handover.objects.all()] == [alice.iam_id]


# Delete


def test_deleting_the_key_wipes_what_is_still_on_its_way(alice, nonce):
    issued = send(alice, nonce)

    deletion.delete_api_key(caller_for(alice), issued.key.id)

    assert Handover.objects.get().sealed is None
    with pytest.raises(ApiKeyNotFound):
        send(alice, nonce)
    assert keys_of(alice) == []


def test_deleting_alice_wipes_what_is_still_on_its_way_to_her(alice, bob, nonce):
    send(alice, nonce)
    bobs = send(bob, nonce)

    alice.delete()

    assert ApiKeyRecord.objects.exclude(iam_id=bob.iam_id).count() == 0
    assert [row.iam_id for row in Handover.objects.filter(sealed__isnull=False)] == [bob.iam_id]
    assert is_same(send(bob, nonce), bobs)


# Tampering


def with_one_bit_changed(box: bytes, place: int) -> bytes:
    changed = bytearray(box)
    changed[place] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    "spoil",
    [
        *(partial(with_one_bit_changed, place=place) for place in (0, 11, 12, 30, 55, 56, -1)),
        *(lambda _box, length=length: b"x" * length for length in (0, 1, 12, 27)),
    ],
)
def test_a_seal_with_one_changed_bit_or_too_few_bytes_opens_to_nobody(alice, nonce, spoil):
    send(alice, nonce)
    row = Handover.objects.get()

    Handover.objects.update(sealed=spoil(bytes(row.sealed)))

    assert_refused(HandoverExpired, alice, nonce)
    assert keys_of(alice) == [row.key_id]


def test_a_seal_moved_to_another_person_or_key_opens_to_nobody(alice, bob, nonce):
    send(alice, nonce)
    other = send(alice, new_nonce())
    send(bob, nonce)
    alices_box = Handover.objects.get(iam_id=alice.iam_id, nonce_digest=digest(nonce)).sealed

    Handover.objects.filter(iam_id=bob.iam_id).update(sealed=alices_box)
    with pytest.raises(HandoverExpired):
        send(bob, nonce)

    Handover.objects.filter(iam_id=alice.iam_id, nonce_digest=digest(nonce)).update(key_id=other.key.id)
    with pytest.raises(HandoverExpired):
        send(alice, nonce)


# Without script


def test_the_picture_on_a_page_without_script_ends_the_showing_but_leaves_one_download(alice, nonce):
    issued = send(alice, nonce)

    confirm_by_picture(alice, nonce)
    with pytest.raises(AlreadyReceived):
        send(alice, nonce)
    downloaded = download(alice, nonce)

    assert is_same(downloaded, issued)
    with pytest.raises(AlreadyReceived) as refused:
        download(alice, nonce)
    assert refused.value.key_id == issued.key.id
    assert Handover.objects.get().sealed is None
    assert keys_of(alice) == [issued.key.id]


def test_a_download_before_any_receipt_is_the_receipt(alice, nonce):
    issued = send(alice, nonce)

    downloaded = download(alice, nonce)

    assert is_same(downloaded, issued)
    assert_refused(AlreadyReceived, alice, nonce)


@pytest.mark.parametrize(
    ("first", "then", "error"),
    [
        (confirm_by_picture, confirm, AlreadyReceived),
        (confirm, confirm_by_picture, AlreadyReceived),
        (confirm_by_picture, lambda _alice, _nonce: let_pass(seconds=301), HandoverExpired),
    ],
    ids=["the window was closed", "the picture comes late", "300 seconds are over"],
)
def test_the_one_download_is_not_there_any_more(alice, nonce, first, then, error):
    send(alice, nonce)

    first(alice, nonce)
    then(alice, nonce)

    with pytest.raises(error):
        download(alice, nonce)


def test_a_download_for_an_unknown_nonce_is_not_found(alice):
    with pytest.raises(ApiKeyNotFound):
        download(alice, new_nonce())


@pytest.mark.django_db(transaction=True)
def test_of_twenty_downloads_at_once_one_gets_the_file(alice, nonce):
    issued = send(alice, nonce)
    confirm_by_picture(alice, nonce)

    outcomes = at_once(20, lambda: download(alice, nonce))

    files = [outcome for outcome in outcomes if isinstance(outcome, IssuedApiKey)]
    assert len(files) == 1
    assert is_same(files[0], issued)
    assert {type(outcome) for outcome in outcomes if outcome not in files} == {AlreadyReceived}


# The limit


def test_the_form_that_took_the_last_room_can_be_sent_again(alice, nonce, settings):
    settings.APIKEYS_PER_IDENTITY = 1
    issued = send(alice, nonce)

    again = send(alice, nonce)

    assert is_same(again, issued)
    with pytest.raises(ApiKeyLimitReached):
        send(alice, new_nonce())


def test_a_form_refused_by_the_limit_works_once_there_is_room(alice, nonce, settings):
    settings.APIKEYS_PER_IDENTITY = 1
    old = send(alice, new_nonce())
    with pytest.raises(ApiKeyLimitReached):
        send(alice, nonce)
    deletion.delete_api_key(caller_for(alice), old.key.id)

    issued = send(alice, nonce)

    genuine = is_genuine(issued.value, settings.APIKEYS_PREFIX)
    assert genuine
    assert keys_of(alice) == [issued.key.id]
