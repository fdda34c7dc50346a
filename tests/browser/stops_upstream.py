"""Everything that only a console with an upstream can show, stop by stop: where, and its page."""

from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Page, expect

from tests.addresses import KEYS, UNKNOWN_ID, details_address
from tests.browser.conftest import PageFor
from tests.browser.steps import Words, dialog, fill, open_create
from tests.browser.two_consoles import Pair

NUMBER = 16
PROVOKED = (422, 502, 503)


def every_state(page_for: PageFor, pair: Pair, locale: str, **options: Any) -> Iterator[tuple[str, Page]]:
    """Walk through all that and stop at each; the walk ends after NUMBER stops."""
    t = Words(locale)
    options |= {"locale": locale, "expected": PROVOKED}
    name = f"lost {t.language}"
    page = page_for(None, on=pair.far, **options)
    page.goto("/")
    for way, secret in (("Password", "wrong"), ("One-time passcode", "wrong"), ("API key", "apk_wrong")):
        page.get_by_role("link", name=t(way), exact=True).click()
        expect(page.get_by_label(t(way), exact=True)).to_be_visible()
        yield f"log in, {way}", page
        if way == "Password":
            page.get_by_label(t("User ID")).fill("anna")
        page.get_by_label(t(way), exact=True).fill(secret)
        page.get_by_role("button", name=t("Log in")).click()
        expect(page.get_by_role("alert")).to_be_visible()
        yield f"log in, {way}, refused", page

    page = page_for("anna", on=pair.far, **options)
    page.goto("/account/")
    account = page.get_by_role("group", name=t("Account"), exact=True).get_by_role("radio")
    expect(account.last).to_be_visible()
    yield "account", page
    account.last.evaluate("(choice) => { choice.value = '?'; choice.checked = true; }")
    page.get_by_role("main").get_by_role("button", name=t("Choose account")).click()
    expect(
        page.get_by_role("alert").filter(has_text=t("Enter the ID of an account: 32 letters and digits."))
    ).to_be_visible()
    yield "account, refused", page
    accounts, pair.road.accounts = pair.road.accounts, {}
    page.goto("/account/")
    expect(page.get_by_label(t("Account ID"))).to_be_visible()
    yield "account, no list", page
    pair.road.accounts = accounts

    with pair.road.closed():
        page.goto("/")
        expect(page.get_by_role("main").get_by_role("link", name=t("Try again"))).to_be_visible()
        yield "dashboard, store problem", page
        page.goto(KEYS)
        expect(page.get_by_role("main").get_by_role("link", name=t("Try again"))).to_be_visible()
        yield "list, store problem", page
        page.goto(details_address(UNKNOWN_ID))
        expect(page.get_by_role("main").get_by_role("link", name=t("Try again"))).to_be_visible()
        yield "details, store problem", page

    with pair.road.losing_creations():
        form = open_create(page, t)
        fill(form, name, "", t)
        form.get_by_role("button", name=t("Create API key")).click()
        opened = dialog(page, t("The API key may have been created"))
    yield "unconfirmed, dialog", page
    opened.get_by_role("link", name=t("Go to the list")).click()
    dismiss = page.get_by_role("main").locator("form").get_by_role("button", name=t("Dismiss"))
    expect(dismiss).to_be_visible()
    yield "list, unconfirmed, with a candidate", page
    page.goto(f"{KEYS}?q=nothing has this name")
    expect(page.get_by_text(t("It is not on this page of the list."))).to_be_visible()
    yield "list, unconfirmed, not there", page
    dismiss.click()
    expect(dismiss).to_have_count(0)

    page.get_by_role("link", name=t("Create API key")).click()
    dialog(page, t("Create API key"))
    fill(page.get_by_role("dialog"), f"waited {t.language}", "", t)
    with pair.road.held():
        page.get_by_role("dialog").get_by_role("button", name=t("Create API key")).click()
        expect(page.locator("#waiting")).to_be_visible()
        yield "waiting, over a dialog", page
