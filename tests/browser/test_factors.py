"""Second factors in the browser: a code of an app, a passkey of a virtual device, and the question once more."""

import contextlib

import pyotp
import pytest
from playwright.sync_api import Error, Page, expect

from tests.addresses import KEYS
from tests.browser.conftest import PageFor, with_and_without_script
from tests.browser.steps import LET_TIME_PASS, dialog, log_in, open_create, row
from tests.cast import PASSWORD
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser

FACTORS, APP = "/account/factors/", "/account/factors/app/"
MAKE = """
from console.models import User
from tests.cast import PASSWORD
User.objects.filter(username={name!r}).delete()
User.objects.create_user({name!r}, password=PASSWORD)
"""
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def log_out(page: Page) -> None:
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in", exact=True)).to_be_visible()


@with_and_without_script
def test_gail_sets_up_an_app_and_logs_in_with_its_code_and_with_a_recovery_code(
    page_for: PageFor, server: ConsoleServer, js: bool
):
    name = f"gail-{js}"
    server.run_python(MAKE.format(name=name))
    page = page_for(None, js=js, expected=(422, "ERR_CACHE_MISS"))
    page.goto(APP)
    log_in(page, name)

    box = page.get_by_role("img", name="QR code of the secret below").bounding_box()
    assert box
    assert box["width"] > 100
    app = pyotp.TOTP(page.locator("#secret").inner_text().replace(" ", ""))
    page.get_by_label("Code that the app shows").fill(app.now())
    page.get_by_role("button", name="Set up").click()
    codes = page.locator("#codes code").all_inner_texts()
    page.get_by_role("link", name="I have kept them").click()
    if js:
        with contextlib.suppress(Error):  # what was sent is not sent again, and nothing of the answer is kept
            page.go_back()
        expect(page.get_by_text(codes[0])).to_have_count(0)
        page.goto(KEYS)
        log_out(page)
    else:
        page.context.clear_cookies()
        page.goto("/login/")

    for attempt in ("000000", codes[0]):
        log_in(page, name) if attempt == "000000" else None
        page.get_by_label("Code of your app, or recovery code").fill(attempt)
        page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def test_hugo_adds_a_passkey_and_logs_in_with_it_alone_and_as_a_second_step(page_for: PageFor, server: ConsoleServer):
    server.run_python(MAKE.format(name="hugo"))
    page = page_for(None, at=server.url.replace("127.0.0.1", "localhost"))
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    page.goto(f"{FACTORS}passkey/")
    log_in(page, "hugo")

    page.get_by_label("Name of the passkey").fill("Laptop <b>")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#codes code")).to_have_count(10)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("Laptop <b>", exact=True).first).to_be_visible()
    log_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    log_out(page)
    log_in(page, "hugo")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    server.run_python(LET_TIME_PASS.format(name="hugo"))
    open_create(page).get_by_label("Name", exact=True).fill("by passkey")
    page.get_by_role("dialog").get_by_role("button", name="Create API key").click()
    dialog(page, "Is it still you?").get_by_role("button", name="Use a passkey").click()
    expect(dialog(page, "API key created")).to_be_visible()


@with_and_without_script
def test_iris_is_asked_again_and_loses_nothing(page_for: PageFor, server: ConsoleServer, js: bool):
    name = f"iris-{js}"
    server.run_python(MAKE.format(name=name))
    page = page_for(None, js=js, expected=(422,))
    page.goto(KEYS)
    log_in(page, name)
    form = open_create(page)
    form.get_by_label("Name", exact=True).fill("typed with care")
    server.run_python(LET_TIME_PASS.format(name=name))

    form.get_by_role("button", name="Create API key").click()
    for password in ("wrong", PASSWORD):
        place = dialog(page, "Is it still you?") if js else page.get_by_role("main")
        place.get_by_label("Password", exact=True).fill(password)
        place.get_by_role("button", name="Go on").click()
        if password == "wrong":
            expect(page.get_by_text("This is not your password. Try again.")).to_be_visible()

    expect(page.get_by_role("heading", name="API key created")).to_be_visible()
    page.goto(KEYS)
    expect(row(page, "typed with care")).to_be_visible()


def test_a_passkey_that_is_not_made_is_told_and_leaves_the_focus_where_it_was(page_for: PageFor, server: ConsoleServer):
    page = page_for(None, at=server.url.replace("127.0.0.1", "localhost"))
    page.goto(f"{FACTORS}passkey/")
    log_in(page, "alice")
    page.get_by_label("Name of the passkey").fill("Laptop")
    page.evaluate("() => { navigator.credentials.create = () => Promise.reject(new Error()); }")

    page.get_by_role("button", name="Add").click()

    expect(page.get_by_role("alert").filter(has_text="The passkey was not used.")).to_be_visible()
    expect(page.get_by_role("button", name="Add")).to_be_focused()


def test_a_passcode_has_the_focus_and_says_whether_it_was_copied(page_for: PageFor):
    page = page_for("alice", permissions=("clipboard-read", "clipboard-write"))
    page.goto("/account/passcode/")

    page.get_by_role("button", name="Make a passcode").click()
    passcode = page.get_by_role("group", name="One-time passcode")
    expect(passcode).to_be_focused()
    passcode.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    passcode.get_by_role("button").click()

    expect(passcode.get_by_role("status")).to_contain_text("The text is selected: press Ctrl+C")
