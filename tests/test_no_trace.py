"""After its one delivery a value is nowhere: in no answer, session, message, row, file, log line or error report."""

import copy
import io
import logging
import re
import sys

import pytest
from django.contrib.sessions.models import Session
from django.core.signals import got_request_exception
from django.db import connection
from django.test import Client
from django.views.debug import ExceptionReporter, get_exception_reporter_class

from apikeys import values
from apikeys.domain import ApiKeyDraft
from apikeys.models import ApiKeyRecord
from apikeys.services import creation
from apikeys.web.forms import new_nonce
from console.logs import LineFormatter, MaskedExceptionReporter, MaskFilter
from tests.addresses import CREATE, DOWNLOAD, KEYS, MORE_TIME, RECEIPT, delete_address, edit_address
from tests.cast import ADMIN
from tests.conftest import caller_for, delivery_for
from tests.http_person import HttpPerson
from tests.markup import page, value_on
from tests.stores import refuse_rows_of, tables_with

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJpYW1faWQiOiJJQk1pZC0xIn0.c2lnbmF0dXJl"


def values_in(text: str) -> int:
    """Return how many values of this console stand in a text, whatever stands beside them."""
    places = [match.start() for match in re.finditer("apk_", text)]
    return sum(values.is_genuine(text[place : place + values.LENGTH], "apk_") for place in places)


# The whole journey, from inside


def test_nothing_that_the_console_keeps_or_logs_has_the_value(alice_client, caplog):
    caplog.set_level(logging.DEBUG)
    nonce = new_nonce()

    created = alice_client.post(CREATE, {"name": "terraform", "description": "", "nonce": nonce})
    value, key = value_on(created), ApiKeyRecord.objects.get()
    found = {"on the way": tables_with(value) + tables_with(nonce)}
    alice_client.post(MORE_TIME, {"nonce": nonce})
    alice_client.post(RECEIPT, {"nonce": nonce})
    alice_client.post(CREATE, {"name": "terraform", "nonce": nonce})
    alice_client.post(DOWNLOAD, {"nonce": nonce})
    alice_client.post(edit_address(key.id), {"name": "tofu", "entity_tag": key.entity_tag})
    found["after the edit"] = tables_with(value) + tables_with(nonce)
    alice_client.post(delete_address(key.id))
    found["after the deletion"] = tables_with(value) + tables_with(nonce)

    sessions = [str(session.get_decoded()) for session in Session.objects.all()]
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    found["in sessions"] = [secret == value for secret in (value, nonce) if secret in "".join(sessions)]
    found["in the log"] = [secret == value for secret in (value, nonce) if secret in logged]
    found["only masked in the log"] = re.findall(re.escape(values.MASK), logged)
    assert {place: hits for place, hits in found.items() if hits} == {}
    assert "tofu" in "".join(sessions), "the news about the key is told through the session"
    assert logged


def test_the_value_is_in_the_body_of_one_answer_and_in_no_header(alice_client):
    nonce = new_nonce()
    form = {"name": "terraform", "description": "", "nonce": nonce}

    created = alice_client.post(CREATE, form)
    key = ApiKeyRecord.objects.get()
    answers = [
        created,
        alice_client.post(MORE_TIME, {"nonce": nonce}),
        alice_client.post(RECEIPT, {"nonce": nonce}),
        alice_client.post(CREATE, form),
        alice_client.post(DOWNLOAD, {"nonce": nonce}),
        *(alice_client.get(address) for address in ("/", KEYS, CREATE, edit_address(key.id), delete_address(key.id))),
        alice_client.post(edit_address(key.id), form | {"entity_tag": "stale"}),
        alice_client.post(edit_address(key.id), form | {"entity_tag": key.entity_tag}),
        alice_client.post(delete_address(key.id)),
        alice_client.get(KEYS),
    ]

    in_bodies = [values_in(answer.content.decode()) for answer in answers]
    in_headers = [values_in(f"{answer.headers} {answer.cookies}") for answer in answers]
    assert in_bodies == [1] + [0] * (len(answers) - 1)
    assert in_headers == [0] * len(answers)


# The whole journey, with a real server and its files


def test_no_byte_of_the_data_folder_or_the_log_ever_has_the_value(console_server):
    found: dict[str, list[str]] = {}

    def search(moment: str) -> None:
        files = console_server.kept()
        found[moment] = [
            path for path, content in files.items() if value.encode() in content or nonce.encode() in content
        ]
        found["control"] = [path for path, content in files.items() if b"a name that is searched for" in content]

    with HttpPerson(console_server.url) as person:
        person.log_in(*ADMIN)
        form = person.get(CREATE)
        nonce = page(form).find("input", name="nonce")["value"]
        created = person.submit(form, CREATE, name="a name that is searched for")
        value = value_on(created)
        search("before the receipt")
        person.submit(created, RECEIPT)
        search("after the receipt")
        again = person.submit(form, CREATE, name="a name that is searched for")
        for path in ("/", KEYS, f"/{value}", f"{KEYS}?q={value}", f"/x%3Dapikey%3D{value}/"):
            person.get(path)
        search("after looking for it")

    assert again.status_code == 409
    assert found.pop("control")
    assert {moment: paths for moment, paths in found.items() if paths} == {}
    assert values.MASK in console_server.log, "an address that was not found was logged, masked"


@pytest.mark.sqlite
def test_the_database_overwrites_what_is_wiped_and_keeps_what_it_confirmed(db):
    pragmas = {}
    with connection.cursor() as cursor:
        for name in ("secure_delete", "journal_mode", "synchronous"):
            cursor.execute(f"PRAGMA {name}")
            pragmas[name] = cursor.fetchone()[0]

    assert pragmas == {"secure_delete": 1, "journal_mode": "wal", "synchronous": 2}


