"""Many keys at once, as a person with a browser and a keyboard does it."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.addresses import KEYS
from tests.browser.conftest import PageFor
from tests.browser.steps import dialog, row
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser

MAKE_QUINN = """
from apikeys.models import ApiKeyRecord
from console.models import User
from tests.cast import PASSWORD
quinn = User.objects.create_user("quinn", password=PASSWORD)
ApiKeyRecord.objects.bulk_create(
    ApiKeyRecord(
        iam_id=quinn.iam_id, account_id=quinn.account_id, created_by=quinn.iam_id, name=f"crew {n:04}",
        name_folded=f"crew {n:04}", pepper=1, digest=f"quinn {n}", hint="apk_…",
    )
    for n in range(1000)
)
"""
MEANWHILE = """
from apikeys.models import ApiKeyRecord
ApiKeyRecord.objects.filter(name__in=["crew 0100", "crew 0101", "crew 0102"]).update(locked=True)
ApiKeyRecord.objects.filter(name="crew 0500").delete()
"""
FAILED = ["crew 0100", "crew 0101", "crew 0102", "crew 0500"]
THREE_MINUTES = 180_000  # on a machine that is busy with other tests


def tick(page: Page, name: str):
    return row(page, name).get_by_role("checkbox", name=name, exact=True)


def test_quinn_disables_a_thousand_keys_by_keyboard_and_is_told_of_four_by_name(
    page_for: PageFor, server: ConsoleServer
):
    server.run_python(MAKE_QUINN)
    page = page_for("quinn")
    page.goto(f"{KEYS}?sort=name")
    chosen = page.get_by_role("form", name="Chosen API keys")
    expect(chosen).to_be_hidden()

    tick(page, "crew 0000").focus()
    page.keyboard.press("Space")
    expect(chosen.get_by_text("All on this page (1)")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Chosen API keys (1)")).to_have_count(1)
    chosen.get_by_role("checkbox", name="All that match").focus()
    page.keyboard.press("Space")
    expect(tick(page, "crew 0024")).to_be_checked()
    tick(page, "crew 0024").uncheck()
    expect(chosen.get_by_role("checkbox", name="All that match")).not_to_be_checked()
    chosen.get_by_role("checkbox", name="All that match").check()
    chosen.get_by_role("button", name="Disable").focus()
    page.keyboard.press("Enter")
    asked = dialog(page, "Disable 1,000 API keys?")
    expect(asked.get_by_role("link", name="Cancel")).to_be_focused()
    expect(asked.get_by_text("crew 0009")).to_be_visible()
    expect(asked.get_by_text("crew 0999")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(chosen.get_by_role("button", name="Disable")).to_be_focused()
    page.keyboard.press("Enter")
    expect(asked.get_by_role("link", name="Cancel")).to_be_focused()
    server.run_python(MEANWHILE)
    asked.get_by_role("button", name="Disable").focus()
    page.keyboard.press("Enter")

    running = dialog(page, "Disabling API keys")
    expect(running.get_by_role("progressbar", name=re.compile(r"^[\d,]+ of 1,000$"))).to_be_visible()
    expect(running.get_by_role("status")).to_have_text(re.compile(r"^[\d,]+ of 1,000$"))
    expect(running.get_by_text("996 API keys were disabled.")).to_be_focused(timeout=THREE_MINUTES)
    assert running.get_by_role("listitem").locator("bdi").all_text_contents() == FAILED
    page.keyboard.press("Escape")
    expect(running).to_be_hidden()
    expect(row(page, "crew 0000").get_by_text("Disabled")).to_be_visible()
    expect(row(page, "crew 0000").get_by_role("button", name="Actions for crew 0000")).to_be_focused()

    be_told_the_same_without_script(page_for("quinn", js=False))


def be_told_the_same_without_script(page: Page) -> None:
    page.goto(KEYS)
    tick(page, "crew 0999").check()
    tick(page, "crew 0998").check()
    page.get_by_role("button", name="Lock", exact=True).click()
    dialog(page, "Lock 2 API keys?").get_by_role("button", name="Lock", exact=True).click()
    expect(dialog(page, "Locking API keys").get_by_text("2 API keys were locked.")).to_be_visible()
    dialog(page, "Locking API keys").get_by_role("link", name="Close").last.click()
    page.get_by_role("link", name="Changes of many API keys").click()
    dialog(page, "Changes of many API keys").get_by_role("link", name="996 API keys were disabled.").click()
    told = dialog(page, "Disabling API keys").get_by_role("listitem").locator("bdi")
    assert told.all_text_contents() == FAILED
