"""Each audit event as one line of JSON for a collector of logs: whole, after the commit, with nothing injected."""

import json
import re
import stat
from pathlib import Path

import pytest

from apikeys import audit
from apikeys.audit import catalogue, lines
from apikeys.domain import ApiKeyChanges
from apikeys.exceptions import ApiKeyNotFound
from apikeys.iam import oauth
from apikeys.identity import signing
from apikeys.models import AuditEvent
from apikeys.services import deletion, keys
from console.factors.changes import LastFactor
from console.single_sign_on.refusals import SomebodyElse
from tests.addresses import UNKNOWN_ID
from tests.conftest import caller_for

TABLE = re.compile(r"^\| `([a-z.-]+)` \| (normal|warning|critical) \|", re.M)
TOKEN_URL = "/identity/token"


@pytest.fixture
def log(tmp_path, settings) -> Path:
    settings.AUDIT_LOG = str(tmp_path / "audit.log")
    return tmp_path / "audit.log"


def events_of(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text(encoding="ascii").splitlines()]


def test_a_change_is_a_line_in_the_form_of_cadf(alice, alices_key, log, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        deletion.delete_api_key(caller_for(alice), alices_key.key.id)

    [event] = events_of(log)
    assert (event["action"], event["outcome"], event["severity"]) == (audit.DELETE, "success", "critical")
    assert event["initiator"] == {
        "id": alice.iam_id,
        "name": "Alice Liddell",
        "typeURI": "service/security/account/user",
        "credential": {"type": "user"},
        "host": {"address": "192.0.2.7", "addressType": "IPv4", "agent": "pytest"},
    }
    assert event["target"]["id"] == alices_key.key.crn
    assert event["target"]["typeURI"] == "iam-identity/user-apikey"
    assert event["reason"] == {"reasonCode": 200, "reasonType": "OK"}
    assert event["message"] == "IAM Identity Service: delete user-apikey terraform"
    assert event["correlationId"] == "0" * 32
    assert event["eventTime"].endswith("Z")
    assert event["id"] == str(AuditEvent.objects.get(action=audit.DELETE).id)


def test_a_refusal_says_why(alice, log, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(ApiKeyNotFound):
        deletion.delete_api_key(caller_for(alice), UNKNOWN_ID)

    [event] = events_of(log)
    assert (event["outcome"], event["severity"]) == ("failure", "warning")
    assert event["reason"] == {
        "reasonCode": 404, "reasonType": "Not Found", "reasonForFailure": "ApiKeyNotFound",
    }  # fmt: skip
    assert event["message"].endswith(" -failure")


@pytest.mark.parametrize(("refusal", "status"), [(LastFactor, 409), (SomebodyElse, 403)])
def test_a_refusal_of_second_factors_or_single_sign_on_has_its_status_as_well(
    alice, log, django_capture_on_commit_callbacks, refusal, status
):
    with django_capture_on_commit_callbacks(execute=True):
        audit.record_person(caller_for(alice), audit.FACTOR_DELETE, alice.iam_id, reason=refusal.__name__)

    [event] = events_of(log)
    assert event["reason"]["reasonCode"] == status


def test_what_is_rolled_back_is_no_line(alice, alices_key, log, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        audit.record(caller_for(alice), audit.UPDATE, target=alices_key.key)

        assert not log.exists()

    assert len(callbacks) == len(events_of(log)) == 1


@pytest.mark.parametrize("name", ["a\nb", "a\r\nb", 'a","outcome":"success', "a\u2028b\u0085c", "\x1b[2Jgone"])
def test_no_name_begins_another_line_or_field(alice, alices_key, log, name, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        audit.record(caller_for(alice), audit.UPDATE, target_id=alices_key.key.id, target_name=name, lock=name)

    data = log.read_bytes()
    assert data.count(b"\n") == 1
    assert data.isascii()
    assert not any(byte < 32 for byte in data[:-1])
    [event] = events_of(log)
    assert event["target"]["name"] == event["requestData"]["lock"] == name


def test_a_value_in_a_name_is_masked_in_the_line(alice, alices_key, log, django_capture_on_commit_callbacks):
    changes = ApiKeyChanges(name=f"was {alices_key.value}", description="")
    with django_capture_on_commit_callbacks(execute=True):
        keys.update_api_key(caller_for(alice), alices_key.key.id, changes, entity_tag="*")

    assert alices_key.value not in log.read_text()
    assert "[masked]" in log.read_text()


def test_only_the_console_reads_the_file_and_a_rotated_one_is_made_anew(log):
    lines._write("one")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600

    log.rename(log.with_suffix(".1"))
    lines._write("two")

    assert (log.with_suffix(".1").read_text(), log.read_text()) == ("one\n", "two\n")


def test_a_file_that_can_not_be_written_is_told_once_and_holds_nothing_back(log, caplog):
    log.mkdir()
    for _attempt in range(3):
        lines._write("lost")
    log.rmdir()
    lines._write("written")

    assert log.read_text() == "written\n"
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "3 lines are missing" in caplog.text


def test_lines_go_to_standard_output_and_not_through_the_log(settings, capsys, caplog):
    settings.AUDIT_LOG = "stdout"

    lines._write("one")

    assert capsys.readouterr().out == "one\n"
    assert not caplog.records


@pytest.mark.parametrize("is_on", [True, False])
def test_an_exchange_is_a_line_and_no_row_where_it_is_asked_for(
    client, alices_key, log, settings, is_on, django_capture_on_commit_callbacks
):
    settings.AUDIT_EXCHANGES = is_on
    signing.rotate()  # the first exchange makes a key, which is an event of its own
    rows = AuditEvent.objects.count()
    form = {"grant_type": oauth.GRANT_API_KEY, "apikey": alices_key.value}

    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(TOKEN_URL, form).status_code == 200

    found = events_of(log) if is_on else []
    assert [(event["action"], event["severity"]) for event in found] == [(audit.EXCHANGE, "normal")] * is_on
    assert all(event["message"].endswith(" user-apikey terraform") for event in found)
    assert all(event["target"]["id"] == alices_key.key.crn for event in found)
    assert log.exists() is is_on
    assert AuditEvent.objects.count() == rows


def test_the_document_has_every_action_with_its_severity():
    text = (Path(__file__).parent.parent / "docs" / "audit.md").read_text(encoding="utf-8")

    assert dict(TABLE.findall(text)) == {name: str(action.severity) for name, action in catalogue.CATALOGUE.items()}
