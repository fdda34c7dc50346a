"""Shown exactly once, wherever keys are: no way back to a value, no copy of it, and never lost on the way either."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from urllib.parse import parse_qsl
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, Playwright, Request, expect

from tests.addresses import CREATE, KEYS, RECEIPT
from tests.browser.conftest import Complaints, PageFor, with_and_without_script
from tests.browser.profile import restored, with_profile
from tests.browser.proxy import HoldsKeys, KeepsPages, LosesKeys, PlainHttp
from tests.browser.steps import (
    ERROR_PAGE,
    choose_action,
    close_downloaded,
    close_unsaved,
    create_key,
    dialog,
    download,
    fill,
    log_in,
    open_create,
    row,
    submit,
    travel,
)
from tests.browser.two_consoles import Owner
from tests.browser.value import Value, assert_is_the_key_file, files_with
from tests.browser.visitor import Visitor
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser


SENDS = 20
REFUSAL = "Your browser does not allow this page to copy. The key is selected: press Ctrl+C, or ⌘C on a Mac."
OVER = "The key is no longer shown"
UNSAVED = "You have not saved this key."


# No way back.


@with_and_without_script
def test_after_close_no_way_of_the_browser_leads_back_to_the_value(page_for: PageFor, owner: Owner, js):
    page = page_for(owner.username, on=owner.console, js=js, expected=(409,))
    created = create_key(page, f"closed, script {js}")
    value = Value.shown_in(created)
    close_unsaved(created, js)
    expect(row(page, f"closed, script {js}")).to_be_visible()

    assert value.is_gone_from(page)
    steps = [page.go_back, page.reload, page.go_back, page.reload, page.go_forward, page.reload, page.go_forward]
    for step in steps:
        travel(page, step)
        assert value.is_gone_from(page)
    tab = page.context.new_page()
    for path in ("/", KEYS, CREATE):
        tab.goto(path)
        assert value.is_gone_from(tab)


@with_and_without_script
def test_a_form_sent_again_shows_no_value_to_anybody(page_for: PageFor, owner: Owner, js):
    name = f"sent again, script {js}"
    page = page_for(owner.username, on=owner.console, js=js)
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    created = create_key(page, name)
    value = Value.shown_in(created)
    form = dict(parse_qsl(sent[0].post_data, keep_blank_values=True))
    close_unsaved(created, js)
    expect(row(page, name)).to_be_visible()

    same_session = Visitor.with_session_of(owner.console, page.context)
    other_session = Visitor.logged_in(owner.console, owner.username)
    stranger = Visitor.logged_in(owner.console, owner.stranger)
    answers = [
        same_session.post(CREATE, form),
        same_session.post(CREATE, form, **{"HX-Request": "true"}),
        other_session.post(CREATE, other_session.form(CREATE) | {"name": name, "nonce": form["nonce"]}),
    ]
    strangers = stranger.post(CREATE, stranger.form(CREATE) | {"name": name, "nonce": form["nonce"]})

    assert [answer.status_code for answer in answers] == [409, 409, 409]
    assert [Value.in_html(answer.text) for answer in answers] == [None, None, None]
    assert all(value.is_absent_from(answer.text) for answer in (*answers, strangers))
    assert all("No second key was created." in answer.text for answer in answers)
    assert owner.number_of(name) == 1
    # To a stranger the nonce is as if it never was: they get a key of their own.
    assert (strangers.status_code, Value.in_html(strangers.text) in (None, value)) == (200, False)


def test_reloading_the_created_page_without_script_says_that_it_was_shown(page_for: PageFor, server: ConsoleServer):
    page = page_for("alice", js=False, expected=(409,))
    value = Value.shown_in(create_key(page, "reloaded"))

    page.reload()

    expect(page.get_by_role("heading", name="This key was already created")).to_be_visible()
    expect(page.get_by_text("Its value is never shown a second time.")).to_be_visible()
    assert value.is_gone_from(page)
    page.get_by_role("link", name="Delete the key whose value is lost").click()
    expect(dialog(page, "Delete key?")).to_contain_text("reloaded")
    assert Visitor.logged_in(server, "alice").names_found("reloaded") == 1


def test_neither_another_session_of_alice_nor_the_administrator_sees_the_value(page_for: PageFor):
    value = Value.shown_in(create_key(page_for("alice"), "seen by one page only"))

    other = page_for("alice")
    other.goto(KEYS)
    seen = [value.is_gone_from(other)]
    for action, title in (("Edit API key", "Edit API key"), ("Delete key", "Delete key?")):
        choose_action(other, "seen by one page only", action)
        dialog(other, title)
        seen.append(value.is_gone_from(other))
        other.keyboard.press("Escape")
    other.goto("/")
    seen.append(value.is_gone_from(other))
    dora = page_for("dora")
    for path in ("/", KEYS, "/manage/users/"):
        dora.goto(path)
        seen.append(value.is_gone_from(dora))
    dora.get_by_role("rowheader").get_by_role("link", name="Alice").click()
    seen.append(value.is_gone_from(dora))

    assert seen == [True] * 8


@with_and_without_script
def test_no_file_of_server_or_browser_ever_holds_the_value_nor_does_a_restored_tab(
    owner: Owner, playwright: Playwright, chromium_path: str, tmp_path: Path, js
):
    marker, profile = f"planted-{uuid4().hex[:12]}", tmp_path / "profile"
    places = [owner.console.data_dir, owner.console.log_path, owner.keeper.data_dir, owner.keeper.log_path, profile]

    context = with_profile(playwright, chromium_path, profile, js, base_url=owner.console.url)
    complaints = Complaints(context, expected=(404,))
    page = context.pages[0]
    page.goto("/")
    log_in(page, owner.username)
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    created = create_key(page, marker)
    values = [Value.shown_in(created)]
    download(created, tmp_path)
    close_downloaded(created, js)
    expect(row(page, marker)).to_be_visible()
    page.goto(f"/{marker}")
    values.append(Value.shown_in(create_key(page, f"{marker} and left open")))
    context.close()

    assert [value.files_with_it(*places) for value in values] == [[], []]
    # The search finds what took the same ways: a name in the database, an address in log and browser.
    planted = files_with(marker, *places)
    assert any(file.startswith("console.sqlite3") for file in planted)
    assert {f"{owner.console.log_path.name} (utf-8)", "History (utf-8)"} <= set(planted)
    assert any(file.endswith("(utf-16-le)") for file in planted)
    assert values[0].files_with_it(tmp_path / "apikey.json") == ["apikey.json (utf-8)"]

    with restored(playwright, chromium_path, profile, js) as tabs:
        assert {tab.url.partition("?")[0] for tab in tabs} & {
            f"{owner.console.url}{KEYS}",
            "chrome-error://chromewebdata/",
        }
        assert all(value.is_gone_from(tab) for tab in tabs for value in values)
    assert [value.files_with_it(*places) for value in values] == [[], []]
    assert complaints.heard == []


def test_a_page_that_was_kept_whole_for_back_has_lost_its_value(page_for: PageFor, server: ConsoleServer, tmp_path):
    with KeepsPages(server) as proxy:
        page = page_for("alice", at=proxy.url)
        page.add_init_script("addEventListener('pageshow', (event) => { window.persisted = event.persisted; })")
        with page.expect_response(lambda response: response.url.endswith(RECEIPT)):
            created = create_key(page, "kept whole")
        value = Value.shown_in(created)
        download(created, tmp_path)
        page.goto("/password/")
        page.evaluate("history.back()")

        expect(dialog(page, OVER).get_by_role("heading", name=OVER)).to_be_focused()
        assert page.evaluate("persisted") is True
        assert value.is_gone_from(page)


@pytest.mark.parametrize("keeps_cookies", [False, True], ids=["as it is", "control: no cookie changes"])
def test_without_script_a_changed_cookie_makes_the_browser_drop_the_kept_page(
    page_for: PageFor, server: ConsoleServer, keeps_cookies
):
    with KeepsPages(server) as proxy:
        page = page_for("alice", at=proxy.url, js=False)
        proxy.keeps_cookies = keeps_cookies
        with page.expect_response(lambda response: RECEIPT in response.url):
            created = create_key(page, f"kept whole without script {keeps_cookies}")
        value = Value.shown_in(created)
        page.wait_for_load_state()  # browsers keep only pages that were there as a whole
        page.goto("/password/")
        travel(page, page.go_back)

        assert value.is_gone_from(page) is not keeps_cookies


# One key, whatever happens on the way.


@with_and_without_script
def test_a_double_click_makes_one_key(page_for: PageFor, server: ConsoleServer, js):
    page, name = page_for("alice", js=js), f"double click, script {js}"
    form = open_create(page)
    fill(form, name)

    form.get_by_role("button", name="Create API key").dblclick()

    dialog(page, "API key created")
    assert Visitor.logged_in(server, "alice").names_found(name) == 1


@with_and_without_script
def test_five_enters_make_one_key_and_show_it(page_for: PageFor, server: ConsoleServer, js):
    name = f"five enters, script {js}"
    with HoldsKeys(server) as proxy:
        page = page_for("alice", at=proxy.url, js=js)
        form = open_create(page)
        fill(form, name)
        form.get_by_role("textbox", name="Name", exact=True).focus()

        for _ in range(5):
            page.keyboard.press("Enter")
        proxy.deliver.set()

        created = dialog(page, "API key created")
        assert Value.shown_in(created).looks_genuine()
        assert Visitor.logged_in(server, "alice").names_found(name) == 1


@with_and_without_script
def test_a_key_whose_answer_was_lost_on_the_way_arrives_when_the_form_is_sent_again(
    page_for: PageFor, owner: Owner, js
):
    name, expected = f"lost on the way, script {js}", ("net::ERR_EMPTY_RESPONSE", "htmx:")
    with LosesKeys(owner.console) as proxy:
        page = page_for(owner.username, on=owner.console, at=proxy.url, js=js, expected=expected)
        form = open_create(page)
        fill(form, name, "kept")
        form.get_by_role("button", name="Create API key").click()
        if js:
            expect(form.get_by_role("alert").get_by_text("The server did not answer.")).to_be_visible()
            proxy.losing = False
            created = submit(form)
        else:
            expect(page).to_have_title(ERROR_PAGE)
            proxy.losing = False
            page.reload()
            created = dialog(page, "API key created")

        assert {Value.shown_in(created)} == proxy.lost
        assert owner.number_of(name) == 1


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["plain form", "htmx"])
def test_twenty_parallel_sends_of_one_form_make_one_key_with_one_value(server: ConsoleServer, headers):
    name = f"twenty at once {len(headers)}"
    alice = Visitor.logged_in(server, "alice")
    form = alice.form(CREATE) | {"name": name}
    start = Barrier(SENDS, timeout=30)

    def send(_number: int):
        start.wait()
        return Visitor(server, dict(alice.cookies)).post(CREATE, form, **headers)

    with ThreadPoolExecutor(SENDS) as pool:
        answers = list(pool.map(send, range(SENDS)))

    assert {answer.status_code for answer in answers} == {200}
    values = {Value.in_html(answer.text) for answer in answers}
    assert len(values) == 1
    assert None not in values
    assert Visitor.logged_in(server, "alice").names_found(name) == 1


# While it is shown.


def test_the_page_holds_the_value_once_in_one_element(page_for: PageFor):
    page = page_for("alice")
    created = create_key(page, "one place")
    value = Value.shown_in(created)

    texts, attributes = page.evaluate(
        """() => {
          const all = [...document.querySelectorAll("*")];
          const own = (element) => [...element.childNodes].filter((node) => node.nodeType !== 1)
            .map((node) => node.nodeValue).join("");
          return [
            all.map((element) => [element.tagName, own(element)]),
            all.flatMap((element) => [...element.attributes].map((attribute) => attribute.value)),
          ];
        }"""
    )

    assert value.count_in(page.content()) == 1
    assert [tag for tag, text in texts if not value.is_absent_from(text)] == ["CODE"]
    assert all(map(value.is_absent_from, attributes))


def test_only_the_page_without_script_confirms_its_receipt_by_a_picture(page_for: PageFor):
    asked: dict[bool, list[str]] = {}
    for js in (True, False):
        page = page_for("alice", js=js)
        asked[js] = []
        page.on(
            "request",
            lambda request, of=asked[js]: (
                of.append(f"{request.method} {request.resource_type}") if RECEIPT in request.url else None
            ),
        )
        with page.expect_response(lambda response: RECEIPT in response.url):
            create_key(page, f"receipt, script {js}")
        page.wait_for_load_state("networkidle")

    assert asked == {True: ["POST xhr"], False: ["GET image"]}


def create_and_show(page_for: PageFor, name: str) -> Locator:
    created = create_key(page_for("alice"), name)
    created.get_by_role("button", name="Show").click()
    expect(created.locator("#value")).to_be_visible()
    return created


def test_a_page_that_is_put_away_hides_the_value(page_for: PageFor):
    created = create_and_show(page_for, "put away")

    put_away(created.page)

    expect(created.locator("#value")).to_be_hidden()
    expect(created.get_by_role("button", name="Show")).to_be_visible()


def test_paper_never_shows_the_value(page_for: PageFor):
    created = create_and_show(page_for, "on paper")
    said = created.get_by_text("The key itself is never printed.")
    expect(said).to_be_hidden()

    created.page.emulate_media(media="print")

    expect(created.locator("#value")).to_be_hidden()
    expect(said).to_be_visible()


# It cannot vanish by accident.


def test_a_click_beside_the_dialog_changes_nothing(page_for: PageFor):
    page = page_for("alice")
    created = create_key(page, "beside")
    value = Value.shown_in(created)

    page.mouse.click(5, 450)

    expect(created).to_be_visible()
    assert Value.shown_in(created) == value


def copy(created: Locator, _folder: Path) -> None:
    created.get_by_role("button", name="Copy").click()
    expect(created.get_by_role("button", name="Copied")).to_be_visible()


def copy_by_hand(created: Locator, _folder: Path) -> None:
    created.get_by_role("button", name="Show").click()
    created.locator("#value").click()
    created.page.keyboard.press("ControlOrMeta+C")


def nothing(_created: Locator, _folder: Path) -> None:
    """Begin no saving."""


def say_that_it_arrived(created: Locator, _folder: Path) -> None:
    close_downloaded(created, js=True)
    expect(created).to_be_hidden()


@pytest.mark.parametrize(("begin", "save"), [(nothing, copy), (nothing, copy_by_hand), (download, say_that_it_arrived)])
def test_the_browser_asks_before_leaving_until_the_key_is_known_to_be_saved(
    page_for: PageFor, begin: Callable, save: Callable, tmp_path: Path
):
    page = page_for("alice", permissions=("clipboard-read", "clipboard-write"))
    created = create_key(page, f"leaving {save.__name__}")
    value = Value.shown_in(created)
    asked = stay_when_asked(page)
    begin(created, tmp_path)

    with page.expect_event("dialog"):
        page.close(run_before_unload=True)
    assert asked == ["beforeunload"]
    assert Value.shown_in(created) == value

    save(created, tmp_path)
    page.goto("/password/")
    assert asked == ["beforeunload"]


def refuse(created: Locator) -> None:
    """Click Download in a browser that permits none."""
    session = created.page.context.new_cdp_session(created.page)
    session.send("Page.setDownloadBehavior", {"behavior": "deny"})
    created.get_by_role("button", name="Download API key").click()
    expect(created.get_by_role("status")).to_have_text("Download started: apikey.json")
    session.send("Page.setDownloadBehavior", {"behavior": "default"})


def cancel(created: Locator) -> None:
    """Click Download, and cancel it in the browser's own bar."""
    with created.page.expect_download() as begun:
        created.get_by_role("button", name="Download API key").click()
    begun.value.cancel()


