"""What is issued for a key or a person, what renews it, what ends it, and what is forgotten of it."""

import hashlib
from datetime import timedelta

import jwt
import pytest
from django.db import OperationalError
from django.db.models.signals import pre_save

from apikeys import audit, exceptions
from apikeys.audit import counted
from apikeys.clocks import CLOCK_SET_BACK
from apikeys.domain import ApiKeyDraft, Origin, Overlap, Reason, ServiceIdDraft
from apikeys.iam import oauth
from apikeys.identity import lookups, signing, tokens, users
from apikeys.models import ApiKeyRecord, AuditEvent, PreviousValue, RefreshToken, Revocation
from apikeys.services import deletion, keys, refusals, rotation, service_ids
from apikeys.usage import counting
from tests.conftest import NOON, caller_for, delivery_for

pytestmark = pytest.mark.django_db

MOMENT, HOUR, DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)
SHELL = Origin(address="192.0.2.7", agent="curl/8.5.0")


def logged_in(person, origin: Origin = SHELL) -> tokens.Tokens:
    stamp = users.password_stamp(person)
    subject = tokens.Subject(users.identity_of(person), oauth.GRANT_PASSWORD, password_stamp=stamp)
    return tokens.issue(subject, client_id="bx", with_refresh=True, origin=origin)


def exchanged(issued) -> tokens.Tokens:
    return tokens.issue(tokens.authenticate(issued.value, Origin()), client_id="bx", with_refresh=True)


def renewed(found: tokens.Tokens) -> tokens.Tokens:
    return tokens.refresh(found.refresh_token, client_id="bx", origin=SHELL)


def claims(found: tokens.Tokens) -> dict:
    return jwt.decode(found.access_token, options={"verify_signature": False})


def works(found: tokens.Tokens) -> bool:
    try:
        tokens.identify(found.access_token, Origin())
    except exceptions.Unauthenticated:
        return False
    return True


def renews(found: tokens.Tokens) -> bool:
    try:
        renewed(found)
    except exceptions.TokenRefused:
        return False
    return True


def row_of(found: tokens.Tokens) -> RefreshToken:
    return RefreshToken.objects.get(digest=hashlib.sha256(found.refresh_token.encode()).hexdigest())


# What is issued


def test_a_token_of_alices_says_who_she_is(at, alice):
    found = logged_in(alice)

    said = claims(found)
    assert len(said.pop("jti")) == 36
    assert said.pop("session_id") == str(row_of(found).family)
    assert said == {
        "iam_id": alice.iam_id,
        "id": alice.iam_id,
        "realmid": "IBMid",
        "identifier": alice.iam_id.removeprefix("IBMid-"),
        "given_name": "Alice",
        "family_name": "Liddell",
        "name": "Alice Liddell",
        "email": "alice@example.com",
        "sub": "alice@example.com",
        "account": {"valid": True, "bss": alice.account_id, "frozen": True},
        "iat": int(NOON.timestamp()),
        "exp": int(NOON.timestamp()) + 3600,
        "iss": signing.issuer(),
        "grant_type": "password",
        "scope": "ibm openid",
        "client_id": "bx",
        "acr": 1,
        "amr": ["pwd"],
        "password_stamp": users.password_stamp(alice),
    }
    assert (found.expiration, found.expires_in, found.scope) == (said["exp"], 3600, "ibm openid")


def test_somebody_without_an_address_is_called_by_name(at, bob):
    said = claims(logged_in(bob))

    assert (said["sub"], said["name"], said["email"]) == (bob.username, bob.username, "")


def test_a_token_of_a_key_says_which_key_and_not_how_alice_logs_in(at, alice, alices_key):
    said = claims(exchanged(alices_key))

    assert (said["iam_id"], said["api_key_id"]) == (alice.iam_id, alices_key.key.id)
    assert not {"password_stamp", "value_number", "sub_type"} & said.keys()


def test_a_token_of_a_service_id_says_that_it_is_one(at, alice):
    draft, key = ServiceIdDraft("backup robot"), ApiKeyDraft("first")
    service, issued = service_ids.create_service_id(caller_for(alice), draft, key=key, delivery=delivery_for(alice))

    said = claims(exchanged(issued))

    identifier = service.iam_id.removeprefix("iam-")
    assert (said["iam_id"], said["identifier"], said["sub"]) == (service.iam_id, identifier, identifier)
    assert (said["sub_type"], said["realmid"], said["name"]) == ("ServiceId", "iam", "backup robot")


