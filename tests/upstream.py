"""A console whose keys are upstream, at an IAM that misbehaves when told to, and the people who visit it."""

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.addresses import CREATE
from tests.fault_server import FaultServer
from tests.http_person import HttpPerson
from tests.markup import fields, page
from tests.recorded_iam import PASSWORD, iam_id_of
from tests.server import ConsoleServer

PATIENCE = 4.0  # seconds
IMPATIENT = {"DJANGO_SETTINGS_MODULE": "tests.impatient", "REQUEST_SECONDS": str(PATIENCE)}
HTMX = {"HX-Request": "true"}
SECONDS = 30

_numbers = itertools.count(1)


class ConsoleWithUpstream(ConsoleServer):
    """Such a console; what it logs, and its database, are searched for secrets when it has ended."""

    def __init__(self, data_dir: Path, iam: FaultServer, **environment: str) -> None:
        super().__init__(
            data_dir,
            **{
                "APIKEYS_BACKEND": "ibm-cloud",
                "IAM_URL": iam.url,
                "ACCOUNTS_URL": iam.url,
                "LOG_LEVEL": "DEBUG",
                "LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS": "1000",
                "LOGIN_ATTEMPTS_PER_ADDRESS": "100000",
                **environment,
            },
        )
        self.iam = iam

    def kill(self) -> None:
        """End every process of it at once, as a power cut would."""
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        os.kill(parent, signal.SIGKILL)
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        self.process.wait()


class Visitor(HttpPerson):
    """Somebody with an account upstream, who has logged in here."""

    def __init__(self, console: ConsoleServer, kind: str = "anna", *, logs_in: bool = True) -> None:
        super().__init__(console.url)
        self.username = f"{kind}{next(_numbers)}"
        self.iam_id = iam_id_of(self.username)
        if logs_in:
            self.log_in(self.username, PASSWORD)

    def create_form(self) -> dict[str, str]:
        """Return what the create form would send; to draw it, nobody asks IAM."""
        return fields(page(self.get(CREATE, headers=HTMX)).find("form", id="create-form"))


@contextmanager
def console_with_upstream(folder: Path, **environment: str) -> Iterator[ConsoleWithUpstream]:
    """Run an IAM and a console with it as its upstream; nothing secret may be left behind, and no traceback."""
    with FaultServer() as iam:
        with ConsoleWithUpstream(folder / "data", iam, **environment) as console:
            yield console
        kept = b"".join(console.kept().values())
    leaks = sum(secret.encode() in kept for secret in [*iam.secrets, PASSWORD])
    assert iam.secrets
    assert leaks == 0
    assert "Traceback" not in console.log


def seconds_ago(seconds: float) -> str:
    """Return a moment as either database takes it."""
    return f"{datetime.now(UTC) - timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S.%f+00:00}"


def until(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)
