"""A console whose keys are at another one, and the road between the two, which a test may make slow or close.

Anna works. Ida administers. Olaf may be deactivated. Elsa never comes to the second console. All have their
accounts at the first console only.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.browser.steps import ENGLISH, Words
from tests.browser.value import Value
from tests.browser.visitor import Visitor
from tests.cast import PASSWORD
from tests.neighbours import Relay
from tests.programs import Console, Program
from tests.server import ConsoleServer

TITLE = "IBM Cloud API keys"
HELD_SECONDS = 8  # the second console does not wait longer
PASSCODE = "a passcode for Anna"
DISCOVERY = "/identity/.well-known/openid-configuration"

MAKE_NEIGHBOURS = f"""
from console.models import User
make = User.objects.create_user
make("anna", password={PASSWORD!r}, first_name="Anna", last_name="Lind", email="anna@example.com")
make("olaf", password={PASSWORD!r}, first_name="Olaf", last_name="Berg", email="olaf@example.com")
make("elsa", password={PASSWORD!r}, first_name="Elsa", last_name="Dahl", email="elsa@example.com")
User.objects.create_superuser("ida", password={PASSWORD!r}, first_name="Ida", last_name="Falk", email="ida@example.com")
"""


class Road(Relay):
    """Passes requests on to the first console, and makes it look more like IBM Cloud: with passcodes and accounts.

    `delay` is in seconds and holds up each answer; the answer of a request for which `loses` says yes never arrives.
    `accounts` are names by id.
    """

    def __init__(self, console_url: str) -> None:
        super().__init__(console_url)
        self.delay = 0.0
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.loses: Callable[[str, str], bool] = lambda method, target: False
        self.accounts: dict[str, str] = {}
        self.connections: set[socket.socket] = set()
        self._prepare(self.server)

    def _prepare(self, server: ThreadingHTTPServer) -> None:
        take = server.process_request

        def process_request(request: Any, client_address: Any) -> None:
            self.connections.add(request)
            take(request, client_address)

        def handle_error(request: Any, client_address: Any) -> None:
            """Say nothing: what is lost here is lost on purpose."""

        server.process_request, server.handle_error = process_request, handle_error  # type: ignore[method-assign]

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if urlsplit(target).path == "/coe/v2/accounts":
            rows = [{"metadata": {"guid": id}, "entity": {"name": name}} for id, name in self.accounts.items()]
            return 200, {"Content-Type": "application/json"}, json.dumps({"resources": rows}).encode()
        if dict(parse_qsl(body.decode())).get("passcode") == PASSCODE:
            body = urlencode({"grant_type": "password", "username": "anna", "password": PASSWORD}).encode()
        status, found_headers, found = super().answer(method, target, headers, body)
        if target == DISCOVERY:
            found = json.dumps(json.loads(found) | {"passcode_endpoint": f"{self.url}/identity/passcode"}).encode()
        if self.loses(method, target):
            raise ConnectionAbortedError
        time.sleep(self.delay)
        self.goes_on.wait(HELD_SECONDS)
        return status, found_headers, found

    @contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        self.delay = seconds
        yield
        self.delay = 0.0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is answered until the end of this."""
        self.goes_on.clear()
        try:
            yield
        finally:
            self.goes_on.set()

    @contextmanager
    def losing_creations(self) -> Iterator[None]:
        self.loses = lambda method, target: (method, target) == ("POST", "/v1/apikeys")
        yield
        self.loses = lambda method, target: False

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Nobody listens there, and what was connected is cut."""
        address, handler = self.server.server_address, self.server.RequestHandlerClass
        self.__exit__()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it had ended
        self.connections.clear()
        try:
            yield
        finally:
            self.server = ThreadingHTTPServer(address, handler)  # type: ignore[arg-type]
            self.server.daemon_threads = True
            self._prepare(self.server)
            self.__enter__()


@dataclass(frozen=True)
class Owner:
    """Somebody at a `console`, and a `stranger` to their keys, which are at the `keeper`: there, or another console."""

    username: str
    name: str
    stranger: str
    console: ConsoleServer
    keeper: ConsoleServer
    brand: str = ""

    def title(self, t: Words = ENGLISH) -> str:
        """Return what the list of keys is called."""
        return t("%(brand)s API keys", brand=self.brand) if self.brand else t("API keys")

    def product(self, t: Words) -> str:
        return f"{self.brand} {t('Console')}".lstrip()

    def number_of(self, name: str) -> int:
        """Return how many keys of exactly that name the keeper has of them."""
        return Visitor.logged_in(self.keeper, self.username).names_found(name)

    def can_use(self, value: Value) -> bool:
        return value.given_to(Console(self.keeper).exchange).status_code == 200


@dataclass
class Pair:
    """`second` keeps its keys at `first`, `far` does so by the `road`."""

    first: ConsoleServer
    second: ConsoleServer
    far: ConsoleServer
    road: Road

    def there(self, username: str) -> Program:
        """Return a program that runs as this person at the first console."""
        form = {"grant_type": "password", "username": username, "password": PASSWORD}
        answer = Console(self.first).token_request(client=True, **form)
        assert answer.status_code == 200, answer.text
        return Program(self.first.url, answer.json()["access_token"])

    def names_there(self, username: str) -> list[str]:
        """Return the names of this person's keys at the first console."""
        return [key["name"] for key in self.there(username).listed()]

    def log_in(self, username: str, at: ConsoleServer | None = None) -> Visitor:
        return Visitor.logged_in(at or self.second, username)

    def set_active(self, username: str, is_active: bool) -> None:
        """Deactivate somebody at the first console, or take it back."""
        self.first.run_python(
            "from console.models import User\n"
            f"user = User.objects.get(username={username!r})\nuser.is_active = {is_active}\nuser.save()"
        )
