"""Dockerfile and compose.yaml: what they promise, and what the image runs, started without an engine."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from console.env_file import SETTINGS
from console.settings import WORKER_END_SECONDS
from tests.containers import (
    HOST,
    RUN_SECRETS,
    Container,
    Image,
    Proxy,
    compose,
    context,
    said,
    stages,
    without_privileges,
)
from tests.documents import blocks
from tests.http_person import HttpPerson
from tests.server import ROOT

PAGE = ROOT / "docs" / "containers.md"
SERVICES = compose()["services"]
# Of the registry that an engine asks by itself, with a version.
PINNED = re.compile(r"[a-z]+:\d[\w.-]*")


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with tempfile.TemporaryDirectory(prefix="apikeys-image-") as folder:
        yield Image(Path(folder))


@pytest.fixture
def secrets(tmp_path, database_url) -> Path:
    """The secrets that the document makes, with the database of this test."""
    _language, code = blocks(PAGE)[0]
    subprocess.run(["sh", "-euc", code], cwd=tmp_path, check=True)
    folder = tmp_path / "secrets"
    (folder / "database_url").write_text(database_url)
    return folder


# What is promised


@pytest.mark.once
def test_base_images_are_pinned_and_no_file_is_fetched_from_an_address():
    bases = [rest.partition(" ")[0] for stage in stages() for rest in said(stage, "FROM")]
    images = [service["image"] for service in SERVICES.values() if "build" not in service]

    assert [name for name in bases + images if not PINNED.fullmatch(name)] == []
    assert len(set(bases)) == 1, "the environment of one stage works in the other"
    assert "://" not in (ROOT / "Dockerfile").read_text()
    assert not any(said(stage, "ADD") for stage in stages())


@pytest.mark.once
def test_the_image_runs_as_nobody_special_and_its_first_process_is_the_console():
    _build, final = stages()

    assert said(final, "USER") == [SERVICES["console-a"]["user"]]
    assert all(said(final, name)[0].startswith("[") for name in ("ENTRYPOINT", "CMD")), "no shell takes its signals"


@pytest.mark.once
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_than_it_needs(name):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service and "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert ("ports" in service) == (name == "proxy")
    assert ("outside" in service["networks"]) == (name == "proxy")
    assert int(service["stop_grace_period"].removesuffix("s")) >= WORKER_END_SECONDS + 10


@pytest.mark.once
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_each_secret_as_a_file_and_no_other(name):
    service = SERVICES[name]
    configuration = (ROOT / "deploy" / "nginx.conf").read_text() if name == "proxy" else ""
    named = [text for text in service.get("environment", {}).values() if text.startswith(RUN_SECRETS)]
    named += re.findall(rf"{RUN_SECRETS}\w+", configuration)

    assert sorted(service["secrets"]) == sorted(path.removeprefix(RUN_SECRETS) for path in named)
    assert set(service["secrets"]) <= set(compose()["secrets"])
    secret = re.compile(r"PASSWORD|SECRET|PEPPERS|DATABASE_URL")
    assert all(variable.endswith("_FILE") for variable in service.get("environment", {}) if secret.search(variable))


@pytest.mark.once
def test_two_consoles_have_the_same_settings_and_only_those_that_there_are():
    assert SERVICES["console-a"] == SERVICES["console-b"]
    assert set(SERVICES["console-a"]["environment"]) <= set(SETTINGS)


@pytest.mark.once
def test_nothing_gets_into_the_image_that_is_not_named_for_it(tmp_path):
    context(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {
        "LICENSE", "apikeys", "console", "deploy", "locale", "manage.py", "requirements.txt", "static", "templates",
    }  # fmt: skip
    assert [path.name for path in (tmp_path / "deploy").iterdir()] == ["healthy.py"]


# What is run


@pytest.mark.postgres
def test_two_consoles_and_the_proxy_serve_over_tls_and_one_may_stop(image, secrets, tmp_path):
    before = image.files()
    with (
        Container(image, secrets, tmp_path / "a") as one,
        Container(image, secrets, tmp_path / "b") as other,
        Proxy(one, other) as proxy,
        HttpPerson(proxy.url) as person,
    ):
        person.verify = str(proxy.authority)
        person.headers["Referer"] = f"https://{HOST}/"
        person.log_in("admin", (secrets / "admin_password").read_text().strip())
        plain = requests.get(f"{proxy.plain_url}/login/?next=/", allow_redirects=False, timeout=5)
        own = requests.get(f"{proxy.plain_url}/healthz", timeout=5)
        healthy = [console.health().returncode for console in (one, other)]
        with_both = {person.get("/").status_code for _time in range(6)}
        stopped = one.stop()
        unhealthy = one.health()
        with_one = {person.get("/").status_code for _time in range(6)}
        ends = [other.stop(), proxy.stop()]

    assert (plain.status_code, plain.headers["Location"]) == (301, f"https://{HOST}/login/?next=/")
    assert own.status_code == 200
    assert healthy == [0, 0]
    assert (unhealthy.returncode, unhealthy.stderr.strip()) == (1, "[Errno 111] Connection refused")
    assert with_both == with_one == {200}
    assert [stopped, *ends] == [0, 0, 0]
    assert image.files() == before
    assert not any(re.search(r"/site-packages/(pip|pytest)/", name) for name in before)
    assert "Traceback" not in one.log_path.read_text() + other.log_path.read_text()


@pytest.mark.postgres
def test_the_health_check_says_what_is_wrong(image, secrets, tmp_path):
    with Container(image, secrets, tmp_path / "a") as console:
        console.environment["ALLOWED_HOSTS"] = "other.example.com"

        checked = console.health()

    assert checked.returncode == 1
    assert checked.stderr.startswith("400 ")


@pytest.mark.once
def test_what_runs_without_privileges_has_none():
    status = subprocess.run(without_privileges("cat", "/proc/self/status"), capture_output=True, text=True).stdout

    found = dict(line.split(":\t") for line in status.splitlines() if line.startswith(("Cap", "NoNewPrivs")))
    assert found["NoNewPrivs"] == "1"
    assert {int(found[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
