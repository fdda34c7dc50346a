"""Reports of broken policies: told in the log, without what a browser quotes of the page, and not without end."""

import json
import logging

import pytest
from django.test import Client

from console import csp_reports
from console.policies import REPORTS
from tests.look_alikes import value

PAGE = "https://keys.example/manage/security/apikeys/create/?name=build"


@pytest.fixture(autouse=True)
def lines(caplog, monkeypatch):
    """Return what was told, each test with a minute of its own."""
    monkeypatch.setattr(csp_reports, "_lines", csp_reports._Lines())
    caplog.set_level(logging.WARNING, "console.csp_reports")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "console.csp_reports"]


def report(client: Client, body: object, kind: str = "application/csp-report") -> int:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(REPORTS, data=data, content_type=kind).status_code


def broken(**more: object) -> dict[str, object]:
    return {
        "csp-report": {"document-uri": PAGE, "effective-directive": "script-src-elem", "blocked-uri": "inline"} | more
    }


def test_a_report_tells_what_was_forbidden_and_where(lines):
    assert report(Client(enforce_csrf_checks=True), broken()) == 204

    [line] = lines()
    assert line == "A page broke its policy: script-src-elem, on /manage/security/apikeys/create/, blocked: inline"


def test_the_newer_form_of_reports_is_understood(lines):
    body = {"documentURL": PAGE, "effectiveDirective": "img-src", "blockedURL": "https://elsewhere.example:8443/a?b=c"}

    assert report(Client(), [{"type": "csp-violation", "body": body}], "application/reports+json") == 204

    [line] = lines()
    assert line.endswith("img-src, on /manage/security/apikeys/create/, blocked: https://elsewhere.example:8443")


def test_no_sample_no_query_and_no_value_is_told(lines):
    secret = value()
    page, blocked = f"https://keys.example/{secret}?q={secret}", f"https://elsewhere.example/{secret}"
    hidden = broken(**{"script-sample": secret, "document-uri": page, "blocked-uri": blocked, "source-file": secret})

    report(Client(), hidden)

    [line] = lines()
    assert secret not in line
    assert "?" not in line


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[" * 10_000,
        b"{" + b" " * csp_reports.MOST_BYTES + b"}",
        b"null",
        b"[null, 1, {}]",
        b'{"csp-report": []}',
        b'{"csp-report": {"effective-directive": "\\n2026-01-01 INFO a line of one\'s own"}}',
    ],
)
def test_what_is_no_report_is_told_nowhere(lines, body):
    assert report(Client(), body) == 204

    assert lines() == []


def test_addresses_can_not_write_lines_of_their_own(lines):
    report(Client(), broken(**{"document-uri": "http://a.example/\r\nx%0a\u2028y", "blocked-uri": "http://[b\r\n"}))

    [line] = lines()
    assert line.isprintable()
    assert line.endswith("blocked: (no address)")


def test_a_flood_of_reports_is_counted_and_not_told(lines, monkeypatch):
    minute = iter([0.0] * 100 + [60.0])
    monkeypatch.setattr(csp_reports.time, "monotonic", lambda: next(minute))
    client = Client()

    for _ in range(5):
        report(client, [broken()] * csp_reports.MOST_REPORTS)
    report(client, broken())

    assert len(lines()) == csp_reports.LINES_A_MINUTE + 2
    assert lines()[-2] == "80 more reports of broken policies were not told"


def test_only_post_is_taken():
    assert Client().get(REPORTS).status_code == 405
