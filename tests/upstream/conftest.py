"""A console on an upstream that a worker's tests share, and Anna, new for each."""

from collections.abc import Iterator

import pytest

from tests.upstream import IMPATIENT, ConsoleWithUpstream, Visitor, console_with_upstream


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleWithUpstream]:
    with console_with_upstream(tmp_path_factory.mktemp("upstream"), **IMPATIENT) as console:
        yield console


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
