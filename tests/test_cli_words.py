"""The grammar of the command line: a script for the original, words that begin with a dash, wrong usage, help."""

import json
import re
import sys

import pytest

from tests.cast import PASSWORD
from tests.cli_person import CHANGES, VALUE, create, refused
from tests.terminal import ROOT, Terminal

pytestmark = pytest.mark.once

# A script written for the original


ORIGINAL_SCRIPT = """
set -e
shopt -s expand_aliases
alias ibmcloud=apikeys
ibmcloud login -a {url} -u {user} -p "$PASSWORD"
ibmcloud iam api-key-create MyKey -d "this is my API key" -f key.json
ibmcloud login --apikey @key.json
ibmcloud iam api-keys
ibmcloud iam api-key-delete MyKey -f
"""


def test_a_script_for_the_original_runs_unchanged_but_for_the_url(terminal, site, site_alice, alices):
    script = ORIGINAL_SCRIPT.format(url=site.url, user=site_alice.username)

    done = terminal.shell(script, PASSWORD=PASSWORD)

    assert done.status == 0, done.err
    assert done.err == ""
    assert f"Creating API key MyKey under {site_alice.account_id} as {site_alice.email}...\nOK\n" in done.out
    assert "API key MyKey was created\n" in done.out
    assert "Successfully saved API key information to key.json\n" in done.out
    assert re.search(r"^MyKey   this is my API key   \S+\+0000   active$", done.out, re.MULTILINE)
    assert done.out.endswith("OK\nAPI key MyKey was deleted\n")
    assert not VALUE.search(done.out)
    assert alices.listed() == []
    value = json.loads((terminal.home / "key.json").read_text())["apikey"]
    assert site.exchange(value).status_code == 400


# Words that begin with a dash, and other traps of a command line


TRICKY = ["-d", "--lock", "-", "--", "-f key.json", "=", "-=x", "=x", "--output=json", "-dx", "$HOME", "a=b", " x"]


@pytest.mark.parametrize("text", TRICKY)
def test_a_description_may_be_anything(logged_in, text):
    for flags in (["-d", text], ["--description", text]):
        assert create(logged_in, "MyKey", *flags)["description"] == text.strip()


@pytest.mark.parametrize("text", [text for text in TRICKY if text != "--"])
def test_a_name_after_two_dashes_may_be_anything(logged_in, alices, text):
    done = logged_in.run("iam", "api-key-create", "-d", "x", "--", text)

    assert done.status == 0, done.err
    assert [key["name"] for key in alices.listed()] == [text.strip()]


def test_a_new_name_may_begin_with_a_dash(logged_in, alices):
    alices.create_key("MyKey")

    assert logged_in.run("iam", "api-key-update", "MyKey", "-n", "-f").status == 0

    assert [key["name"] for key in alices.listed()] == ["-f"]
    assert logged_in.run("iam", "api-key-delete", "-f", "--", "-f").status == 0
    assert alices.listed() == []


def test_a_key_may_be_called_like_a_command(logged_in, alices):
    alices.create_key("api-key-create")

    assert logged_in.run("iam", "api-key-delete", "-f", "api-key-create").status == 0

    assert alices.listed() == []


def test_a_password_may_begin_with_a_dash(terminal, site):
    refused(terminal.run("login", "-a", site.url, "-u", "-alice", "-p", "-p"), "The user ID or the password")


def test_a_file_may_begin_with_a_dash(logged_in):
    done = logged_in.run("iam", "api-key-create", "MyKey", "-f", "-key.json")

    assert done.status == 0, done.err
    assert (logged_in.home / "-key.json").exists()


def test_a_value_is_never_taken_for_a_flag(logged_in):
    assert not create(logged_in, "MyKey")["apikey"].startswith("-")


# Usage: exit status 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["iam"],
        ["iam", "nonsense"],
        ["iam", "api-key"],
        ["iam", "api-keys", "--nonsense"],
        ["iam", "api-keys", "--output", "xml"],
        ["iam", "api-keys", "-n"],
        ["iam", "api-key-create"],
        ["iam", "api-key-create", "a", "b"],
        ["iam", "api-key-create", "a", "--action-if-leaked", "EXPLODE"],
        ["iam", "api-key-create", "a", "--loc"],
        ["iam", "api-key-delete"],
        ["iam", "api-key-update", "a"],
        ["iam", "service-ids"],
        ["plugin", "install", "container-registry", "-f"],
        ["help", "nonsense"],
        ["config", "--nonsense=true"],
        ["login", "--nonsense"],
        ["login", "-a"],
        ["scan"],
        ["completion", "fish"],
        ["logout", "now"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2_and_one_sentence(terminal, arguments):
    done = terminal.run(*arguments)

    assert done.status == 2
    assert done.out == ""
    assert done.err.startswith("usage: apikeys")
    assert re.fullmatch(r"apikeys[a-z -]*: .+", done.err.splitlines()[-1])


def test_an_argument_that_is_no_text_is_wrong_usage(logged_in, alices):
    done = logged_in.shell("apikeys iam api-key-create MyKey -d $'\\xff'")

    assert done.status == 2
    assert "Traceback" not in done.err
    assert alices.listed() == []


# Start and help


def imported(terminal: Terminal, *arguments: str) -> set[str]:
    done = terminal.execute([sys.executable, "-X", "importtime", "-m", "apikeys", *arguments])
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in done.err.splitlines() if "|" in line}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["iam", "--help"], ["completion", "bash"], ["scan", "."], ["logout"], ["iam", "api-keys"]]
)
def test_what_needs_no_server_imports_neither_django_nor_requests(terminal, arguments):
    found = imported(terminal, *arguments)

    assert "argparse" in found
    assert not found & {"django", "requests", "urllib3", "cryptography", "jwt"}


def test_what_asks_a_server_imports_no_django(logged_in):
    found = imported(logged_in, "iam", "api-keys")

    assert "requests" in found
    assert not found & {"django", "cryptography", "jwt"}


def test_help_names_every_command(terminal):
    top = terminal.run("--help")
    iam = terminal.run("iam", "--help")

    assert (top.status, iam.status) == (0, 0)
    for command in ("login", "api", "target", "logout", "iam", "scan", "completion", "help", "version", "config"):
        assert re.search(rf"^    {command}\b", top.out, re.MULTILINE)
    for command in (
        "oauth-tokens",
        "api-keys",
        "api-key",
        "api-key-create",
        "api-key-update",
        *(f"api-key-{verb}" for verb in CHANGES),
    ):
        assert re.search(rf"^    {command}(\s|$)", iam.out, re.MULTILINE)


def test_the_command_runs_from_any_folder_and_nothing_that_lies_there(terminal):
    folder = terminal.home / "somebody's repository"
    folder.mkdir()
    for name in ("argparse.py", "json.py", "apikeys.py", "sitecustomize.py"):
        (folder / name).write_text("raise SystemExit('this was run')\n")
    link = terminal.home / "apikeys"
    link.symlink_to(ROOT / "bin" / "apikeys")

    done = terminal.execute(["sh", "-c", f'cd "{folder}" && unset PYTHONPATH && exec "{link}" scan .'])

    assert (done.status, done.out, done.err) == (0, "", "")
