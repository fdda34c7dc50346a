"""What people do on the pages, in the words of their language."""

import re
from collections.abc import Callable
from pathlib import Path

from django.utils import translation
from playwright.sync_api import Error, Keyboard, Locator, Page, expect

from tests.addresses import KEYS
from tests.browser.value import Value
from tests.cast import PASSWORD

ERROR_PAGE = "127.0.0.1"  # how the browser calls its own page when it has none from the server
TABS = 40  # more than any page has
# Run in a console: somebody proved who they are sixteen minutes ago.
LET_TIME_PASS = """
from console.models import Session, User
from console.sessions import SessionStore
person = User.objects.get(username={name!r})
for row in Session.objects.all():
    data = SessionStore().decode(row.session_data)
    if data.get("_auth_user_id") == str(person.pk):
        row.session_data = SessionStore().encode(data | {{"proved_at": data["proved_at"] - 16 * 60}})
        row.save()
"""


class Words:
    """Call it with an English text of the product to get it in the language of the page."""

    def __init__(self, locale: str = "en-US") -> None:
        self.language = "zh-hant" if locale == "zh-TW" else "en"

    def __call__(self, english: str, **names: str) -> str:
        with translation.override(self.language):
            text = translation.gettext(english)
        return text % names if names else text


ENGLISH = Words()


def log_in(page: Page, username: str, password: str = PASSWORD, t: Words = ENGLISH) -> None:
    page.get_by_label(t("User ID")).fill(username)
    page.get_by_label(t("Password"), exact=True).fill(password)
    page.get_by_role("button", name=t("Log in")).click()


def dialog(page: Page, title: str) -> Locator:
    """Wait for the dialog of that title, until it is modal where there is script, and return it."""
    opened = page.get_by_role("dialog", name=title, exact=True)
    expect(opened).to_be_visible()
    expect(page.locator(".js dialog:not(:modal)")).to_have_count(0)
    return opened


def go_to_keys_by_menu(page: Page, t: Words = ENGLISH, title: str = "") -> None:
    """Manage > Security > API keys, which stand in one menu where there is little room."""
    banner = page.get_by_role("banner")
    opener = banner.get_by_role("button", name=re.compile(f"^({t('Manage')}|{t('Menu')})$")).filter(visible=True)
    opener.click()
    expect(banner.get_by_role("heading", name=t("Security"))).to_be_visible()
    banner.get_by_role("link", name=title or t("API keys"), exact=True).click()


def open_create(page: Page, t: Words = ENGLISH) -> Locator:
    """Open the create dialog over the list."""
    page.goto(KEYS)
    page.get_by_role("link", name=t("Create API key")).click()
    return dialog(page, t("Create API key"))


def fill(form: Locator, name: str, description: str = "", t: Words = ENGLISH) -> None:
    form.get_by_role("textbox", name=t("Name"), exact=True).fill(name)
    form.get_by_role("textbox", name=t("Description")).fill(description)


def submit(form: Locator, t: Words = ENGLISH) -> Locator:
    """Send the create form and return the created dialog."""
    form.get_by_role("button", name=t("Create API key")).click()
    return dialog(form.page, t("API key created"))


def create_key(page: Page, name: str, description: str = "", t: Words = ENGLISH) -> Locator:
    """Create a key from the list and return the created dialog."""
    form = open_create(page, t)
    fill(form, name, description, t)
    return submit(form, t)


def leave_unsaved(created: Locator) -> None:
    """Close the created dialog of a page with script, and let the value go."""
    created.get_by_role("button", name="Close", exact=True).click()
    created.get_by_role("button", name="Close without saving").click()
    expect(created).to_be_hidden()


def close_downloaded(created: Locator, js: bool) -> None:
    """Close the created dialog; a page with script is told that the file arrived."""
    created.get_by_role("button", name="Close", exact=True).click()
    if js:
        created.get_by_role("button", name="Yes, close").click()


def close_unsaved(created: Locator, js: bool) -> None:
    """Close the created dialog and let the value go."""
    created.get_by_role("button", name="Close", exact=True).click()
    if js:
        created.get_by_role("button", name="Close without saving").click()


