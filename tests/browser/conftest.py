"""A browser, a console of its own process, and the people who use it; one of each for a worker of the test run.

Alice works. Bob's user ID tests escaping. Carol owns 10,000 keys. Dora administers. Erin has no key yet.
Frank is changed by administrators. Gina has a second factor for as long as a walk looks at it.
Nora never makes one, and neither does Ada, who administers, too.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, expect, sync_playwright

from apikeys.values import mask
from tests.browser import chromium
from tests.browser.proxy import PlainHttp
from tests.browser.two_consoles import MAKE_NEIGHBOURS, Owner, Pair, Road
from tests.browser.visitor import Visitor
from tests.cast import PASSWORD
from tests.server import ConsoleServer

DESKTOP, MOBILE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
large_and_small = pytest.mark.parametrize("viewport", [DESKTOP, MOBILE], ids=["1440x900", "390x844"])
with_and_without_script = pytest.mark.parametrize("js", [True, False], ids=["script", "no-script"])
BOB = "o'neill<b>&\""
MILLISECONDS = 20_000
CAROLS_KEYS = 10_000

LAUNCH: dict[str, Any] = {
    "args": [
        "--no-sandbox",
        "--disable-background-networking",
        # Nothing but this machine can be reached, also by two names.
        f"--host-resolver-rules=MAP {PlainHttp.name} 127.0.0.1, MAP localhost 127.0.0.1, MAP * ~NOTFOUND, "
        "EXCLUDE 127.0.0.1",
    ],
    # As people's browsers do: a page may be kept whole for Back.
    "ignore_default_args": ["--disable-back-forward-cache"],
}

MAKE_PEOPLE = f"""
from console.models import User
make = User.objects.create_user
make("alice", password={PASSWORD!r}, first_name="Alice", last_name="Liddell", email="alice@example.com")
make({BOB!r}, password={PASSWORD!r})
make("carol", password={PASSWORD!r})
make("erin", password={PASSWORD!r})
make("frank", password={PASSWORD!r}, first_name="Frank", email="frank@example.com")
make("gina", password={PASSWORD!r})
make("nora", password={PASSWORD!r})
make("mona", password={PASSWORD!r})
User.objects.create_superuser("dora", password={PASSWORD!r})
User.objects.create_superuser("ada", password={PASSWORD!r})
"""

MAKE_CAROLS_KEYS = f"""
from datetime import timedelta
from django.utils import timezone
from apikeys.backends.search import fold
from apikeys.models import ApiKeyRecord
from console.models import User
carol = User.objects.get(username="carol")
def key(number):
    name, when = f"robot {{number:05}}", timezone.now() - timedelta(days=8, minutes=number)
    return ApiKeyRecord(
        iam_id=carol.iam_id, account_id=carol.account_id, created_by=carol.iam_id, created_at=when, modified_at=when,
        name=name, name_folded=fold(name), description_folded="", pepper=1, digest=f"{{number:064x}}", hint="apk_…",
    )
ApiKeyRecord.objects.bulk_create(map(key, range({CAROLS_KEYS})))
"""


class Complaints:
    """What a browser says against the pages it shows, and every request that leaves this machine.

    `expected` are statuses, or pieces of other messages, that the test provokes.
    """

    def __init__(self, context: BrowserContext, expected: tuple[int | str, ...] = ()) -> None:
        self.heard: list[str] = []
        self.expected = expected
        context.on("console", self._console)
        context.on("weberror", lambda error: self.heard.append(f"script error: {error.error}"))
        context.on("request", lambda request: self._request(request.url))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(self._is(message.text, one) for one in self.expected):
            self.heard.append(f"console {message.type}: {message.text} {message.location}")

    @staticmethod
    def _is(text: str, expected: int | str) -> bool:
        if isinstance(expected, str):
            return expected in text
        said_by_browser_or_htmx = (
            rf"Failed to load resource: .* status of {expected}\b|Response Status Error Code {expected}\b"
        )
        return re.match(said_by_browser_or_htmx, text) is not None

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in (
            "127.0.0.1",
            "localhost",
            PlainHttp.name,
        ):
            self.heard.append(f"request to {parts.hostname}")


def start_console(data_dir: Path, **environment: str) -> ConsoleServer:
    return ConsoleServer(data_dir, APIKEYS_PER_IDENTITY="20000", **environment)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Playwright's errors describe the page, perhaps one that shows a key: no report prints a value."""
    report = yield
    text = str(report.longrepr or "")
    if mask(text) != text:
        report.longrepr = mask(text)
    return report


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleServer]:
    """The console that tests share; its log says all it can."""
    with start_console(tmp_path_factory.mktemp("console") / "data", LOG_LEVEL="DEBUG") as running:
        running.run_python(MAKE_PEOPLE)
        yield running


