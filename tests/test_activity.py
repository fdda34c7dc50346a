"""Manage > Security > Activity: everybody sees what concerns them, administrators everything, also as a file."""

import ast
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta

import pytest
from django.utils import timezone, translation

from apikeys import audit
from apikeys.audit import search
from apikeys.audit.catalogue import CATALOGUE, EventKind
from apikeys.audit.search import Cursor, EventQuery, read_cursor, write_cursor
from apikeys.domain import ApiKeyQuery, Caller, Creators, Filters, ReviewKind, ReviewRule, Rules, Status
from apikeys.exceptions import ApiKeyError
from apikeys.iam.exports import Format
from apikeys.models import AuditEvent
from apikeys.services import activity, activity_details, exporting, keys
from console.mails.kinds import MailKind
from tests.conftest import caller_for
from tests.terminal import ROOT

URL = "/manage/security/activity/"


@pytest.fixture
def two_keys(alice, bob, dora, create_key) -> None:
    """Alice and Bob have made a key; Dora has disabled that of Alice."""
    key = create_key(alice, "terraform").key
    create_key(bob, "ansible")
    keys.disable_api_key(caller_for(dora), key.id, disabled=True)


def seen_by(viewer, **asked: object) -> list[tuple[str, str]]:
    page = activity.find(caller_for(viewer), EventQuery(**asked))
    return [(event.action.rpartition(".")[2], event.target_name) for event in page.events]


def text_of(client, address: str = URL) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_everybody_sees_what_they_did_and_what_was_done_to_them(alice, bob, dora, two_keys):
    assert seen_by(alice) == [("update", "terraform"), ("create", "terraform")]
    assert seen_by(bob) == [("create", "ansible")]
    assert seen_by(dora) == [("update", "terraform"), ("create", "ansible"), ("create", "terraform")]


def test_the_page_says_what_who_and_from_where(alice_client, two_keys):
    text = text_of(alice_client)

    assert text.index("API key disabled") < text.index("API key created")
    assert "192.0.2.7" in text
    assert "ansible" not in text
    assert "IAM ID of a person" not in text


def test_dora_narrows_it_down_to_a_person(alice, dora, two_keys):
    assert seen_by(dora, person=alice.iam_id) == [("update", "terraform"), ("create", "terraform")]


def test_bob_sees_no_more_by_asking_for_alice(alice, bob, bob_client, two_keys):
    assert seen_by(bob, person=alice.iam_id) == [("create", "ansible")]
    assert "terraform" not in text_of(bob_client, f"{URL}?person={alice.iam_id}")
    key_id = next(event.target_id for event in AuditEvent.objects.filter(target_name="terraform")).rpartition(
        "apikey:"
    )[2]
    assert seen_by(bob, text=key_id) == []
    assert seen_by(bob, text="0" * 32) == [("create", "ansible")]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"kind": search.EventKind.KEYS}, 3),
        ({"kind": search.EventKind.LOG_INS}, 0),
        ({"outcome": "failure"}, 0),
        ({"text": "TERRA"}, 2),
        ({"text": "192.0.2"}, 3),
        ({"text": "nothing"}, 0),
        ({"text": "0" * 32}, 3),
        ({"since": timezone.now() + timedelta(days=1)}, 0),
        ({"until": timezone.now() + timedelta(days=1)}, 3),
    ],
)
def test_each_filter_leaves_out_what_is_not_meant(dora, two_keys, asked, found):
    assert len(seen_by(dora, **asked)) == found


def test_a_key_is_found_by_its_id(dora, two_keys):
    crn = AuditEvent.objects.filter(target_name="terraform").first().target_id

    assert len(seen_by(dora, text=crn.rpartition("apikey:")[2])) == 2


