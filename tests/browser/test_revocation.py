"""What is ended in a browser at one server is dead at the very next call to another server on the same database."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import MAKE_PEOPLE, PageFor, start_console
from tests.browser.steps import create_key, delete, leave_unsaved, notes, press_action
from tests.browser.value import Value
from tests.programs import Console, Program
from tests.server import ConsoleServer

pytestmark = pytest.mark.browser

ISSUER = "http://console.test"


@dataclass
class Servers:
    """One has the browsers, the other is asked by programs."""

    here: ConsoleServer
    there: Console


@dataclass
class Deployed:
    """A program at the other server, with the value of a key and a token made from it before."""

    there: Console
    value: Value
    program: Program

    def works(self) -> bool:
        """Tell whether key and token work; one without the other is a failure."""
        found = {self.value.given_to(self.there.exchange).status_code == 200, not self.program.refused()}
        assert len(found) == 1, "the key and its token disagree"
        return found.pop()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    data_dir = tmp_path_factory.mktemp("revocation") / "data"
    with start_console(data_dir, PUBLIC_URL=ISSUER) as here, start_console(data_dir, PUBLIC_URL=ISSUER) as there:
        here.run_python(MAKE_PEOPLE)
        yield Servers(here, Console(there))


def deploy(page: Page, servers: Servers, name: str) -> Deployed:
    """Create a key in the browser and give it to a program."""
    created = create_key(page, name)
    value = Value.shown_in(created)
    leave_unsaved(created)
    deployed = Deployed(servers.there, value, value.given_to(servers.there.use))
    assert deployed.works()
    return deployed


def test_a_key_that_is_deleted_in_the_browser_is_dead_elsewhere(page_for: PageFor, servers: Servers):
    page = page_for("alice", on=servers.here)
    deployed = deploy(page, servers, "to be deleted")

    delete(page, "to be deleted")

    assert not deployed.works()


def test_a_key_that_is_disabled_in_the_browser_is_dead_elsewhere_until_it_is_enabled(
    page_for: PageFor, servers: Servers
):
    page = page_for("alice", on=servers.here)
    deployed = deploy(page, servers, "to be disabled")

    press_action(page, "to be disabled", "Disable API key")
    expect(notes(page, "to be disabled is disabled")).to_be_visible()
    while_disabled = deployed.works()
    press_action(page, "to be disabled", "Enable API key")
    expect(notes(page, "to be disabled is enabled and works again.")).to_be_visible()

    assert (while_disabled, deployed.works()) == (False, True)


def test_what_a_person_had_is_dead_elsewhere_when_an_administrator_deactivates_them(
    page_for: PageFor, servers: Servers
):
    deployed = deploy(page_for("frank", on=servers.here), servers, "of frank")
    dora = page_for("dora", on=servers.here)

    dora.goto("/manage/users/?q=frank")
    dora.get_by_role("rowheader").get_by_role("link").click()
    dora.get_by_role("button", name="Deactivate").click()
    expect(dora.get_by_text("is deactivated.")).to_be_visible()

    assert not deployed.works()
