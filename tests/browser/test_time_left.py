"""The time that the value is shown: counted down for eyes and ears, extended on demand, and over for good."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.addresses import CREATE, MORE_TIME, RECEIPT
from tests.browser.conftest import PageFor
from tests.browser.proxy import KeepsPages
from tests.browser.steps import create_key, dialog, download, fill, row, submit, tab_to, travel
from tests.browser.value import Value, assert_is_the_key_file
from tests.browser.visitor import Visitor
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser

OVER = "The key is no longer shown"
NEXT = "If you saved the key {}, close this window. If you did not, delete the key and create another one."
OFFER = "Choose More time to keep it for 5 more minutes."
HOUR = 3600


@pytest.fixture
def page(page_for: PageFor) -> Page:
    """A page of Alice's, whose clocks the test moves."""
    opened = page_for("alice")
    opened.clock.install()
    return opened


def time_left(created: Locator) -> Locator:
    return created.get_by_role("timer")


def announced(shown: Locator) -> Locator:
    return shown.get_by_role("status")


def more_time(created: Locator) -> Locator:
    return created.get_by_role("button", name="More time")


def ask_for_more(created: Locator) -> None:
    """Press More time, and wait until the server has heard of it."""
    with created.page.expect_response(f"**{MORE_TIME}") as answered:
        more_time(created).click()
    assert answered.value.status == 204


def set_clock(page: Page, seconds: int) -> None:
    """Move the time of day; timers and the steady clock stand still, as they do while a machine sleeps."""
    page.clock.set_system_time(page.evaluate("Date.now() / 1000") + seconds)


def stop_clock(page: Page) -> None:
    """Let a second pass, and from then on only what the test lets pass."""
    page.clock.pause_at(page.evaluate("Date.now() / 1000") + 1)


def extensions(server: ConsoleServer, name: str) -> int:
    """Return how often the hand-over of a key was extended on the server."""
    printed = server.run_python(
        "from apikeys.models import ApiKeyRecord, Handover\n"
        f"print(Handover.objects.get(key_id=ApiKeyRecord.objects.get(name={name!r}).id).extensions)"
    )
    return int(printed.split()[-1])


# Counted down.


def test_the_time_that_is_left_can_be_seen_and_is_announced_before_it_is_over(page: Page):
    created = create_key(page, "counted down")
    stop_clock(page)
    expect(created.get_by_text("Time left:")).to_be_visible()
    expect(time_left(created)).to_have_text("4:59")
    expect(announced(created)).to_have_text("")

    page.clock.fast_forward("03:58")
    expect(time_left(created)).to_have_text("1:01")
    expect(announced(created)).to_have_text("")
    page.clock.run_for(1000)
    expect(time_left(created)).to_have_text("1:00")
    expect(announced(created)).to_have_text(f"The key disappears in one minute. {OFFER}")
    page.clock.run_for(49_000)
    expect(time_left(created)).to_have_text("0:11")
    expect(announced(created)).to_have_text(f"The key disappears in one minute. {OFFER}")
    page.clock.run_for(1000)
    expect(announced(created)).to_have_text(f"The key disappears in 10 seconds. {OFFER}")


def test_when_the_time_is_over_the_page_says_what_is_and_what_to_do(page: Page):
    created = create_key(page, "over")
    value = Value.shown_in(created)
    created.get_by_role("button", name="Show").click()

    page.clock.fast_forward("04:00")
    expect(created.locator("#value")).to_be_visible()
    page.clock.fast_forward("01:00")

    over = dialog(page, OVER)
    expect(over.get_by_role("heading", name=OVER)).to_be_focused()
    expect(announced(over)).to_have_text(NEXT.format("over"))
    expect(over.locator("#created-next")).to_have_text(NEXT.format("over"))
    expect(over.get_by_text("Use this key in a program")).to_have_count(0)
    expect(page.get_by_text("Copy or download the key")).to_have_count(0)
    assert over.get_by_role("button").all_inner_texts() == ["Close"]
    assert value.is_gone_from(page)
    over.get_by_role("link", name="Delete the key whose value is lost").click()
    expect(dialog(page, "Delete key?")).to_contain_text("over")