def test_without_a_refresh_token_there_is_no_log_in_to_end(at, alice):
    subject = tokens.Subject(users.identity_of(alice), oauth.GRANT_PASSWORD, password_stamp=users.password_stamp(alice))

    found = tokens.issue(subject, client_id="", with_refresh=False)

    assert found.refresh_token == oauth.NO_REFRESH_TOKEN
    assert "session_id" not in claims(found)
    assert not RefreshToken.objects.exists()


def test_a_log_in_is_kept_with_its_place_and_a_key_without(at, alice, alices_key):
    row, of_key = row_of(logged_in(alice)), row_of(exchanged(alices_key))

    assert (row.iam_id, row.api_key_id, row.value_number, row.scope) == (alice.iam_id, "", 1, "")
    assert (row.address, row.agent) == (SHELL.address, SHELL.agent)
    assert (row.expires_at, row.family_ends_at) == (NOON + timedelta(hours=72), NOON + timedelta(days=30))
    assert row.password_stamp == users.password_stamp(alice)
    assert (of_key.iam_id, of_key.api_key_id, of_key.password_stamp) == (alice.iam_id, alices_key.key.id, "")
    assert (of_key.address, of_key.agent) == (None, None)


def test_a_place_is_cut_where_its_columns_end(at, alice):
    row = row_of(logged_in(alice, Origin(address="a" * 60, agent="curl/8.5.0 " * 40)))

    assert (len(row.address), len(row.agent)) == (45, 255)


@pytest.fixture
def full(request):
    """No refresh token can be stored."""

    def refuse(**_signal: object) -> None:
        raise OperationalError("the disk is full")

    pre_save.connect(refuse, sender=RefreshToken)
    request.addfinalizer(lambda: pre_save.disconnect(refuse, sender=RefreshToken))


@pytest.mark.django_db(transaction=True)
def test_a_key_is_exchanged_though_no_refresh_token_can_be_stored_and_a_log_in_is_not(full, alice, alices_key, caplog):
    found = exchanged(alices_key)
    with pytest.raises(OperationalError):
        logged_in(alice)

    assert (found.refresh_token, "session_id" in claims(found), works(found)) == (oauth.NO_REFRESH_TOKEN, False, True)
    assert [record.getMessage() for record in caplog.records] == [
        "An API key was exchanged without a refresh token, which can't be stored: the disk is full"
    ]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("apikeys:write", "The scope is wider than that of the API key."),
        ("nobody:knows", "This server does not know such a scope."),
        (" ".join(f"{'a' * 60}:{number}" for number in range(40)), "These are too many scopes."),
    ],
)
def test_a_scope_that_a_token_can_not_have_is_refused_in_a_sentence(alice, create_key, asked, sentence):
    subject = tokens.authenticate(create_key(alice, scope="apikeys:read").value, Origin())

    with pytest.raises(exceptions.PropertyRefused) as refused:
        tokens.narrowed(subject, asked)

    assert (refused.value.field, refused.value.message) == ("scope", sentence)
    assert tokens.narrowed(subject, "") == tokens.narrowed(subject, "apikeys:read") == subject


def test_of_several_spellings_the_first_that_is_a_keys_value_stands_for_its_owner(alice, alices_key):
    spellings = ["nobody's", alices_key.value[::-1], alices_key.value]

    assert tokens.authenticate_any(spellings, Origin()).api_key.id == alices_key.key.id
    with pytest.raises(exceptions.ValueNotFound):
        tokens.authenticate_any(spellings[:2], Origin())


def test_who_asks_about_a_value_gets_the_whole_record_and_uses_nothing(alice, alices_key, create_key):
    asker = tokens.issue(tokens.authenticate(alices_key.value, Origin()), client_id="", with_refresh=False)
    asked = create_key(alice, "asked", "What it is for")

    bearer, record = tokens.identify_and_find(asker.access_token, asked.value, Origin())

    assert bearer.identity.iam_id == alice.iam_id
    assert (record.id, record.name, record.description) == (asked.key.id, "asked", "What it is for")
    assert tokens.identify_and_find(asker.access_token, "nobody's", Origin())[1] is None


def test_each_earlier_value_of_a_key_is_told_by_its_number(alice, alices_key):
    for _time in range(2):
        rotation.rotate_api_key(caller_for(alice), alices_key.key.id, Overlap(HOUR, ends_previous=True))

    found = [lookups.previous_value(alices_key.key.id, number) for number in (1, 2, 3)]

    assert [told and (told.number, told.works) for told in found] == [(1, False), (2, True), None]
    assert lookups.previous_value("ApiKey-0", 1) is None


