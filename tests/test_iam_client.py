"""The client of an IAM server meets every fault of a network and of a service, on real sockets."""

import json
import logging
import math
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from apikeys import VERSION
from apikeys.iam import sockets, transport
from apikeys.iam.client import IAMClient, IAMError
from tests import fault_server as faults
from tests.cast import PASSWORD
from tests.fault_server import NOT_IAMS, Fault, FaultServer
from tests.neighbours import Fixed, Silent, make_certificates
from tests.recorded_iam import ACCOUNT, OTHER_ACCOUNT, PASSCODE, iam_id_of

pytestmark = pytest.mark.once

ANNAS = iam_id_of("alice")
PATIENCE = 0.4  # seconds that a test gives to what does not answer
OVERTIME = 1.0

BROKEN = "closed the connection before it answered."
LATE = "did not answer in time."
NO_WORDS = "and no explanation. Check the URL, or try again later."
BUSY = "is receiving too many requests. Wait a moment, then try again."
INTERNAL = "An internal error occurred."

# Fault, the sentence, how often a list is asked for, and whether a creation may have happened.
TABLE = {
    "silence": (faults.SILENT, LATE, 1, True),
    "a head that drips": (faults.DRIP_HEAD, LATE, 1, True),
    "a body that drips": (faults.DRIP_BODY, LATE, 1, True),
    "a reset before reading": (faults.RESET_UNREAD, BROKEN, 3, True),
    "a reset after reading": (faults.RESET, BROKEN, 3, True),
    "a reset after it was done": (faults.LOST, BROKEN, 3, True),
    "a body that is cut off": (faults.CUT_BODY, BROKEN, 3, True),
    "no HTTP": (faults.GARBLED, BROKEN, 3, True),
    "429": (faults.too_many("0"), BUSY, 3, False),
    "429 for hours": (faults.TOO_MANY_FOR_HOURS, BUSY, 1, False),
    "500 as /v1 says it": (faults.ERROR_500, INTERNAL, 3, True),
    "500 as the token endpoint says it": (faults.TOKEN_ERROR_500, INTERNAL, 3, True),
    "502 in HTML": (faults.ERROR_502, NO_WORDS, 3, True),
    "503 without words": (faults.ERROR_503, NO_WORDS, 3, True),
    "504 in HTML": (faults.ERROR_504, NO_WORDS, 3, True),
    "JSON that ends early": (faults.CUT_JSON, NOT_IAMS, 1, True),
    "a list": (faults.A_LIST, NOT_IAMS, 1, True),
    "null": (faults.NULL, NOT_IAMS, 1, True),
    "a website": (faults.HTML_200, NOT_IAMS, 1, True),
    "a redirect": (faults.REDIRECT, NO_WORDS, 1, False),
    "a redirect in JSON": (faults.REDIRECT_JSON, NO_WORDS, 1, False),
    "an expired token": (faults.EXPIRED, "The access token is not valid.", 1, False),
}
# What a client does, by the kind of its request.
ACTS: dict[str, Callable[[IAMClient, dict], object]] = {
    "list": lambda client, _key: client.api_key_page(),
    "update": lambda client, key: client.update_api_key(key["id"], key["entity_tag"], {"name": "tofu"}),
    "delete": lambda client, key: client.delete_api_key(key["id"]),
    "lock": lambda client, key: client.set_locked(key["id"], True),
    "disable": lambda client, key: client.set_disabled(key["id"], True),
    "token": lambda client, _key: client.log_in_with_passcode(f"{PASSCODE}-alice"),
}
every_fault = pytest.mark.parametrize("name", TABLE)


@pytest.fixture(scope="module")
def iam() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture(autouse=True)
def well(iam):
    iam.heal()


@pytest.fixture
def client(iam) -> IAMClient:
    client = IAMClient(iam.url, deadline=time.monotonic() + 30)
    client.log_in_with_password("alice", PASSWORD)
    iam.forget_requests()
    return client


def refusal(act) -> IAMError:
    with pytest.raises(IAMError) as refused:
        act()
    return refused.value


def seen(iam: FaultServer, kind: str) -> int:
    return iam.count(kind) + iam.unread


# Retries, and what is said


@every_fault
def test_reading_is_repeated_after_a_passing_fault_and_after_no_other(iam, client, name):
    fault, sentence, requests, _happened = TABLE[name]
    client.deadline = time.monotonic() + (PATIENCE if requests == 1 else 10)
    iam.fail("list", fault, times=5)

    refused = refusal(lambda: client.api_key_page())

    assert sentence in str(refused)
    assert seen(iam, "list") == requests


