"""Log lines for people and for programs, and the id that leads from an answer to what was logged about it."""

import io
import json
import logging
import re

import pytest

from apikeys import values
from console.logs import JsonFormatter, LineFormatter, MaskFilter, answered_request

FORMATTERS = {"text": LineFormatter, "json": JsonFormatter}


@pytest.fixture
def lines(request):
    """What is logged meanwhile, by whatever logger, in the form that a test names."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(MaskFilter())
    handler.setFormatter(FORMATTERS[getattr(request, "param", "json")]())
    logging.getLogger().addHandler(handler)
    yield lambda: written.getvalue().splitlines()
    logging.getLogger().removeHandler(handler)


def test_a_line_of_json_has_its_time_in_utc_and_nothing_that_there_is_not(lines):
    logging.getLogger("test").warning("hello %s", "Alice")

    [line] = lines()
    told = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", told.pop("time"))
    assert told == {"level": "WARNING", "logger": "test", "message": "hello Alice"}


def test_a_traceback_and_a_value_in_it_are_one_masked_line_of_json(lines):
    value = values.generate("apk_")

    try:
        raise ValueError(f"the store refused {value}")
    except ValueError:
        logging.getLogger("test").exception("It failed with %s.", value)

    [line] = lines()
    leaked = value in line
    assert not leaked
    assert json.loads(line)["message"] == f"It failed with {values.MASK}."
    assert json.loads(line)["exception"].endswith(f"ValueError: the store refused {values.MASK}")


@pytest.mark.parametrize(
    "forged", ['\n{"level": "INFO"}', '", "level": "INFO', "\x1b[2J", "\u2028", "\u202e", "\ud800"]
)
def test_nobody_writes_a_second_object_or_another_field(forged):
    # Not by a logger: what pytest keeps of those is no text for a worker of the test run to send.
    record = logging.LogRecord("test", logging.WARNING, "", 0, "user %s", (forged,), None)
    MaskFilter().filter(record)

    line = JsonFormatter().format(record)

    told = json.loads(line)
    assert line.isascii()
    assert line.isprintable()
    assert told["level"] == "WARNING"
    assert told["message"].isprintable()


@pytest.mark.parametrize("lines", FORMATTERS, indirect=True)
@pytest.mark.parametrize("address", ["/nothing/here/", "/v1/apikeys"])
def test_the_id_of_an_answer_leads_to_its_log_lines(client, lines, address):
    answer = client.get(address)
    client.get(address)

    request_id = answer.headers["X-Correlation-Id"]
    assert answer.status_code in (401, 404)
    assert [request_id in line for line in lines()] == [True, False]


def test_what_a_view_logs_has_the_id_of_its_request_and_what_is_logged_later_has_none(client, lines):
    answer = client.post("/login/", {"username": "alice"}, headers={"Sec-Fetch-Site": "cross-site"})
    logging.getLogger("test").warning("between two requests")

    *of_request, later = [json.loads(line) for line in lines()]
    assert of_request
    assert {line["request_id"] for line in of_request} == {answer.headers["X-Correlation-Id"]}
    assert "request_id" not in later
    assert not answered_request.get()


def test_an_error_page_shows_the_id_of_its_request(client):
    page = client.get("/nothing/here/")

    assert f"Request ID: <code>{page.headers['X-Correlation-Id']}</code>" in page.text
