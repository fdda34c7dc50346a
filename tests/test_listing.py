"""The address of a list says what is looked at: read back it is the same, and nonsense in it is never an error."""

import base64
import json
from dataclasses import replace

from django.http import QueryDict
from django.template.loader import render_to_string
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apikeys.domain import ALL_FILTERS, PAGE_SIZES, ApiKeyQuery, Cursor, Filters, Sort, Status
from apikeys.web.filters import OFFERS
from apikeys.web.listing import SORTS, ListState

thoroughly = settings(deadline=None, database=None, max_examples=200)

ANY_TEXT = st.text(st.characters())
PRINTABLE = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]))
CURSORS = st.builds(Cursor, position=PRINTABLE, key_id=PRINTABLE, backward=st.booleans())
FILTERS = st.builds(
    Filters,
    created_since=st.none() | st.dates(),
    **{name: st.none() | st.sampled_from(list(offer.choices)) for name, offer in OFFERS.items() if offer.choices},
)
QUERIES = st.builds(
    ApiKeyQuery,
    search=PRINTABLE.map(str.strip).filter(lambda text: len(text) <= 255),
    filters=FILTERS,
    whole_account=st.booleans(),
    sort=st.sampled_from(Sort),
    descending=st.booleans(),
    page_size=st.sampled_from(PAGE_SIZES),
    cursor=st.none() | CURSORS,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


def token_of(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def read(parameters: QueryDict, *, may_see_all: bool = True) -> ListState:
    return ListState.from_url(parameters, may_see_all=may_see_all)


def query_dict(**parameters: str) -> QueryDict:
    found = QueryDict(mutable=True)
    found.update(parameters)
    return found


@thoroughly
@given(QUERIES)
def test_an_address_is_the_list_it_was_written_from(query):
    state = ListState(query)

    assert read(QueryDict(state.url().removeprefix("?"))) == state


@given(QUERIES)
def test_who_may_not_see_all_keys_gets_their_own_at_the_same_address(query):
    parameters = QueryDict(ListState(query).url().removeprefix("?"))

    assert read(parameters, may_see_all=False).query == replace(query, whole_account=False)


@thoroughly
@given(ANY_TEXT | JSON.map(lambda found: token_of(json.dumps(found).encode())))
@example("=")
@example("A")
@example("é")
@example(token_of(b"[" * 3000))
@example(token_of(b'["\\ud800","a",0]'))
@example(token_of(b'["a","\\u0000",0]'))
@example(token_of(b'["a","b",NaN]'))
@example(token_of(b'["a","b",[]]'))
@example(token_of(b'"ab0"'))
@example(token_of(b"\xff\xfe"))
@example("A" * 5000)
def test_any_other_place_is_the_beginning_or_one_that_a_database_can_look_for(text):
    cursor = read(query_dict(at=text)).query.cursor

    if cursor is not None:
        for part in (cursor.position, cursor.key_id):
            assert not any(ord(character) < 32 for character in part)
            part.encode("utf-8")


@thoroughly
@given(st.dictionaries(st.sampled_from(["q", "view", "sort", "per_page", "at", "other", *OFFERS]), ANY_TEXT))
@example({"sort": "--name"})
@example({"created_since": "0000-01-01", "expires_within_days": "9" * 5000})
@example({"per_page": "1" * 5000, "q": "\0\ud800" * 300})
def test_whatever_an_address_says_it_is_a_list(parameters):
    query = read(query_dict(**parameters)).query

    assert query.page_size in PAGE_SIZES
    assert query.sort in Sort
    assert len(query.search) <= 255
    query.search.encode("utf-8")
    rewritten = ListState(replace(query, cursor=None))
    assert read(QueryDict(rewritten.url().removeprefix("?"))) == rewritten


@given(QUERIES)
def test_without_its_filters_one_by_one_or_all_at_once_a_list_is_its_first_page(query):
    state, one_by_one = ListState(query), ListState(replace(query, cursor=None))

    for name in query.filters.given():
        one_by_one = one_by_one.without_filters(name)

    assert one_by_one == state.without_filters() == ListState(replace(query, filters=Filters(), cursor=None))


def test_everything_that_lists_can_be_narrowed_down_and_sorted_by_is_offered():
    assert set(OFFERS) == ALL_FILTERS
    assert {value.removeprefix("-") for value, _words in SORTS} == set(Sort)
    assert set(OFFERS["status"].choices) == set(Status)


def test_each_status_has_words_of_its_own():
    told = {status: render_to_string("apikeys/_status.html", {"key": {"status": status}}).strip() for status in Status}

    assert "" not in told.values()
    assert len(set(told.values())) == len(Status)