def save_nothing(_created: Locator) -> None:
    """Leave the key unsaved."""


@pytest.mark.parametrize("way", ["Escape", "Close"])
@pytest.mark.parametrize(
    ("fail", "question", "answer"),
    [
        (save_nothing, UNSAVED, "Close without saving"),
        (refuse, "Did the download arrive?", "Yes, close"),
        (cancel, "Did the download arrive?", "Yes, close"),
    ],
)
def test_a_key_asks_before_it_goes_unsaved_or_after_a_download_that_never_arrived(
    page_for: PageFor, fail: Callable, question, answer, way
):
    name = f"{fail.__name__}, {way}"
    page = page_for("alice")
    created = create_key(page, name)
    value = Value.shown_in(created)
    asking = created.get_by_role("alert").filter(has_text=question)

    fail(created)
    for _ in range(3):  # browsers let a second Esc through, whatever the page says
        leave(created, way)
        expect(asking).to_be_visible()
        expect(asking.get_by_role("button", name="Stay here")).to_be_focused()
    asking.get_by_role("button", name="Stay here").click()
    expect(asking).to_be_hidden()
    assert Value.shown_in(created) == value

    leave(created, way)
    asking.get_by_role("button", name=answer).click()
    expect(row(page, name)).to_be_visible()
    assert value.is_gone_from(page)


