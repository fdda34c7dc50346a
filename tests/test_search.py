"""What a search finds among texts is what the database finds, for a store that has no search of its own."""

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apikeys.backends.embedded import EmbeddedBackend
from apikeys.backends.search import is_found
from apikeys.domain import ApiKeyDraft, ApiKeyQuery, Condition, Match
from tests.conftest import caller_for

# The fixtures are those of the whole test, and each example undoes what it has written.
thoroughly = settings(
    deadline=None, database=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# Letters that fold into others or into several, marks that join, and what patterns take for more than itself.
LETTERS = "aAäÄßẞİiIıσςΣﬁﬀŁłÅÅK①Ⅳ½ﷺéé́̈🔑金 %_\\'\"*?[].-"
TEXT = st.text(st.sampled_from(LETTERS) | st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=8)


@st.composite
def texts_and_queries(draw) -> tuple[list[tuple[str, str]], str, list[tuple[str, Match, str]]]:
    """Return names with descriptions, a search, and conditions; most of what is looked for is a piece of them."""
    keys = draw(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
    source = "".join(name + description for name, description in keys)
    start = draw(st.integers(0, len(source)))
    piece = source[start : start + draw(st.integers(0, 4))]
    wanted = (
        st.sampled_from([piece, piece.upper(), piece.lower(), piece.swapcase(), *(name for name, _ in keys)]) | TEXT
    )
    condition = st.tuples(st.sampled_from(["name", "description"]), st.sampled_from(Match), wanted)
    return keys, draw(wanted), draw(st.lists(condition, max_size=2))


def found(person, keys: list[tuple[str, str]], search: str, conditions: list[Condition]) -> tuple[list, list]:
    """Return the ids that the database finds, and those that matching finds; nothing is left in the database."""
    backend = EmbeddedBackend(caller_for(person))
    with transaction.atomic():
        made = [backend.create_api_key(ApiKeyDraft(name, description)).key for name, description in keys]
        query = ApiKeyQuery(search=search, conditions=tuple(conditions))
        listed = sorted(key.id for key in backend.list_api_keys(query).keys)
        transaction.set_rollback(True)
    return listed, sorted(key.id for key in made if is_found(key, query))


@thoroughly
@given(texts_and_queries())
@example(([("Straße", "")], "STRASSE", []))
@example(([("100% sure", ""), ("1000 sure", "")], "0% s", []))
@example(([("ΣΊΣΥΦΟΣ", "")], "", [("name", Match.EQUALS, "σίσυφος")]))
@example(([("Kelvin", "")], "", [("name", Match.STARTS_WITH, "kel")]))
@example(([("a", "b")], "", [("name", Match.EQUALS, "")]))
def test_the_same_texts_are_found_as_by_the_database(alice, case):
    keys, search, conditions = case

    by_database, by_matching = found(alice, keys, search, [Condition(*condition) for condition in conditions])

    assert by_matching == by_database


@pytest.mark.parametrize("match", Match)
@pytest.mark.parametrize(
    "change", [str, str.upper, str.lower, lambda text: text[:9], lambda text: text[3:], lambda _: ""]
)
def test_an_id_is_found_as_by_the_database(alice, alices_key, match, change):
    key = alices_key.key
    query = ApiKeyQuery(conditions=(Condition("id", match, change(key.id)),))

    listed = EmbeddedBackend(caller_for(alice)).list_api_keys(query).keys

    assert is_found(key, query) == (key.id in [row.id for row in listed])
