"""A console whose keys are upstream, at an IAM that misbehaves when told to, and the people who visit it."""

import itertools
import math
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from tests.addresses import CREATE, KEYS
from tests.cast import PASSWORD
from tests.fault_server import Fault, FaultServer
from tests.http_person import HttpPerson
from tests.markup import fields, page
from tests.recorded_iam import iam_id_of
from tests.server import ConsoleServer

PATIENCE = 4.0  # seconds
IMPATIENT = {"DJANGO_SETTINGS_MODULE": "tests.impatient", "REQUEST_SECONDS": str(PATIENCE)}
HTMX = {"HX-Request": "true"}
ATTEMPTS = 5  # to log in, at the console where they are few
LOG_INS_PER_ADDRESS = 3  # that may wait for IAM at once in a process of 32 threads

# The notice of a creation whose answer was lost.
UNCONFIRMED = "The server did not confirm that the API key"
MAY_BE_ONE = "It may be one of these."
NOT_HERE = "It is not on this page of the list."

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
                **environment,
            },
        )
        self.iam = iam


class Visitor(HttpPerson):
    """Somebody with an account upstream, who has logged in here."""

    def __init__(self, console: ConsoleServer, kind: str = "anna", *, logs_in: bool = True) -> None:
        super().__init__(console.url)
        self.username = f"{kind}{next(_numbers)}"
        self.iam_id = iam_id_of(self.username)
        if logs_in:
            self.log_in(self.username, PASSWORD)

    def enter(self, address: str = "/login/") -> requests.Response:
        """Send the log-in form of that page, whatever comes of it."""
        return self.submit(self.get(address), "/login/", username=self.username, password=PASSWORD)

    def choose(self, account: str) -> requests.Response:
        return self.submit(self.get(f"/account/?next={KEYS}"), "/account/", account=account)

    def create_form(self) -> dict[str, str]:
        """Return what the create form would send; to draw it, nobody asks IAM."""
        return fields(page(self.get(CREATE, headers=HTMX)).find("form", id="create-form"))


def arrive(console: ConsoleServer, count: int) -> list[Visitor]:
    """Log as many people in, side by side: as many at once as the console takes from one address."""
    with ThreadPoolExecutor(LOG_INS_PER_ADDRESS) as pool:
        return list(pool.map(lambda _number: Visitor(console), range(count)))


@dataclass
class LastingToken:
    """Access with a token that outlives the test."""

    access_token: str = field(repr=False)
    deadline: float = math.inf

    def token(self) -> str:
        return self.access_token

    def renew(self, refused: str) -> str:
        raise AssertionError("A token was refused that should be good.")


def value_of(console: ConsoleWithUpstream, person: Visitor) -> str:
    """Return the value of a key that this person has upstream."""
    value = secrets.token_urlsafe(33)
    console.iam.values[value] = person.iam_id
    console.iam.secrets.add(value)
    return value


def lose_creations(console: ConsoleWithUpstream, person: Visitor, *faults: Fault) -> None:
    """Ask for a key `terraform` once for each fault, and lose the answer."""
    console.iam.fail("create", *faults)
    for _fault in faults:
        assert person.post(CREATE, data=person.create_form() | {"name": "terraform"}).status_code == 502


def dismiss_forms(person: Visitor) -> list[dict[str, str]]:
    """Return what the forms of the list would send that dismiss a notice, and where to, as `action`."""
    forms = page(person.get(KEYS)).find_all("form")
    return [fields(form) | {"action": form["action"]} for form in forms if form["action"].endswith("/settle/")]


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
