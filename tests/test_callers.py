"""Who acts in a request: found once, and again where somebody logs in or another account is chosen meanwhile."""

import time

import pytest
from django.test import RequestFactory

from apikeys.exceptions import AccountNeeded
from apikeys.iam.client import TokenPair
from apikeys.identity.callers import caller_of
from apikeys.models import StoredTokens
from apikeys.upstream.sessions import IAMAccess


@pytest.fixture
def request_of_alice(alice):
    request = RequestFactory().get("/")
    request.client_address, request.correlation_id, request.user = "192.0.2.7", "0" * 32, alice
    return request


def test_the_caller_of_a_request_is_one_object_until_somebody_else_logs_in(request_of_alice, alice, bob):
    first, again = caller_of(request_of_alice), caller_of(request_of_alice)

    request_of_alice.user = bob
    other = caller_of(request_of_alice)

    assert first is again
    assert (first.identity.iam_id, other.identity.iam_id) == (alice.iam_id, bob.iam_id)


def test_the_caller_of_a_request_has_the_account_that_was_chosen_in_it(request_of_alice, alice, settings):
    settings.APIKEYS_BACKEND = "ibm-cloud"
    tokens = StoredTokens(account_id="")
    pair = TokenPair("an access token", "", int(time.time()) + 3600)
    request_of_alice.iam_access = IAMAccess("a session", alice.iam_id, time.monotonic() + 9, _row=tokens, _pair=pair)
    with pytest.raises(AccountNeeded):
        caller_of(request_of_alice)

    tokens.account_id = "a" * 32
    first = caller_of(request_of_alice)
    tokens.account_id = "b" * 32
    second = caller_of(request_of_alice)

    assert (first.identity.account_id, second.identity.account_id) == ("a" * 32, "b" * 32)
