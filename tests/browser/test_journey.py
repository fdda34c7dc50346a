"""The main job, end to end: log in, create, show once, copy, download, close, edit, delete; keys here or elsewhere."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.addresses import KEYS
from tests.browser.conftest import BOB, DESKTOP, MOBILE, PageFor, large_and_small
from tests.browser.steps import (
    ENGLISH,
    Words,
    choose_action,
    create_key,
    delete,
    dialog,
    download,
    edit,
    fill,
    go_to_keys_by_menu,
    is_dark,
    leave_unsaved,
    log_in,
    notes,
    pasted,
    press_action,
    row,
    submit,
    tab_to,
)
from tests.browser.two_consoles import Owner
from tests.browser.value import Value, assert_is_the_key_file
from tests.cast import PASSWORD
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser


# Each two of a size, a scheme and a language once; the walks of all pages see to what depends on all three.
BROWSERS = [
    (DESKTOP, "light", "en-US"),
    (DESKTOP, "dark", "zh-TW"),
    (MOBILE, "dark", "en-US"),
    (MOBILE, "light", "zh-TW"),
]


@pytest.mark.parametrize(("viewport", "scheme", "locale"), BROWSERS)
@pytest.mark.parametrize("owner", ["alice", "anna"], indirect=True)
def test_somebody_creates_a_key_saves_it_changes_it_and_deletes_it(
    page_for: PageFor, owner: Owner, tmp_path: Path, viewport, scheme, locale
):
    t = Words(locale)
    title = owner.title(t)
    name = f'release <b>"{scheme}"</b> & {locale} {viewport["width"]}'
    page = page_for(
        None,
        on=owner.console,
        viewport=viewport,
        color_scheme=scheme,
        locale=locale,
        permissions=("clipboard-read", "clipboard-write"),
    )

    page.goto("/")
    log_in(page, owner.username, t=t)
    expect(page).to_have_url("/")
    expect(page.get_by_role("heading", name=t("Dashboard"))).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text(owner.name)
    assert page.locator("html").get_attribute("lang") == {"en-US": "en", "zh-TW": "zh-Hant"}[locale]
    assert is_dark(page) == (scheme == "dark")

    go_to_keys_by_menu(page, t, title)
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
    expect(page).to_have_title(f"{title} – {owner.product(t)}")
    page.get_by_role("link", name=t("Create API key")).click()
    form = dialog(page, t("Create API key"))
    fill(form, name, "Applies changes", t)
    created = submit(form, t)

    value = Value.shown_in(created)
    code = created.locator("#value")
    expect(code).to_be_hidden()
    created.get_by_role("button", name=t("Show")).click()
    expect(code).to_be_visible()
    created.get_by_role("button", name=t("Hide")).click()
    expect(code).to_be_hidden()

    created.get_by_role("button", name=t("Copy")).click()
    expect(created.get_by_role("button", name=t("Copied"))).to_be_visible()
    assert pasted(page) == value

    file = download(created, tmp_path, t)
    expect(created.get_by_text(t("Download started: apikey.json")).first).to_be_visible()
    assert_is_the_key_file(file, name, "Applies changes", value, owner.keeper)

    created.get_by_role("button", name=t("Close")).click()
    expect(page).to_have_url(KEYS)
    expect(row(page, name)).to_contain_text("Applies changes")
    expect(row(page, name)).to_contain_text(t("Active"))
    if owner.username == "alice":  # a list from another console does not tell of uses
        expect(row(page, name)).to_contain_text(t("Never"))

    change_and_delete(page, name, owner, value, t)


def change_and_delete(page: Page, name: str, owner: Owner, value: Value, t: Words = ENGLISH) -> None:
    """Edit, lock, disable, look at and delete a key; it works as long as the page says so."""
    new_name = f"{name} 2"
    assert (owner.number_of(name), owner.can_use(value)) == (1, True)
    edit(page, name, new_name, "Applies and reverts changes", t)

    press_action(page, new_name, "Lock API key", t)
    expect(notes(page, t("%(name)s is locked: it can't be changed or deleted.", name=new_name))).to_be_visible()
    expect(row(page, new_name)).to_contain_text(t("Locked"))
    press_action(page, new_name, "Unlock API key", t)
    expect(notes(page, t("%(name)s is unlocked.", name=new_name))).to_be_visible()
    press_action(page, new_name, "Disable API key", t)
    expect(row(page, new_name)).to_contain_text(t("Disabled"))
    assert not owner.can_use(value)
    press_action(page, new_name, "Enable API key", t)
    expect(row(page, new_name)).to_contain_text(t("Active"))
    assert owner.can_use(value)

    row(page, new_name).get_by_role("link", name=new_name, exact=True).click()
    details = dialog(page, t("API key"))
    expect(details.get_by_text(new_name, exact=True)).to_be_visible()
    expect(details.get_by_text(owner.name).first).to_be_visible()
    details.get_by_role("link", name=t("Close")).last.click()
    expect(row(page, new_name)).to_be_visible()

    delete(page, new_name, t)
    assert (owner.number_of(new_name), owner.can_use(value)) == (0, False)


def test_traditional_chinese_is_not_english(page_for: PageFor):
    page = page_for("erin", locale="zh-TW")

    page.goto(KEYS)

    expect(page.get_by_role("heading", level=1)).to_have_text("API 金鑰")
    expect(page.get_by_role("link", name="建立 API 金鑰")).to_be_visible()


def test_strange_names_are_shown_as_they_are(page_for: PageFor):
    name = '<script>alert(1)</script> "it\'s" & مفتاح 🔑'
    page = page_for(BOB)
    page.goto("/")
    expect(page.get_by_text(f"Welcome, {BOB}.")).to_be_visible()

    created = create_key(page, name, "<b>not bold</b>")
    expect(created.locator("#created-what").get_by_text(name, exact=True)).to_be_visible()
    leave_unsaved(created)
    expect(row(page, name)).to_contain_text("<b>not bold</b>")
    choose_action(page, name, "Edit API key")
    form = dialog(page, "Edit API key")
    expect(form.get_by_role("textbox", name="Name", exact=True)).to_have_value(name)
    page.keyboard.press("Escape")
    delete(page, name)


def test_bob_makes_the_whole_journey_with_the_keyboard_only(page_for: PageFor, server: ConsoleServer, tmp_path: Path):
    page = page_for(None)

    page.goto("/")
    expect(page.get_by_label("User ID")).to_be_focused()
    page.keyboard.type(BOB)
    tab_to(page.get_by_label("Password", exact=True))
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()

    tab_to(page.get_by_role("button", name="Manage")).press("Enter")
    tab_to(page.get_by_role("navigation", name="Menu bar").get_by_role("link", name="API keys")).press("Enter")
    expect(page.get_by_role("heading", name="API keys", level=1)).to_be_visible()
    tab_to(page.get_by_role("link", name="Create API key")).press("Enter")

    form = dialog(page, "Create API key")
    expect(form.get_by_role("textbox", name="Name", exact=True)).to_be_focused()
    page.keyboard.type("by keyboard")
    tab_to(form.get_by_role("button", name="Create API key")).press("Enter")

    created = dialog(page, "API key created")
    value = Value.shown_in(created)
    tab_to(created.get_by_role("button", name="Show"))
    page.keyboard.press("Space")
    expect(created.locator("#value")).to_be_visible()
    tab_to(created.get_by_role("button", name="Download API key"))
    with page.expect_download() as begun:
        page.keyboard.press("Enter")
    begun.value.save_as(tmp_path / begun.value.suggested_filename)
    assert_is_the_key_file(tmp_path / "apikey.json", "by keyboard", "", value, server)
    tab_to(created.get_by_role("button", name="Close")).press("Enter")
    tab_to(created.get_by_role("button", name="Yes, close")).press("Enter")

    expect(row(page, "by keyboard")).to_be_visible()
    tab_to(page.get_by_role("button", name="Actions for by keyboard")).press("Enter")
    tab_to(row(page, "by keyboard").get_by_role("link", name="Edit API key")).press("Enter")
    form = dialog(page, "Edit API key")
    expect(form.get_by_role("textbox", name="Name", exact=True)).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.type(" only")
    page.keyboard.press("Enter")
    expect(row(page, "by keyboard only")).to_be_visible()

    tab_to(page.get_by_role("button", name="Actions for by keyboard only")).press("Enter")
    tab_to(row(page, "by keyboard only").get_by_role("link", name="Delete key")).press("Enter")
    asked = dialog(page, "Delete key?")
    expect(asked.get_by_role("link", name="Cancel")).to_be_focused()
    tab_to(asked.get_by_role("button", name="Delete key")).press("Enter")
    expect(notes(page, "by keyboard only was deleted and no longer works.")).to_be_visible()


@large_and_small
def test_somebody_makes_the_whole_journey_without_script(page_for: PageFor, owner: Owner, tmp_path: Path, viewport):
    page = page_for(None, on=owner.console, js=False, viewport=viewport)
    name = f"without script {viewport['width']}"

    page.goto("/")
    log_in(page, owner.username)
    go_to_keys_by_menu(page, title=owner.title())
    page.get_by_role("link", name="Create API key").click()
    form = dialog(page, "Create API key")
    fill(form, name, "Two\nlines")
    created = submit(form)

    value = Value.shown_in(created)
    expect(created.locator("#value")).to_be_hidden()
    created.get_by_text("Show", exact=True).filter(visible=True).click()
    expect(created.get_by_role("checkbox")).to_be_checked()
    expect(created.locator("#value")).to_be_visible()
    assert_is_the_key_file(download(created, tmp_path), name, "Two lines", value, owner.keeper)

    created.get_by_role("button", name="Close").click()
    expect(page).to_have_url(KEYS)
    expect(row(page, name)).to_contain_text("Two lines")
    change_and_delete(page, name, owner, value)