def test_pages_follow_each_other_without_gap_or_double(dora):
    now = timezone.now()
    for number in range(12):
        audit.record(caller_for(dora), audit.UPDATE, target_name=str(number), when=now - timedelta(seconds=number // 3))
    found, after, pages = [], None, 0
    while pages == 0 or after:
        page = activity.find(caller_for(dora), EventQuery(after=after), size=5)
        found, after, pages = found + [event.id for event in page.events], page.next, pages + 1

    assert pages == 3
    assert len(found) == len(set(found)) == 12


def test_a_search_says_how_far_it_looked_and_goes_on(dora, monkeypatch):
    monkeypatch.setattr(search, "SCANNED", 4)
    now = timezone.now()
    for number in range(10):
        name = "needle" if number == 9 else "hay"
        audit.record(caller_for(dora), audit.UPDATE, target_name=name, when=now - timedelta(seconds=number))

    query, looked = EventQuery(text="needle"), 0
    while not (page := activity.find(caller_for(dora), query)).events:
        looked += 1
        assert page.looked_until is not None
        query = EventQuery(text="needle", after=page.next)

    assert looked == 1


def test_the_search_is_in_the_address_without_a_value(alice_client, alices_key):
    answer = alice_client.post(
        URL, {"q": f"x {alices_key.value}", "kind": "keys", "result": "nonsense", "since": "2026-02-30"}
    )

    assert answer.status_code in (302, 303)
    assert alices_key.value not in answer.headers["Location"]
    assert answer.headers["Location"].endswith("&kind=keys")


@pytest.mark.parametrize(
    "query", ["?after=nonsense", "?after=9999999999999999999-" + "0" * 32, "?since=9999-12-31", "?kind=x&q=%00"]
)
def test_nonsense_in_the_address_narrows_nothing_down(alice_client, alices_key, query):
    text_of(alice_client, URL + query)


def test_a_place_comes_back_from_its_address():
    cursor = Cursor(timezone.now(), search.LOWEST)

    assert read_cursor(write_cursor(cursor)) == cursor


def test_names_are_escaped_and_details_told(bob_client, bob, create_key):
    create_key(bob, "<b>&")

    text = text_of(bob_client)
    assert "<b>&<" not in text
    assert "&lt;b&gt;&amp;" in text
    assert "0" * 32 in text


@pytest.mark.parametrize("form", ["csv", "json"])
def test_what_the_page_shows_can_be_saved_and_that_is_an_event(dora_client, dora, two_keys, form):
    answer = dora_client.get(f"{URL}export/?format={form}&q=terraform")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")

    rows = json.loads(text) if form == "json" else list(csv.DictReader(io.StringIO(text)))
    assert [row["target_name"] for row in rows] == ["terraform", "terraform"]
    assert rows[0]["initiator_id"] == dora.iam_id
    event = AuditEvent.objects.get(action=audit.AUDIT_EXPORT)
    assert event.request_data == {"format": form, "search": "terraform"}


def test_bobs_file_has_nothing_of_alice(bob_client, two_keys):
    answer = bob_client.get(f"{URL}export/?format=csv")

    assert b"terraform" not in b"".join(answer.streaming_content)


def test_every_action_has_words(settings):
    assert activity.WORDS.keys() == {*map(audit.plain, CATALOGUE)}
    assert activity.words(audit.CREATE, "unknown") == "API key may have been created"


def test_the_dashboard_leaves_log_ins_out(alice, alices_key):
    audit.record(caller_for(alice), audit.LOG_IN, target_id=alice.iam_id)

    assert [row.action for row in audit.recent(alice.iam_id, 5)] == [audit.CREATE]


def test_what_a_stranger_tried_with_alices_account_concerns_alice(alice):
    audit.record(Caller(audit.NOBODY, "203.0.113.9"), audit.LOG_IN, target_id=alice.iam_id, reason="PasswordRefused")

    assert seen_by(alice) == [("start", "")]


# What each reason and field is called


CODE = [
    (str(path.relative_to(ROOT)), ast.parse(path.read_text()))
    for folder in ("apikeys", "console")
    for path in (ROOT / folder).rglob("*.py")
    if "openapi" not in path.parts and "backends" not in path.parts  # whose `record` is something else
]
RECORDING = {"record", "_record", "record_person", "record_deletion", "record_removal", "note"}
# Of those what is no data of the event.
ABOUT_EVENT = {"target", "target_id", "target_name", "reason", "outcome", "concerns", "when", "subject", "find"}
DATA_IN_VARIABLES = {"told", "said", "now", "data", "given"}
TOLD_ELSEWHERE = {"apikeys/services/narrowing.py", "console/factors/proofs.py"}
NOT_FIELDS = {"console/changed_settings.py"}  # settings have the names that they have


def name_of(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def recorded() -> Iterator[tuple[str, ast.expr]]:
    """Yield each name that the code gives to a call that writes an event, with what it is given."""
    for _path, tree in CODE:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name_of(node) in RECORDING:
                yield from ((keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg)


def fields_kept_until_then() -> Iterator[str]:
    """Yield the fields that the modules which write events have in a variable, or from a function, before that."""
    for path, tree in CODE:
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        hands_over = any(name_of(call) in RECORDING and None in {each.arg for each in call.keywords} for call in calls)
        if not (hands_over or path in TOLD_ELSEWHERE) or path in NOT_FIELDS:
            continue
        for node in ast.walk(tree):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            is_data = any(isinstance(each, ast.Name) and each.id in DATA_IN_VARIABLES for each in targets)
            if is_data or (isinstance(node, ast.FunctionDef) and "told" in node.name):
                dicts = [each for each in ast.walk(node) if isinstance(each, ast.Dict)]
                yield from (key.value for each in dicts for key in each.keys if isinstance(key, ast.Constant))


def test_every_field_of_an_event_and_every_word_in_one_has_words():
    given = [(name, value) for name, value in recorded() if name not in ABOUT_EVENT]
    of_classes = {field.name for kind in (Rules, Filters, ReviewRule) for field in fields(kind)} - {"kind"}
    names = {name for name, _value in given} | {*fields_kept_until_then()} | of_classes

    raw = {name for name in names if name.removeprefix("prev_") not in activity_details.FIELDS}
    words = {
        (name, each.value)
        for name, value in given
        for each in ast.walk(value)
        if name in activity_details.VALUES and isinstance(each, ast.Constant) and str(each.value).strip(", ")
    }
    without = {(name, word) for name, word in words if word not in activity_details.VALUES[name]}

    assert {"new_device", "by", "leaked", "kinds", "never_used", "prev_sentence"} <= names
    assert {("by", "link"), ("cause", "expired"), ("step", "announced")} <= words
    assert (raw, without) == (set(), set())
    enums = {"group": ReviewKind, "status": Status, "creators": Creators, "on": MailKind, "kinds": EventKind}
    for name, kinds in enums.items():
        assert activity_details.VALUES[name].keys() == {*kinds}


def test_every_reason_for_a_refusal_has_words():
    def below(kind: type) -> Iterator[type]:
        yield from (found for child in kind.__subclasses__() for found in (child, *below(child)))

    errors = {kind.__name__ for kind in below(ApiKeyError) if kind.__module__.startswith(("apikeys.", "console."))}
    constants = {value.value for name, value in recorded() if name == "reason" and isinstance(value, ast.Constant)}
    told = constants - {""}  # of what succeeded

    assert {"ProofRefused", "ForgedForm", "DecoyUsed"} <= told
    assert (errors | told | {"PermissionDenied"}) - activity_details.REASONS.keys() == set()


def test_true_is_yes_where_a_field_says_whether_and_a_text_where_somebody_typed_it(alice):
    filters = Filters(never_used=True, leaked=False)
    query = ApiKeyQuery(search="true", filters=filters)
    exporting.page_of_export(caller_for(alice), query, Format.CSV)
    audit.record(caller_for(alice), audit.UPDATE, instance_name="False", disable=True)

    told = {name for event in AuditEvent.objects.all() for name in activity_details.details(event)}
    assert {("Search", "true"), ("Never used", "Yes"), ("Found in public", "No")} <= told
    assert {("Name", "False"), ("Disabled", "Yes")} <= told


def test_the_page_tells_everything_in_the_readers_words(alice, alice_client):
    audit.record(caller_for(alice), audit.LOG_IN, new_device=True, by="single sign-on")
    audit.record(caller_for(alice), audit.PROOF, reason="ProofRefused", times=3)
    audit.record(caller_for(alice), audit.RULES_UPDATE, must_expire=True, prev_must_expire=False, networks="")

    english = text_of(alice_client)
    with translation.override("en"):  # which comes back behind it
        alice_client.post("/language/", {"language": "zh-hant"})
        chinese = text_of(alice_client)

    for words in (
        "New device",
        "Single sign-on",
        "What was to prove who they are was wrong",
        "API keys must expire, before",
    ):
        assert words in english
    for raw in ("new_device", "ProofRefused", "must_expire", "True", "single sign-on"):
        assert raw not in english
        assert raw not in chinese
    assert "New device" not in chinese
