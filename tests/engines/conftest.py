"""Each test runs in every engine that is named by its parameter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import pytest_runtest_makereport  # noqa: F401  (masks values in reports)
from tests.cast import PASSWORD
from tests.engines.engine import Engine
from tests.engines.firefox import Firefox
from tests.engines.webkit import WebKit
from tests.server import ConsoleServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleServer]:
    with ConsoleServer(tmp_path_factory.mktemp("console") / "data", LOG_LEVEL="DEBUG") as console:
        console.run_python(f"from console.models import User; User.objects.create_user('alice', password={PASSWORD!r})")
        yield console


@pytest.fixture(params=[Firefox, WebKit], ids=["firefox", "webkit"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with request.param(tmp_path / "browser") as running:
        yield running
