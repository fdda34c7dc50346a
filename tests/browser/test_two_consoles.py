"""A console whose keys are at another console: the same journey, and what becomes of it when the other is not there."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.addresses import KEYS
from tests.browser.conftest import DESKTOP, MOBILE, PageFor, start_console
from tests.browser.steps import (
    ENGLISH,
    Words,
    choose_action,
    create_key,
    dialog,
    download,
    fill,
    go_to_keys_by_menu,
    is_dark,
    log_in,
    notes,
    pasted,
    press_action,
    row,
    submit,
)
from tests.browser.two_consoles import MAKE_NEIGHBOURS, Pair, Road
from tests.browser.value import Value, assert_is_the_key_file
from tests.programs import Console
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser

with_and_without_script = pytest.mark.parametrize("js", [True, False], ids=["script", "no-script"])


@pytest.fixture(scope="session")
def pair(server: ConsoleServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("consoles")

    def elsewhere(name: str, iam_url: str) -> ConsoleServer:
        return start_console(folder / name, APIKEYS_BACKEND="ibm-cloud", IAM_URL=iam_url, LOG_LEVEL="DEBUG")

    with ExitStack() as end, ThreadPoolExecutor() as pool:
        road = end.enter_context(Road(server.url))
        second, far = elsewhere("second", server.url), elsewhere("far", road.url)
        people = pool.submit(server.run_python, MAKE_NEIGHBOURS)
        for started in [pool.submit(console.__enter__) for console in (second, far)]:
            end.push(started.result())
        people.result()
        yield Pair(server, second, far, road)


# The main job.


@pytest.mark.parametrize(
    ("viewport", "scheme", "locale"),
    [
        pytest.param(DESKTOP, "light", "en-US", id="1440x900-light-en"),
        pytest.param(DESKTOP, "dark", "zh-TW", id="1440x900-dark-zh-TW"),
        pytest.param(MOBILE, "dark", "en-US", id="390x844-dark-en"),
        pytest.param(MOBILE, "light", "zh-TW", id="390x844-light-zh-TW"),
    ],
)
def test_anna_makes_the_whole_journey_at_the_second_console_and_the_keys_are_at_the_first(
    page_for: PageFor, pair: Pair, tmp_path: Path, viewport, scheme, locale
):
    t = Words(locale)
    title = t("%(brand)s API keys", brand="IBM Cloud")
    name = f'release <b>"{scheme}"</b> & {locale} {viewport["width"]}'
    page = page_for(
        None,
        on=pair.second,
        viewport=viewport,
        color_scheme=scheme,
        locale=locale,
        permissions=("clipboard-read", "clipboard-write"),
    )

    page.goto("/")
    expect(page.get_by_role("main")).to_contain_text(f"127.0.0.1:{pair.first.port}")
    log_in(page, "anna", t=t)
    expect(page).to_have_url("/")
    expect(page.get_by_role("heading", name=t("Dashboard"))).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("Anna Lind")
    assert is_dark(page) == (scheme == "dark")
    go_to_keys_by_menu(page, t, title)
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
    expect(page).to_have_title(f"{title} – IBM Cloud {t('Console')}")

    page.get_by_role("link", name=t("Create API key")).click()
    form = dialog(page, t("Create API key"))
    fill(form, name, "Applies changes", t)
    created = submit(form, t)
    value = Value.shown_in(created)
    code = created.locator("#value")
    expect(code).to_be_hidden()
    created.get_by_role("button", name=t("Show")).click()
    expect(code).to_be_visible()
    created.get_by_role("button", name=t("Copy")).click()
    expect(created.get_by_role("button", name=t("Copied"))).to_be_visible()
    assert pasted(page) == value
    file = download(created, tmp_path, t)
    expect(created.get_by_text(t("Download started: apikey.json")).first).to_be_visible()
    assert_is_the_key_file(file, name, "Applies changes", value, pair.first)
    created.get_by_role("button", name=t("Close")).click()

    expect(page).to_have_url(KEYS)
    expect(row(page, name)).to_contain_text("Applies changes")
    assert name in [key["name"] for key in value.given_to(Console(pair.first).use).listed()]
    edit_lock_disable_look_and_delete(page, name, pair, value, t)
    assert f"{name} 2" not in pair.names_there("anna")


def edit_lock_disable_look_and_delete(page: Page, name: str, pair: Pair, value: Value, t: Words = ENGLISH) -> None:
    new_name = f"{name} 2"
    choose_action(page, name, "Edit name and description", t)
    form = dialog(page, t("Edit name and description"))
    fill(form, new_name, "Applies and reverts changes", t)
    form.get_by_role("button", name=t("Save")).click()
    expect(notes(page, t("The changes to %(name)s were saved.", name=new_name))).to_be_visible()
    expect(row(page, new_name)).to_contain_text("Applies and reverts changes")

    press_action(page, new_name, "Lock API key", t)
    expect(notes(page, t("%(name)s is locked: it can't be changed or deleted.", name=new_name))).to_be_visible()
    expect(row(page, new_name)).to_contain_text(t("Locked"))
    press_action(page, new_name, "Unlock API key", t)
    expect(notes(page, t("%(name)s is unlocked.", name=new_name))).to_be_visible()
    press_action(page, new_name, "Disable API key", t)
    expect(row(page, new_name)).to_contain_text(t("Disabled"))
    assert value.given_to(Console(pair.first).exchange).status_code == 400
    press_action(page, new_name, "Enable API key", t)
    expect(row(page, new_name)).to_contain_text(t("Active"))
    assert value.given_to(Console(pair.first).exchange).status_code == 200

    choose_action(page, new_name, "Details", t)
    details = dialog(page, t("API key"))
    expect(details.get_by_text(new_name, exact=True)).to_be_visible()
    expect(details.get_by_text("Anna Lind").first).to_be_visible()
    details.get_by_role("link", name=t("Close")).last.click()
    expect(row(page, new_name)).to_be_visible()

    choose_action(page, new_name, "Delete key", t)
    asked = dialog(page, t("Delete key?"))
    expect(asked).to_contain_text(new_name)
    asked.get_by_role("button", name=t("Delete key")).click()
    expect(notes(page, t("%(name)s was deleted and no longer works.", name=new_name))).to_be_visible()
    expect(row(page, new_name)).to_have_count(0)
    assert value.given_to(Console(pair.first).exchange).status_code == 400


@pytest.mark.parametrize("viewport", [DESKTOP, MOBILE], ids=["1440x900", "390x844"])
def test_anna_makes_the_whole_journey_without_script(page_for: PageFor, pair: Pair, tmp_path: Path, viewport):
    name = f"without script {viewport['width']}"
    page = page_for(None, on=pair.second, js=False, viewport=viewport)

    page.goto("/")
    log_in(page, "anna")
    go_to_keys_by_menu(page, title="IBM Cloud API keys")
    page.get_by_role("link", name="Create API key").click()
    form = dialog(page, "Create API key")
    fill(form, name, "Two\nlines")
    created = submit(form)
    value = Value.shown_in(created)
    expect(created.locator("#value")).to_be_hidden()
    created.get_by_text("Show", exact=True).filter(visible=True).click()
    expect(created.locator("#value")).to_be_visible()
    assert_is_the_key_file(download(created, tmp_path), name, "Two lines", value, pair.first)
    created.get_by_role("button", name="Close").click()
    expect(page).to_have_url(KEYS)

    edit_lock_disable_look_and_delete(page, name, pair, value)
    assert f"{name} 2" not in pair.names_there("anna")


def test_a_key_that_was_deleted_at_the_first_console_is_not_listed_by_the_second(page_for: PageFor, pair: Pair):
    program = pair.there("anna")
    key = program.create_key("made and deleted there", description="of the first")
    page = page_for("anna", on=pair.second)
    page.goto(KEYS)
    expect(row(page, "made and deleted there")).to_contain_text("of the first")

    assert program.delete(f"/v1/apikeys/{key['id']}").status_code == 204
    page.reload()

    expect(page.get_by_role("heading", name="IBM Cloud API keys", level=1)).to_be_visible()
    expect(row(page, "made and deleted there")).to_have_count(0)


@with_and_without_script
def test_anna_logs_in_with_a_key_of_hers(page_for: PageFor, pair: Pair, js):
    page = page_for("anna", on=pair.second, js=js, expected=(422,))
    value = Value.shown_in(create_key(page, f"to log in with, {js}"))
    page = page_for(None, on=pair.second, js=js, expected=(422,))
    page.goto(KEYS)

    page.get_by_role("link", name="API key", exact=True).click()
    field = page.get_by_label("API key", exact=True)
    field.fill("apk_notakey")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("knows no usable API key with this value")
    expect(field).to_have_value("")
    value.given_to(field.fill)
    page.get_by_role("button", name="Log in").click()

    expect(page).to_have_url(KEYS)
    expect(row(page, f"to log in with, {js}")).to_be_visible()
    assert value.is_gone_from(page)


def test_the_samples_name_the_first_console_and_curl_gets_a_token_there(page_for: PageFor, pair: Pair):
    page = page_for("anna", on=pair.second)
    created = create_key(page, "samples")
    value = Value.shown_in(created)

    created.get_by_text("Use this key in a program").click()
    samples = created.locator("details").get_by_role("code").filter(visible=True).all_text_contents()
    curl = next(sample for sample in samples if sample.startswith("curl "))
    answer = value.given_to(lambda text: run_curl(curl, text))

    assert len(samples) == 4
    assert all(pair.first.url in sample for sample in samples)
    assert not any(pair.second.url in sample for sample in samples)
    assert {"access_token", "expiration"} <= answer.keys()
    expect(created.get_by_role("link", name="API reference")).to_have_count(0)


def run_curl(sample: str, value: str) -> dict[str, object]:
    environment = {"PATH": os.environ["PATH"], "NO_PROXY": "*", "IBMCLOUD_API_KEY": value}
    done = subprocess.run(["bash", "-c", sample], env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("viewport", [DESKTOP, MOBILE], ids=["1440x900", "390x844"])
def test_nothing_is_shown_that_only_the_first_console_can_honour(page_for: PageFor, pair: Pair, viewport):
    page = page_for("ida", on=pair.second, viewport=viewport, expected=(404,))
    name = f"shown {viewport['width']}"
    key = pair.there("anna").create_key(name)

    page.goto("/")
    bar = page.get_by_role("banner")
    for button in ("Menu" if viewport == MOBILE else "Manage", "Account"):
        bar.get_by_role("button", name=button, exact=True).click()
        expect(bar.get_by_role("link", name=re.compile("Docs|Change password|Administration"))).to_have_count(0)
        if button == "Account":
            expect(bar.get_by_text("Ida Falk")).to_be_visible()
            expect(bar.get_by_text("ida@example.com")).to_be_visible()
        page.keyboard.press("Escape")
    page.goto(f"{KEYS}?view=all&q={name}")
    expect(row(page, name)).to_be_visible()
    expect(page.get_by_text("Last used")).to_have_count(0)

    paths = ["/v1/apikeys", f"/v1/apikeys/{key['id']}", "/identity/token", "/identity/keys", "/admin/", "/password/"]
    ida = pair.log_in("ida")
    assert [ida.get(path).status_code for path in (*paths, "/docs/api/")] == [404] * 7
    assert ida.post("/identity/token", {}).status_code == 404