def test_a_download_that_did_not_arrive_can_be_made_again(page_for: PageFor, server: ConsoleServer, tmp_path: Path):
    page = page_for("alice")
    created = create_key(page, "downloaded again")
    value = Value.shown_in(created)
    cancel(created)
    leave(created, "Close")

    with page.expect_download() as begun:
        created.get_by_role("button", name="Download again").click()
    begun.value.save_as(tmp_path / "apikey.json")

    expect(created.get_by_role("button", name="Download again")).to_be_hidden()
    assert_is_the_key_file(tmp_path / "apikey.json", "downloaded again", "", value, server)
    close_downloaded(created, js=True)
    expect(row(page, "downloaded again")).to_be_visible()


def test_a_key_that_was_copied_needs_no_answer_about_its_download(page_for: PageFor, tmp_path: Path):
    page = page_for("alice", permissions=("clipboard-read", "clipboard-write"))
    created = create_key(page, "copied and downloaded")

    copy(created, tmp_path)
    download(created, tmp_path)
    leave(created, "Close")

    expect(row(page, "copied and downloaded")).to_be_visible()


def test_what_is_said_of_the_clipboard_stays_after_the_copy(page_for: PageFor, tmp_path: Path):
    page = page_for("alice", permissions=("clipboard-read", "clipboard-write"))
    created = create_key(page, "clipboard history")
    warning = created.get_by_text("What you copy may stay in the clipboard history of your device.")
    expect(warning).to_be_visible()

    copy(created, tmp_path)

    expect(created.locator("[data-said]")).to_have_text("Copied")
    expect(warning).to_be_visible()


