"""The clock was ahead and is set back: what was given out before goes on, and lasts little longer for it."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from apikeys.clocks import CLOCK_SET_BACK, CLOCK_TOLERANCE
from apikeys.domain import Origin
from apikeys.exceptions import RefreshTokenExpired, TooManyAttempts, Unauthenticated
from apikeys.identity import signing, tokens
from apikeys.models import RefreshToken, Revocation, StoredTokens
from apikeys.upstream import sessions
from apikeys.upstream.sessions import IAMAccess
from apikeys.upstream.timeouts import RENEWAL_LEASE
from console.log_in import limiter
from console.models import LoginCounter

pytestmark = [pytest.mark.django_db, pytest.mark.clock]

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
ALICE = limiter.Attempt("192.0.2.7", "alice")


@pytest.fixture
def clock_ahead(monkeypatch):
    """Return a context in which the clock is ahead; it is set back at the end."""

    @contextmanager
    def ahead(by: timedelta):
        with monkeypatch.context() as patch:
            patch.setattr(timezone, "now", lambda: datetime.now(UTC) + by)
            yield

    return ahead


def issued(alices_key) -> tokens.Tokens:
    return tokens.issue(tokens.authenticate(alices_key.value, Origin()), client_id="bx", with_refresh=True)


# Access tokens


def test_a_token_from_before_works_at_once(clock_ahead, alice, alices_key):
    with clock_ahead(HOUR):
        token = issued(alices_key).access_token

    bearer = tokens.identify(token, Origin())

    assert bearer.identity.iam_id == alice.iam_id


def test_a_token_from_more_than_a_day_ahead_is_refused(clock_ahead, alices_key):
    issued(alices_key)  # its key is from now
    with clock_ahead(CLOCK_SET_BACK - 5 * SECOND):
        within = issued(alices_key).access_token
    with clock_ahead(CLOCK_SET_BACK + 5 * SECOND):
        beyond = issued(alices_key).access_token

    assert tokens.identify(within, Origin())
    with pytest.raises(Unauthenticated):
        tokens.identify(beyond, Origin())


def test_a_new_token_is_signed_with_a_key_that_was_made_ahead(clock_ahead, alices_key):
    with clock_ahead(HOUR):
        signing.rotate()

    assert tokens.identify(issued(alices_key).access_token, Origin())


def test_what_was_revoked_stays_revoked_as_long_as_its_tokens_last(clock_ahead, alices_key):
    with clock_ahead(HOUR):
        given = issued(alices_key)
    tokens.revoke(given.refresh_token)

    with clock_ahead(signing.LIFETIME + HOUR - SECOND):  # as if the time had passed
        tokens.forget_expired()

    assert Revocation.objects.exists()
    with pytest.raises(Unauthenticated):
        tokens.identify(given.access_token, Origin())


# Refresh tokens


def test_a_refresh_token_from_before_works_at_once(clock_ahead, alices_key):
    with clock_ahead(HOUR):
        token = issued(alices_key).refresh_token

    assert tokens.identify(tokens.refresh(token, client_id="bx").access_token, Origin())


def test_a_refresh_token_from_more_than_a_day_ahead_has_ended_and_is_forgotten(clock_ahead, alices_key):
    with clock_ahead(CLOCK_SET_BACK + 5 * SECOND):
        token = issued(alices_key).refresh_token

    with pytest.raises(RefreshTokenExpired):
        tokens.refresh(token, client_id="bx")

    tokens.forget_expired()
    assert not RefreshToken.objects.exists()


# Log-in


def attempt() -> int:
    """Return for how many seconds an attempt to log in is locked out, 0 where it is not."""
    try:
        limiter.reserve(ALICE)
    except TooManyAttempts as exc:
        return exc.retry_after
    return 0


def lock_out() -> None:
    for _attempt in range(6):
        attempt()


def test_a_lock_from_before_is_over(clock_ahead, settings):
    with clock_ahead(HOUR):
        lock_out()
        assert attempt()

    assert attempt() == 0


def test_a_lock_from_a_clock_that_is_hardly_ahead_holds_and_ends_hardly_later(clock_ahead, settings):
    """Servers that share a database never agree to the second: guesses at both count as guesses at one."""
    with clock_ahead(CLOCK_TOLERANCE - 5 * SECOND):
        lock_out()

    assert 0 < attempt() <= settings.LOGIN_WINDOW_SECONDS + CLOCK_TOLERANCE.total_seconds()


def test_counters_from_before_are_forgotten_at_the_next_sweep(clock_ahead):
    with clock_ahead(HOUR):
        lock_out()

    limiter.forget_ended()

    assert not LoginCounter.objects.exists()


def test_a_session_from_before_goes_on_unless_it_is_from_more_than_a_day_ahead(clock_ahead, alice):
    within, beyond = Client(), Client()
    for client, ahead in ((within, CLOCK_SET_BACK - 5 * SECOND), (beyond, CLOCK_SET_BACK + 5 * SECOND)):
        with clock_ahead(ahead):
            client.force_login(alice)

    assert within.get("/").status_code == 200
    assert beyond.get("/").status_code == 302
    assert Session.objects.count() == 2


# Tokens of an upstream IAM


def test_a_renewal_that_began_before_and_never_ended_blocks_no_other():
    def lease_is_free(ends_in: timedelta) -> bool:
        StoredTokens.objects.all().delete()
        row = StoredTokens.objects.create(
            session_digest=sessions._digest("session"), sealed=b"", renewing_until=timezone.now() + ends_in
        )
        return IAMAccess("session", "IBMid-1", deadline=0)._take_lease(row)

    assert lease_is_free(HOUR)
    assert not lease_is_free(RENEWAL_LEASE)
