"""Figures for Prometheus: what they count, what they never name, and who may read them."""

import json
import os

import pytest
import requests
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from console import metrics
from console.outbox import dispatcher
from tests.programs import API_KEY_GRANT, Site

pytestmark = pytest.mark.django_db

TOKEN = "a token of Prometheus with enough characters".replace(" ", "-")
HERE = {"REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "localhost"}
DETAILS = "/manage/security/apikeys/"


@pytest.fixture(autouse=True)
def figures(settings, tmp_path, monkeypatch):
    """A server that has answered nothing yet, with a folder of its own."""
    settings.DATA_DIR = tmp_path
    settings.ALLOWED_HOSTS = ["localhost", "testserver", "console.example.com"]
    metrics._noted.clear()
    dispatcher.ended.clear()
    monkeypatch.setattr(metrics, "_own", own := metrics.Figures())
    monkeypatch.setattr(metrics, "_shared_by", set())
    metrics.begin()
    return own


def read(text: str) -> dict[tuple[str, ...], float]:
    """Return each number by the name of the sample and its labels."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = [sample.labels[name] for name in ("route", "method", "status", "le") if name in sample.labels]
            found[sample.name, *labels] = sample.value
    return found


def asked(**environ: str) -> dict[tuple[str, ...], float]:
    answer = Client().get("/metrics", **(HERE | environ))
    assert answer.status_code == 200
    return read(answer.text)


def test_requests_are_counted_by_route_method_and_status_and_never_by_key_or_person(alice_client, alice, alices_key):
    details = f"{DETAILS}{alices_key.key.id}/"
    assert alice_client.get(details).status_code == 200
    for _time in range(2):
        answer = Client().post("/identity/token", {"grant_type": API_KEY_GRANT, "apikey": alices_key.value})
        assert answer.status_code == 200
    Client().get(f"/{alices_key.key.id}")
    Client().generic("BREW", "/login/")

    text = Client().get("/metrics", **HERE).text
    found = read(text)

    count = "console_request_seconds_count"
    assert found[count, "/identity/token", "POST", "200"] == 2
    assert found[count, "other", "GET", "404"] == 1
    assert found[count, "other", "other", "405"] == 1
    assert [labels for labels in found if labels[0] == count and labels[1].startswith(f"{DETAILS}<")]
    named = [word for word in (alices_key.key.id, alice.username, alice.iam_id, "BREW") if word in text]
    assert not named


def test_a_time_is_in_the_first_bucket_that_holds_it_and_those_behind(figures, rf):
    request = rf.get("/static/console.css")
    for seconds in (0.004, 0.005, 0.3, 60):
        metrics.note(request, 200, seconds)

    found = asked()

    of_static = {bound: found["console_request_seconds_bucket", "/static/", "GET", "200", bound] for bound in (
        "0.005", "0.25", "0.5", "10.0", "+Inf")}  # fmt: skip
    assert of_static == {"0.005": 2, "0.25": 2, "0.5": 3, "10.0": 3, "+Inf": 4}
    assert found["console_request_seconds_sum", "/static/", "GET", "200"] == pytest.approx(60.309)


def test_the_workers_of_a_server_are_added_up_and_one_that_is_gone_has_answered_what_it_answered(figures, rf):
    metrics.note(rf.get("/"), 404, 0.1)
    metrics.share()
    other = json.loads((metrics.folder() / f"{os.getpid()}.json").read_text())
    (metrics.folder() / f"{os.getppid()}.json").write_text(json.dumps(other | {"memory": 5000}))
    (metrics.folder() / f"{2**22 + 1}.json").write_text(json.dumps(other | {"memory": 7000}))
    (metrics.folder() / "4711.json").write_text("half of i")

    found = asked()

    assert found["console_request_seconds_count", "other", "GET", "404"] == 3
    assert found["console_workers",] == 2
    assert found["console_workers_cpu_seconds_total",] >= 3 * other["cpu_seconds"] > 0
    assert found["console_workers_memory_bytes",] > 1_000_000


def test_a_start_forgets_the_figures_of_the_server_before(figures, rf):
    metrics.note(rf.get("/"), 404, 0.1)
    metrics.share()

    metrics.begin()

    assert list(metrics.folder().iterdir()) == []


def test_nothing_is_written_while_nothing_is_asked(figures, rf):
    metrics.share()
    file = metrics.folder() / f"{os.getpid()}.json"
    before = file.stat().st_mtime_ns, file.read_text()

    metrics.share()
    idle = file.stat().st_mtime_ns, file.read_text()
    metrics.note(rf.get("/"), 404, 0.1)
    metrics.share()

    assert idle == before
    assert file.read_text() != before[1]


def test_what_a_full_disk_does_not_take_is_counted_all_the_same(figures, rf):
    metrics.folder().rmdir()
    metrics.note(rf.get("/"), 404, 0.1)

    with pytest.raises(OSError, match="No such file"):
        metrics.share()

    assert asked()["console_request_seconds_count", "other", "GET", "404"] == 1


# Who may read them


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({}, 200),
        ({"REMOTE_ADDR": "::1", "HTTP_HOST": "[::1]:8000"}, 400),  # no name of this console here
        ({"REMOTE_ADDR": "192.0.2.7"}, 401),
        ({"HTTP_HOST": "console.example.com"}, 401),
        *(({name: "127.0.0.1"}, 401) for name in metrics.FORWARDED),
        ({"REMOTE_ADDR": "192.0.2.7", "HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}, 200),
        ({"HTTP_X_FORWARDED_FOR": "192.0.2.7", "HTTP_AUTHORIZATION": f"bearer {TOKEN}"}, 200),
        ({"REMOTE_ADDR": "192.0.2.7", "HTTP_AUTHORIZATION": f"Bearer {TOKEN}x"}, 401),
        ({"REMOTE_ADDR": "192.0.2.7", "HTTP_AUTHORIZATION": "Bearer "}, 401),
        ({"REMOTE_ADDR": "192.0.2.7", "HTTP_AUTHORIZATION": "Bearer \xe9"}, 401),
    ],
)
def test_the_figures_are_for_this_machine_without_a_proxy_and_for_who_has_the_token(settings, environ, status):
    settings.METRICS_TOKEN = TOKEN

    answer = Client().get("/metrics", **(HERE | environ))

    assert answer.status_code == status
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "console_" not in answer.text


def test_without_a_token_nobody_else_may_read_them(settings):
    settings.METRICS_TOKEN = ""

    answer = Client().get("/metrics", REMOTE_ADDR="192.0.2.7", HTTP_AUTHORIZATION="Bearer ")

    assert answer.status_code == 401


def test_a_server_that_runs_counts_what_it_answers(site: Site):
    def count() -> float:
        return read(requests.get(f"{site.url}/metrics", timeout=10).text).get(
            ("console_request_seconds_count", "/healthz", "GET", "200"), 0.0
        )

    before = count()
    requests.get(f"{site.url}/healthz", timeout=10)

    assert count() == before + 1


def test_what_became_of_deliveries_is_counted_and_what_waits_is_told(monkeypatch):
    monkeypatch.setattr(dispatcher, "waiting", {"webhook": 3})
    dispatcher.ended.extend([("webhook", "delivered"), ("webhook", "delivered"), ("webhook", "given_up")])

    text = Client().get("/metrics", **HERE).text

    assert 'console_deliveries_total{kind="webhook",outcome="delivered"} 2.0' in text
    assert 'console_deliveries_total{kind="webhook",outcome="given_up"} 1.0' in text
    assert 'console_deliveries_waiting{kind="webhook"} 3.0' in text