def test_copy_is_honest_when_the_browser_does_not_permit_it(page_for: PageFor):
    page = page_for("alice")
    page.context.new_cdp_session(page).send(
        "Browser.setPermission", {"permission": {"name": "clipboard-write"}, "setting": "denied"}
    )
    created = create_key(page, "no permission to copy")

    assert_copy_fails_honestly(created)


def test_copy_is_honest_on_plain_http(page_for: PageFor, server: ConsoleServer):
    with PlainHttp(server) as proxy:
        page = page_for(None, at=proxy.url, expected=("Cross-Origin-Opener-Policy header has been ignored",))
        page.goto("/")
        log_in(page, "alice")
        expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
        created = create_key(page, "on plain http")

        assert_copy_fails_honestly(created)


def test_without_script_the_file_comes_once_and_the_page_stays(page_for: PageFor, tmp_path: Path):
    page = page_for("alice", js=False, expected=(409,))
    created = create_key(page, "two downloads")
    value = Value.shown_in(created)

    file = download(created, tmp_path)
    with page.context.expect_page() as opened:
        created.get_by_role("button", name="Download API key").click()
    refused = opened.value

    expect(refused.get_by_role("heading", name="This key was already downloaded")).to_be_visible()
    assert value.files_with_it(file) == ["apikey.json (utf-8)"]
    assert value.is_gone_from(refused)
    assert Value.shown_in(created) == value


def leave(created: Locator, way: str) -> None:
    if way == "Escape":
        created.page.keyboard.press("Escape")
    else:
        created.get_by_role("button", name="Close", exact=True).click()


def stay_when_asked(page: Page) -> list[str]:
    """Stay on the page whenever the browser asks; return its questions, a list that grows."""
    asked: list[str] = []
    page.on("dialog", lambda question: (asked.append(question.type), question.dismiss()))
    return asked


def put_away(page: Page) -> None:
    """Do what a browser does when another tab comes to the front; Playwright keeps every page visible."""
    page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
          document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
        }"""
    )


def assert_copy_fails_honestly(created: Locator) -> None:
    value = Value.shown_in(created)

    created.get_by_role("button", name="Copy").click()

    expect(created.get_by_text(REFUSAL).first).to_be_visible()
    expect(created.get_by_text("Copied")).to_have_count(0)
    assert Value(created.page.evaluate("String(getSelection())")) == value
    leave(created, "Escape")
    expect(created.get_by_text(UNSAVED)).to_be_visible()