# Log lines


@pytest.fixture
def log():
    """A logger with the console's filter and formatter, and what it wrote."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(MaskFilter())
    handler.setFormatter(LineFormatter())
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.written = written
    return logger


def test_a_value_in_a_log_line_is_masked_wherever_it_comes_from(log):
    value = values.generate("apk_")

    log.warning("the message has %s", value)
    log.warning(f"the format has {value}")  # noqa: G004
    log.warning("a mapping has %(key)s", {"key": value})
    log.warning("a token: %s", TOKEN)

    written = log.written.getvalue()
    leaked = value in written or TOKEN in written
    assert not leaked
    assert written.count(values.MASK) == 4


def test_a_value_in_a_logged_traceback_is_masked(log):
    value = values.generate("apk_")

    try:
        raise ValueError(f"the store refused {value}") from KeyError(value)
    except ValueError:
        log.exception("It failed.")

    written = log.written.getvalue()
    leaked = value in written
    assert not leaked
    assert f"ValueError: the store refused {values.MASK}" in written


@pytest.mark.parametrize(
    "forged", ["\n2026-01-01 INFO forged", "\r\nforged", "\x1b[2Jforged", "\x00forged", "\u2028forged", "\x85forged"]
)
def test_nobody_writes_a_second_line_or_moves_the_cursor(log, forged):
    log.warning("user %s", forged)

    [line] = log.written.getvalue().splitlines()
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", line)
    assert line.endswith("forged")


def test_a_line_begins_with_its_time_in_utc(log):
    log.warning("hello")

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 WARNING test: hello\n", log.written.getvalue())


def test_the_console_logs_through_that_filter_and_formatter(settings):
    assert settings.LOGGING["root"]["handlers"] == ["stderr"]
    assert settings.LOGGING["handlers"]["stderr"]["filters"] == ["fault", "mask"]  # the last word is the mask's
    assert settings.LOGGING["filters"]["mask"] == {"()": "console.logs.MaskFilter"}
    assert settings.LOGGING["formatters"]["line"] == {"()": "console.logs.LineFormatter"}
    assert not [name for name, logger in settings.LOGGING["loggers"].items() if logger["handlers"]]


# Error reports


@pytest.fixture
def reports(settings):
    """Every report of an unhandled exception, as HTML and as text, by the console's reporter and by Django's own."""
    made = {"console": [], "django": []}

    def report(request, **_kwargs):
        for name, reporter in (("console", get_exception_reporter_class(request)), ("django", ExceptionReporter)):
            for is_email in (False, True):
                made[name].append(reporter(request, *sys.exc_info(), is_email=is_email).get_traceback_html())
                made[name].append(reporter(request, *sys.exc_info(), is_email=is_email).get_traceback_text())

    got_request_exception.connect(report)
    yield made
    got_request_exception.disconnect(report)


def break_template(settings, folder, name: str) -> None:
    """Let the rendering of a template fail."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{% include 'there is no such template.html' %}")
    templates = copy.deepcopy(settings.TEMPLATES)
    templates[0]["DIRS"].insert(0, folder)
    settings.TEMPLATES = templates


def create(client: Client, nonce: str):
    client.raise_request_exception = False
    return client.post(CREATE, {"name": "terraform", "description": "", "nonce": nonce})


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("broken", ["page", "apikeys_apikeyrecord", "apikeys_handover", "apikeys_auditevent"])
def test_no_error_report_of_a_failed_creation_has_the_value_or_the_nonce_that_opens_the_seal(
    alice_client, settings, tmp_path, reports, broken, debug
):
    settings.DEBUG = debug
    if broken == "page":
        break_template(settings, tmp_path, "apikeys/_created.html")  # after the key was made
    else:
        refuse_rows_of(broken)
    nonce = new_nonce()

    response = create(alice_client, nonce)

    found = [values_in(text) for text in (response.content.decode(), *reports["console"])]
    leaks = [nonce in report for report in reports["console"]]
    assert response.status_code == 500
    assert found == [0] * 5
    assert debug or leaks == [False] * 4, "a developer's report shows the form, and not the value"
    assert all("Traceback" in report for report in reports["console"])


def test_the_search_for_values_in_reports_finds_what_djangos_own_report_shows(alice_client, settings, reports):
    settings.DEBUG = True
    refuse_rows_of("apikeys_apikeyrecord")

    create(alice_client, new_nonce())

    found = sum(values_in(report) for report in reports["django"])
    assert found > 0


def test_no_error_report_of_a_log_in_has_the_password(client, alice, settings, tmp_path, reports):
    break_template(settings, tmp_path, "login.html")
    client.raise_request_exception = False

    client.post("/login/", {"username": "alice", "password": "a wrong but secret password"})

    assert len(reports["console"]) == 4
    assert not [report for report in reports["console"] if "a wrong but secret password" in report]


def test_a_value_in_an_exceptions_message_is_masked_in_the_report():
    value = values.generate("apk_")
    try:
        raise RuntimeError(f"the store refused {value}")
    except RuntimeError:
        reporter = MaskedExceptionReporter(None, *sys.exc_info())

    reports = [reporter.get_traceback_html(), reporter.get_traceback_text()]
    leaks = [value in report for report in reports]
    assert leaks == [False, False]
    assert all(f"the store refused {values.MASK}" in report for report in reports)


# What is printed while looking for a bug


def test_an_issued_key_shows_its_record_but_not_its_value(alice):
    issued = creation.create_api_key(caller_for(alice), ApiKeyDraft("terraform", ""), delivery_for(alice))

    printed = f"{issued} {issued!r} {[issued]}"

    found = values_in(printed)
    assert found == 0
    assert "terraform" in printed
