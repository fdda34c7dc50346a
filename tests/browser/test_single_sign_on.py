"""Single sign-on in the browser, at a real provider: in, administrator by a group, asked again, at the command line."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.addresses import KEYS, USERS
from tests.browser.conftest import MOBILE, PageFor, start_console, with_and_without_script
from tests.browser.readable import violations
from tests.browser.sizes import SIZES, faults_of
from tests.browser.steps import Words, dialog, log_in, open_create
from tests.browser.test_factors import LET_TIME_PASS, MAKE, log_out
from tests.cast import PASSWORD
from tests.openid_provider import NAME, OpenIDProvider
from tests.server import ConsoleServer, free_port
from tests.terminal import Terminal

pytestmark = pytest.mark.browser

IN = f"Log in with {NAME}"
FORGET = "User.objects.filter(username={name!r}).delete()"
FACTORS, PASSCODE = "/account/factors/", "/account/passcode/"


@pytest.fixture(scope="session")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleServer]:
    """A console with single sign-on, under the name that it tells the provider, and the provider."""
    folder, port = tmp_path_factory.mktemp("sign-on"), free_port()
    console = start_console(folder / "data", LOG_LEVEL="DEBUG", **OpenIDProvider.environment(port))
    console.own_name = console.url.replace("127.0.0.1", "localhost")  # type: ignore[attr-defined]
    provider = OpenIDProvider(folder, f"{console.own_name}/login/sso/callback/", port)  # type: ignore[attr-defined]
    with ExitStack() as end, ThreadPoolExecutor() as pool:
        for started in [pool.submit(one.__enter__) for one in (console, provider)]:
            end.push(started.result())
        yield console


@pytest.fixture
def visit(page_for: PageFor, staff: ConsoleServer):
    def open_page(**options) -> Page:
        return page_for(None, at=staff.own_name, **options)

    return open_page


def sign_on(page: Page, name: str) -> None:
    """Fill in what the provider asks."""
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Enter").click()


@with_and_without_script
def test_carol_comes_back_to_where_she_was_going_and_administers_by_her_group(visit, js: bool):
    page = visit(js=js)
    page.goto(f"{KEYS}?q=terraform")
    page.get_by_role("link", name=IN).click()
    sign_on(page, "carol")

    expect(page).to_have_url(f"{page.url.partition(KEYS)[0]}{KEYS}?q=terraform")
    expect(page.get_by_role("heading", name="API keys", exact=True).first).to_be_visible()
    page.goto(USERS)
    expect(page.get_by_role("heading", name="Users", exact=True)).to_be_visible()


def test_nell_who_is_in_no_such_group_does_not_and_logs_out_and_in_again(visit):
    page = visit(expected=(403,))
    page.goto("/")
    page.get_by_role("link", name=IN).click()
    sign_on(page, "nell")

    page.goto(USERS)
    expect(page.get_by_role("heading", name="Users", exact=True)).to_have_count(0)
    page.goto(KEYS)
    log_out(page)
    page.get_by_role("link", name=IN).click()  # the provider remembers her
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


@with_and_without_script
def test_carol_is_asked_again_at_the_provider_and_loses_nothing(visit, staff: ConsoleServer, js: bool):
    page = visit(js=js, expected=(422,))
    page.goto(KEYS)
    page.get_by_role("link", name=IN).click()
    sign_on(page, "carol")
    form = open_create(page)
    form.get_by_label("Name", exact=True).fill(f"typed with care {js}")
    staff.run_python(LET_TIME_PASS.format(name="carol"))

    form.get_by_role("button", name="Create API key").click()
    place = dialog(page, "Is it still you?") if js else page.get_by_role("main")
    with page.expect_popup() as opened:
        place.get_by_role("link", name=f"Log in again at {NAME}").click()
    sign_on(opened.value, "carol")
    expect(opened.value.get_by_text("You have shown who you are.")).to_be_visible()
    opened.value.close()
    place.get_by_role("button", name="Go on").click()

    expect(page.get_by_role("heading", name="API key created")).to_be_visible()


def test_somebody_else_at_the_provider_proves_nothing(visit, staff: ConsoleServer):
    page = visit()
    page.goto(KEYS)
    page.get_by_role("link", name=IN).click()
    sign_on(page, "carol")

    page.goto("/account/sso/prove/")
    sign_on(page, "nell")

    expect(page.get_by_text(f"You came back from {NAME} as somebody else.")).to_be_visible()


def test_carol_logs_in_to_the_command_line_by_a_passcode(visit, staff: ConsoleServer, tmp_path: Path):
    terminal = Terminal(tmp_path)
    page = visit()
    page.goto(PASSCODE)
    page.get_by_role("link", name=IN).click()
    sign_on(page, "carol")

    refused = terminal.run("login", "-a", staff.url, "-u", "carol", "-p", PASSWORD)
    page.get_by_role("button", name="Make a passcode").click()
    passcode = page.locator("#passcode").inner_text()
    done = terminal.run("login", "-a", staff.url, "-u", "passcode", "-p", passcode)

    assert refused.status == 1
    assert "Use 'apikeys login --sso'." in refused.err
    assert done.status == 0, done.err
    assert "User:          carol@example.com" in done.out


def test_olga_connects_her_user_and_logs_in_without_her_password(visit, staff: ConsoleServer):
    staff.run_python(MAKE.format(name="olga") + FORGET.format(name="nell"))
    page = visit()
    page.goto(FACTORS)
    log_in(page, "olga")

    page.get_by_role("link", name=f"Connect with {NAME}").click()
    sign_on(page, "nell")
    expect(page.get_by_text(f"You can log in with {NAME} since")).to_be_visible()
    log_out(page)
    page.get_by_role("link", name=IN).click()
    page.goto(FACTORS)
    expect(page.get_by_role("button", name="Disconnect")).to_be_visible()
    page.get_by_role("button", name="Disconnect").click()

    expect(page.get_by_role("link", name=f"Connect with {NAME}")).to_be_visible()


@pytest.mark.parametrize("locale", ["en-US", "zh-TW"])
def test_its_pages_fit_every_size_and_have_no_barrier(visit, staff: ConsoleServer, locale: str):
    t, page = Words(locale), visit(locale=locale, viewport=MOBILE)
    found = []

    def look(where: str) -> None:
        found.extend([*map(str, faults_of(page, where, SIZES)), *violations(page)])

    page.goto("/login/?refused=taken")
    look("log in")
    page.get_by_role("link", name=t("Log in with %(single_sign_on)s", single_sign_on=NAME)).click()
    sign_on(page, "carol")
    page.goto(FACTORS)
    look("second factors")
    page.goto("/account/prove/")
    look("asked again")
    page.goto("/account/sso/proved/")
    look("proved")
    page.goto("/account/sso/proved/?refused=old")
    look("not proved")

    assert found == []


def test_no_code_state_or_token_stands_in_anything_that_was_written(staff: ConsoleServer, visit):
    page, seen = visit(), []
    page.on("request", lambda request: seen.append(request.url))
    page.goto("/login/")
    page.get_by_role("link", name=IN).click()
    sign_on(page, "carol")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()

    [back] = [url for url in seen if "/login/sso/callback/" in url]
    secrets = [part.partition("=")[2].encode() for part in back.partition("?")[2].split("&") if "iss" not in part]
    assert len(secrets) == 2
    written = b"".join(staff.kept().values())
    assert [secret for secret in secrets if secret in written] == []
    assert b"eyJ" not in staff.log.encode()
