"""Somebody at the command line: terminals with and without a log-in, and what tests ask of them."""

import json
import re

import pytest

from tests.cast import PASSWORD
from tests.terminal import Terminal

VALUE = re.compile(r"apk_[A-Za-z0-9]{40}")
KEY_ID = re.compile(r"ApiKey-[0-9a-f-]{36}")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d\+0000")

CHANGES = ["delete", "lock", "unlock", "disable", "enable"]


@pytest.fixture
def terminal(tmp_path) -> Terminal:
    """The terminal of somebody who is not logged in."""
    return Terminal(tmp_path)


@pytest.fixture
def logged_in(terminal, site, site_alice) -> Terminal:
    """Alice's terminal, as a log-in with her password leaves it."""
    answer = site.token_request(
        client=True, grant_type="password", username=site_alice.username, password=PASSWORD
    ).json()
    kept = {name: answer[name] for name in ("access_token", "refresh_token", "expiration")}
    terminal.session_file.parent.mkdir(parents=True)
    terminal.session_file.write_text(json.dumps(kept | {"url": site.url, "target": {}}))
    return terminal


@pytest.fixture
def three_keys(alices) -> dict[str, dict]:
    made = {"MyKey": "mine", "terraform": "Applies changes", "Terraform-test": "-"}
    return {name: alices.create_key(name, description=description) for name, description in made.items()}


def create(terminal: Terminal, name: str, *flags: str) -> dict:
    return terminal.run("iam", "api-key-create", name, *flags, "--output", "json").json


def listed(terminal: Terminal, *flags: str) -> list[dict]:
    return terminal.run("iam", "api-keys", *flags, "--output", "json").json


def names(terminal: Terminal, *flags: str) -> list[str]:
    return [key["name"] for key in listed(terminal, *flags)]


def refused(done, *words: str) -> None:
    """Check that a command was refused in plain words: no traceback, nothing but FAILED and a sentence or two."""
    assert done.status == 1, done.out + done.err
    assert done.err.startswith("FAILED\n")
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err


def log_in(terminal: Terminal, url: str, **environment: str):
    return terminal.run("login", "-a", url, "-u", "alice", "-p", PASSWORD, **environment)
