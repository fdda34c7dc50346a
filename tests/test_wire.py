"""What comes from outside is read or refused, never stumbled over; what was written is read back the same."""

import base64
import json
import re
from dataclasses import fields as attributes
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.test import RequestFactory
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apikeys import values
from apikeys.api import bodies, fields, keys, paging
from apikeys.api.openapi import shapes
from apikeys.cursors import read_cursor, write_cursor
from apikeys.domain import (
    SERVICE_ID,
    ApiKeyChanges,
    ApiKeyDraft,
    Condition,
    Cursor,
    LeakedAction,
    Match,
    ServiceIdChanges,
    ServiceIdDraft,
)
from apikeys.exceptions import BadRequest, InvalidApiKey
from apikeys.iam import payloads
from apikeys.services import leaks, validation

pytestmark = pytest.mark.once

# The machine that runs the tests may be busy, and no folder of examples is kept beside the code.
thoroughly = settings(deadline=None, database=None, max_examples=200)

# Lone surrogates too: JSON can spell them.
ANY_TEXT = st.text(st.characters())
PRINTABLE = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
MOMENTS = st.datetimes(timezones=st.just(UTC))
WHOLE_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_read(function, *arguments) -> bool:
    """Tell whether the function takes this; any error but a refusal fails the test."""
    try:
        function(*arguments)
    except InvalidApiKey:
        return False
    return True


# Filters

CONDITIONS = st.builds(
    Condition,
    attribute=st.sampled_from(["name", "description", "id"]),
    match=st.sampled_from(Match),
    text=PRINTABLE.filter(lambda text: len(text) < 200),
)
NEARLY_FILTERS = st.lists(
    st.sampled_from(["name", "ID", "co", "sw", "eQ", '"', '"a"', '"\\""', "and", "or", " ", "  ", "\\", "ſ", "x"]),
    max_size=12,
).map("".join)


@thoroughly
@given(st.lists(CONDITIONS, min_size=1, max_size=5), st.sampled_from([str.lower, str.upper]))
def test_a_filter_says_the_conditions_it_was_written_from(conditions, case):
    text = f" {case('and')} ".join(
        f"{case(one.attribute)} {case(str(one.match))} {quoted(one.text)}" for one in conditions
    )

    assert paging.parse_filter(text) == tuple(conditions)


@thoroughly
@given(ANY_TEXT | NEARLY_FILTERS)
@example("")
@example('name ſw "x"')  # a long s is an s to some engines
@example('deſcription co "x"')
@example('name co "x" and')
@example('name co "x"and name co "y"')
@example('name co "x" andname co "y"')
@example('name co "\\x"')
@example("name co " + "'x'")
@example('name co "' + "x" * 5000 + '"')
@example('name co "x" and ' * 2000)
@example('name co "' + "\\" * 4000)
def test_any_other_filter_is_a_bad_request(text):
    try:
        conditions = paging.parse_filter(text)
    except BadRequest as refusal:
        assert refusal.field == "filter"
    else:
        assert all(condition.match in Match for condition in conditions)
        assert 1 <= len(conditions) <= len(text)


@thoroughly
@given(NEARLY_FILTERS | st.from_regex(shapes.FILTER, fullmatch=True))
def test_the_description_tells_filters_from_other_text(text):
    described = re.fullmatch(shapes.FILTER, text) is not None and 0 < len(text) <= paging.MAX_FILTER

    assert is_read(paging.parse_filter, text) == described


# Page tokens


@thoroughly
@given(st.builds(Cursor, position=PRINTABLE, key_id=PRINTABLE, backward=st.booleans()))
def test_a_page_token_is_the_place_it_was_written_from(cursor):
    token = write_cursor(cursor)

    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert read_cursor(token) == cursor


@thoroughly
@given(WHOLE_TEXT | JSON.map(lambda found: base64.urlsafe_b64encode(json.dumps(found).encode()).decode().rstrip("=")))
@example("=")
@example("A")
@example("é")
@example(base64.urlsafe_b64encode(b"[" * 50_000).decode())
@example(base64.urlsafe_b64encode(b"1" * 5_000).decode())
@example(base64.urlsafe_b64encode(b'["\\ud800","a",0]').decode())
@example(base64.urlsafe_b64encode(b'["a","\\u0000",0]').decode())
@example(base64.urlsafe_b64encode(b'["a","b",NaN]').decode())
@example(base64.urlsafe_b64encode(b'["a","b",[]]').decode())
@example(base64.urlsafe_b64encode(b'"ab0"').decode())
def test_any_other_page_token_is_a_bad_request(token):
    try:
        cursor = paging.page_cursor(RequestFactory().get("/", {"pagetoken": token}))
    except BadRequest as refusal:
        assert refusal.field == "pagetoken"
    else:
        assert (cursor is None) == (token == "")