@every_fault
def test_a_creation_is_asked_for_once_and_its_failure_says_whether_it_may_have_happened(iam, client, name):
    fault, sentence, _requests, may_have_happened = TABLE[name]
    client.deadline = time.monotonic() + PATIENCE
    iam.fail("create", fault, times=5)

    refused = refusal(lambda: client.create_api_key({"name": "terraform"}))

    assert sentence in str(refused)
    assert seen(iam, "create") == 1
    assert refused.may_have_happened is may_have_happened


@every_fault
def test_what_happened_in_secret_stays_secret(iam, client, name, caplog):
    caplog.set_level(logging.DEBUG)
    client.deadline = time.monotonic() + PATIENCE
    iam.fail("create", TABLE[name][0])
    iam.fail("refresh", *([] if TABLE[name][0].unread else [TABLE[name][0]]))
    iam.fail("token", TABLE[name][0])
    held = next(iter(iam.refreshers))

    errors = [
        refusal(lambda: client.create_api_key({"name": "terraform"})),
        refusal(lambda: IAMClient(iam.url, deadline=client.deadline + PATIENCE).refresh(held)),
    ]

    told = [f"{error!s} {error!r} {error.__dict__} {''.join(traceback.format_exception(error))}" for error in errors]
    told += [f"{record.getMessage()} {record.__dict__}" for record in caplog.records] + [repr(client)]
    leaks = sum(secret in text for text in told for secret in [*iam.secrets, PASSWORD])
    assert caplog.records
    assert leaks == 0


def test_a_list_is_whole_after_two_faults_that_pass(iam, client):
    key = iam.add_key(ANNAS, "terraform")
    iam.fail("list", faults.ERROR_503, faults.RESET)

    listed = list(client.list_api_keys())

    assert key["id"] in {found["id"] for found in listed}
    assert iam.count("list") == 3


@pytest.mark.parametrize("kind", ["update", "token", "refresh"])
def test_what_is_not_safe_to_repeat_is_not(iam, client, kind):
    key = iam.add_key(ANNAS, "terraform")
    iam.fail(kind, faults.ERROR_503, times=3)
    renew = lambda client, _key: client.refresh(next(iter(iam.refreshers)))  # noqa: E731

    refusal(lambda: ACTS.get(kind, renew)(client, key))

    assert iam.count(kind) == 1


@pytest.mark.parametrize("when", ["0", "1", "date", "yesterday", "soon"])
def test_it_is_asked_again_when_the_server_says(iam, client, when):
    retry_after = {"date": faults.http_date(1), "yesterday": faults.http_date(-86400)}.get(when, when)
    iam.fail("list", faults.too_many(retry_after))

    client.api_key_page()

    assert iam.count("list") == 2


@pytest.mark.parametrize(
    ("retry_after", "patience"),
    [*((retry_after, math.inf) for retry_after in ("9", "86400", "9" * 400, "date")), ("2", PATIENCE)],
)
def test_nobody_waits_to_ask_again_longer_than_a_person_would_or_beyond_the_deadline(
    iam, client, retry_after, patience
):
    client.deadline = time.monotonic() + patience
    iam.fail("list", faults.too_many(faults.http_date(3600) if retry_after == "date" else retry_after))

    refused = refusal(lambda: client.api_key_page())

    assert BUSY in str(refused)
    assert iam.count("list") == 1


# The deadline


@pytest.mark.parametrize("fault", [faults.SILENT, faults.DRIP_HEAD, faults.DRIP_BODY, faults.ENDLESS])
def test_the_deadline_ends_every_call(iam, client, fault):
    began = time.monotonic()
    client.deadline = began + PATIENCE
    iam.fail("list", fault, times=20_000)

    refused = refusal(lambda: list(client.list_api_keys()))

    assert LATE in str(refused)
    assert time.monotonic() - began < PATIENCE + OVERTIME


def test_after_the_deadline_nothing_is_asked(iam, client):
    client.deadline = time.monotonic()

    refused = refusal(lambda: client.create_api_key({"name": "terraform"}))

    assert LATE in str(refused)
    assert not refused.may_have_happened
    assert iam.asked == []


