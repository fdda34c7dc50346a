"""The main job in the engines of Firefox and Safari, at the address that `make run` prints."""

import re
from pathlib import Path

import pytest

from tests.addresses import KEYS
from tests.browser.value import Value, assert_is_the_key_file
from tests.cast import PASSWORD
from tests.engines.engine import Engine, wait_for
from tests.engines.person import Person
from tests.server import ConsoleServer

pytestmark = pytest.mark.engine


def printed_address(server: ConsoleServer) -> str:
    found = re.search(r"^The console is at (http://\S+)", server.log, re.M)
    assert found
    return found[1]


def log_in(person: Person) -> None:
    person.opens("/")
    person.types("User ID", "alice")
    person.types("Password", PASSWORD)
    person.presses("button", "Log in")
    person.sees("heading", "Dashboard")


def create(person: Person, name: str, description: str = "") -> Value:
    person.opens(KEYS)
    person.presses("link", "Create API key")
    person.sees("dialog", "Create API key")
    person.types("Name", name)
    if description:
        person.types("Description (optional)", description)
    person.presses("button", "Create API key")
    person.sees("dialog", "API key created")
    return person.value()


def delete(person: Person, name: str) -> None:
    person.opens(KEYS)
    person.presses("button", f"Actions for {name}")
    person.presses("link", "Delete key")
    person.sees("dialog", "Delete key?")
    person.presses("button", "Delete key")
    person.reads("note", f"{name} was deleted and no longer works.")
    person.does_not_see("rowheader", name)


def test_alice_creates_a_key_saves_it_and_deletes_it(engine: Engine, server: ConsoleServer, tmp_path: Path):
    person = Person(engine, printed_address(server))

    log_in(person)
    value = create(person, "release", "Applies changes")
    assert value.looks_genuine()
    person.presses("button", "Show")
    person.presses("button", "Hide")
    person.presses("button", "Copy")
    person.sees("button", "Copied")
    person.presses("button", "Download API key")
    file = engine.downloads / "apikey.json"
    wait_for(lambda: file.exists() and file.read_text(), "the file")
    assert_is_the_key_file(file, "release", "Applies changes", value, server)
    person.presses("button", "Close")
    person.is_at(KEYS)
    person.sees("rowheader", "release")

    gone = []
    for travel in (engine.back, engine.forward, engine.reload, engine.back, engine.back, engine.reload):
        travel()
        gone.append(wait_for(lambda: value.is_gone_from(person), f"no value after {travel.__name__}"))
    assert gone == [True] * 6
    assert person.pasted() == value

    delete(person, "release")
    engine.close()
    assert value.files_with_it(engine.folder, server.data_dir, server.log_path) == ["apikey.json (utf-8)"]


def test_a_key_that_was_left_open_is_not_shown_again(engine: Engine, server: ConsoleServer):
    person = Person(engine, printed_address(server))
    log_in(person)

    values = [create(person, "left open")]
    engine.reload()
    person.is_at(KEYS)
    person.sees("rowheader", "left open")
    assert values[0].is_gone_from(person)

    if engine.restores_tabs:
        values.append(create(person, "restored"))
        engine.start_again(person.url)
        person.is_at(KEYS)
        person.sees("rowheader", "restored")
    assert all(one.is_gone_from(person) for one in values)
    engine.close()
    assert [one.files_with_it(engine.folder, server.data_dir, server.log_path) for one in values] == [[]] * len(values)
