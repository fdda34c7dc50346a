"""What a scope covers, and what two have in common: a token never allows what its key does not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apikeys import scopes
from apikeys.exceptions import InvalidApiKey

pytestmark = pytest.mark.once

thoroughly = settings(deadline=None, database=None, max_examples=300)
NAMES = st.lists(st.sampled_from([scopes.READ, scopes.WRITE, "billing:read", "billing:write", "logs"]), max_size=4)
SCOPES = NAMES.map(scopes.clean)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")


def allowed(scope: str | None) -> set[str]:
    """Return all that a scope allows, one by one."""
    everything = {*METHODS, "billing:read", "billing:write", "logs"}
    if scope is None:
        return set()
    return {one for one in everything if scopes.permits(scope, one) or one in scope.split()} if scope else everything


@thoroughly
@given(SCOPES, SCOPES)
def test_what_two_scopes_have_in_common_allows_what_both_allow(one, other):
    common = scopes.common(one, other)

    assert allowed(common) <= allowed(one) & allowed(other)
    assert common == scopes.common(other, one)
    if common is not None:
        assert scopes.covers(one, common)
        assert scopes.covers(other, common)


@thoroughly
@given(SCOPES, SCOPES)
def test_a_scope_that_covers_another_is_what_both_have_in_common(outer, inner):
    if scopes.covers(outer, inner):
        assert allowed(inner) <= allowed(outer)
        assert allowed(scopes.common(outer, inner)) == allowed(inner)


def test_to_change_keys_is_to_see_them_and_not_the_other_way_round():
    assert [scopes.permits(scopes.WRITE, method) for method in METHODS] == [True] * 5
    assert [scopes.permits(scopes.READ, method) for method in METHODS] == [True, True, False, False, False]
    assert [scopes.permits("billing:read", method) for method in METHODS] == [False] * 5
    assert [scopes.permits("", method) for method in METHODS] == [True] * 5


def test_a_client_of_ibm_that_names_its_scope_asks_for_everything():
    assert scopes.asked("ibm openid") == scopes.asked("openid") == scopes.asked("") == ""
    assert scopes.asked("openid logs billing:read") == "billing:read logs"


@pytest.mark.parametrize("name", ["Read", "a b", "ä", "a\nb", "-a", "a" * 65])
def test_what_can_be_no_name_is_refused(name):
    with pytest.raises(InvalidApiKey):
        scopes.clean([name])


def test_white_space_around_names_and_empty_ones_do_not_matter():
    assert scopes.clean([" logs\n", "", "billing:read", "logs"]) == "billing:read logs"


def test_more_names_than_are_kept_are_refused():
    with pytest.raises(InvalidApiKey):
        scopes.clean(f"{number:064}" for number in range(20))