@contextmanager
def unreachable(address: str, port: int = 0) -> Iterator[int]:
    """Listen where the queue of connections is full, so that more get no answer at all."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, port))
        listener.listen(0)
        for _place in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])


def test_a_machine_that_does_not_answer_at_all(client):
    began = time.monotonic()
    with unreachable("127.0.0.1") as port:
        client = IAMClient(f"http://127.0.0.1:{port}", deadline=began + PATIENCE)
        refused = refusal(lambda: client.create_api_key({"name": "terraform"}))

    assert LATE in str(refused)
    assert not refused.may_have_happened
    assert time.monotonic() - began < PATIENCE + OVERTIME


def test_all_addresses_of_a_name_share_one_time_and_the_one_that_answers_is_used(iam, client, monkeypatch):
    port = iam.server.server_port
    monkeypatch.setattr(sockets, "addresses_of", lambda name, port: [f"127.0.0.{n}" for n in (2, 3, 4, 1)])
    client.url, client.deadline = f"http://iam.invalid:{port}", time.monotonic() + 3 * PATIENCE

    with unreachable("127.0.0.2", port), unreachable("127.0.0.3", port), unreachable("127.0.0.4", port):
        page = client.api_key_page()

    assert "apikeys" in page
    assert iam.requests("list")[0].headers["Host"] == f"iam.invalid:{port}"


# No connection


@pytest.mark.parametrize("host", ["iam.invalid", f"{'x' * 64}.invalid"])
def test_a_name_that_nobody_has(host):
    refused = refusal(lambda: IAMClient(f"http://{host}").create_api_key({"name": "terraform"}))

    assert str(refused).startswith(("There is no connection to iam.invalid.", "The URL http://xxx"))
    assert not refused.may_have_happened


def test_a_port_that_is_closed():
    with Silent() as gone:
        pass

    refused = refusal(lambda: IAMClient(gone.url).create_api_key({"name": "terraform"}))

    assert str(refused) == f"There is no connection to {gone.url[7:]}. Check the URL and the network."
    assert not refused.may_have_happened


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> tuple[Path, Path]:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_a_certificate_is_trusted_by_the_authorities_of_the_environment_only(certificates, monkeypatch):
    authority, certificate = certificates
    with FaultServer(certificate) as front:
        client = IAMClient(front.url)
        refused = refusal(lambda: client.create_api_key({"name": "terraform"}))
        asked = list(front.asked)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        pair = client.log_in_with_password("alice", PASSWORD)

    assert str(refused) == f"The certificate of {front.url[8:]} is not trusted."
    assert not refused.may_have_happened
    assert asked == []
    assert pair.expiration > time.time()


@pytest.mark.parametrize("fault", ["GARBLED", "RESET", "CUT_BODY", "DRIP_HEAD"])
def test_tls_that_breaks_after_the_request_may_have_made_a_key(certificates, monkeypatch, fault):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates[0]))
    with FaultServer(certificates[1]) as front:
        client = IAMClient(front.url)
        client.log_in_with_password("alice", PASSWORD)
        client.deadline = time.monotonic() + PATIENCE
        front.fail("create", getattr(faults, fault))
        refused = refusal(lambda: client.create_api_key({"name": "terraform"}))

    assert (BROKEN in str(refused)) or (LATE in str(refused))
    assert refused.may_have_happened


def test_what_speaks_no_tls_got_no_request(iam):
    client = IAMClient(iam.url.replace("http:", "https:"), deadline=time.monotonic() + 5 * PATIENCE)
    plain = refusal(lambda: client.create_api_key({"name": "terraform"}))
    with Silent() as silent:
        client = IAMClient(silent.url.replace("http:", "https:"), deadline=time.monotonic() + PATIENCE)
        silence = refusal(lambda: client.create_api_key({"name": "terraform"}))

    assert "There is no connection to " in str(plain)
    assert LATE in str(silence)
    assert not plain.may_have_happened
    assert not silence.may_have_happened


# Answers


def test_every_page_of_a_list_is_read(iam, client):
    made = [iam.add_key(iam_id_of("many"), f"key {number}")["id"] for number in range(250)]
    client.log_in_with_password("many", PASSWORD)

    listed = [key["id"] for key in client.list_api_keys(sort="created_at")]

    assert listed == made
    assert [asked.query.get("pagetoken") for asked in iam.requests("list")] == [None, "100", "200"]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"unused_for_days": "90", "leaked": "true"}, "leaked, unused_for_days"),
        ({"status": "active", "sort": "name"}, "status"),
        ({"sort": "last_authn"}, "sort"),
    ],
)
def test_a_list_of_other_keys_than_were_asked_for_is_not_taken(iam, client, asked, named):
    """IBM documents none of these: its service may refuse them, or ignore them and list every key."""
    iam.add_key(ANNAS, "in use")

    refused = refusal(lambda: list(client.list_api_keys(**asked)))

    assert str(refused) == f"The server ignored {named} and listed other keys, which are not shown."
    assert (refused.status, iam.count("list")) == (501, 1)


@pytest.mark.parametrize("applied", [None, "leaked", {"leaked": True}, [], [["leaked"], 7], ["status"]])
def test_only_a_list_of_names_says_what_a_server_applied(applied):
    with Fixed(200, json.dumps({"apikeys": [], "applied": applied}), Content_Type="application/json") as other:
        refused = refusal(lambda: IAMClient(other.url).api_key_page(leaked="true"))

    assert refused.status == 501


def test_a_list_that_leads_in_a_circle_is_left(iam, client):
    iam.fail("list", faults.LOOP, times=9)

    refused = refusal(lambda: list(client.list_api_keys()))

    assert str(refused) == "The server's list repeats itself."
    assert iam.count("list") == 2


def tokens(access_token: str) -> Fault:
    return Fault((200, {}, {"access_token": access_token, "refresh_token": "r", "expiration": 1}))


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        *(("list", fault) for fault in (faults.EMPTY_OBJECT, faults.KEYS_NOT_A_LIST)),
        *(("token", tokens(token)) for token in ("", "two\nlines", "🔑")),  # no header can say it
        *((kind, faults.HTML_200) for kind in ("delete", "lock", "disable")),  # a website has done nothing
    ],
)
def test_an_answer_of_success_that_is_not_iams_is_none(iam, client, kind, fault):
    key = iam.add_key(ANNAS, "terraform")
    iam.fail(kind, fault)

    assert str(refusal(lambda: ACTS[kind](client, key))) == NOT_IAMS


@pytest.mark.parametrize("resources", [7, None, {"metadata": 1}, [7, None, {}, {"metadata": {"guid": "a"}}]])
def test_accounts_of_the_wrong_shape_are_none(iam, client, resources):
    iam.fail("accounts", Fault((200, {}, {"next_url": None, "resources": resources})))

    assert client.list_accounts(iam.url) == []


def test_both_shapes_of_an_error_tell_message_code_and_transaction(iam, client):
    v1 = refusal(lambda: client.get_api_key("ApiKey-unknown"))
    token = refusal(lambda: client.log_in_with_api_key("unknown"))

    assert (str(v1), v1.status, v1.code, v1.trace) == (
        "Unable to find the API key.", 404, "BXNIM0102E", "trace-of-v1",
    )  # fmt: skip
    assert (str(token), token.status, token.code, token.trace) == (
        "Provided API key could not be found.", 400, "BXNIM0415E", "trace-of-token",
    )  # fmt: skip


@pytest.mark.parametrize("location", ["/elsewhere", "http://[::1", "http://127.0.0.1:1/v1/apikeys"])
def test_a_redirect_is_not_followed_wherever_it_leads(iam, client, location):
    iam.fail("list", Fault((302, {"Location": location}, b"x" * 100)))

    refusal(lambda: client.api_key_page())

    assert [asked.target for asked in iam.asked] == ["/v1/apikeys"]


def test_a_deletion_whose_answer_was_lost_is_done(iam, client):
    key = iam.add_key(ANNAS, "terraform")
    iam.fail("delete", faults.LOST)

    client.delete_api_key(key["id"])
    refused = refusal(lambda: client.delete_api_key(key["id"]))

    assert refused.status == 404
    assert iam.count("delete") == 3


# Requests


def test_no_cookie_of_one_person_is_sent_with_the_requests_of_another(iam, client):
    IAMClient(iam.url).log_in_with_password("bob", PASSWORD)
    client.api_key_page()

    assert [asked.kind for asked in iam.asked] == ["token", "list"]
    assert [asked.headers.get("Cookie") for asked in iam.asked] == [None, None]
    assert len(transport.shared_session().cookies) == 0


def test_requests_say_who_asks_and_for_which_account(iam, client):
    pair = client.log_in_with_password("alice", PASSWORD)

    same = client.refresh(pair.refresh_token)
    client.refresh(same.refresh_token, account_id=OTHER_ACCOUNT)

    assert {asked.headers["User-Agent"] for asked in iam.asked} == {f"apikeys/{VERSION}"}
    assert [asked.form.get("account") for asked in iam.requests("refresh")] == [None, OTHER_ACCOUNT]
    assert [account for _iam_id, account in iam.refreshers.values()][-1:] == [OTHER_ACCOUNT]
    assert ACCOUNT != OTHER_ACCOUNT
