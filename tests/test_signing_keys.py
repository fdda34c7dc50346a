"""Keys that sign access tokens: published first, signing later, kept as long as a token that they signed lives."""

from datetime import timedelta

import jwt
import pytest
from django.utils import timezone

from apikeys.exceptions import Unauthenticated
from apikeys.identity import signing
from apikeys.models import SigningKey
from tests.conftest import NOON

pytestmark = pytest.mark.django_db

AHEAD = signing.PUBLISHED_AHEAD
TOKENS_LIVE = signing.LIFETIME + timedelta(seconds=signing.LEEWAY_SECONDS)


def a_token(**more: object) -> str:
    now = int(timezone.now().timestamp())
    about = {"iam_id": "IBMid-1", "jti": "00000000-0000-4000-8000-000000000000", "iss": signing.issuer()}
    return signing.sign(about | {"iat": now, "exp": now + 3600} | more)


def header(token: str) -> dict[str, str]:
    return dict(jwt.get_unverified_header(token))


def published() -> list[str]:
    return [key["kid"] for key in signing.public_keys()]


def is_good(token: str) -> bool:
    try:
        signing.read(token)
    except Unauthenticated:
        return False
    return True


def pass_time(time: timedelta) -> None:
    """Let everything have been that much earlier."""
    for record in SigningKey.objects.all():
        record.signs_from -= time
        record.created_at -= time
        record.save()


@pytest.fixture
def another_secret_key(settings):
    """The console after a restart with another SECRET_KEY."""
    a_token()
    settings.SECRET_KEY = "another secret key that is as long as it has to be, or longer"


def test_the_first_key_signs_at_once_because_no_other_can():
    token = a_token()

    assert published() == [header(token)["kid"]]
    assert is_good(token)


def test_a_new_key_is_published_at_once_and_signs_when_verifiers_know_it():
    before = a_token()
    new = signing.rotate()

    meanwhile = a_token()
    assert header(meanwhile)["kid"] == header(before)["kid"]
    assert published() == [new.kid, header(before)["kid"]]

    pass_time(AHEAD - timedelta(seconds=5))
    assert header(a_token())["kid"] == header(before)["kid"]

    pass_time(timedelta(seconds=5))
    after = a_token()
    assert header(after)["kid"] == new.kid
    assert [is_good(token) for token in (before, meanwhile, after)] == [True, True, True]


def test_another_algorithm_signs_when_its_first_key_is_known(settings):
    before = a_token()
    settings.TOKEN_ALGORITHM = "ES256"

    meanwhile, again = a_token(), a_token()
    pass_time(AHEAD)
    after = a_token()

    assert [header(token)["alg"] for token in (before, meanwhile, again, after)] == ["RS256", "RS256", "RS256", "ES256"]
    assert [is_good(token) for token in (before, meanwhile, after)] == [True, True, True]
    assert len(published()) == 2

    settings.TOKEN_ALGORITHM = "RS256"
    assert header(a_token()) == header(before), "the setting as it was finds its key as it was"


def test_under_another_secret_key_a_new_key_signs_at_once_because_no_other_can(another_secret_key):
    token = a_token()

    assert published() == [header(token)["kid"]]
    assert is_good(token)
    assert SigningKey.objects.count() == 2


def test_a_key_stays_until_the_last_token_that_it_signed_has_run_out():
    first = header(a_token())["kid"]
    signing.rotate()

    pass_time(AHEAD + TOKENS_LIVE - timedelta(seconds=30))
    signing.rotate()
    assert first in published(), "it signed until the second one began"

    pass_time(timedelta(seconds=31))
    signing.rotate()
    assert first not in published()


def test_keys_published_in_a_row_leave_the_one_that_signs():
    first = header(a_token())["kid"]
    for _time in range(5):
        pass_time(timedelta(minutes=1))
        signing.rotate()

    assert header(a_token())["kid"] == first
    assert len(published()) == 6


def test_a_clock_that_was_set_back_stops_no_token():
    token = a_token()

    pass_time(-timedelta(hours=2))

    assert header(a_token()) == header(token)
    assert len(published()) == 1


def test_signatures_are_remembered_up_to_a_number_and_the_one_of_longest_ago_goes():
    kept = signing._Remembered(2)
    first, second, third = (signing.Signed(kid, {}, ()) for kid in "abc")
    kept.put(b"1", first)
    kept.put(b"2", second)
    assert kept.get(b"1") is first

    kept.put(b"3", third)

    assert [kept.get(digest) for digest in (b"1", b"2", b"3")] == [first, None, third]


def test_a_signature_is_verified_once_and_a_key_of_another_name_is_not_looked_for(django_assert_num_queries):
    token = a_token()
    signed = signing.verified(token)
    forged = jwt.encode({}, "x" * 32, headers={"kid": "A" * 32})

    with django_assert_num_queries(0):
        assert signing.verified(token) is signed
        with pytest.raises(Unauthenticated):
            signing.verified(forged)


def test_a_token_of_a_key_that_no_secret_key_opens_is_refused(settings):
    token = a_token()
    settings.SECRET_KEY = "another secret key that is as long as it has to be, or longer"

    assert not is_good(token)


def test_a_token_is_good_for_five_seconds_after_its_end_and_not_a_moment_more(at):
    token = a_token()

    for late, is_still_good in ((5 - 1e-6, True), (5, False)):
        at(NOON + timedelta(hours=1, seconds=late))
        assert is_good(token) is is_still_good


def test_what_an_earlier_secret_key_sealed_is_sealed_again_and_what_nobody_opens_is_left(settings):
    former = settings.SECRET_KEY
    kid = header(a_token())["kid"]
    SigningKey.objects.create(kid="0" * 32, algorithm="ES256", sealed_private_key=b"x" * 64, signs_from=timezone.now())
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the present one " * 4, [former]

    assert signing.seal_again() == 1

    settings.SECRET_KEY_FALLBACKS = []
    assert published() == [kid]
    assert bytes(SigningKey.objects.get(kid="0" * 32).sealed_private_key) == b"x" * 64


# Whom a token is for


@pytest.mark.parametrize("audience", ["services", ["services"], ["others", "services"]])
def test_a_token_for_this_audience_is_good(settings, audience):
    settings.TOKEN_AUDIENCE = "services"

    assert is_good(a_token(aud=audience))


@pytest.mark.parametrize("audience", ["others", ["others"], [], "", 7, {"services": True}, "Services"])
def test_a_token_for_another_audience_is_refused_where_there_is_one(settings, audience):
    token = a_token(aud=audience)
    assert is_good(token), "without an audience the claim says nothing"

    settings.TOKEN_AUDIENCE = "services"

    assert not is_good(token), "a signature that is remembered does not make it good"
    assert is_good(a_token()), "a token from before the setting goes on until it expires"
