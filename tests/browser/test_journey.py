"""The main job, end to end: log in, create, show once, copy, download, close, edit, delete."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.addresses import KEYS
from tests.browser.conftest import BOB, DESKTOP, MOBILE, PageFor
from tests.browser.steps import (
    Words,
    choose_action,
    create_key,
    dialog,
    download,
    fill,
    go_to_keys_by_menu,
    is_dark,
    leave_unsaved,
    log_in,
    notes,
    pasted,
    row,
    submit,
    tab_to,
)
from tests.browser.value import Value, assert_is_the_key_file
from tests.cast import PASSWORD
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("locale", ["en-US", "zh-TW"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, MOBILE], ids=["1440x900", "390x844"])
def test_alice_creates_a_key_saves_it_edits_it_and_deletes_it(
    page_for: PageFor, server: ConsoleServer, tmp_path: Path, viewport, scheme, locale
):
    t = Words(locale)
    name = f'release <b>"{scheme}"</b> & {locale} {viewport["width"]}'
    page = page_for(
        None,
        viewport=viewport,
        color_scheme=scheme,
        locale=locale,
        permissions=("clipboard-read", "clipboard-write"),
    )

    page.goto("/")
    log_in(page, "alice", t=t)
    expect(page).to_have_url("/")
    expect(page.get_by_role("heading", name=t("Dashboard"))).to_be_visible()
    assert page.locator("html").get_attribute("lang") == {"en-US": "en", "zh-TW": "zh-Hant"}[locale]
    assert is_dark(page) == (scheme == "dark")

    go_to_keys_by_menu(page, t)
    expect(page.get_by_role("heading", name=t("API keys"), level=1)).to_be_visible()
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
    assert_is_the_key_file(file, name, "Applies changes", value, server)

    created.get_by_role("button", name=t("Close")).click()
    expect(page).to_have_url(KEYS)
    expect(row(page, name)).to_contain_text("Applies changes")
    expect(row(page, name)).to_contain_text(t("Active"))
    expect(row(page, name)).to_contain_text(t("Never"))

    choose_action(page, name, "Edit API key", t)
    form = dialog(page, t("Edit API key"))
    fill(form, f"{name} 2", "Applies and reverts changes", t)
    form.get_by_role("button", name=t("Save")).click()
    expect(notes(page, t("The changes to %(name)s were saved.", name=f"{name} 2"))).to_be_visible()
    expect(row(page, f"{name} 2")).to_contain_text("Applies and reverts changes")

    choose_action(page, f"{name} 2", "Delete key", t)
    asked = dialog(page, t("Delete key?"))
    expect(asked).to_contain_text(f"{name} 2")
    asked.get_by_role("button", name=t("Delete key")).click()
    expect(notes(page, t("%(name)s was deleted and no longer works.", name=f"{name} 2"))).to_be_visible()
    expect(row(page, f"{name} 2")).to_have_count(0)


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
    choose_action(page, name, "Delete key")
    asked = dialog(page, "Delete key?")
    expect(asked.get_by_text(name, exact=True)).to_be_visible()
    asked.get_by_role("button", name="Delete key").click()

    expect(notes(page, f"{name} was deleted and no longer works.")).to_be_visible()


def test_bob_makes_the_whole_journey_with_the_keyboard_only(page_for: PageFor, server: ConsoleServer, tmp_path: Path):
    page = page_for(None)

    page.goto("/")
    page.keyboard.type(BOB)
    tab_to(page.get_by_label("Password", exact=True))
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()

    tab_to(page.get_by_role("button", name="Manage"))
    page.keyboard.press("Enter")
    tab_to(page.get_by_role("navigation", name="Menu bar").get_by_role("link", name="API keys"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="API keys", level=1)).to_be_visible()
    tab_to(page.get_by_role("link", name="Create API key"))
    page.keyboard.press("Enter")

    form = dialog(page, "Create API key")
    expect(form.get_by_role("textbox", name="Name", exact=True)).to_be_focused()
    page.keyboard.type("by keyboard")
    tab_to(form.get_by_role("button", name="Create API key"))
    page.keyboard.press("Enter")

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
    tab_to(created.get_by_role("button", name="Close"))
    page.keyboard.press("Enter")
    tab_to(created.get_by_role("button", name="Yes, close"))
    page.keyboard.press("Enter")

    expect(row(page, "by keyboard")).to_be_visible()
    tab_to(page.get_by_role("button", name="Actions for by keyboard"))
    page.keyboard.press("Enter")
    tab_to(row(page, "by keyboard").get_by_role("link", name="Edit API key"))
    page.keyboard.press("Enter")
    form = dialog(page, "Edit API key")
    expect(form.get_by_role("textbox", name="Name", exact=True)).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.type(" only")
    page.keyboard.press("Enter")
    expect(row(page, "by keyboard only")).to_be_visible()

    tab_to(page.get_by_role("button", name="Actions for by keyboard only"))
    page.keyboard.press("Enter")
    tab_to(row(page, "by keyboard only").get_by_role("link", name="Delete key"))
    page.keyboard.press("Enter")
    asked = dialog(page, "Delete key?")
    expect(asked.get_by_role("link", name="Cancel")).to_be_focused()
    tab_to(asked.get_by_role("button", name="Delete key"))
    page.keyboard.press("Enter")
    expect(notes(page, "by keyboard only was deleted and no longer works.")).to_be_visible()


@pytest.mark.parametrize("viewport", [DESKTOP, MOBILE], ids=["1440x900", "390x844"])
def test_alice_makes_the_whole_journey_without_script(
    page_for: PageFor, server: ConsoleServer, tmp_path: Path, viewport
):
    page = page_for(None, js=False, viewport=viewport)
    name = f"without script {viewport['width']}"

    page.goto("/")
    log_in(page, "alice")
    go_to_keys_by_menu(page)
    page.get_by_role("link", name="Create API key").click()
    form = dialog(page, "Create API key")
    fill(form, name, "Two\nlines")
    created = submit(form)

    value = Value.shown_in(created)
    expect(created.locator("#value")).to_be_hidden()
    created.get_by_text("Show", exact=True).filter(visible=True).click()
    expect(created.get_by_role("checkbox")).to_be_checked()
    expect(created.locator("#value")).to_be_visible()
    file = download(created, tmp_path)
    assert_is_the_key_file(file, name, "Two lines", value, server)

    created.get_by_role("button", name="Close").click()
    expect(page).to_have_url(KEYS)
    expect(row(page, name)).to_contain_text("Two lines")

    choose_action(page, name, "Edit API key")
    form = dialog(page, "Edit API key")
    fill(form, f"{name} 2", "One line")
    form.get_by_role("button", name="Save").click()
    expect(notes(page, f"The changes to {name} 2 were saved.")).to_be_visible()
    expect(row(page, f"{name} 2")).to_contain_text("One line")

    choose_action(page, f"{name} 2", "Delete key")
    asked = dialog(page, "Delete key?")
    expect(asked).to_contain_text(f"{name} 2")
    asked.get_by_role("button", name="Delete key").click()
    expect(notes(page, f"{name} 2 was deleted and no longer works.")).to_be_visible()
    expect(row(page, f"{name} 2")).to_have_count(0)