def test_the_end_closes_also_the_question_that_stood_open(page: Page):
    created = create_key(page, "over while asking")
    page.keyboard.press("Escape")
    expect(created.get_by_role("button", name="Stay here")).to_be_focused()

    page.clock.fast_forward("05:00")

    over = dialog(page, OVER)
    expect(over.get_by_role("heading", name=OVER)).to_be_focused()
    over.get_by_role("button", name="Close").click()
    expect(row(page, "over while asking")).to_be_visible()


def test_an_answer_that_comes_late_takes_back_nothing_that_was_announced_meanwhile(page: Page):
    held: list[Route] = []
    page.route(f"**{RECEIPT}", lambda route: held.append(route))
    create_key(page, "late answer")
    page.clock.fast_forward("05:00")
    over = dialog(page, OVER)
    expect(announced(over)).to_have_text(NEXT.format("late answer"))

    with page.expect_event("requestfinished"):
        held[0].fulfill(status=204)
    expect(page.get_by_text("Waiting for a response…")).to_be_hidden()

    expect(announced(over)).to_have_text(NEXT.format("late answer"))


def test_the_title_of_a_page_of_its_own_tells_the_end_too(page: Page):
    page.goto(CREATE)
    form = dialog(page, "Create API key")
    fill(form, "own page")
    form.locator("form").evaluate("(form) => form.submit()")
    dialog(page, "API key created")
    before = page.title()

    page.clock.fast_forward("05:00")

    dialog(page, OVER)
    assert before.startswith("API key created")
    assert page.title() == before.replace("API key created", OVER)


# Clocks that jump.


def set_back(page: Page, hours: int) -> None:
    set_clock(page, -hours * HOUR)
    page.clock.fast_forward("05:00")


def sleep(page: Page) -> None:
    set_clock(page, HOUR)
    page.clock.run_for(1000)


def come_to_the_front(page: Page) -> None:
    """Nothing waits for a timer here: none goes off."""
    stop_clock(page)
    set_clock(page, HOUR)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))")


JUMPS = {
    "set back by an hour": lambda page: set_back(page, 1),
    "set back by a day": lambda page: set_back(page, 24),
    "of a machine that slept": sleep,
    "of a tab that comes to the front again": come_to_the_front,
}


@pytest.mark.parametrize("clock", JUMPS)
def test_a_clock_that_jumps_gives_no_more_time(page: Page, clock):
    value = Value.shown_in(create_key(page, f"clock {clock}"))

    JUMPS[clock](page)

    dialog(page, OVER)
    assert value.is_gone_from(page)