# What renews it


def test_a_refresh_token_works_once_and_used_again_ends_its_family_alone(at, alice):
    first, other = logged_in(alice), logged_in(alice)

    second = renewed(first)
    assert (works(second), row_of(first).used_at) == (True, NOON)
    assert claims(second)["session_id"] == claims(first)["session_id"]
    with pytest.raises(exceptions.RefreshTokenInvalid):
        renewed(first)

    assert [works(found) for found in (first, second, other)] == [False, False, True]
    assert [renews(found) for found in (second, first, other)] == [False, False, True]
    event = AuditEvent.objects.get(action=audit.LOG_IN)
    assert (event.reason, event.target_id, event.target_name) == (tokens.REUSED, alice.iam_id, "alice")
    assert (event.initiator_id, event.concerns, event.address) == ("", alice.iam_id, SHELL.address)


def test_a_refresh_token_of_a_key_that_is_used_again_is_told_to_the_keys_owner(at, alice, alices_key):
    counted._notes.cache_clear()
    first = exchanged(alices_key)
    renewed(first)

    with pytest.raises(exceptions.RefreshTokenInvalid):
        renewed(first)

    counted.write()
    event = AuditEvent.objects.get(action=audit.LOG_IN)
    assert (event.reason, event.concerns, event.target_name) == (tokens.REUSED, alice.iam_id, alices_key.key.name)


def test_a_refresh_token_that_ends_with_the_password_was_not_used_twice(at, alice):
    found = logged_in(alice)
    alice.set_password("staple battery horse correct")
    alice.save()

    with pytest.raises(exceptions.RefreshTokenInvalid):
        renewed(found)

    assert not AuditEvent.objects.filter(reason=tokens.REUSED).exists()


def test_a_refresh_token_of_another_family_than_any_is_refused_and_ends_nothing(at, alice):
    found = logged_in(alice)

    with pytest.raises(exceptions.RefreshTokenInvalid):
        tokens.refresh("nobody's", client_id="bx")

    assert (works(found), renews(found)) == (True, True)


def test_a_refresh_token_lasts_72_hours_and_not_a_moment_more(at, alice):
    first, second = logged_in(alice), logged_in(alice)

    at(NOON + 72 * HOUR - MOMENT)
    assert renews(first)
    at(NOON + 72 * HOUR)
    with pytest.raises(exceptions.RefreshTokenExpired):
        renewed(second)

    assert row_of(second).used_at is None


def test_a_family_ends_30_days_after_the_log_in_however_often_it_is_renewed(at, alice):
    found = logged_in(alice)
    for day in range(2, 30, 2):
        at(NOON + day * DAY)
        found = renewed(found)

    assert row_of(found).expires_at == NOON + 30 * DAY
    assert row_of(found).family_ends_at == NOON + 30 * DAY
    at(NOON + 30 * DAY)
    assert not renews(found)


def test_a_new_password_ends_the_family_for_good(at, alice):
    found, stamp = logged_in(alice), alice.password
    alice.set_password("another password of Alice's")
    alice.save()

    assert (works(found), renews(found)) == (False, False)

    alice.password = stamp
    alice.save()
    assert (works(found), renews(found)) == (False, False)


def test_while_alice_is_deactivated_her_refresh_token_is_refused_and_lives_on(at, alice, alices_key):
    own, of_key = logged_in(alice), exchanged(alices_key)
    alice.is_active = False
    alice.save()
    assert [(works(found), renews(found)) for found in (own, of_key)] == [(False, False)] * 2

    alice.is_active = True
    alice.save()

    assert [(works(found), renews(found)) for found in (own, of_key)] == [(True, True)] * 2


def test_what_no_browser_can_send_renews_nothing(db):
    with pytest.raises(exceptions.RefreshTokenInvalid):
        tokens.refresh("\ud800", client_id="bx")


def test_a_refresh_token_gives_no_more_than_its_key_has_by_then(at, alice, create_key):
    issued = create_key(alice)
    subject = tokens.narrowed(tokens.authenticate(issued.value, Origin()), "apikeys:write")
    found = tokens.issue(subject, client_id="bx", with_refresh=True)

    ApiKeyRecord.objects.update(scope="apikeys:read")

    assert renewed(found).scope == "apikeys:read"