# Dates


@thoroughly
@given(MOMENTS)
@example(datetime(1, 1, 2, tzinfo=UTC))
@example(datetime(999, 12, 31, 23, 59, tzinfo=UTC))
def test_a_date_is_the_minute_it_was_written_from(moment):
    text = payloads.format_date(moment)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d\+0000", text)
    assert payloads.parse_date(text) == moment.replace(second=0, microsecond=0)


@thoroughly
@given(MOMENTS.filter(lambda moment: 1 < moment.year < 9999), st.integers(-12, 14))
def test_a_date_is_written_in_utc_wherever_it_is_from(moment, hours):
    elsewhere = moment.astimezone(timezone(timedelta(hours=hours)))

    assert payloads.format_date(elsewhere) == payloads.format_date(moment)


@thoroughly
@given(MOMENTS, st.sampled_from(["+0000", "+00:00", "Z"]))
def test_seconds_and_the_usual_ways_to_write_utc_are_read(moment, zone):
    text = moment.replace(microsecond=0, tzinfo=None).isoformat()

    assert payloads.parse_date(text + zone) == moment.replace(microsecond=0)


@thoroughly
@given(ANY_TEXT | st.from_regex(payloads.DATE) | st.from_regex(bodies.EXPIRES_AT["pattern"]))
@example("")
@example("0000-01-01T00:00+0000")
@example("2030-02-30T00:00+0000")
@example("2030-01-31T24:00+0000")
@example("2030-01-31T18:00:60+0000")
@example("2030-01-31T18:00+0100")
@example("2030-01-31T18:00")
@example("2030-01-31T18:00+0000\n")
@example("٢٠٣٠-01-31T18:00+0000")
def test_any_other_date_is_refused_by_the_name_of_its_field(text):
    try:
        moment = payloads.parse_date(text)
    except InvalidApiKey as refusal:
        assert refusal.field == "expires_at"
    else:
        assert moment.utcoffset() == timedelta(0)
        assert re.search(bodies.EXPIRES_AT["pattern"], text)


# JSON bodies


@thoroughly
@given(
    st.dictionaries(WHOLE_TEXT, st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.lists(WHOLE_TEXT))
)
def test_a_json_object_is_read_as_it_was_written(body):
    assert fields.json_object(json.dumps(body).encode()) == body


@thoroughly
@given(st.binary() | JSON.map(lambda found: json.dumps(found).encode()))
@example(b"")
@example(b"null")
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"a": ' + b"1" * 5_000 + b"}")
@example(b'{"a": NaN}')
@example(b'{"a": -Infinity}')
@example(b"\xef\xbb\xbf{}")
@example('{"a": 1}'.encode("utf-16"))
@example(b'{"a": "\xff"}')
@example(b"{} {}")
def test_any_other_body_is_a_bad_request(body):
    try:
        parsed = fields.json_object(body)
    except BadRequest as refusal:
        assert refusal.field == "body"
    else:
        assert isinstance(parsed, dict)


@thoroughly
@given(st.dictionaries(WHOLE_TEXT, JSON, min_size=1), st.data())
def test_a_member_given_twice_is_a_bad_request_at_any_depth(body, data):
    name = data.draw(st.sampled_from(sorted(body)))
    twice = "{" + ",".join(f"{json.dumps(member)}:{json.dumps(body[member])}" for member in [*body, name]) + "}"

    for text in (twice, f'{{"outer": [{twice}]}}'):
        with pytest.raises(BadRequest):
            fields.json_object(text.encode())


# The members of a new key


@pytest.mark.parametrize(
    ("members", "draft", "changes"),
    [(bodies.API_KEY, ApiKeyDraft, ApiKeyChanges), (bodies.SERVICE_ID, ServiceIdDraft, ServiceIdChanges)],
)
def test_every_member_that_is_read_has_its_attribute(members, draft, changes):
    read = [member for member in members if member.read]

    assert {member.attribute or member.name for member in read if member.create} <= {
        one.name for one in attributes(draft)
    }
    assert {member.attribute or member.name for member in read if member.change} == {
        one.name for one in attributes(changes)
    }


MEMBERS = [*bodies.creation_schemas(bodies.API_KEY), "unknown"]


