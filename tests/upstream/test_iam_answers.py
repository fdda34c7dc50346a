"""Answers of an IAM that nobody expects: each becomes a sentence, or is read as far as it can be; none is a 500."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from apikeys.iam.transport import MAX_ANSWER_BYTES
from tests.addresses import KEYS, details_address
from tests.cast import PASSWORD
from tests.fault_server import Fault, too_many
from tests.markup import page
from tests.upstream import HTMX, Visitor

NOT_IAMS = "The server's response is not a valid IAM response. Check the URL."
HALF = "terra\ud800form"  # with a lone surrogate, which JSON can spell
READ_AS = "terra?form"
STAMP = "2026-02-19T18:59+0000"
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


def enter(person: Visitor):
    return person.submit(person.get("/login/"), "/login/", username=person.username, password=PASSWORD)


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


IDS = [
    "",
    7,
    None,
    "ApiKey-1",
    "../../admin",
    "ApiKey-" + "0" * 36,
    "ApiKey-00000000-0000-4000-8000-00000000000G",
    "a\n",
]


@pytest.mark.parametrize("key_id", IDS)
@pytest.mark.parametrize("address", [KEYS, f"{KEYS}?q=terra", "/"])
def test_a_key_whose_id_could_be_no_part_of_an_address_is_one_sentence(console, anna, key_id, address):
    console.iam.add_key(anna.iam_id, "terraform")
    console.iam.fail("list", with_keys(id=key_id))

    answer = anna.get(address)

    assert answer.status_code == (200 if address == "/" else 503)
    assert NOT_IAMS in page(answer).raw


PARAMS = [7, "text", {"a": 1}, None, [7, None, {"a": [1]}, HALF], [[]]]


@pytest.mark.parametrize("params", PARAMS)
def test_what_a_change_of_a_key_was_is_shown_as_far_as_it_can_be_read(console, anna, params):
    key = console.iam.add_key(anna.iam_id, "terraform")
    entry = {"timestamp": STAMP, "iam_id": 7, "action": ["update"], "message": {}, "params": params}
    console.iam.fail("get", with_keys(history=[entry, None, [], {"timestamp": 7}], activity=params))

    answer = anna.get(details_address(key["id"]), headers=HTMX)

    assert answer.status_code == 200
    assert len(page(answer).find("ol").find_all("li")) == 1


def test_a_history_whose_dates_are_none_is_one_sentence(console, anna):
    key = console.iam.add_key(anna.iam_id, "terraform")
    console.iam.fail("get", with_keys(history=[{"timestamp": "yesterday"}]))

    answer = anna.get(details_address(key["id"]), headers=HTMX)

    assert answer.status_code == 503
    assert NOT_IAMS in page(answer).raw


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


def test_an_answer_without_end_is_one_sentence(console, anna):
    console.iam.fail("list", Fault((200, {}, b'{"apikeys": [], "more": "' + b"x" * MAX_ANSWER_BYTES + b'"}')))

    answer = anna.get(KEYS)

    assert answer.status_code == 503
    assert NOT_IAMS in page(answer).raw


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

    entered = enter(ben)

    [(name, email)] = console.sql("SELECT first_name, email FROM console_user WHERE iam_id = ?", ben.iam_id)
    assert entered.status_code == 302
    assert (name, email) == (READ_AS, READ_AS)


def test_half_a_character_in_an_iam_id_is_no_error_page(console, ben):
    console.iam.fail("token", with_claims(iam_id=f"IBMid-\ud800{ben.iam_id}"))

    entered = enter(ben)

    assert entered.status_code == 302
    assert console.sql("SELECT count(*) FROM console_user WHERE iam_id = ?", f"IBMid-?{ben.iam_id}") == [(1,)]


@pytest.mark.parametrize("iam_id", ["", None, 7, [], "x" * 65, "\0"])
def test_somebody_without_a_usable_iam_id_is_not_let_in(console, ben, iam_id):
    console.iam.fail("token", with_claims(iam_id=iam_id))

    refused = enter(ben)

    assert refused.status_code == 503
    assert NOT_IAMS in page(refused).find(id="refusal").raw


NONSENSE = {
    "an end beyond all numbers": {"expiration": 10**400},
    "an end beyond all digits": {"expiration": 10**4299},
    "an endless end": {"expiration": float("inf")},
    "an end before time": {"expiration": -1},
    "no end": {"expiration": None},
    "an empty token": {"access_token": ""},
    "a token that is none": {"access_token": {"a": 1}},
}


@pytest.mark.parametrize("name", NONSENSE)
def test_tokens_that_cannot_be_used_are_one_sentence(console, ben, name):
    console.iam.fail("token", spelled(lambda fields: fields | NONSENSE[name]))

    refused = enter(ben)
    entered = enter(ben)

    assert refused.status_code == 503
    assert NOT_IAMS in page(refused).find(id="refusal").raw
    assert entered.status_code == 302


@pytest.mark.parametrize("end", ["ł", "ü", "\ud800", "\r\nX-More: yes", " ", "\0"])
def test_a_token_that_no_header_can_say_is_one_sentence(console, ben, end):
    console.iam.fail("token", spelled(lambda fields: fields | {"access_token": fields["access_token"] + end}))

    refused = enter(ben)

    assert refused.status_code == 503
    assert NOT_IAMS in page(refused).find(id="refusal").raw
    assert console.sql("SELECT count(*) FROM console_user WHERE iam_id = ?", ben.iam_id) == [(0,)]
