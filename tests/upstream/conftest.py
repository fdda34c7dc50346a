"""Consoles on an upstream that a worker's tests share, and Anna, new for each; an upstream of this process."""

from collections.abc import Iterator

import pytest

from apikeys.upstream import discovery
from tests.fault_server import FaultServer
from tests.upstream import ATTEMPTS, IMPATIENT, ConsoleWithUpstream, Visitor, console_with_upstream


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleWithUpstream]:
    with console_with_upstream(tmp_path_factory.mktemp("upstream"), **IMPATIENT) as console:
        yield console


@pytest.fixture(scope="session")
def strict_console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleWithUpstream]:
    """One behind a proxy, where a person at an address has few attempts to log in."""
    limits = {"LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS": str(ATTEMPTS), "TRUSTED_PROXIES": "1"}
    with console_with_upstream(tmp_path_factory.mktemp("strict"), **limits, **IMPATIENT) as console:
        yield console


@pytest.fixture
def iam(settings, monkeypatch) -> Iterator[FaultServer]:
    """The upstream of this process, of which it knows nothing yet."""
    monkeypatch.setattr(discovery, "offer", discovery.Offer())
    with FaultServer() as server:
        settings.IAM_URL, settings.IAM_HOST = server.url, server.url.removeprefix("http://")
        yield server


@pytest.fixture(autouse=True)
def well(request: pytest.FixtureRequest) -> None:
    """No test meets the faults of the one before, or what was asked for it."""
    if "console" in request.fixturenames:
        iam = request.getfixturevalue("console").iam
        iam.heal()
        iam.forget_requests()


@pytest.fixture
def anna(console: ConsoleWithUpstream) -> Visitor:
    return Visitor(console)