@pytest.mark.parametrize("for_service_id", [False, True])
@thoroughly
@given(
    body=st.dictionaries(
        st.sampled_from(MEMBERS), JSON | st.sampled_from(["true", "false", "none", "DISABLE", "Delete"])
    )
)
def test_a_new_key_is_what_its_members_say_or_refused(for_service_id, body):
    body = {"name": "robot"} | body

    try:
        draft = keys.key_draft(body, for_service_id=for_service_id)
    except InvalidApiKey as refusal:
        assert refusal.field in body
    else:
        assert draft.support_sessions == (body.get("support_sessions") in (True, "true"))
        assert draft.action_when_leaked in (None, *LeakedAction)
        assert draft.value == (body.get("apikey") or "")
        assert body.get("store_value") in (None, False, "false", *((True, "true") if for_service_id else ()))


@thoroughly
@given(
    st.text(
        st.characters(min_codepoint=32, exclude_categories=["Cs"]),
        min_size=values.MIN_OWN_VALUE,
        max_size=values.MAX_OWN_VALUE,
    )
)
def test_a_value_of_ones_own_is_taken_as_it_is(value):
    assert fields.own_value(value, "apikey") == value


@thoroughly
@given(ANY_TEXT | st.text(st.sampled_from("a \n\0\ud800é"), min_size=28, max_size=36))
@example("x" * 31)
@example("x" * 32)
@example("x" * 1000)
@example("x" * 1001)
@example("x" * 40 + "\n")
@example("x" * 40 + "\ud800")
def test_the_description_tells_values_of_ones_own_from_other_text(value):
    described = re.fullmatch(bodies.OWN_VALUE["pattern"], value) is not None and "\ud800" not in value

    assert is_read(fields.own_value, value, "apikey") == (described and not has_half_a_character(value))


def has_half_a_character(text: str) -> bool:
    return any(0xD800 <= ord(character) < 0xE000 for character in text)


@pytest.mark.parametrize("found", [0, 1, 1.5, "yes", "True", "", [], {}, ["true"]])
def test_only_true_and_false_are_true_or_false(found):
    with pytest.raises(BadRequest):
        fields.true_or_false(found, "flag")


# Names and descriptions, which the services check: the description says of them exactly what they are

SPACES = "\t\n\x1c \x85\xa0\u1680\u2003\u2028\u3000"
EDGES = st.text(st.sampled_from(SPACES), max_size=3)
TEXTS = st.tuples(EDGES, WHOLE_TEXT | st.text("a \x7f", max_size=300), EDGES)


@thoroughly
@given(TEXTS.map("".join))
@example("")
@example("a" * 255)
@example("a" * 256)
@example(f"\n{'a' * 255}\n")
@example("a\tb")
@example("\ufeff")
def test_the_description_tells_names_from_other_text(text):
    described = re.fullmatch(bodies.NAME["pattern"], text) is not None

    assert is_read(validation.clean_name, text) == described


@thoroughly
@given(TEXTS.map("".join))
@example("")
@example("a" * 1000)
@example("a" * 1001)
@example(f"\n{'a' * 1000}\n")
@example("a\nb")
def test_the_description_tells_descriptions_from_other_text(text):
    described = re.search(bodies.DESCRIPTION["pattern"], text) is not None

    assert is_read(validation.clean_description, text) == described


# Reports of leaks


@thoroughly
@given(st.binary() | JSON.map(lambda found: json.dumps(found).encode()))
@example(b"[" * 100_000)
@example(json.dumps([{"token": "\ud800", "type": "\0", "url": {"\ud800": 1}, "source": []}]).encode())
@example(json.dumps([{"token": "x"}] * 1001).encode())
@example(json.dumps([{"token": 1}]).encode())
def test_reports_are_read_as_storable_text_or_refused(body):
    try:
        reports = leaks.parse_reports(body)
    except BadRequest:
        return
    for report in reports:
        leaks.token_hash(report.token).encode("ascii")
        for text in (report.type, report.url, report.source):
            assert "\0" not in text.encode().decode()


# Ids of service IDs


@thoroughly
@given(ANY_TEXT | st.from_regex(shapes.id_of("ServiceId")["pattern"]))
@example("")
@example("ServiceId-00000000-0000-4000-8000-000000000000\n")
@example("ServiceId-00000000-0000-4000-8000-00000000000A")
def test_an_id_of_a_service_id_has_the_form_that_the_description_says(text):
    described = re.fullmatch(shapes.id_of("ServiceId")["pattern"].strip("^$"), text) is not None

    assert (SERVICE_ID.fullmatch(text) is not None) == described