# What ends it


def test_a_token_of_a_key_ends_with_the_value_it_was_made_with(alice, alices_key):
    of_first = exchanged(alices_key)
    second = rotation.rotate_api_key(caller_for(alice), alices_key.key.id, Overlap(HOUR))
    of_second = exchanged(second)
    assert (works(of_first), works(of_second)) == (True, True)

    PreviousValue.objects.update(is_ended=True)
    assert (works(of_first), works(of_second)) == (False, True)

    deletion.delete_api_key(caller_for(alice), alices_key.key.id)
    assert (works(of_first), works(of_second)) == (False, False)


def test_whoever_asks_about_a_value_with_a_token_that_is_refused_is_noted_and_uses_nothing(
    alice, alices_key, create_key, monkeypatch
):
    monkeypatch.setattr(counting, "_counters", {})
    asker, asked = exchanged(alices_key), create_key(alice, "asked")
    keys.disable_api_key(caller_for(alice), alices_key.key.id, disabled=True)

    with pytest.raises(exceptions.Unauthenticated):
        tokens.authenticate_for(asker.access_token, asked.value, SHELL)

    refusals.write_uses(everything=True)
    [noted] = refusals.why(caller_for(alice), alices_key.key.id).refusals
    assert (noted.reason, noted.agent) == (Reason.DISABLED, SHELL.agent)
    assert ApiKeyRecord.objects.get(id=asked.key.id).use_count == 0


def test_an_access_token_that_is_revoked_ends_alone(at, alice):
    found, other = logged_in(alice), logged_in(alice)

    tokens.revoke(found.access_token)

    assert [works(one) for one in (found, other)] == [False, True]
    revoked = Revocation.objects.get()
    assert str(revoked.id) == claims(found)["jti"]
    assert revoked.expires_at == NOON + HOUR + timedelta(seconds=signing.LEEWAY_SECONDS)
    assert renews(found)


def test_a_refresh_token_that_is_revoked_ends_all_of_its_log_in(at, alice):
    found, other = logged_in(alice), logged_in(alice)
    second = renewed(found)

    for _time in range(2):
        tokens.revoke(found.refresh_token, SHELL)

    event = AuditEvent.objects.get(action=audit.LOG_OUT)
    assert (event.initiator_id, event.target_id, event.target_name) == (alice.iam_id, alice.iam_id, "alice")
    assert (event.address, event.concerns) == (SHELL.address, None)
    assert [works(one) for one in (found, second, other)] == [False, False, True]
    assert [renews(one) for one in (second, other)] == [False, True]
    revoked = Revocation.objects.get()
    assert str(revoked.id) == claims(found)["session_id"]
    assert revoked.expires_at == NOON + HOUR + CLOCK_SET_BACK + timedelta(seconds=signing.LEEWAY_SECONDS)


def test_what_is_no_token_or_has_run_out_is_left_alone(at, alice):
    found = logged_in(alice)
    at(NOON + 2 * HOUR)

    for token in ("nobody's", "a.b.c", found.access_token):
        tokens.revoke(token)

    assert not Revocation.objects.exists()
    assert renews(found)


# What is forgotten


def test_a_refresh_token_is_forgotten_a_day_after_its_end_and_not_before(at, alice):
    found = logged_in(alice)

    at(NOON + 72 * HOUR + DAY)
    tokens.forget_expired()
    assert row_of(found)
    at(NOON + 72 * HOUR + DAY + MOMENT)
    tokens.forget_expired()

    assert not RefreshToken.objects.exists()


def test_one_from_further_ahead_than_a_clock_is_set_back_is_forgotten_at_once(at, alice):
    at(NOON + CLOCK_SET_BACK)
    within = logged_in(alice)
    at(NOON + CLOCK_SET_BACK + MOMENT)
    logged_in(alice)

    at(NOON)
    tokens.forget_expired()

    assert list(RefreshToken.objects.all()) == [row_of(within)]


def test_a_revocation_is_forgotten_when_its_token_has_run_out_and_no_sooner(at, alice):
    tokens.revoke(logged_in(alice).access_token)
    ends_at = Revocation.objects.get().expires_at

    at(ends_at)
    tokens.forget_expired()
    assert Revocation.objects.exists()
    at(ends_at + MOMENT)
    tokens.forget_expired()

    assert not Revocation.objects.exists()
    assert RefreshToken.objects.exists()
