"""Answers of an IAM that nobody expects: each becomes a sentence, or is read as far as it can be; none is a 500."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from apikeys.iam.transport import MAX_ANSWER_BYTES
from tests.addresses import KEYS, UNKNOWN_ID, details_address
from tests.fault_server import BAD_DATE, KEYS_NOT_A_LIST, LOOP, NO_ID, NOT_IAMS, Fault, too_many
from tests.markup import page
from tests.upstream import HTMX, Visitor

HALF = "terra\ud800form"  # with a lone surrogate, which JSON can spell
READ_AS = "terra?form"
STAMP = "2026-02-19T18:59+0000"
A_CHANGE = {"timestamp": STAMP, "iam_id": 7, "action": ["update"], "message": {}}
MANY = 4  # keys, more than the dashboard lists


def spelled(change: Callable[[dict[str, Any]], Any]) -> Fault:
    """Change the true answer, and spell it in ASCII: lone surrogates have no UTF-8."""
    return Fault(done=True, change=lambda fields: json.dumps(change(fields)).encode())


def with_keys(**changes: object) -> Fault:
    def change(fields: dict[str, Any]) -> dict[str, Any]:
        if "apikeys" in fields:
            return fields | {"apikeys": [key | changes for key in fields["apikeys"]]}
        return fields | changes

    return spelled(change)


def with_claims(**claims: object) -> Fault:
    def change(fields: dict[str, Any]) -> dict[str, Any]:
        head, body, signature = fields["access_token"].split(".")
        told = json.loads(base64.urlsafe_b64decode(body + "==")) | claims
        body = base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
        return fields | {"access_token": f"{head}.{body}.{signature}"}

    return spelled(change)


# Keys


@pytest.mark.parametrize("field", ["name", "description"])
def test_half_a_character_in_a_key_is_shown_as_a_question_mark(console, anna, field):
    key = console.iam.add_key(anna.iam_id, "terraform")
    console.iam.fail("list", with_keys(**{field: HALF}), times=2)
    console.iam.fail("get", with_keys(**{field: HALF}))

    listed = anna.get(KEYS)
    details = anna.get(details_address(key["id"]), headers=HTMX)
    dashboard = anna.get("/")

    assert [answer.status_code for answer in (listed, details, dashboard)] == [200] * 3
    assert READ_AS in page(listed).raw
    assert READ_AS in page(details).raw


def test_a_key_whose_name_has_half_a_character_is_locked_and_that_is_audited(console, anna):
    key = console.iam.add_key(anna.iam_id, "terraform")
    token = {"csrfmiddlewaretoken": anna.create_form()["csrfmiddlewaretoken"]}
    console.iam.fail("get", with_keys(name=HALF))

    locked = anna.post(f"{details_address(key['id'])}lock/", data=token)

    names = console.sql("SELECT target_name FROM apikeys_auditevent WHERE initiator_id = ?", anna.iam_id)
    assert locked.status_code == 303
    assert (READ_AS,) in names


# Of which none could be a part of an address.
IDS = ["", 7, None, "ApiKey-1", "../../admin", "ApiKey-" + "0" * 36, UNKNOWN_ID[:-1] + "G", "a\n"]
WITHOUT_END = Fault((200, {}, b'{"apikeys": [], "more": "' + b"x" * MAX_ANSWER_BYTES + b'"}'))


@pytest.mark.parametrize(
    ("kind", "fault", "address", "said"),
    [
        *(("list", with_keys(id=key_id), at, NOT_IAMS) for key_id in IDS for at in (KEYS, f"{KEYS}?q=terra", "/")),
        *(("list", fault, KEYS, NOT_IAMS) for fault in (NO_ID, BAD_DATE, KEYS_NOT_A_LIST, WITHOUT_END)),
        ("list", LOOP, f"{KEYS}?q=terra", "The server's list repeats itself."),
        ("get", with_keys(history=[{"timestamp": "yesterday"}]), "details", NOT_IAMS),
    ],
)
def test_keys_that_cannot_be_read_are_one_sentence_until_they_can(console, anna, kind, fault, address, said):
    key = console.iam.add_key(anna.iam_id, "terraform")
    console.iam.fail(kind, fault, times=10)

    answer = anna.get(details_address(key["id"]) if address == "details" else address)
    console.iam.heal()

    assert answer.status_code == (200 if address == "/" else 503)
    assert said in page(answer).raw
    assert anna.get(KEYS).status_code == 200


PARAMS = [7, "text", {"a": 1}, None, [7, None, {"a": [1]}, HALF], [[]]]
HISTORIES = [7, "text", {"a": 1}, [7, {}, {"timestamp": STAMP, "params": 7}]]


@pytest.mark.parametrize(
    ("history", "activity", "shown"),
    [
        *(([A_CHANGE | {"params": params}, None, [], {"timestamp": 7}], params, 1) for params in PARAMS),
        *((history, None, int(isinstance(history, list))) for history in HISTORIES),
    ],
)
def test_a_history_is_shown_as_far_as_it_can_be_read(console, anna, history, activity, shown):
    key = console.iam.add_key(anna.iam_id, "terraform")
    console.iam.fail("get", with_keys(history=history, activity=activity))

    answer = anna.get(details_address(key["id"]), headers=HTMX)

    entries = [entry for entries in page(answer).find_all("ol") for entry in entries.find_all("li")]
    assert (answer.status_code, len(entries)) == (200, shown)


ENDLESS = b'{"apikeys_per_identity": {"limit": Infinity, "identities": [{"iam_id": "%s", "count": Infinity}]}}'


def test_a_limit_that_is_endless_is_one_sentence(console, anna):
    for number in range(MANY):
        console.iam.add_key(anna.iam_id, f"key {number}")
    console.iam.fail("limits", Fault((200, {}, ENDLESS.replace(b"%s", anna.iam_id.encode()))))

    dashboard = anna.get("/")

    assert dashboard.status_code == 200
    assert NOT_IAMS in page(dashboard).raw


def test_a_time_to_wait_that_no_calendar_has_is_waited_for_as_if_none_was_told(console, anna):
    console.iam.add_key(anna.iam_id, "terraform")
    console.iam.fail("list", too_many("Fri, 31 Dec 99999 23:59:59 GMT"))

    answer = anna.get(KEYS)

    assert answer.status_code == 200
    assert "terraform" in page(answer).raw


RESOURCES = [7, "text", {"a": 1}, [7], [None], [{}], [{"metadata": 7}], [{"metadata": {"guid": "x"}, "entity": 7}]]


@pytest.mark.parametrize("resources", RESOURCES)
def test_accounts_that_cannot_be_read_are_typed_instead(console, anna, resources):
    console.iam.fail("accounts", Fault((200, {}, {"resources": resources})))

    asked = anna.get("/account/")

    assert asked.status_code == 200
    assert page(asked).find("input", id="account")


# Tokens


@pytest.fixture
def ben(console) -> Visitor:
    """Ben, who has yet to log in."""
    console.iam.heal()
    return Visitor(console, "ben", logs_in=False)


def test_half_a_character_in_the_name_of_a_person_is_shown_as_a_question_mark(console, ben):
    console.iam.fail("token", with_claims(name=HALF, email=HALF, given_name=HALF))

    entered = ben.enter()

    [(name, email)] = console.sql("SELECT first_name, email FROM console_user WHERE iam_id = ?", ben.iam_id)
    assert entered.status_code == 302
    assert (name, email) == (READ_AS, READ_AS)


def test_half_a_character_in_an_iam_id_is_no_error_page(console, ben):
    console.iam.fail("token", with_claims(iam_id=f"IBMid-\ud800{ben.iam_id}"))

    entered = ben.enter()

    assert entered.status_code == 302
    assert console.sql("SELECT count(*) FROM console_user WHERE iam_id = ?", f"IBMid-?{ben.iam_id}") == [(1,)]


def with_end(end: str) -> Fault:
    return spelled(lambda fields: fields | {"access_token": fields["access_token"] + end})


NONSENSE = {
    "an end beyond all numbers": {"expiration": 10**400},
    "an end beyond all digits": {"expiration": 10**4299},
    "an endless end": {"expiration": float("inf")},
    "an end before time": {"expiration": -1},
    "no end": {"expiration": None},
    "an empty token": {"access_token": ""},
    "a token that is none": {"access_token": {"a": 1}},
}


UNUSABLE = {
    **{what: spelled(lambda fields, wrong=wrong: fields | wrong) for what, wrong in NONSENSE.items()},
    **{f"the IAM ID {iam_id!r}": with_claims(iam_id=iam_id) for iam_id in ("", None, 7, [], "x" * 65, "\0")},
    # What no header can say.
    **{f"a token with {end!a}": with_end(end) for end in ("ł", "ü", "\ud800", "\r\nX-More: yes", " ", "\0")},
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_tokens_that_cannot_be_used_are_one_sentence_and_let_nobody_in(console, ben, name):
    console.iam.fail("token", UNUSABLE[name])

    refused = ben.enter()
    people = console.sql("SELECT count(*) FROM console_user WHERE iam_id = ?", ben.iam_id)
    entered = ben.enter()

    assert refused.status_code == 503
    assert NOT_IAMS in page(refused).find(id="refusal").raw
    assert people == [(0,)]
    assert entered.status_code == 302
