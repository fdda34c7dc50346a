"""Every example of docs/cli.md, run as a reader would run it: in this order, in one home, against real servers."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from apikeys.cli import keyfile, login, offline, output, parser
from apikeys.cli.completion import words
from apikeys.values import mask
from tests.cast import PASSWORD
from tests.documents import Example, examples, is_as_shown
from tests.neighbours import Relay, Tunnel, make_certificates
from tests.programs import Person, Site
from tests.terminal import ROOT, Conversation, Terminal

pytestmark = pytest.mark.once

PAGE = ROOT / "docs" / "cli.md"
PASSCODE = "123456"
PROMPT = re.compile(r"(.*>)(?: (.*))?")


@dataclass(frozen=True)
class Reader:
    """Somebody who follows the page: each name of the page stands for one of the test."""

    terminal: Terminal
    names: dict[str, str]

    def run(self, example: Example) -> str:
        """Return what an example printed, in the page's own names. Anything but status 0 fails."""
        code = self.translated(example.code)
        if example.language == "console":
            return self.original(self.talk(code))
        done = self.terminal.execute([example.language, "-euc", f"exec 2>&1; {code}"])
        assert done.status == 0, f"{example.code}\n{mask(done.out)}"
        return self.original(done.out)

    def talk(self, code: str) -> str:
        """Type a command at a terminal, and after each prompt what the page shows there; return all that was shown."""
        command, *lines = code.splitlines()
        bash = "import os, sys; os.execvp('bash', ['bash', *sys.argv[1:]])"  # a conversation begins with Python
        talk = Conversation(self.terminal, [sys.executable, "-c", bash, "-c", command.removeprefix("$ ")])
        for prompt in filter(None, map(PROMPT.fullmatch, lines)):
            talk.wait_for(prompt[1])
            talk.answer(prompt[2] or {"Password>": PASSWORD, "One-time passcode>": PASSCODE}[prompt[1]])
        talk.end()
        return f"{command}\n{talk.shown}"

    def translated(self, text: str) -> str:
        for name, here in self.names.items():
            text = re.sub(rf"(?<![\w.]){re.escape(name)}(?!\w)", here.replace("\\", r"\\"), text)
        return text

    def original(self, text: str) -> str:
        for name, here in self.names.items():
            for spelling in (here, here.replace("127.0.0.1", "localhost")):  # as the console calls itself
                text = re.sub(rf"(?<!\w){re.escape(spelling)}(?!\w)", name, text)
        return text


@dataclass(frozen=True)
class Journey:
    """What came of reading the whole page once."""

    site_alice: Person
    home: Path
    printed: list[str]
    front: Relay
    proxy: Tunnel


@pytest.fixture(scope="module")
def journey(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Journey:
    home = tmp_path_factory.mktemp("reader")
    authority, certificate = make_certificates(tmp_path_factory.mktemp("certificates"))
    (home / "company.pem").write_bytes(authority.read_bytes())
    (home / "apikeys-console").symlink_to(ROOT)
    site_alice = site.next_person("alice")
    terminal = Terminal(home, PASSWORD=PASSWORD)
    python = Path(sys.executable).parent  # for a checkout whose packages are elsewhere than in .venv
    terminal.environment["PATH"] = f"{home / '.local' / 'bin'}:{python}:{terminal.environment['PATH']}"
    with Relay(site.url, certificate) as front, Tunnel() as proxy:
        names = {
            "http://localhost:8000": site.url,
            "localhost:8000": site.url.removeprefix("http://"),
            "https://console.example.com": front.url,
            "http://proxy.example.com:3128": proxy.url,
            "console.example.com": front.url.removeprefix("https://"),
            "alice": site_alice.username,
        }
        reader = Reader(terminal, names)
        return Journey(site_alice, home, [reader.run(example) for example in examples(PAGE)], front, proxy)


def test_every_example_prints_what_the_page_shows(journey):
    shown = 0
    for example, printed in zip(examples(PAGE), journey.printed, strict=True):
        expected = example.code if example.language == "console" else example.shown
        if expected:
            shown += 1
            assert is_as_shown(expected, printed), f"{example.code}\nprinted\n{mask(printed)}"
    assert shown > 15


def test_what_shows_nothing_on_the_page_refuses_nothing(journey):
    for example, printed in zip(examples(PAGE), journey.printed, strict=True):
        if not example.shown and example.language != "console":
            assert "FAILED" not in printed, example.code
            assert "usage:" not in printed, example.code
            assert "Traceback" not in printed, example.code


def test_the_examples_leave_what_they_say(journey, site):
    left = sorted(key["name"] for key in site.log_in(journey.site_alice).listed())

    assert left == ["backup", "laptop", "robot"]
    for name in left:
        file = journey.home / f"{name}.json"
        assert file.stat().st_mode & 0o777 == 0o600
        assert site.exchange(json.loads(file.read_text())["apikey"]).status_code == 200
    assert list((journey.home / "job").rglob("*.json")) == [journey.home / "job" / "apikeys" / "session.json"]


def test_the_proxy_is_asked_once_and_not_for_what_no_proxy_names(journey):
    assert journey.proxy.asked == [("CONNECT", journey.front.url.removeprefix("https://"))]
    assert [target.partition("?")[0] for _method, target in journey.front.asked] == [
        "/identity/token", *["/v1/apikeys"] * 2,
    ]  # fmt: skip


def test_the_page_names_every_command_and_every_option():
    page = PAGE.read_text()

    for path, options in words(parser.build_parser()).items():
        assert not path or path == "iam" or re.search(rf"`(apikeys )?({path}|{path.removeprefix('iam ')})\b", page), (
            path
        )
        for option in options:
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", page), f"{path} {option}"


def test_the_page_names_every_variable_and_every_status():
    page = PAGE.read_text()

    variables = re.findall(r"`([A-Z_]+)`", "".join(re.findall(r"^\| (`[A-Z_`, ]+) \|", page, re.MULTILINE)))
    assert set(variables) == {
        login.URL_VARIABLE, login.PLAIN_VARIABLE, *keyfile.API_KEY_VARIABLES, offline.PREFIX_VARIABLE,
        "XDG_CONFIG_HOME",
        "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE",
    }  # fmt: skip
    statuses = [int(status) for status in re.findall(r"^\| `(\d+)` \|", page, re.MULTILINE)]
    assert statuses == [0, output.REFUSED, output.USAGE, output.INTERRUPTED]


WRONG: list[tuple[str, Callable[[str], str]]] = [
    ("another word", lambda text: text.replace("OK", "KO", 1)),
    ("a line less", lambda text: text.replace("OK\n", "", 1)),
    ("a line more", lambda text: text + "more\n"),
    ("another column", lambda text: text.replace("Name  ", "Name ", 1)),
]


@pytest.mark.parametrize(("_what", "spoil"), WRONG, ids=[what for what, _spoil in WRONG])
def test_an_example_that_shows_something_else_is_noticed(journey, _what, spoil):
    example, printed = next(
        (example, printed)
        for example, printed in zip(examples(PAGE), journey.printed, strict=True)
        if example.shown.startswith("Creating API key terraform")
    )

    assert is_as_shown(example.shown, printed)
    assert not is_as_shown(example.shown, spoil(printed))
