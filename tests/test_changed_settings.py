"""Settings that changed since the last start are one audit event, whatever keeps the keys."""

import logging
import secrets

import pytest

from apikeys import audit
from apikeys.models import AuditEvent, SettingsRecord
from console import changed_settings
from console.changed_settings import COMPARED, NOT_COMPARED, SECRET
from console.management.commands import serve
from tests.stores import accept_rows_of, refuse_rows_of

pytestmark = pytest.mark.django_db

TOKEN, OTHER = "a-token-of-the-metrics-of-alices-console", "another-token-of-the-metrics-of-her-console"
# Words of secrets in the names of settings that are none.
NO_SECRETS = {
    "LEAK_REPORT_KEYS", "PASSWORD_GRANT", "SECRET_FILES_OPEN_TO_GROUP", "TOKEN_ALGORITHM", "TOKEN_AUDIENCE",
}  # fmt: skip


@pytest.fixture
def start(monkeypatch):
    """Start the console with these settings and no others."""

    def begin(**given: str) -> None:
        for name in (*COMPARED, *(f"{name}_FILE" for name in SECRET)):
            monkeypatch.delenv(name, raising=False)
        for name, text in given.items():
            monkeypatch.setenv(name, text)
        changed_settings.tell()

    return begin


def told() -> list[dict]:
    found = AuditEvent.objects.filter(action=audit.SETTING_UPDATE).order_by("event_time")
    return list(found.values_list("request_data", flat=True))


def test_the_first_start_and_one_with_the_same_settings_tell_nothing(start):
    start(PASSWORD_GRANT="true")
    start(PASSWORD_GRANT="true", PORT="8001", WORKERS="4")

    assert told() == []


def test_a_start_with_other_settings_is_one_event_that_names_them(start):
    start(PASSWORD_GRANT="false", METRICS_TOKEN=TOKEN, LOG_LEVEL="INFO")
    start(METRICS_TOKEN=OTHER, LOG_LEVEL="INFO", SECOND_FACTOR="everybody")
    start(METRICS_TOKEN=OTHER, LOG_LEVEL="INFO", SECOND_FACTOR="everybody")

    assert told() == [
        {
            "settings": "METRICS_TOKEN, PASSWORD_GRANT, SECOND_FACTOR",
            "PASSWORD_GRANT": "",
            "prev_PASSWORD_GRANT": "false",
            "SECOND_FACTOR": "everybody",
            "prev_SECOND_FACTOR": "",
        }
    ]
    event = AuditEvent.objects.get(action=audit.SETTING_UPDATE)
    assert (event.target_name, event.severity) == ("METRICS_TOKEN, PASSWORD_GRANT, SECOND_FACTOR", "warning")
    assert event.initiator_name.startswith("operator ")
    kept = str(SettingsRecord.objects.get().told)
    assert not [text for text in (TOKEN, OTHER) if text in kept]


def test_of_a_secret_in_a_file_what_it_has_is_compared(start, tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    start(METRICS_TOKEN=TOKEN)
    start(METRICS_TOKEN_FILE=str(path))
    assert told() == []

    path.write_text(f"{OTHER}\n")
    start(METRICS_TOKEN_FILE=str(path))

    assert told() == [{"settings": "METRICS_TOKEN"}]


def test_a_rotation_of_the_secret_key_hides_no_change_and_is_none(start, settings):
    start(METRICS_TOKEN=TOKEN)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = secrets.token_hex(32), [settings.SECRET_KEY]
    start(METRICS_TOKEN=TOKEN)
    assert told() == []

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = secrets.token_hex(32), [settings.SECRET_KEY]
    start(METRICS_TOKEN=OTHER)

    assert told() == [{"settings": "METRICS_TOKEN"}]


def test_under_a_secret_key_that_knows_no_former_one_that_is_what_is_told(start, settings):
    start(METRICS_TOKEN=TOKEN, LOG_LEVEL="INFO")
    settings.SECRET_KEY = secrets.token_hex(32)

    start(METRICS_TOKEN=OTHER, LOG_LEVEL="DEBUG")

    assert told() == [{"settings": "LOG_LEVEL, SECRET_KEY", "LOG_LEVEL": "DEBUG", "prev_LOG_LEVEL": "INFO"}]


def test_while_the_database_takes_no_change_the_log_says_so_and_the_next_start_tells(start, caplog):
    start(LOG_LEVEL="INFO")
    refuse_rows_of("apikeys_auditevent")
    with caplog.at_level(logging.WARNING):
        start(LOG_LEVEL="DEBUG")
    accept_rows_of("apikeys_auditevent")
    assert "the next start tries again" in caplog.text

    start(LOG_LEVEL="DEBUG")

    assert [data["settings"] for data in told()] == ["LOG_LEVEL"]


@pytest.mark.parametrize("backend", ["embedded", "ibm-cloud"])
def test_a_start_compares_whatever_keeps_the_keys(start, settings, monkeypatch, tmp_path, backend):
    settings.DATA_DIR, settings.APIKEYS_BACKEND = tmp_path, backend
    monkeypatch.setattr(serve, "call_command", lambda *_arguments, **_options: None)
    monkeypatch.setattr(serve.Command, "check", lambda *_arguments, **_options: None)
    monkeypatch.setattr(serve.Command, "collect_static", lambda _command: None)
    start(LOG_LEVEL="INFO")
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")

    serve.Command().prepare()

    assert [data["settings"] for data in told()] == ["LOG_LEVEL"]


def test_each_setting_that_may_hold_a_secret_is_told_by_its_name_alone():
    words = ("SECRET", "PASSWORD", "TOKEN", "KEY", "PEPPER", "DATABASE", "EMAIL_URL")
    alike = {name for name in COMPARED if any(word in name for word in words)} - {"DATABASE_WAIT_SECONDS"}

    own = {name for name in alike if not name.startswith("APIKEYS_") or "PEPPER" in name}
    assert own - NO_SECRETS - {"BAD_VALUES_PER_MINUTE"} <= SECRET
    assert not NOT_COMPARED & {*COMPARED}
