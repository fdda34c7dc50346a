"""What people do on the pages, in the words of their language."""

from pathlib import Path

from django.utils import translation
from playwright.sync_api import Locator, Page, expect

from tests.addresses import KEYS
from tests.browser.visitor import PASSWORD


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


def row(page: Page, name: str) -> Locator:
    """Return the row of the list whose key has exactly that name."""
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))


def choose_action(page: Page, name: str, action: str, t: Words = ENGLISH) -> None:
    """Open the Actions of a key and choose one, on a page that has its scripts."""
    page.wait_for_load_state()
    actions = row(page, name)
    actions.get_by_role("button", name=t("Actions for %(name)s", name=name), exact=True).click()
    actions.get_by_role("link", name=t(action)).click()


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