@pytest.fixture(scope="session")
def broken_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleServer]:
    """A console that fails whenever somebody has a session."""
    with start_console(tmp_path_factory.mktemp("broken") / "data") as running:
        with closing(sqlite3.connect(running.data_dir / "console.sqlite3")) as database:
            database.execute("DROP TABLE django_session")
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ConsoleServer]:
    """A console of the test alone, which may stop it."""
    with start_console(tmp_path / "data") as running:
        running.run_python(MAKE_PEOPLE)
        yield running


@pytest.fixture(scope="session")
def pair(server: ConsoleServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("consoles")

    def with_upstream(name: str, iam_url: str, **environment: str) -> ConsoleServer:
        settings = {"APIKEYS_BACKEND": "ibm-cloud", "IAM_URL": iam_url, "LOG_LEVEL": "DEBUG"} | environment
        return start_console(folder / name, **settings)

    with ExitStack() as end, ThreadPoolExecutor() as pool:
        road = end.enter_context(Road(server.url))
        second, far = with_upstream("second", server.url), with_upstream("far", road.url, ACCOUNTS_URL=road.url)
        people = pool.submit(server.run_python, MAKE_NEIGHBOURS)
        for started in [pool.submit(console.__enter__) for console in (second, far)]:
            end.push(started.result())
        people.result()
        running = Pair(server, second, far, road)
        road.accounts = {running.there("anna").claims["account"]["bss"]: "Lind & Söhne <b>", "f" * 32: ""}
        yield running


@pytest.fixture(params=["alice", "anna"])
def owner(request: pytest.FixtureRequest, server: ConsoleServer) -> Owner:
    """Alice, whose keys are where she works, and Anna, whose keys are at another console."""
    if request.param == "alice":
        return Owner("alice", "Alice Liddell", "dora", server, server)
    pair = request.getfixturevalue("pair")
    return Owner("anna", "Anna Lind", "ida", pair.second, pair.first, brand="IBM Cloud")


@pytest.fixture(scope="session")
def carol(server: ConsoleServer) -> str:
    """Carol's user ID; her 10,000 keys are called robot 00000, the newest, to robot 09999."""
    server.run_python(MAKE_CAROLS_KEYS)
    return "carol"


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = chromium.find()
    assert path, "No Chromium was found: run `make test`, which installs one, or set CHROMIUM to its path."
    return path


@pytest.fixture(scope="session")
def playwright(chromium_path: str) -> Iterator[Playwright]:
    # Playwright leaves an event loop in this thread; the ORM of tests that come later is not async for that.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    expect.set_options(timeout=MILLISECONDS)
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(chromium_path: str, playwright: Playwright) -> Iterator[Browser]:
    running = playwright.chromium.launch(executable_path=chromium_path, **LAUNCH)
    yield running
    running.close()


PageFor = Callable[..., Page]


@pytest.fixture
def page_for(browser: Browser, server: ConsoleServer) -> Iterator[PageFor]:
    """Open a page in a new browser session, logged in as `person` (None: as nobody).

    The test fails when the browser complains about any page in that session.
    """
    with ExitStack() as end:

        def open_page(
            person: str | None,
            *,
            at: str = "",  # another server or proxy
            expected: tuple[int | str, ...] = (),
            viewport: dict[str, int] = DESKTOP,
            locale: str = "en-US",
            js: bool = True,
            permissions: tuple[str, ...] = (),
            on: ConsoleServer = server,
            **options: Any,
        ) -> Page:
            url = at or on.url
            context = browser.new_context(
                base_url=url,
                java_script_enabled=js,
                locale=locale,
                permissions=list(permissions),
                reduced_motion="reduce",
                viewport=viewport,
                **options,
            )
            complaints = Complaints(context, expected)
            end.callback(check, context, complaints)
            context.set_default_timeout(MILLISECONDS)
            if person:
                # A session for each page: one that shows a key without script gets a new id.
                context.add_cookies(cookies_of(Visitor.logged_in(on, person)))
            return context.new_page()

        yield open_page


def check(context: BrowserContext, complaints: Complaints) -> None:
    context.close()
    assert complaints.heard == []


def cookies_of(visitor: Visitor) -> list[Any]:
    """Return the visitor's session for a browser; cookies do not care for ports, so proxies are served too."""
    place = {"domain": "127.0.0.1", "path": "/", "secure": False, "httpOnly": True, "sameSite": "Lax"}
    return [{"name": name, "value": text, **place} for name, text in visitor.cookies.items()]