def travel(page: Page, step: Callable[[], object]) -> None:
    """Go back, forward or reload; a browser may also say that it does not have the page any more."""
    try:
        step()
    except Error as exc:
        if "net::ERR_CACHE_MISS" not in exc.message:
            raise
        expect(page).to_have_title(ERROR_PAGE)


def row(page: Page, name: str) -> Locator:
    """Return the row of the list whose key has exactly that name."""
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))


def action(page: Page, name: str, role: str, label: str, t: Words = ENGLISH) -> Locator:
    """Open the Actions of a key, on a page that has loaded all, and return one of them.

    They are a menu in its row, without script the page of its details.
    """
    page.wait_for_load_state()
    has_script = page.locator("html.js").count() == 1
    opener = t("Actions for %(name)s", name=name)
    row(page, name).get_by_role("button" if has_script else "link", name=opener, exact=True).click()
    actions = row(page, name) if has_script else dialog(page, t("API key"))
    return actions.get_by_role(role, name=t(label), exact=True)


def choose_action(page: Page, name: str, label: str, t: Words = ENGLISH) -> None:
    """Choose an action that leads to a dialog."""
    action(page, name, "link", label, t).click()


def press_action(page: Page, name: str, label: str, t: Words = ENGLISH) -> None:
    """Press an action that is done at once."""
    action(page, name, "button", label, t).click()


def edit(page: Page, name: str, new_name: str, description: str, t: Words = ENGLISH) -> None:
    """Edit a key from its Actions, and wait until the page tells and shows it."""
    choose_action(page, name, "Edit API key", t)
    form = dialog(page, t("Edit API key"))
    fill(form, new_name, description, t)
    form.get_by_role("button", name=t("Save")).click()
    expect(notes(page, t("The changes to %(name)s were saved.", name=new_name))).to_be_visible()
    expect(row(page, new_name)).to_contain_text(description)


def delete(page: Page, name: str, t: Words = ENGLISH) -> None:
    """Delete a key from its Actions, and wait until the page tells of it and has no row for it."""
    choose_action(page, name, "Delete key", t)
    asked = dialog(page, t("Delete key?"))
    expect(asked.get_by_text(name, exact=True)).to_be_visible()
    asked.get_by_role("button", name=t("Delete key")).click()
    expect(notes(page, t("%(name)s was deleted and no longer works.", name=name))).to_be_visible()
    expect(row(page, name)).to_have_count(0)


def expect_typed(form: Locator, name: str, description: str) -> None:
    expect(form.get_by_role("textbox", name="Name", exact=True)).to_have_value(name)
    expect(form.get_by_role("textbox", name="Description")).to_have_value(description)


def download(created: Locator, folder: Path, t: Words = ENGLISH) -> Path:
    """Download the key and return where the file is, under the name the page gave it."""
    with created.page.expect_download() as begun:
        created.get_by_role("button", name=t("Download API key")).click()
    file = folder / begun.value.suggested_filename
    begun.value.save_as(file)
    return file


def focused(control: Locator) -> bool:
    return bool(control.evaluate("(element) => element === document.activeElement"))


def notes(page: Page, text: str) -> Locator:
    """Return the message that the page shows for a moment in its corner."""
    return page.get_by_role("status").filter(has_text=text)


def pasted(page: Page) -> Value:
    """Return what the clipboard holds, as another page gets it by pasting."""
    other = page.context.new_page()
    other.set_content("<textarea></textarea>")
    other.get_by_role("textbox").focus()
    other.keyboard.press("ControlOrMeta+V")
    value = Value(other.get_by_role("textbox").input_value())
    other.close()
    return value


def is_dark(page: Page) -> bool:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return max(map(int, re.findall(r"\d+", colour)[:3])) < 128


def tab_to(control: Locator) -> Keyboard:
    """Press Tab until the control has the focus, and return the keyboard, to go on with."""
    expect(control).to_be_visible()
    for _ in range(TABS):
        if focused(control):
            return control.page.keyboard
        control.page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches {control}")