def test_a_button_that_is_pressed_after_the_end_does_nothing_any_more(page: Page):
    created = create_key(page, "too late")
    stop_clock(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    set_clock(page, HOUR)
    more_time(created).click()

    dialog(page, OVER)
    assert [url for url in asked if MORE_TIME in url] == []


# More time.


def test_more_time_can_be_had_twice_and_each_time_for_five_minutes(page: Page, server: ConsoleServer):
    with page.expect_response(f"**{RECEIPT}"):
        created = create_key(page, "more time")
    stop_clock(page)
    value = Value.shown_in(created)

    page.clock.fast_forward("03:59")
    expect(announced(created)).to_contain_text("one minute")
    ask_for_more(created)
    expect(time_left(created)).to_have_text("6:00")
    expect(announced(created)).to_have_text("You have 5 more minutes.")
    page.clock.fast_forward("05:00")
    expect(announced(created)).to_have_text(f"The key disappears in one minute. {OFFER}")
    ask_for_more(created)
    expect(time_left(created)).to_have_text("6:00")
    expect(announced(created)).to_have_text("You have 5 more minutes. No more time can be added.")
    expect(more_time(created)).to_be_hidden()
    expect(created.get_by_text("Time left:")).to_be_focused()
    page.clock.fast_forward("05:00")
    expect(announced(created)).to_have_text("The key disappears in one minute. Copy or download it now.")
    assert Value.shown_in(created) == value

    page.clock.fast_forward("01:00")
    dialog(page, OVER)
    assert value.is_gone_from(page)
    assert extensions(server, "more time") == 0, "the receipt had wiped the sealed value: nothing to extend"


def test_where_the_receipt_was_lost_the_sealed_value_lives_as_long_as_the_page_shows_it(
    page: Page, server: ConsoleServer
):
    page.route(f"**{RECEIPT}", lambda route: route.fulfill(status=204))
    created = create_key(page, "receipt lost")

    ask_for_more(created)
    ask_for_more(created)

    assert extensions(server, "receipt lost") == 2


def test_more_time_needs_neither_a_session_nor_a_server(page_for: PageFor, server: ConsoleServer):
    page = page_for("alice", expected=(401, "net::ERR_INTERNET_DISCONNECTED"))
    page.clock.install()
    with page.expect_response(f"**{RECEIPT}"):
        created = create_key(page, "session over")
    stop_clock(page)
    value = Value.shown_in(created)
    session = Visitor.with_session_of(server, page.context)
    session.post("/logout/", session.form("/password/"))

    with page.expect_response(f"**{MORE_TIME}") as refused:
        more_time(created).click()
    expect(time_left(created)).to_have_text("9:59")
    page.context.set_offline(True)
    more_time(created).click()
    expect(time_left(created)).to_have_text("14:59")

    assert refused.value.status == 401
    assert Value.shown_in(created) == value


def test_more_time_can_be_had_with_the_keyboard_alone(page: Page):
    created = create_key(page, "more by keyboard")
    stop_clock(page)

    tab_to(more_time(created))
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")

    expect(time_left(created)).to_have_text("14:59")
    expect(created.get_by_text("Time left:")).to_be_focused()
    page.keyboard.press("Tab")
    expect(created.locator(":focus")).to_have_count(1)


# Without script.


def create_without_script(page: Page, name: str) -> Locator:
    """Create a key, and wait for the picture that confirms its receipt."""
    page.goto(CREATE)
    form = dialog(page, "Create API key")
    fill(form, name)
    with page.expect_response(lambda response: response.url.endswith(".svg") and RECEIPT in response.url):
        return submit(form)


def test_without_script_more_time_is_told_in_another_tab_and_the_page_keeps_its_value(
    page_for: PageFor, server: ConsoleServer, tmp_path: Path
):
    page = page_for("alice", js=False)
    created = create_without_script(page, "more without script")
    value = Value.shown_in(created)
    expect(created.get_by_text("Without JavaScript this page can’t remove the key")).to_be_visible()
    before = created.locator(".time-left time").get_attribute("datetime")

    with page.context.expect_page() as opened:
        created.get_by_role("button", name="More time (opens in a new tab)").click()
    told = opened.value
    expect(told.get_by_role("heading", name="You have more time to download")).to_be_visible()

    assert before < told.locator("main time").get_attribute("datetime")
    assert value.is_gone_from(told)
    assert extensions(server, "more without script") == 1
    assert Value.shown_in(created) == value
    assert_is_the_key_file(download(created, tmp_path), "more without script", "", value, server)
    created.get_by_role("button", name="Close").click()
    expect(row(page, "more without script")).to_be_visible()
    assert value.is_gone_from(page)


def test_without_script_more_time_does_not_let_back_show_the_value(page_for: PageFor, server: ConsoleServer):
    with KeepsPages(server) as proxy:
        page = page_for("alice", at=proxy.url, js=False)
        created = create_without_script(page, "more time and back")
        value = Value.shown_in(created)
        page.wait_for_load_state()  # browsers keep only pages that were there as a whole
        with page.context.expect_page() as opened:
            created.get_by_role("button", name="More time (opens in a new tab)").click()
        opened.value.wait_for_load_state()
        opened.value.close()
        page.goto("/password/")
        travel(page, page.go_back)

        assert value.is_gone_from(page)
