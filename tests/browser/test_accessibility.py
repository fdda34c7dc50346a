"""Everybody can use it: axe finds nothing, focus is where it belongs, and large text or a small screen lose nothing."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.addresses import CREATE, KEYS, UNKNOWN_ID, edit_address
from tests.browser.conftest import BOB, DESKTOP, MOBILE, PageFor, start_console
from tests.browser.readable import bad_contrasts, unreadable, violations
from tests.browser.steps import (
    Words,
    choose_action,
    create_key,
    dialog,
    fill,
    leave_unsaved,
    log_in,
    notes,
    open_create,
    row,
    submit,
)
from tests.browser.visitor import Visitor
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser

STRANGE = "Ключ 🔑 مفتاح <b>\"&'"
LONG = "unbroken" * 31
STOPS = 43
PROVOKED = (403, 404, 409, 422, 500)


@pytest.fixture(scope="module")
def broken_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleServer]:
    """A console that fails whenever somebody has a session."""
    with start_console(tmp_path_factory.mktemp("broken") / "data") as running:
        with closing(sqlite3.connect(running.data_dir / "console.sqlite3")) as database:
            database.execute("DROP TABLE django_session")
        yield running


@pytest.fixture
def every_state(page_for: PageFor, server: ConsoleServer, broken_server: ConsoleServer):
    """Walk through everything that the console can show, and stop at each: where, and its page."""

    def walk(locale: str = "en-US", **options) -> Iterator[tuple[str, Page]]:
        t = Words(locale)
        options |= {"locale": locale, "expected": PROVOKED}
        parts = (log_in_page, without_keys, shell, reference, life_of_a_key, all_keys, sent_twice, edited_twice)
        for part in (*parts, password, refusals):
            yield from part(t, lambda person, **more: page_for(person, **(options | more)), server)
        yield from failure(t, page_for(None, at=broken_server.url, **options))

    return walk


@pytest.mark.parametrize("locale", ["en-US", "zh-TW"])
@pytest.mark.parametrize("viewport", [DESKTOP, MOBILE], ids=["1440x900", "390x844"])
def test_everything_can_be_read_light_and_dark_small_and_large(every_state, viewport, locale):
    """Axe finds no violation, and nothing scrolls sideways at 320 pixels or with text of 200 %."""
    found, seen = [], 0
    for where, page in every_state(locale, viewport=viewport):
        seen += 1
        found += [f"{where}: {problem}" for problem in unreadable(page, is_small=viewport == MOBILE)]

    assert found == []
    assert seen == STOPS


def test_axe_would_find_a_violation(page_for: PageFor):
    page = page_for(None, color_scheme="dark")
    page.goto("/login/")
    page.evaluate("document.querySelector('label').remove()")
    page.evaluate("document.querySelector('h1').style.color = '#222'")

    assert {violation.partition(" ")[0] for violation in violations(page)} == {"label", "color-contrast"}
    assert bad_contrasts(page) == ["color-contrast at ['h1']"]


def test_focus_enters_each_dialog_and_returns_to_what_opened_it(page_for: PageFor):
    page = page_for("alice")
    keep_key(page, "focus returns")

    def open_create_dialog() -> tuple[Locator, Locator]:
        opener = page.get_by_role("link", name="Create API key")
        opener.click()
        return opener, dialog(page, "Create API key")

    def open_by_action(action: str, title: str) -> Callable[[], tuple[Locator, Locator]]:
        def open_it() -> tuple[Locator, Locator]:
            choose_action(page, "focus returns", action)
            return page.get_by_role("button", name="Actions for focus returns"), dialog(page, title)

        return open_it

    ways_in = [
        open_create_dialog,
        open_by_action("Edit name and description", "Edit name and description"),
        open_by_action("Delete key", "Delete key?"),
    ]
    ways_out: list[Callable[[Locator], None]] = [
        lambda opened: page.keyboard.press("Escape"),
        lambda opened: opened.get_by_role("link", name="Cancel").click(),
        lambda opened: opened.get_by_role("link", name="Close").click(),
    ]
    for way_in in ways_in:
        for way_out in ways_out:
            opener, opened = way_in()
            expect(opened.locator(":focus")).to_have_count(1)
            way_out(opened)
            expect(opened).to_be_hidden()
            expect(opener).to_be_focused()


@pytest.mark.parametrize("key", ["Tab", "Shift+Tab"])
def test_tab_stays_in_each_dialog(page_for: PageFor, key):
    page = page_for("alice")
    keep_key(page, f"trapped {key}")

    outside = []
    for open_dialog in (
        lambda: open_create(page),
        lambda: choose_action(page, f"trapped {key}", "Edit name and description"),
        lambda: choose_action(page, f"trapped {key}", "Delete key"),
        lambda: create_key(page, f"trapped {key} too"),
    ):
        page.goto(KEYS)
        open_dialog()
        expect(page.locator("dialog:modal :focus")).to_have_count(1)
        for _ in range(20):
            page.keyboard.press(key)
            # The body has the focus while it would be in the browser's own bars.
            if not page.evaluate("document.activeElement.matches('body, dialog, dialog *')"):
                outside.append(page.evaluate("document.activeElement.outerHTML"))

    assert outside == []


def test_after_a_mistake_focus_is_at_the_field_that_has_it(page_for: PageFor):
    page = page_for("alice", expected=(422,))
    form = open_create(page)
    form.get_by_role("textbox", name="Name", exact=True).fill(" ")

    form.get_by_role("button", name="Create API key").click()

    field = form.get_by_role("textbox", name="Name", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description(
        "Say what uses the key, for example the program and the environment. Enter a name."
    )


def test_the_first_tab_offers_to_skip_the_menus(page_for: PageFor):
    page = page_for("alice")
    page.goto(KEYS)

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.get_by_role("main")).to_be_focused()


# The stops of the walk.


def log_in_page(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    page = visit(None)
    page.goto("/")
    yield "log in", page
    page.get_by_role("button", name=t("Language")).click()
    yield "log in, language menu", page
    page.keyboard.press("Escape")
    log_in(page, "nobody", t=t)
    expect(page.get_by_role("alert")).to_be_visible()
    yield "log in, refused", page


def without_keys(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    page = visit("nora")
    page.goto("/")
    yield "dashboard, no key", page
    page.goto(KEYS)
    expect(page.get_by_role("heading", name=t("You have no API keys yet"))).to_be_visible()
    yield "list, no key", page


def shell(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    bob = Visitor.logged_in(server, BOB)
    for name in (STRANGE, LONG):
        if not bob.names_found(name):
            bob.post(CREATE, bob.form(CREATE) | {"name": name, "description": f"{LONG} <script>"})
    page = visit(BOB)
    page.goto("/")
    yield "dashboard", page
    page.goto(KEYS)
    expect(row(page, STRANGE)).to_be_visible()
    yield "list", page
    bar = page.get_by_role("banner")
    # The names of menu buttons are what stands on them, at most one of the first two is there.
    for button in (t("Menu"), t("Manage"), t("Language"), t("Account")):
        opener = bar.get_by_role("button", name=button, exact=True)
        if opener.is_visible():
            opener.click()
            yield f"menu {button}", page
            page.keyboard.press("Escape")
    row(page, STRANGE).get_by_role("button").click()
    yield "menu of a key", page
    page.keyboard.press("Escape")
    page.get_by_role("searchbox").fill("nothing has this name")
    expect(page.get_by_role("heading", name=t("No key matches your search"))).to_be_visible()
    yield "list, no match", page


def life_of_a_key(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    page = visit(BOB)
    page.clock.install()
    form = open_create(page, t)
    yield "create", page
    fill(form, " ", "x" * 1001, t)
    form.get_by_role("button", name=t("Create API key")).click()
    expect(form.get_by_text(t("Enter a name."))).to_be_visible()
    yield "create, refused", page
    fill(form, "a life", "", t)
    form.get_by_label(t("Expiration"), exact=True).select_option(t("On a day…"))
    expect(day_of(form, t)).to_be_visible()
    yield "create, on a day", page
    form.get_by_role("button", name=t("Create API key")).click()
    expect(form.get_by_text(t("Choose the day."))).to_be_visible()
    yield "create, no day", page
    day_of(form, t).fill("2001-01-31")
    for choice in (t("Expiration"), t("If the key leaks")):
        form.get_by_label(choice, exact=True).locator("option").last.evaluate("(option) => { option.value = 'x'; }")
    form.get_by_label(t("If the key leaks"), exact=True).select_option("x")
    form.get_by_role("button", name=t("Create API key")).click()
    expect(form.locator("select[aria-invalid=true]")).to_have_count(2)
    yield "create, no such choice", page
    form.get_by_label(t("Expiration"), exact=True).select_option(t("On a day…"))
    form.get_by_label(t("If the key leaks"), exact=True).select_option(t("Disable it at once"))
    form.get_by_role("button", name=t("Create API key")).click()
    expect(form.get_by_text(t("This day is over. Choose a later one."))).to_be_visible()
    yield "create, day over", page
    day_of(form, t).fill("2199-01-31")
    created = submit(form, t)
    yield "created", page
    created.get_by_role("button", name=t("Show")).click()
    yield "created, shown", page
    created.get_by_text(t("Use this key in a program")).click()
    expect(created.get_by_role("link", name=t("API reference (opens in a new tab)"))).to_be_visible()
    yield "created, use in a program", page
    page.keyboard.press("Escape")
    expect(created.get_by_role("button", name=t("Close without saving"))).to_be_visible()
    yield "created, asking", page
    created.get_by_role("button", name=t("Stay here")).click()
    page.clock.fast_forward("05:01")
    expect(created.get_by_text(t("The key is no longer shown."))).to_be_visible()
    yield "created, wiped", page
    created.get_by_role("button", name=t("Close")).click()

    choose_action(page, "a life", "Details", t)
    dialog(page, t("API key")).get_by_role("link", name=t("Close")).first.wait_for()
    yield "details", page
    page.keyboard.press("Escape")
    choose_action(page, "a life", "Edit name and description", t)
    form = dialog(page, t("Edit name and description"))
    yield "edit", page
    fill(form, "x" * 256, "", t)
    form.get_by_role("button", name=t("Save")).click()
    expect(form.locator("[aria-invalid=true]")).to_be_visible()
    yield "edit, refused", page
    fill(form, "a longer life", "", t)
    form.get_by_role("button", name=t("Save")).click()
    expect(notes(page, t("The changes to %(name)s were saved.", name="a longer life"))).to_be_visible()
    yield "edited", page

    choose_action(page, "a longer life", "Delete key", t)
    dialog(page, t("Delete key?"))
    yield "delete", page
    page.get_by_role("dialog").get_by_role("button", name=t("Delete key")).click()
    expect(notes(page, t("%(name)s was deleted and no longer works.", name="a longer life"))).to_be_visible()
    yield "deleted", page


def day_of(form: Locator, t: Words) -> Locator:
    return form.get_by_label(t("Expires at the end of this day, UTC"))


def all_keys(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    page = visit("ada")
    page.goto(KEYS)
    expect(page.get_by_role("heading", name=t("You have no API keys yet"))).to_be_visible()
    yield "administrator's list, no key", page
    page.get_by_label(t("View"), exact=True).select_option(t("All users' keys"))
    page.get_by_role("searchbox").fill(STRANGE)  # other tests' keys may be newer than a page's worth
    expect(row(page, STRANGE)).to_contain_text(BOB)
    yield "all users' keys", page
    choose_action(page, STRANGE, "Delete key", t)
    dialog(page, t("Delete key?"))
    yield "delete somebody's key", page


def reference(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    page = visit(BOB)
    page.goto("/docs/api/")
    expect(page.get_by_role("heading", name=t("API reference"), level=1)).to_be_visible()
    yield "API reference", page


def sent_twice(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    page = visit(BOB)
    form = open_create(page, t)
    fill(form, "sent twice", "", t)
    nonce = form.locator("[name=nonce]").input_value()
    bob = Visitor.logged_in(server, BOB)
    bob.post(CREATE, bob.form(CREATE) | {"name": "sent twice", "nonce": nonce}, **{"HX-Request": "true"})
    bob.post(f"{CREATE}receipt/", bob.form(CREATE) | {"nonce": nonce})
    form.get_by_role("button", name=t("Create API key")).click()
    dialog(page, t("This key was already created"))
    yield "already created, dialog", page
    page.goto(CREATE)
    dialog(page, t("Create API key")).locator("form").evaluate(
        "(form, nonce) => { form.elements.nonce.value = nonce; form.elements.name.value = 'x'; form.submit(); }", nonce
    )
    expect(page.get_by_role("heading", name=t("This key was already created"))).to_be_visible()
    yield "already created, page", page


def edited_twice(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    page = visit(BOB)
    page.goto(KEYS)
    choose_action(page, STRANGE, "Edit name and description", t)
    form = dialog(page, t("Edit name and description"))
    path = form.locator("form").get_attribute("action")
    bob = Visitor.logged_in(server, BOB)
    bob.post(path, bob.form(path) | {"description": "somebody was faster"})
    form.get_by_role("button", name=t("Save")).click()
    expect(form.get_by_role("alert").get_by_text("somebody was faster")).to_be_visible()
    yield "edit, conflict", page


def password(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    page = visit(BOB)
    page.goto("/password/")
    yield "password", page
    for label, text in {"Current password": "wrong", "New password": "short", "New password again": "other"}.items():
        page.get_by_label(t(label), exact=True).fill(text)
    page.get_by_role("main").get_by_role("button", name=t("Change password")).click()
    expect(page.locator("[aria-invalid=true]").first).to_be_visible()
    yield "password, refused", page


def refusals(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    page = visit(BOB)
    page.goto("/nothing/here/")
    yield "404", page
    page.goto("/admin/")
    yield "403", page
    page.goto(edit_address(UNKNOWN_ID))
    yield "no such key", page
    page.goto(CREATE)
    fill(dialog(page, t("Create API key")), STRANGE, LONG, t)
    page.context.clear_cookies(name="__Host-csrf")
    page.get_by_role("dialog").locator("form").evaluate("(form) => form.submit()")
    expect(page.get_by_role("button", name=t("Send again"))).to_be_visible()
    yield "403, form out of date", page


def failure(t: Words, page: Page) -> Iterator[tuple[str, Page]]:
    page.context.add_cookies(
        [{"name": "__Host-session", "value": "x" * 32, "domain": "127.0.0.1", "path": "/", "secure": True}]
    )
    page.goto("/")
    expect(page.get_by_role("heading", name=t("Something went wrong"))).to_be_visible()
    yield "500", page


def keep_key(page: Page, name: str) -> None:
    leave_unsaved(create_key(page, name))
    expect(row(page, name)).to_be_visible()
    page.wait_for_load_state()
