"""What helps beyond the first look: forms that links fill in, times where the reader is, keys that prove themselves."""

import re
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, Request, expect

from tests.addresses import CREATE, KEYS
from tests.browser.conftest import PageFor, with_and_without_script
from tests.browser.steps import create_key, dialog, leave_unsaved, log_in, notes, pasted, row, tab_to
from tests.browser.value import Value
from tests.browser.visitor import Visitor
from tests.markup import parse
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser

LINK = f"{CREATE}?name=to the minute&description=of a link&expires=2099-07-01T17:30"
IN_TAIPEI = "1 Jul 2099, 17:30 UTC+8 (09:30 UTC)"
MAKE_GRACE = """
from console.models import User
from tests.cast import PASSWORD
User.objects.filter(username={name!r}).delete()
User.objects.create_user({name!r}, password=PASSWORD, first_name="Grace", last_name="Hopper")
"""


@with_and_without_script
def test_grace_follows_a_link_logs_in_and_creates_a_key_that_ends_to_the_minute(
    page_for: PageFor, server: ConsoleServer, js: bool
):
    name = f"grace-{js}"
    server.run_python(MAKE_GRACE.format(name=name))
    page = page_for(None, js=js, timezone_id="Asia/Taipei")

    page.goto(LINK)
    log_in(page, name)
    form = dialog(page, "Create API key")
    expect(form.get_by_role("textbox", name="Name", exact=True)).to_have_value("to the minute")
    expect(form.get_by_role("textbox", name="Description")).to_have_value("of a link")
    expect(form.get_by_label("Expiration date")).to_have_value("2099-07-01")
    zone = "Asia/Taipei" if js else "UTC"  # a browser without script names none
    expect(form.get_by_label(f"Time in {zone} (optional)")).to_have_value("17:30")
    assert Visitor.logged_in(server, name).names_found("to the minute") == 0
    if not js:
        choose_zone(page, "Asia/Taipei")
        page.goto(LINK)
    dialog(page, "Create API key").get_by_role("button", name="Create API key").click()
    created = dialog(page, "API key created")
    expect(created.get_by_role("button", name="Test it")).to_have_count(int(js))
    page.goto(KEYS)
    expect(row(page, "to the minute").get_by_title("1 Jul 2099, 09:30 UTC")).to_have_text("1 Jul 2099, 17:30")
    row(page, "to the minute").get_by_role("link", name="to the minute", exact=True).click()
    expect(dialog(page, "API key").get_by_text(IN_TAIPEI)).to_be_visible()


def choose_zone(page: Page, zone: str) -> None:
    page.goto("/time-zone/")
    page.get_by_label("Time zone").select_option(zone)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(f"Times are now shown in the time zone {zone}.")).to_be_visible()


def test_grace_chooses_her_zone_in_the_menu_of_her_account_by_keyboard(page_for: PageFor, server: ConsoleServer):
    server.run_python(MAKE_GRACE.format(name="grace"))
    page = page_for("grace")
    page.goto("/")

    page.get_by_role("button", name="Account").press("Enter")
    page.get_by_role("link", name="Time zone").press("Enter")
    expect(page.get_by_label("Time zone")).to_be_focused()
    page.keyboard.type("Asia/Ta")
    page.keyboard.press("Enter")  # in a select it sends nothing
    tab_to(page.get_by_role("button", name="Save")).press("Enter")

    expect(notes(page, "Times are now shown in the time zone Asia/Taipei.")).to_be_visible()


def test_alice_tests_her_key_and_copies_a_sample(page_for: PageFor, server: ConsoleServer):
    page = page_for("alice", permissions=("clipboard-read", "clipboard-write"), expected=(400, "net::ERR_FAILED"))
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if "/identity/" in request.url else None)
    created = create_key(page, "tested")
    value, said = Value.shown_in(created), created.get_by_role("status")
    test = created.get_by_role("button", name="Test it")
    assert sent == []

    test.press("Enter")
    expect(said).to_have_text("It works: the key stands for Alice Liddell.")
    expect(created.locator("[data-tested]")).to_have_text("It works: the key stands for Alice Liddell.")
    expect(test).to_be_focused()
    [request] = sent
    assert request.url == f"{server.url}/identity/token"
    assert "cookie" not in request.all_headers()
    assert [Value(text) == value for text in parse_qs(request.post_data)["apikey"]] == [True]

    disable(server, "tested")
    test.press("Enter")
    expect(said).to_contain_text("It does not work: Provided API key could not be found.")
    page.route("**/identity/token", lambda route: route.abort())
    test.press("Enter")
    expect(said).to_have_text("The server did not answer. Check your connection, then try again.")

    created.get_by_text("Use this key in a program").click()
    created.get_by_role("button", name="Copy curl").press("Enter")
    expect(created.get_by_role("button", name="Copied curl")).to_be_visible()
    expect(said).to_have_text("Copied")
    assert pasted(page).given_to(lambda text: text.startswith("curl http://") and "$IBMCLOUD_API_KEY" in text)
    leave_unsaved(created)  # a sample is not the key


def disable(server: ConsoleServer, name: str) -> None:
    """Disable Alice's key in another session."""
    other = Visitor.logged_in(server, "alice")
    link = parse(other.get(f"{KEYS}?q={name}").text).find("th", role="rowheader").find("a")["href"]
    path = link.partition("?")[0]
    token = other.form(f"{path}edit/")["csrfmiddlewaretoken"]
    assert other.post(f"{path}disable/", {"csrfmiddlewaretoken": token}).status_code == 303


def test_a_sample_that_cannot_be_copied_is_selected(page_for: PageFor):
    page = page_for("alice")
    page.context.new_cdp_session(page).send(
        "Browser.setPermission", {"permission": {"name": "clipboard-write"}, "setting": "denied"}
    )
    created = create_key(page, "no sample to copy")
    created.get_by_text("Use this key in a program").click()

    created.get_by_role("button", name="Copy Command line").click()

    told = re.compile("The sample is selected: press Ctrl\\+C")
    expect(created.locator("[data-said-of=code-cli]")).to_have_text(told)
    expect(created.get_by_role("status")).to_have_text(told)
    assert page.evaluate("getSelection().toString()").startswith("apikeys login")
