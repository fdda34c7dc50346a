"""Changes upstream are audited in two events: what is about to be asked, and its outcome where it is known."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from django.db import IntegrityError, OperationalError, connection

from apikeys.domain import ApiKeyChanges, ApiKeyDraft, Caller, Identity, api_key_crn
from apikeys.iam.client import IAMClient
from apikeys.services import creation, deletion, keys
from apikeys.services.delivery import Delivery
from apikeys.storage import reserve
from apikeys.web.forms import new_nonce
from tests import fault_server as faults
from tests.addresses import CREATE, delete_address, details_address, edit_address
from tests.cast import PASSWORD
from tests.fault_server import Fault, FaultServer
from tests.markup import fields, page
from tests.recorded_iam import ACCOUNT, iam_id_of, v1_error
from tests.stores import accept_rows_of, refuse_rows_of
from tests.upstream import HTMX, ConsoleWithUpstream, LastingToken, Visitor

CREATED, UPDATED, DELETED = (f"iam-identity.user-apikey.{action}" for action in ("create", "update", "delete"))
EVENTS = """
SELECT action, outcome, target_id, correlation_id, reason FROM apikeys_auditevent WHERE initiator_id = ?
AND action NOT IN ('console.login.start', 'console.login.end')
ORDER BY event_time
"""
PARTICIPLES = {"create": "created", **dict.fromkeys(["update", "lock", "disable"], "changed"), "delete": "deleted"}
FORBIDDEN = Fault(v1_error(403, "forbidden", "BXNIM0513E", "No."))


@dataclass
class Change:
    """One change of a key, sent with a form that was drawn before anything failed."""

    person: Visitor
    address: str
    form: dict[str, str] = field(repr=False)

    def send(self) -> int:
        return self.person.post(self.address, data=self.form, headers=HTMX).status_code


@pytest.fixture
def key(console, anna) -> dict:
    return console.iam.add_key(anna.iam_id, "terraform")


def change_of(person: Visitor, key: dict, name: str) -> Change:
    if name == "create":
        return Change(person, CREATE, person.create_form() | {"name": "terraform"})
    if name in ("update", "delete"):
        address = edit_address(key["id"]) if name == "update" else delete_address(key["id"])
        form = fields(page(person.get(address, headers=HTMX)).find_all("form")[0])
        return Change(person, address, form | ({"name": "tofu"} if name == "update" else {}))
    token = {"csrfmiddlewaretoken": person.create_form()["csrfmiddlewaretoken"]}
    return Change(person, f"{details_address(key['id'])}{name}/", token)


def outcomes(console: ConsoleWithUpstream, person: Visitor) -> list[str]:
    return [outcome for _action, outcome, *_rest in console.sql(EVENTS, person.iam_id)]


def told_on_the_dashboard(person: Visitor) -> str:
    return page(person.get("/")).text


# Two events


@pytest.mark.parametrize(
    ("name", "action"),
    [("update", UPDATED), ("lock", UPDATED), ("disable", UPDATED), ("delete", DELETED)],
)
def test_both_events_of_a_change_name_its_key_and_its_request(console, anna, key, name, action):
    change_of(anna, key, name).send()

    before, after = console.sql(EVENTS, anna.iam_id)
    assert (before[:3], after[:3]) == ((action, "pending", key["crn"]), (action, "success", key["crn"]))
    assert before[3] == after[3] != ""


@pytest.mark.parametrize("name", PARTICIPLES)
def test_both_events_of_a_refusal_name_its_key_if_there_is_one_and_its_request(console, anna, key, name):
    change = change_of(anna, key, name)
    console.iam.fail(name, FORBIDDEN)

    status = change.send()

    before, after = console.sql(EVENTS, anna.iam_id)
    crn = "" if name == "create" else key["crn"]
    assert status == 403
    assert (before[1:3], after[1:3]) == (("pending", crn), ("failure", crn))
    assert before[3] == after[3] != ""
    assert after[4] == "NotAuthorized"
    assert f"API key not {PARTICIPLES[name]}" in told_on_the_dashboard(anna)


def test_both_events_of_a_creation_name_its_request_and_the_second_its_key(console, anna):
    change_of(anna, {}, "create").send()

    before, after = console.sql(EVENTS, anna.iam_id)
    [made] = console.iam.keys_of(anna.iam_id)
    assert (before[:3], after[:3]) == ((CREATED, "pending", ""), (CREATED, "success", made["crn"]))
    assert before[3] == after[3] != ""


def test_what_is_about_to_be_asked_is_no_news_on_the_dashboard(console, anna, key):
    change_of(anna, key, "lock").send()

    assert told_on_the_dashboard(anna).count("API key changed") == 1


# What nobody knows


DONE = {"update": {"name": "tofu"}, "lock": {"locked": True}, "disable": {"disabled": True}}


@pytest.mark.parametrize(
    ("name", "asked", "fault"),
    [
        *((name, name, faults.LOST) for name in ("create", *DONE)),
        ("delete", "delete", faults.RESET),
        *((name, "get", faults.ERROR_500) for name in ("lock", "disable")),  # how the key is afterwards
        *(("update", "update", fault) for fault in (faults.NO_ID, faults.BAD_DATE, faults.CUT_BODY)),
    ],
)
def test_a_change_whose_answer_was_lost_or_cannot_be_read_is_unknown_and_perhaps_made(
    console, anna, key, name, asked, fault
):
    change = change_of(anna, key, name)
    console.iam.fail(asked, fault, times=3)

    status = change.send()

    assert status == (502 if name == "create" else 503)
    assert key | DONE.get(name, {}) == key
    assert outcomes(console, anna) == ["pending", "unknown"]
    assert f"API key may have been {PARTICIPLES[name]}" in told_on_the_dashboard(anna)


# What certainly did not happen


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "fault"), [("update", faults.RESET), ("delete", faults.RESET), ("delete", faults.SILENT)]
)
def test_a_change_before_which_the_key_cannot_be_read_failed(console, anna, key, name, fault):
    change = change_of(anna, key, name)
    console.iam.fail("get", fault, times=3)
    console.iam.forget_requests()

    status = change.send()

    assert status == 503
    assert console.iam.count(name) == 0
    assert outcomes(console, anna) == ["pending", "failure"]
    assert f"API key not {PARTICIPLES[name]}" in told_on_the_dashboard(anna)
    assert key["id"] in console.iam.keys


@pytest.mark.parametrize("name", ["update", "delete"])
def test_the_refusal_to_change_a_locked_key_is_a_failure(console, anna, key, name):
    change = change_of(anna, key, name)
    key["locked"] = True

    change.send()

    assert outcomes(console, anna) == ["pending", "failure"]
    assert console.sql(EVENTS, anna.iam_id)[-1][4] == "ApiKeyLocked"


# What can't be audited


@pytest.fixture
def annas_caller(transactional_db, settings, iam) -> Caller:
    """Anna, who has a log-in upstream, in this process."""
    settings.APIKEYS_BACKEND = "ibm-cloud"
    token = IAMClient(iam.url).log_in_with_password("anna", PASSWORD).access_token
    access = LastingToken(token, time.monotonic() + 9)
    return Caller(Identity(iam_id_of("anna"), ACCOUNT, "Anna", ""), correlation_id="0" * 32, access=access)


@pytest.fixture
def full_disk(transactional_db) -> Iterator[None]:
    """The database takes no more audit events."""
    refuse_rows_of("apikeys_auditevent")
    yield
    accept_rows_of("apikeys_auditevent")


@pytest.mark.parametrize("name", PARTICIPLES)
def test_a_change_that_cannot_be_audited_is_not_asked_for(iam, annas_caller, full_disk, name):
    caller = annas_caller
    key = iam.add_key(caller.identity.iam_id, "terraform")
    changes = {
        "create": lambda: creation.create_api_key(
            caller, ApiKeyDraft("tofu"), Delivery(caller.identity.iam_id, new_nonce())
        ),
        "update": lambda: keys.update_api_key(
            caller, key["id"], ApiKeyChanges(name="tofu"), entity_tag=key["entity_tag"]
        ),
        "lock": lambda: keys.lock_api_key(caller, key["id"], locked=True),
        "disable": lambda: keys.disable_api_key(caller, key["id"], disabled=True),
        "delete": lambda: deletion.delete_api_key(caller, key["id"]),
    }
    before = dict(key)
    iam.forget_requests()

    with pytest.raises(IntegrityError, match="the disk is full"):
        changes[name]()

    assert iam.asked == []
    assert iam.keys == {key["id"]: before}
    assert key["crn"] == api_key_crn(ACCOUNT, key["id"])


@contextmanager
def no_room_after(fault_server: FaultServer, kind: str) -> Iterator[None]:
    """Have the database say that it is full, once, at each kind of statement after IAM was asked for a change."""
    refused: set[str] = set()

    def refuse(execute, sql, params, many, context):
        statement = " ".join(sql.split()[:3])
        if fault_server.requests(kind) and not sql.startswith("SAVEPOINT") and statement not in refused:
            refused.add(statement)
            cause = sqlite3.OperationalError("database or disk is full")
            cause.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise OperationalError("database or disk is full") from cause
        return execute(sql, params, many, context)

    reserve.fill()
    with connection.execute_wrapper(refuse):
        yield
    assert refused
    reserve.path().unlink()


@pytest.mark.sqlite
@pytest.mark.parametrize("kind", ["delete", "disable"])
@pytest.mark.django_db(transaction=True)
def test_iam_is_asked_once_where_the_disk_is_full_afterwards(iam, annas_caller, kind):
    caller = annas_caller
    key = iam.add_key(caller.identity.iam_id, "terraform")
    iam.forget_requests()

    with no_room_after(iam, kind):
        if kind == "delete":
            deletion.delete_api_key(caller, key["id"])
        else:
            keys.disable_api_key(caller, key["id"], disabled=True)

    assert len(iam.requests(kind)) == 1
