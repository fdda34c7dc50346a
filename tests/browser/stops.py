"""Everything that a console with its own store can show, stop by stop: where, and its page."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pyotp
import requests
from playwright.sync_api import Locator, Page, expect

from apikeys.domain import NEVER_USED_AFTER
from tests.addresses import CREATE, KEYS, REVIEW, RULES, SERVICE_IDS, UNKNOWN_ID, USERS, WEBHOOKS, edit_address
from tests.browser.conftest import BOB, PageFor
from tests.browser.steps import (
    LET_TIME_PASS,
    Words,
    choose_action,
    create_key,
    dialog,
    fill,
    log_in,
    notes,
    open_create,
    row,
    submit,
)
from tests.browser.visitor import Visitor
from tests.programs import API_KEY_GRANT
from tests.server import ConsoleServer

STRANGE = "Ключ 🔑 مفتاح <b>\"&'"
LONG = "unbroken" * 31
CHOSEN = "a sentence that nobody else types"
SCOPE = "deploy:" + "unbroken" * 7
USUAL = {f"robot {number:02}": "" for number in range(10)} | {
    "terraform-production-eu-de-frankfurt-1": "Applies infrastructure changes from the release pipeline",
    "Donaudampfschifffahrtsgesellschaft": "Schlüssel für die Verbrauchsdatenübermittlung",
    "每晚備份資料庫": "每天凌晨兩點將物件儲存體複製到冷儲存區",
}
ACTIVITY = "/manage/security/activity/"
NUMBER = 112
PROVOKED = (403, 404, 405, 409, 422, 500)


def every_state(
    page_for: PageFor, server: ConsoleServer, broken_server: ConsoleServer, locale: str = "en-US", **options
) -> Iterator[tuple[str, Page]]:
    """Walk through everything and stop at each; the walk ends after NUMBER stops."""
    t = Words(locale)
    options |= {"locale": locale, "expected": PROVOKED}
    parts = (log_in_page, without_keys, shell, reference, life_of_a_key, all_keys, sent_twice, edited_twice)
    for part in (*parts, second_month, service_ids, people, sessions, rules, password, factors, refusals):
        yield from part(t, lambda person, **more: page_for(person, **(options | more)), server)
    yield from failure(t, page_for(None, at=broken_server.url, **options))


def webhooks(t: Words, page: Page) -> Iterator[tuple[str, Page]]:
    page.goto(f"{WEBHOOKS}create/")
    form = page.get_by_role("main")
    form.get_by_label(t("Name"), exact=True).fill(LONG[:50])
    form.get_by_label(t("Address"), exact=True).fill("https://10.0.0.1/")
    form.get_by_role("button", name=t("Create webhook")).click()
    expect(
        form.get_by_text(
            t("This address is not public. The operator allows networks of your own with WEBHOOKS_ALLOWED_NETWORKS.")
        )
    ).to_be_visible()
    yield "webhook, refused", page
    form.get_by_label(t("Address"), exact=True).fill(f"https://{'unbroken-' * 6}.example/hooks")
    form.get_by_role("button", name=t("Create webhook")).click()
    expect(form.get_by_text("whsec_")).to_be_visible()
    yield "webhook, its secret", page
    form.get_by_role("link", name=t("Go to the webhook")).click()
    form.get_by_role("button", name=t("Send a test")).click()
    again = t("Send message %(number)s again: %(what)s", number=1, what=t("Test"))
    expect(form.get_by_role("button", name=again)).to_be_visible()
    yield "webhook", page
    page.goto(WEBHOOKS)
    yield "webhooks", page
    form.get_by_role("link", name=LONG[:50]).click()
    form.get_by_role("button", name=t("Delete webhook")).click()
    expect(form.get_by_text(t("There are no webhooks yet"))).to_be_visible()


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
    for name in (*USUAL, STRANGE, LONG):
        if not bob.names_found(name):
            bob.create_key(name, USUAL.get(name, f"{LONG} <script>"))
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
    page.goto(f"{KEYS}?per_page=10")
    page.get_by_role("link", name=t("Last page")).click()
    expect(page.get_by_role("link", name=t("Next page"))).to_be_disabled()
    yield "list, last page", page
    page.get_by_role("searchbox").fill("nothing has this name")
    expect(page.get_by_role("heading", name=t("No key matches your search"))).to_be_visible()
    yield "list, no match", page
    page.goto(KEYS)
    row(page, STRANGE).get_by_role("checkbox").check()
    chosen = page.get_by_role("form", name=t("Chosen API keys"))
    expect(chosen).to_be_visible()
    yield "list, some chosen", page
    chosen.get_by_role("checkbox", name=t("All on this page")).check()
    chosen.get_by_role("button", name=t("Enable"), exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "many keys, asked", page
    page.get_by_role("dialog").get_by_role("button", name=t("Enable"), exact=True).click()
    expect(page.get_by_role("dialog", name=t("Enabling API keys")).locator("[autofocus]")).to_be_visible()
    yield "many keys, done", page
    page.goto(f"{KEYS}bulk/")
    expect(page.get_by_role("dialog", name=t("Changes of many API keys"))).to_be_visible()
    yield "changes of many keys", page
    page.goto(f"{KEYS}?status=active&expires_within_days=90&unused_for_days=90&leaked=false&created_since=2020-02-29")
    expect(page.get_by_role("heading", name=t("No key matches your filters"))).to_be_visible()
    yield "list, no match of filters", page
    page.goto(f"{KEYS}?status=active&unused_for_days=90&created_since=2020-02-29&sort=-description")
    expect(row(page, STRANGE)).to_be_visible()
    yield "list, filtered", page
    page.get_by_role("button", name=t("Filters"), exact=True).click()
    expect(page.get_by_label(t("Created since (UTC)"))).to_be_visible()
    yield "list, filters", page
    page.keyboard.press("Escape")
    page.get_by_role("button", name=t("Export"), exact=True).click()
    expect(page.get_by_role("link", name=t("Export as CSV"))).to_be_visible()
    yield "list, export", page


def service_ids(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    page = visit("nora")
    page.goto(SERVICE_IDS)
    expect(page.get_by_role("heading", name=t("There are no service IDs yet"))).to_be_visible()
    yield "service IDs, none", page
    page.get_by_role("link", name=t("Create service ID")).click()
    form = page.get_by_role("main")
    fill(form, " ", LONG, t)
    form.get_by_role("button", name=t("Create service ID")).click()
    expect(form.get_by_text(t("Enter a name."))).to_be_visible()
    yield "service ID, refused", page
    fill(form, STRANGE, LONG, t)
    form.get_by_role("button", name=t("Create service ID")).click()
    expect(page.get_by_role("heading", name=STRANGE)).to_be_visible()
    address = page.url
    page.get_by_role("button", name=t("Disable service ID")).click()
    expect(page.get_by_text(t("It is disabled: all its API keys are refused."))).to_be_visible()
    yield "service ID", page
    page.goto(SERVICE_IDS)
    expect(page.get_by_role("link", name=STRANGE)).to_be_visible()
    yield "service IDs", page
    page.goto(f"{address}delete/")
    yield "service ID, to be deleted", page
    page.get_by_role("button", name=t("Delete service ID")).click()
    expect(page.get_by_role("heading", name=t("There are no service IDs yet"))).to_be_visible()


def people(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    """Somebody who is made, chooses a password, is deactivated and deleted."""
    page, stranger = visit("ada"), visit(None)
    page.goto(f"{USERS}create/")
    form = page.get_by_role("main")
    form.get_by_label(t("User ID")).fill("not one word")
    form.get_by_role("button", name=t("Create user")).click()
    expect(form.locator("[aria-invalid=true]")).to_be_visible()
    yield "create user, refused", page
    form.get_by_label(t("User ID")).fill("x" * 150)
    form.get_by_label(t("%(words)s (optional)", words=t("First name"))).fill(STRANGE)
    form.get_by_label(t("%(words)s (optional)", words=t("Last name"))).fill("unbroken" * 18)
    form.get_by_role("button", name=t("Create user")).click()
    expect(page.get_by_role("heading", name=t("User created"))).to_be_visible()
    yield "user created", page
    link = page.locator("#link").inner_text()
    for address, words, stop in ((link, "short", "refused"), (link, CHOSEN, "chosen"), (link, "", "link used")):
        stranger.goto("about:blank")
        stranger.goto(address)
        if words:
            expect(stranger.get_by_text("x" * 150)).to_be_visible()
            for label in ("New password", "Confirm new password"):
                stranger.get_by_label(t(label), exact=True).fill(words)
            stranger.get_by_role("button", name=t("Set password")).click()
        if words != CHOSEN:
            expect(stranger.locator("[aria-invalid=true], [role=alert]").first).to_be_visible()
            yield f"choose a password, {stop}", stranger
        else:
            expect(stranger).to_have_url("/login/")
    stranger.goto("about:blank")
    stranger.goto(f"{link}x")
    expect(stranger.get_by_role("alert")).to_be_visible()
    yield "choose a password, link ended", stranger
    page.goto(f"{USERS}?q={quote(STRANGE)}")
    yield "users", page
    page.get_by_role("rowheader").get_by_role("link").click()
    page.get_by_role("link", name=t("Where the user is logged in")).click()
    yield "sessions of a user who has none", page
    page.go_back()
    page.get_by_role("button", name=t("Deactivate")).click()
    page.get_by_role("rowheader").get_by_role("link").filter(has_text=STRANGE).click()
    expect(page.get_by_role("button", name=t("Activate"))).to_be_visible()
    yield "user, deactivated", page
    page.get_by_role("link", name=t("Revoke all API keys")).click()
    expect(page.get_by_role("dialog", name=t("Revoke all API keys of this owner?"))).to_be_visible()
    yield "all keys of a user, to be revoked", page
    page.go_back()
    page.get_by_role("link", name=t("Delete user")).click()
    yield "delete user", page
    page.get_by_role("button", name=t("Delete user")).click()
    page.goto(f"{USERS}?q={quote(STRANGE)}")
    expect(page.get_by_role("heading", name=t("No user matches your search"))).to_be_visible()
    yield "users, no match", page


def sessions(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    """Where somebody is logged in."""
    page = visit("ada")
    page.goto("/sessions/")
    expect(page.get_by_role("heading", name=t("Sessions"))).to_be_visible()
    yield "sessions", page
    page.goto("/account/mails/")
    expect(page.get_by_role("heading", name=t("Mails"))).to_be_visible()
    yield "mails", page


def rules(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    """What an administrator sets, and what the forms of somebody else say then."""
    page, other = visit("ada"), visit("mona")
    created = create_key(other, "from before", "", t)
    created.get_by_role("button", name=t("Close"), exact=True).click()
    created.get_by_role("button", name=t("Close without saving")).click()
    page.goto(RULES)
    form = page.get_by_role("main")
    form.get_by_label(t("Networks")).fill("office")
    form.get_by_label(t("Longest lifetime in days")).fill("90")
    form.get_by_role("button", name=t("Save")).click()
    expect(form.locator("[aria-invalid=true]")).to_be_visible()
    yield "rules, refused", page
    try:
        form.get_by_label(t("Networks")).fill("192.0.2.0/24")
        form.get_by_role("button", name=t("Save")).click()
        expect(form.get_by_role("link", name=t("List API keys by expiration"))).to_be_visible()
        yield "rules, with keys from before", page
        choose_action(other, "from before", "Rotate API key", t)
        dialog(other, t("Rotate API key")).get_by_role("link", name=t("Edit API key")).click()
        expect(dialog(other, t("Edit API key")).locator("#expires-rule")).to_be_visible()
        yield "edit, by the rules", other
        form.get_by_label(t("Who may create API keys")).select_option("administrators")
        form.get_by_role("button", name=t("Save")).click()
        expect(notes(page, t("The rules were saved."))).to_be_visible()
        other.goto(CREATE)
        yield "create, left to administrators", other
    finally:
        server.sql("DELETE FROM apikeys_rulesrecord")
        server.sql("DELETE FROM apikeys_apikeyrecord WHERE name = ?", "from before")


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
    form.get_by_label(t("Expiration"), exact=True).select_option(t("On a date…"))
    expect(day_of(form, t)).to_be_visible()
    yield "create, on a day", page
    form.get_by_role("button", name=t("Create API key")).click()
    expect(form.get_by_text(t("Choose a date."))).to_be_visible()
    yield "create, no day", page
    day_of(form, t).fill("2001-01-31")
    for choice in (t("Expiration"), t("If the key leaks")):
        form.get_by_label(choice, exact=True).locator("option").last.evaluate("(option) => { option.value = 'x'; }")
    form.get_by_label(t("If the key leaks"), exact=True).select_option("x")
    form.get_by_role("button", name=t("Create API key")).click()
    expect(form.locator("select[aria-invalid=true]")).to_have_count(2)
    yield "create, no such choice", page
    form.get_by_label(t("Expiration"), exact=True).select_option(t("On a date…"))
    form.get_by_label(t("If the key leaks"), exact=True).select_option(t("Disable it at once"))
    form.get_by_role("button", name=t("Create API key")).click()
    expect(form.get_by_text(t("This date is in the past. Choose a later one."))).to_be_visible()
    yield "create, day over", page
    day_of(form, t).fill("2199-01-31")
    created = submit(form, t)
    yield "created", page
    created.get_by_role("button", name=t("Show")).click()
    yield "created, shown", page
    created.get_by_text(t("Use this key in a program")).click()
    expect(created.get_by_role("link", name=t("API reference (opens in a new tab)"))).to_be_visible()
    created.get_by_role("button", name=t("Test it")).click()
    expect(created.locator("[data-tested]")).to_contain_text(BOB)
    yield "created, use in a program", page
    page.keyboard.press("Escape")
    expect(created.get_by_role("button", name=t("Close without saving"))).to_be_visible()
    yield "created, asking", page
    created.get_by_role("button", name=t("Stay here")).click()
    with page.expect_download():
        created.get_by_role("button", name=t("Download API key")).click()
    page.keyboard.press("Escape")
    expect(created.get_by_role("button", name=t("Yes, close"))).to_be_visible()
    yield "created, asking for the download", page
    created.get_by_role("button", name=t("Stay here")).filter(visible=True).click()
    page.clock.fast_forward("04:01")
    expect(created.get_by_role("status")).to_contain_text(t("The key disappears in one minute."))
    yield "created, one minute left", page
    for _ in range(2):
        created.get_by_role("button", name=t("More time")).click()
    expect(created.get_by_role("button", name=t("More time"))).to_be_hidden()
    yield "created, no more time to be had", page
    page.clock.fast_forward("11:00")
    ended = dialog(page, t("The key is no longer shown"))
    yield "created, its time over", page
    ended.get_by_role("button", name=t("Close")).click()

    choose_action(page, "a life", "Details", t)
    dialog(page, t("API key")).get_by_role("link", name=t("Close")).first.wait_for()
    yield "details", page
    page.keyboard.press("Escape")
    choose_action(page, "a life", "Edit API key", t)
    form = dialog(page, t("Edit API key"))
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


def second_month(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    """A key that is rotated, tried without, deleted and restored, with uses and refusals to tell of."""
    page = visit("mona")
    created = create_key(page, "second month", "", t)
    value = created.locator("#value").text_content() or ""
    use(server, value, "python-requests/2.32", "a-client-with-a-very-long-name-indeed/1", "curl/8.1")
    created.get_by_role("button", name=t("Close"), exact=True).click()
    created.get_by_role("button", name=t("Close without saving")).click()
    choose_action(page, "second month", "Rotate API key", t)
    form = dialog(page, t("Rotate API key"))
    form.get_by_role("button", name=t("Rotate API key")).click()
    rotated = dialog(page, t("API key rotated"))
    yield "rotated", page
    rotated.get_by_role("button", name=t("Close"), exact=True).click()
    rotated.get_by_role("button", name=t("Close without saving")).click()
    # The list is drawn anew, and an open menu would go with the old one.
    expect(page.get_by_role("button", name=t("Actions for %(name)s", name="second month"))).to_be_focused()
    choose_action(page, "second month", "Rotate API key", t)
    form = dialog(page, t("Rotate API key"))
    form.get_by_role("button", name=t("Rotate API key")).click()
    expect(form.get_by_role("alert")).to_be_visible()
    yield "rotate, under way", page
    page.keyboard.press("Escape")
    choose_action(page, "second month", "Details", t)
    expect(dialog(page, t("API key")).get_by_role("button", name=t("Finish now"))).to_be_visible()
    yield "details, rotation under way", page
    page.keyboard.press("Escape")
    choose_action(page, "second month", "Delete key", t)
    question = dialog(page, t("Delete key?"))
    expect(question.get_by_text(t("Try it first"))).to_be_visible()
    yield "delete, with uses", page
    question.locator("button[value='30']").click()
    expect(row(page, "second month")).to_contain_text(t("Paused"))
    use(server, value, "curl/8.1")
    choose_action(page, "second month", "Details", t)
    expect(dialog(page, t("API key")).get_by_role("button", name=t("Resume now"))).to_be_visible()
    yield "details, paused", page
    page.keyboard.press("Escape")
    choose_action(page, "second month", "Delete key", t)
    dialog(page, t("Delete key?")).get_by_role("button", name=t("Delete key")).click()
    expect(notes(page, t("%(name)s was deleted and no longer works.", name="second month"))).to_be_visible()
    page.get_by_role("link", name=t("Recently deleted")).click()
    deleted = dialog(page, t("Recently deleted"))
    yield "recently deleted", page
    deleted.get_by_role("button", name=t("Restore %(name)s", name="second month")).click()
    expect(row(page, "second month")).to_be_visible()
    server.sql("UPDATE apikeys_apikeyrecord SET leaked = ? WHERE name = ?", True, "second month")
    page.goto("/")
    expect(page.get_by_role("heading", name=t("Needs attention"))).to_be_visible()
    yield "dashboard, needs attention", page
    server.sql("DELETE FROM apikeys_apikeyrecord WHERE name = ?", "second month")  # the next walk begins like this one


def use(server: ConsoleServer, value: str, *agents: str) -> None:
    """Show a value to the console as these clients do."""
    form = {"grant_type": API_KEY_GRANT, "apikey": value}
    for agent in agents:
        requests.post(f"{server.url}/identity/token", form, headers={"User-Agent": agent}, timeout=30)


def day_of(form: Locator, t: Words) -> Locator:
    return form.get_by_label(t("Expiration date"))


def all_keys(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    page = visit("ada")
    page.goto(KEYS)
    expect(page.get_by_role("heading", name=t("You have no API keys yet"))).to_be_visible()
    yield "administrator's list, no key", page
    page.get_by_label(t("View"), exact=True).select_option(t("All users' keys"))
    page.get_by_role("searchbox").fill(STRANGE)  # other tests' keys may be newer than a page's worth
    expect(row(page, STRANGE)).to_contain_text(BOB)
    yield "all users' keys", page
    page.goto("/manage/scopes/")
    form = page.get_by_role("main")
    form.get_by_label(t("Name"), exact=True).fill("Billing")
    form.get_by_label(t("What it allows"), exact=True).fill(" ")
    form.get_by_role("button", name=t("Define scope")).click()
    expect(form.get_by_text(t("Say what the scope allows."))).to_be_visible()
    yield "scopes, refused", page
    form.get_by_label(t("Name"), exact=True).fill(SCOPE)
    form.get_by_label(t("What it allows"), exact=True).fill(LONG)
    form.get_by_role("button", name=t("Define scope")).click()
    form.get_by_role("link", name=SCOPE).click()
    expect(form.get_by_role("button", name=t("Save"))).to_be_visible()
    yield "scope, to be edited", page
    page.goto("/manage/scopes/")
    yield "scopes", page
    page.goto(CREATE)
    page.get_by_label(t("What the key may do"), exact=True).select_option("chosen")
    yield "create, scopes to choose", page
    page.goto("/manage/scopes/")
    form.get_by_role("button", name=t("Delete %(name)s", name=SCOPE)).click()
    expect(form.get_by_role("link", name=SCOPE)).to_have_count(0)
    yield from webhooks(t, page)
    old = datetime.now(UTC) - NEVER_USED_AFTER - timedelta(days=1)
    server.sql("UPDATE apikeys_apikeyrecord SET created_at = ? WHERE name = ?", f"{old:%Y-%m-%d %H:%M:%S}", STRANGE)
    page.goto(REVIEW)
    expect(page.get_by_role("heading", name=t("Never used for 7 days or more"))).to_be_visible()
    yield "review", page
    page.goto(f"{REVIEW}rules/")
    rule = page.get_by_role("group", name=t("Never used for 7 days or more"))
    rule.get_by_label(t("Days until it is deleted")).fill("1")
    page.get_by_role("button", name=t("Show what would happen")).click()
    expect(page.get_by_label(t("Days until it is deleted"), exact=True).last).to_have_attribute("aria-invalid", "true")
    yield "review rules, refused", page
    rule.get_by_label(t("Days until the warning")).fill("1")
    page.get_by_role("button", name=t("Show what would happen")).click()
    expect(page.get_by_role("button", name=t("Save"))).to_be_visible()
    yield "review rules", page
    page.goto(f"{ACTIVITY}?result=failure")
    page.get_by_text(t("Details"), exact=True).first.click()
    yield "activity", page
    page.goto(f"{KEYS}?view=all&q={quote(STRANGE)}")
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
    choose_action(page, STRANGE, "Edit API key", t)
    form = dialog(page, t("Edit API key"))
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
    for label, text in {"Current password": "wrong", "New password": "short", "Confirm new password": "other"}.items():
        page.get_by_label(t(label), exact=True).fill(text)
    page.get_by_role("main").get_by_role("button", name=t("Change password")).click()
    expect(page.locator("[aria-invalid=true]").first).to_be_visible()
    yield "password, refused", page
    page.goto("/account/factors/")
    yield "second factors", page
    page.get_by_role("link", name=t("Set up an app")).click()
    yield "authenticator app", page
    page.get_by_label(t("Code that the app shows")).fill("12345")
    page.get_by_role("button", name=t("Set up")).click()
    expect(page.locator("[aria-invalid=true]")).to_be_visible()
    yield "authenticator app, refused", page
    page.goto("/account/factors/passkey/")
    yield "add a passkey, under an address", page
    named = visit(BOB, at=server.url.replace("127.0.0.1", "localhost"))
    named.goto("/account/factors/passkey/")
    yield "add a passkey", named
    page.goto("/account/passcode/")
    page.get_by_role("button", name=t("Make a passcode")).click()
    expect(page.locator("#passcode")).to_be_visible()
    yield "passcode", page
    page.goto("/time-zone/")
    yield "time zone", page
    page.get_by_label(t("Time zone")).locator("option").last.evaluate("(option) => { option.value = 'x'; }")
    page.get_by_label(t("Time zone")).select_option("x")
    page.get_by_role("button", name=t("Save")).click()
    expect(page.locator("select[aria-invalid=true]")).to_be_visible()
    yield "time zone, refused", page


def factors(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    """An app that is set up, the question once more, and the second step of the log-in."""
    page, stranger = visit("gina"), visit(None)
    try:
        page.goto("/account/factors/app/")
        app = pyotp.TOTP(page.locator("#secret").inner_text().replace(" ", ""))
        page.get_by_label(t("Code that the app shows")).fill(app.now())
        page.get_by_role("button", name=t("Set up")).click()
        expect(page.locator("#codes")).to_be_visible()
        yield "recovery codes", page
        page.get_by_role("link", name=t("I have kept them")).click()
        expect(page.get_by_role("button", name=t("Make new codes"))).to_be_visible()
        yield "second factors, set up", page
        form = open_create(page, t)
        fill(form, STRANGE, LONG, t)
        server.run_python(LET_TIME_PASS.format(name="gina"))
        form.get_by_role("button", name=t("Create API key")).click()
        question = dialog(page, t("Is it still you?"))
        yield "asked again, dialog", page
        question.get_by_label(t("Password"), exact=True).fill("wrong")
        question.get_by_role("button", name=t("Go on")).click()
        expect(question.locator("#refusal")).to_be_visible()
        yield "asked again, dialog, refused", page
        page.goto("/account/prove/")
        yield "asked again", page
        stranger.goto("/login/")
        log_in(stranger, "gina", t=t)
        expect(stranger.get_by_label(t("Code of your app, or recovery code"))).to_be_visible()
        yield "second step", stranger
        stranger.get_by_label(t("Code of your app, or recovery code")).fill("wrong")
        stranger.get_by_role("button", name=t("Log in")).click()
        expect(stranger.get_by_role("alert")).to_be_visible()
        yield "second step, refused", stranger
    finally:
        server.sql("DELETE FROM console_recoverycode")
        server.sql("DELETE FROM console_authenticator")


def refusals(t: Words, visit: PageFor, server: ConsoleServer) -> Iterator[tuple[str, Page]]:
    page = visit(BOB)
    page.goto("/nothing/here/")
    yield "404", page
    page.goto(USERS)
    yield "403", page
    page.goto("/theme/")
    yield "405", page
    page.goto(edit_address(UNKNOWN_ID))
    yield "no such key", page
    page.goto(CREATE)
    fill(dialog(page, t("Create API key")), STRANGE, LONG, t)
    page.context.clear_cookies(name="csrf")
    page.get_by_role("dialog").locator("form").evaluate("(form) => form.submit()")
    expect(page.get_by_role("button", name=t("Send again"))).to_be_visible()
    yield "403, form out of date", page


def failure(t: Words, page: Page) -> Iterator[tuple[str, Page]]:
    page.context.add_cookies([{"name": "session", "value": "x" * 32, "domain": "127.0.0.1", "path": "/"}])
    page.goto("/")
    expect(page.get_by_role("heading", name=t("Something went wrong"))).to_be_visible()
    yield "500", page
