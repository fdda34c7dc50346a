"""The command line: every command and flag, prompts at a real terminal, files, sessions, and servers that misbehave."""

import base64
import json
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apikeys import wire
from apikeys.domain import ApiKey, IssuedApiKey
from tests.neighbours import Fixed, Relay, Silent, make_certificates
from tests.programs import PASSWORD
from tests.terminal import ROOT, Conversation, Terminal

VALUE = re.compile(r"apk_[A-Za-z0-9]{40}")
KEY_ID = re.compile(r"ApiKey-[0-9a-f-]{36}")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d\+0000")

# Runs the command line with less patience, so that no test waits for the usual seconds.
IMPATIENT = "import sys; from apikeys import cli, iam_transport; iam_transport.READ_SECONDS = 0.3; sys.exit(cli.main())"


@pytest.fixture
def terminal(tmp_path) -> Terminal:
    """The terminal of somebody who is not logged in."""
    return Terminal(tmp_path)


@pytest.fixture
def logged_in(terminal, site, anna) -> Terminal:
    """Anna's terminal, as a log-in with her password leaves it."""
    answer = site.token_request(client=True, grant_type="password", username=anna.username, password=PASSWORD).json()
    kept = {name: answer[name] for name in ("access_token", "refresh_token", "expiration")}
    terminal.session_file.parent.mkdir(parents=True)
    terminal.session_file.write_text(json.dumps(kept | {"url": site.url, "target": {}}))
    return terminal


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


def test_a_script_for_the_original_runs_unchanged_but_for_the_url(terminal, site, anna, annas):
    script = ORIGINAL_SCRIPT.format(url=site.url, user=anna.username)

    done = terminal.shell(script, PASSWORD=PASSWORD)

    assert done.status == 0, done.err
    assert done.err == ""
    assert f"Creating API key MyKey under {anna.account_id} as {anna.email}...\nOK\n" in done.out
    assert "API key MyKey was created\n" in done.out
    assert "Successfully saved API key information to key.json\n" in done.out
    assert re.search(r"^MyKey   this is my API key   \S+\+0000   active$", done.out, re.MULTILINE)
    assert done.out.endswith("OK\nAPI key MyKey was deleted\n")
    assert not VALUE.search(done.out)
    assert annas.listed() == []
    value = json.loads((terminal.home / "key.json").read_text())["apikey"]
    assert site.exchange(value).status_code == 400


# Log in


def test_log_in_asks_for_email_and_password_at_a_terminal_and_shows_no_password(terminal, site, anna):
    talk = terminal.talk("login", "-a", site.url)

    talk.wait_for("Email> ")
    talk.answer(anna.username)
    talk.wait_for("Password> ")
    talk.answer(PASSWORD)

    assert talk.end() == 0
    assert PASSWORD not in talk.shown
    assert f"User:          {anna.email}\n" in talk.shown
    assert names(terminal) == []


def test_log_in_asks_only_for_what_was_not_given(terminal, site, anna):
    talk = terminal.talk("login", "-a", site.url, "-u", anna.username)

    talk.wait_for("Password> ")
    talk.answer(PASSWORD)

    assert talk.end() == 0
    assert "Email>" not in talk.shown


def test_log_in_reads_answers_from_a_pipe_too(terminal, site, anna):
    done = terminal.run("login", "-a", site.url, typed=f"{anna.username}\n{PASSWORD}\n")

    assert done.status == 0, done.err
    assert terminal.session()["url"] == site.url


@pytest.mark.parametrize("typed", ["", "anna\n", "\udcff\n"], ids=["nothing", "half", "no text"])
def test_log_in_without_an_answer_is_refused(terminal, site, typed):
    done = subprocess.run(
        [sys.executable, "-m", "apikeys", "login", "-a", site.url],
        cwd=terminal.home,
        env=terminal.environment,
        input=typed.encode(errors="surrogateescape"),
        capture_output=True,
        timeout=60,
    )

    assert done.returncode == 1
    assert done.stderr.startswith(b"FAILED\n")
    assert not terminal.session_file.exists()


def test_interrupting_a_prompt_changes_nothing(terminal, site):
    talk = terminal.talk("login", "-a", site.url)

    talk.wait_for("Email> ")
    talk.interrupt()

    assert talk.end() == 130
    assert "Interrupted. Nothing more was done." in talk.shown
    assert "Traceback" not in talk.shown
    assert not terminal.session_file.exists()


def test_a_wrong_password_is_refused_in_the_servers_words(terminal, site, anna):
    done = terminal.run("login", "-a", site.url, "-u", anna.username, "-p", "wrong")

    refused(done, "The user ID or the password is not correct.", "Transaction ID: ")
    assert "wrong" not in done.out + done.err
    assert not terminal.session_file.exists()


def test_log_in_with_a_key(terminal, site, anna, annas):
    value = annas.create_key("MyKey")["apikey"]

    done = terminal.run("login", "-a", site.url, "--apikey", value)

    assert done.status == 0, done.err
    assert names(terminal) == ["MyKey"]
    assert value not in done.out + done.err + terminal.session_file.read_text()


FORMS = {
    "command line": '{"id": "x", "crn": "x", "iam_id": "x", "name": "MyKey", "apikey": "VALUE", "locked": false}',
    "before 2020": '{\n\t"name": "MyKey",\n\t"apikey": "VALUE",\n\t"createdAt": "x",\n\t"uuid": "x"\n}',
    "page": '{"name": "MyKey", "description": "", "createdAt": "2026-02-19T18:59+0000", "apikey": "VALUE"}\n',
    "value alone": "VALUE\n",
    "with a byte order mark": '\ufeff{"apikey": "VALUE"}',
    "value with a byte order mark": "\ufeffVALUE",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_log_in_with_a_file_in_every_form_there_is(terminal, site, annas, form):
    value = annas.create_key("MyKey")["apikey"]
    (terminal.home / "key.json").write_text(form.replace("VALUE", value))

    done = terminal.run("login", "-a", site.url, "--apikey", "@key.json")

    assert done.status == 0, done.err
    assert names(terminal) == ["MyKey"]


def test_a_file_is_found_below_the_home_folder(terminal, site, annas):
    (terminal.home / "key.json").write_text(annas.create_key("MyKey")["apikey"])

    assert terminal.run("login", "-a", site.url, "--apikey", "@~/key.json").status == 0


def test_a_file_that_the_page_offers_logs_in(terminal, site, annas):
    value = annas.create_key("MyKey")["apikey"]
    now = datetime.now(UTC)
    key = ApiKey("ApiKey-x", "1-x", "MyKey", "", "IBMid-X", "x", now, "IBMid-X", now, "")
    (terminal.home / wire.KEY_FILE_NAME).write_text(wire.key_file(IssuedApiKey(key, value)))

    assert terminal.run("login", "-a", site.url, "--apikey", f"@{wire.KEY_FILE_NAME}").status == 0


BAD_FILES = {
    "empty": b"",
    "blank": b" \n",
    "two words": b"two words",
    "no key in it": b'{"name": "MyKey"}',
    "an empty key": b'{"apikey": ""}',
    "a number": b'{"apikey": 7}',
    "half": b'{"apikey": "x',
    "deep": b'{"a":' * 100_000,
    "no text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_holds_no_key_is_refused(terminal, site, content):
    (terminal.home / "key.json").write_bytes(content)

    refused(terminal.run("login", "-a", site.url, "--apikey", "@key.json"), "key.json")


@pytest.mark.parametrize("name", ["missing.json", ".", "~nobody-of-this-name/key.json"])
def test_a_file_that_can_not_be_read_is_refused(terminal, site, name):
    refused(terminal.run("login", "-a", site.url, "--apikey", f"@{name}"), f"{name} can't be read")


@pytest.mark.parametrize("at", ["", "@"], ids=["value", "file"])
def test_log_in_with_the_environment(terminal, site, annas, at):
    value = annas.create_key("MyKey")["apikey"]
    (terminal.home / "key.json").write_text(value)

    done = terminal.run("login", "-a", site.url, IBMCLOUD_API_KEY="@key.json" if at else value)

    assert done.status == 0, done.err
    assert names(terminal) == ["MyKey"]


def test_what_is_said_on_the_command_line_counts_more_than_the_environment(terminal, site, anna, annas, bens):
    annas.create_key("Anna's")
    bens_value = bens.create_key("Ben's")["apikey"]

    done = terminal.run("login", "-a", site.url, "-u", anna.username, "-p", PASSWORD, IBMCLOUD_API_KEY="no such value")
    assert done.status == 0, done.err
    assert names(terminal) == ["Anna's"]

    terminal.run("login", "--apikey", bens_value, IBMCLOUD_API_KEY="no such value")
    assert names(terminal) == ["Ben's"]


def test_the_address_comes_from_the_environment_or_from_the_last_log_in(terminal, site, anna):
    refused(terminal.run("login"), "Say where to log in: apikeys login -a URL, or set APIKEYS_URL.")

    assert terminal.run("login", "-u", anna.username, "-p", PASSWORD, APIKEYS_URL=site.url).status == 0
    assert terminal.run("logout").status == 0
    done = terminal.run("login", "-u", anna.username, "-p", PASSWORD)

    assert done.status == 0, done.err
    assert f"API endpoint: {site.url}\n" in done.out


def test_a_one_time_passcode_is_asked_for_and_this_server_gives_none(terminal, site):
    talk = terminal.talk("login", "-a", site.url, "--sso")

    talk.wait_for("One-time passcode> ")
    talk.answer("123456")

    assert talk.end() == 1
    assert "123456" not in talk.shown
    assert "This server gives no one-time passcodes." in talk.shown


def test_a_value_that_was_deleted_is_refused(terminal, site):
    done = terminal.run("login", "-a", site.url, "--apikey", "apk_" + "x" * 40)

    refused(done, "Provided API key could not be found.")


# Target


def test_the_target_of_the_log_in_is_kept_shown_and_changed(terminal, site, anna):
    done = terminal.run(
        "login", "-a", site.url, "-u", anna.username, "-p", PASSWORD,
        "-r", "us-south", "-o", "MyOrg", "-s", "dev", "-c", anna.account_id, "-g", "default",
    )  # fmt: skip
    assert done.status == 0, done.err

    shown = (
        f"API endpoint:  {site.url}\n"
        f"User:          {anna.email}\n"
        f"Account:       {anna.account_id}\n"
        "Region:        us-south\n"
        "Organization:  MyOrg\n"
        "Space:         dev\n"
        "Group:         default\n"
    )
    assert done.out.endswith(shown)
    assert terminal.run("target").out == shown
    changed = terminal.run("target", "-r", "eu-de", "-o", "-Org", "-s", "prod").out
    assert "Region:        eu-de\nOrganization:  -Org\nSpace:         prod\n" in changed
    assert terminal.run("target").out == changed


def test_log_out_forgets_the_tokens_and_keeps_the_target(logged_in, site):
    logged_in.run("target", "-r", "us-south")

    done = logged_in.run("logout")

    assert (done.status, done.out) == (0, "Logging out...\nOK\n")
    session = logged_in.session()
    assert (session["access_token"], session["refresh_token"]) == ("", "")
    assert (session["url"], session["target"]) == (site.url, {"region": "us-south"})
    assert logged_in.run("logout").status == 0


@pytest.mark.parametrize(
    "command",
    [
        ["target"],
        ["iam", "api-keys"],
        ["iam", "api-key", "MyKey"],
        ["iam", "api-key-create", "MyKey"],
        ["iam", "api-key-update", "MyKey", "-n", "x"],
        ["iam", "api-key-delete", "MyKey", "-f"],
    ],
    ids=lambda command: command[-1],
)
def test_who_is_not_logged_in_is_told_so(terminal, command):
    refused(terminal.run(*command), "Not logged in. Use 'apikeys login' to log in.")


# Create


def test_create_shows_the_key_once_in_the_rows_of_the_original(logged_in, site, anna):
    done = logged_in.run("iam", "api-key-create", "MyKey", "-d", "this is my API key")

    assert (done.status, done.err) == (0, "")
    key = listed(logged_in)[0]
    value = VALUE.search(done.out)[0]
    assert done.out == (
        f"Creating API key MyKey under {anna.account_id} as {anna.email}...\n"
        "OK\n"
        "API key MyKey was created\n"
        "\n"
        "Please preserve the API key! It cannot be retrieved after it's created.\n"
        "\n"
        f"ID             {key['id']}\n"
        "Name           MyKey\n"
        "Description    this is my API key\n"
        f"Created At     {key['created_at']}\n"
        f"API Key        {value}\n"
        "Locked         false\n"
    )
    assert site.use(value).listed() == [key]
    assert not VALUE.search(logged_in.run("iam", "api-key", "MyKey").out)


def test_create_locked_with_a_leaked_action(logged_in):
    key = create(logged_in, "MyKey", "--lock", "--action-if-leaked", "DELETE")

    assert (key["locked"], key["action_when_leaked"]) == (True, "delete")
    assert VALUE.fullmatch(key["apikey"])
    assert "Locked         true\n" in logged_in.run("iam", "api-key-create", "Other", "--lock").out


@pytest.mark.parametrize("action", ["NONE", "DISABLE", "DELETE", "disable"])
def test_create_with_each_leaked_action(logged_in, action):
    assert create(logged_in, "MyKey", "--action-if-leaked", action)["action_when_leaked"] == action.lower()


@pytest.mark.parametrize("flag", ["-f", "--file"])
def test_create_writes_the_file_of_the_original_for_its_owner_alone(logged_in, site, flag):
    done = logged_in.run("iam", "api-key-create", "MyKey", "-d", "金鑰 🔑", flag, "key.json")

    assert done.status == 0, done.err
    assert done.out.endswith("OK\nAPI key MyKey was created\n\nSuccessfully saved API key information to key.json\n")
    file = logged_in.home / "key.json"
    text = file.read_text(encoding="utf-8")
    found = json.loads(text)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(found) == [
        "id", "crn", "iam_id", "account_id", "name", "description", "apikey", "locked", "entity_tag",
        "created_at", "created_by", "modified_at", "createdAt", "uuid",
    ]  # fmt: skip
    assert text.startswith('{\n\t"id": "ApiKey-')
    assert (found["name"], found["description"]) == ("MyKey", "金鑰 🔑")
    assert (found["createdAt"], found["uuid"]) == (found["created_at"], found["id"])
    assert site.exchange(found["apikey"]).status_code == 200
    assert not VALUE.search(done.out + done.err)


def test_a_file_in_a_generous_mask_is_still_for_its_owner_alone(logged_in):
    done = logged_in.shell("umask 000; apikeys iam api-key-create MyKey -f key.json && apikeys target -r here")

    assert done.status == 0, done.err
    assert stat.S_IMODE((logged_in.home / "key.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(logged_in.session_file.stat().st_mode) == 0o600


def test_create_as_json_with_a_file_holds_the_value_only_in_the_file(logged_in):
    key = create(logged_in, "MyKey", "-f", "key.json")

    assert "apikey" not in key
    assert json.loads((logged_in.home / "key.json").read_text())["id"] == key["id"]


@pytest.mark.parametrize("make", [lambda p: p.write_text("mine"), lambda p: p.symlink_to("/dev/full"), Path.mkdir])
def test_what_exists_is_not_overwritten_and_no_key_is_made(logged_in, annas, make):
    path = logged_in.home / "key.json"
    make(path)
    before = path.lstat()

    done = logged_in.run("iam", "api-key-create", "MyKey", "-f", "key.json")

    refused(done, "key.json exists already, and is left as it is. Choose another file.")
    after = path.lstat()
    assert (after.st_mode, after.st_size, after.st_mtime_ns) == (before.st_mode, before.st_size, before.st_mtime_ns)
    assert annas.listed() == []


def test_a_file_that_can_not_be_made_makes_no_key(logged_in, annas):
    refused(logged_in.run("iam", "api-key-create", "MyKey", "-f", "no/such/folder/key.json"), "can't be made")

    assert annas.listed() == []


def test_a_refused_creation_leaves_no_file(logged_in):
    refused(logged_in.run("iam", "api-key-create", " ", "-f", "key.json"), "Enter a name.")

    assert not (logged_in.home / "key.json").exists()


def test_a_full_disk_shows_the_key_instead_of_losing_it(logged_in, site):
    """A limit of no bytes for files stands for the full disk; it leaves terminals and pipes alone."""
    done = logged_in.shell("ulimit -f 0; apikeys iam api-key-create MyKey -f key.json")

    assert done.status == 0
    assert "The key was created, but key.json can't be written: File too large. It is shown instead." in done.err
    assert site.exchange(VALUE.search(done.out)[0]).status_code == 200
    assert not (logged_in.home / "key.json").exists()


@pytest.mark.parametrize("lock", ["", "--lock"])
def test_a_key_that_can_not_be_shown_is_deleted_again(logged_in, annas, lock):
    done = logged_in.shell(f"apikeys iam api-key-create MyKey {lock} --output json > /dev/full")

    refused(done, "The API key can't be shown: No space left on device. So it was deleted again.")
    assert not VALUE.search(done.err)
    assert annas.listed() == []


def test_a_reader_that_goes_away_loses_no_key_unseen(logged_in, annas):
    done = logged_in.shell(
        'set -o pipefail; apikeys iam api-key-create MyKey | { read -r first; echo "$first"; }; echo $?'
    )

    kept = annas.listed()
    lines = done.out.splitlines()
    assert lines[0].startswith("Creating API key MyKey")
    assert "Traceback" not in done.err
    # The pipe holds the whole answer or breaks: either the command says 0 and the key is there, or 1 and it is not.
    assert (lines[-1], [key["name"] for key in kept]) in [("0", ["MyKey"]), ("1", [])]


def test_output_that_goes_nowhere_is_one_sentence(logged_in):
    done = logged_in.shell("apikeys iam api-keys > /dev/full")

    refused(done, "The output can't be written: No space left on device.")


# List and show


@pytest.fixture
def three_keys(annas) -> dict[str, dict]:
    made = {"MyKey": "mine", "terraform": "Applies changes", "Terraform-test": "-"}
    return {name: annas.create_key(name, description=description) for name, description in made.items()}


def test_list_shows_name_description_date_and_state(logged_in, anna, three_keys):
    logged_in.run("iam", "api-key-lock", "terraform", "-f")
    logged_in.run("iam", "api-key-disable", "MyKey", "-f")

    done = logged_in.run("iam", "api-keys")

    dates = {name: key["created_at"] for name, key in three_keys.items()}
    assert done.out == (
        f"Getting all API keys of {anna.email} under account {anna.account_id}...\n"
        "OK\n"
        "\n"
        "Name             Description       Created At              State\n"
        f"MyKey            mine              {dates['MyKey']}   disabled\n"
        f"terraform        Applies changes   {dates['terraform']}   locked\n"
        f"Terraform-test   -                 {dates['Terraform-test']}   active\n"
    )


def test_list_with_ids(logged_in, three_keys):
    lines = logged_in.run("iam", "api-keys", "--uuid").out.splitlines()

    assert lines[3].split()[:2] == ["UUID", "Name"]
    assert [line.split()[0] for line in lines[4:]] == [key["id"] for key in three_keys.values()]


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (["-n", "TERRA"], ["terraform", "Terraform-test"]),
        (["--name", "-test"], ["Terraform-test"]),
        (["-d", "changes"], ["terraform"]),
        (["-d", "-"], ["Terraform-test"]),
        (["-n", "terra", "-d", "app"], ["terraform"]),
        (["-n", "nothing"], []),
        (["-n", ""], ["MyKey", "terraform", "Terraform-test"]),
    ],
)
def test_list_of_what_contains_a_text(logged_in, three_keys, flags, found):
    assert names(logged_in, *flags) == found


def test_list_as_json_is_what_the_api_says(logged_in, annas, three_keys):
    assert listed(logged_in) == annas.listed(sort="name")


def test_a_list_longer_than_a_page_is_read_to_its_end(logged_in, annas):
    made = {annas.create_key(f"key {number:03}")["name"] for number in range(103)}

    assert set(names(logged_in)) == made


def test_an_empty_list_is_only_titles(logged_in):
    assert logged_in.run("iam", "api-keys").out.endswith("OK\n\nName   Description   Created At   State\n")


@pytest.mark.parametrize("by", ["name", "id"])
def test_show_by_name_or_id(logged_in, anna, three_keys, by):
    key = three_keys["terraform"]

    done = logged_in.run("iam", "api-key", key[by])

    assert done.out == (
        f"Getting API key {key[by]} under {anna.account_id} as {anna.email}...\n"
        "OK\n"
        "\n"
        f"ID             {key['id']}\n"
        "Name           terraform\n"
        "Description    Applies changes\n"
        f"Created At     {key['created_at']}\n"
        "Locked         false\n"
        "Disabled       false\n"
        "Last Used      never\n"
    )


def test_show_tells_expiry_and_last_use(logged_in, site, annas):
    key = annas.create_key("MyKey", expires_at="2090-01-31T18:00+0000")
    site.use(key["apikey"])

    shown = logged_in.run("iam", "api-key", "MyKey").out

    assert "Expires At     2090-01-31T18:00+0000\n" in shown
    assert re.search(rf"^Last Used      {DATE.pattern}$", shown, re.MULTILINE)


def test_show_as_json(logged_in, three_keys):
    key = logged_in.run("iam", "api-key", "MyKey", "--output", "JSON").json

    assert key["id"] == three_keys["MyKey"]["id"]
    assert key["activity"] == {"authn_count": 0}


def test_a_name_that_a_terminal_can_not_show_stops_nothing(logged_in, annas):
    annas.create_key("金鑰 ünï")

    done = logged_in.run("iam", "api-keys", PYTHONIOENCODING="ascii")

    assert done.status == 0, done.err
    assert "\\u91d1\\u9470 \\xfcn\\xef" in done.out


# Update


def test_update_name_description_and_leaked_action(logged_in, three_keys):
    done = logged_in.run(
        "iam", "api-key-update", "terraform", "-n", "opentofu", "-d", "-- still --", "--action-if-leaked", "DISABLE"
    )

    assert done.status == 0, done.err
    assert "API key opentofu was updated\n" in done.out
    key = logged_in.run("iam", "api-key", "opentofu", "--output", "json").json
    assert key["id"] == three_keys["terraform"]["id"]
    assert (key["name"], key["description"]) == ("opentofu", "-- still --")
    assert key["action_when_leaked"] == "disable"


def test_update_changes_only_what_was_said(logged_in, three_keys):
    key = logged_in.run("iam", "api-key-update", "terraform", "--name", "opentofu", "--output", "json").json

    assert (key["name"], key["description"]) == ("opentofu", "Applies changes")


def test_update_by_id_takes_a_description_away(logged_in, three_keys):
    key_id = three_keys["terraform"]["id"]

    key = logged_in.run("iam", "api-key-update", key_id, "-d", "", "--output", "json").json

    assert (key["id"], key["name"], key["description"]) == (key_id, "terraform", "")


def test_update_of_nothing_is_refused(logged_in, three_keys):
    refused(logged_in.run("iam", "api-key-update", "terraform"), "Say what to change")


# Delete, lock, unlock, disable, enable


@pytest.mark.parametrize("force", ["-f", "--force"])
def test_delete_without_asking(logged_in, anna, annas, three_keys, force):
    done = logged_in.run("iam", "api-key-delete", "terraform", force)

    assert done.out == (
        f"Deleting API key terraform under {anna.account_id} as {anna.email}...\nOK\nAPI key terraform was deleted\n"
    )
    assert [key["name"] for key in annas.listed(sort="name")] == ["MyKey", "Terraform-test"]


@pytest.mark.parametrize("answer", ["y", "Yes", " YES "])
def test_delete_asks_and_yes_deletes(logged_in, annas, three_keys, answer):
    talk = logged_in.talk("iam", "api-key-delete", "terraform")

    talk.wait_for("Do you really want to delete API key terraform? [y/N] > ")
    talk.answer(answer)

    assert talk.end() == 0
    assert len(annas.listed()) == 2


@pytest.mark.parametrize("answer", ["", "n", "no", "yes please"])
def test_delete_asks_and_anything_else_changes_nothing(logged_in, annas, three_keys, answer):
    talk = logged_in.talk("iam", "api-key-delete", "terraform")

    talk.wait_for("? [y/N] > ")
    talk.answer(answer)

    assert talk.end() == 1
    assert "Nothing was changed." in talk.shown
    assert len(annas.listed()) == 3


def test_a_script_that_can_not_answer_deletes_nothing(logged_in, annas, three_keys):
    refused(logged_in.run("iam", "api-key-delete", "terraform"), "No answer")

    assert len(annas.listed()) == 3


def test_lock_and_unlock(logged_in, three_keys):
    assert logged_in.run("iam", "api-key-lock", "terraform", "-f").out.endswith("OK\nAPI key terraform was locked\n")
    for command in (
        ["api-key-delete", "terraform", "-f"],
        ["api-key-disable", "terraform", "-f"],
        ["api-key-update", "terraform", "-n", "changed"],
    ):
        refused(logged_in.run("iam", *command), "This API key is locked. Unlock it first.")

    done = logged_in.run("iam", "api-key-unlock", "terraform", "-f")

    assert done.out.endswith("OK\nAPI key terraform was unlocked\n")
    assert logged_in.run("iam", "api-key-delete", "terraform", "-f").status == 0


def test_disable_and_enable(logged_in, site, three_keys):
    value = three_keys["terraform"]["apikey"]

    done = logged_in.run("iam", "api-key-disable", three_keys["terraform"]["id"], "--force")
    assert done.out.endswith("OK\nAPI key terraform was disabled\n")
    assert site.exchange(value).status_code == 400

    done = logged_in.run("iam", "api-key-enable", "terraform", "-f")
    assert done.out.endswith("OK\nAPI key terraform was enabled\n")
    assert site.exchange(value).status_code == 200


CHANGES = ["delete", "lock", "unlock", "disable", "enable"]


@pytest.mark.parametrize("verb", CHANGES)
def test_each_change_asks_first(logged_in, annas, three_keys, verb):
    before = annas.listed()
    talk = logged_in.talk("iam", f"api-key-{verb}", "terraform")

    talk.wait_for(f"Do you really want to {verb} API key terraform? [y/N] > ")
    talk.answer("n")

    assert talk.end() == 1
    assert annas.listed() == before


@pytest.mark.parametrize("command", ["api-key", *(f"api-key-{verb}" for verb in CHANGES), "api-key-update"])
def test_a_name_that_fits_several_keys_changes_nothing_and_lists_their_ids(logged_in, annas, command):
    twins = [annas.create_key("twin") for _ in range(2)]
    before = annas.listed()
    flags = {"api-key": [], "api-key-update": ["-n", "changed"]}.get(command, ["-f"])

    done = logged_in.run("iam", command, "twin", *flags)

    refused(done, "There are 2 API keys named twin. Use an id instead:")
    assert sorted(KEY_ID.findall(done.err)) == sorted(key["id"] for key in twins)
    assert annas.listed() == before
    assert logged_in.run("iam", command, twins[0]["id"], *flags).status == 0


def test_a_name_that_is_the_id_of_another_key_means_that_key(logged_in, annas):
    first = annas.create_key("first")
    annas.create_key(first["id"])

    assert logged_in.run("iam", "api-key-delete", first["id"], "-f").status == 0

    assert [key["name"] for key in annas.listed()] == [first["id"]]


@pytest.mark.parametrize("key", ["terrafor", "TERRAFORM", "ApiKey-00000000-0000-4000-8000-000000000000", "../x", ""])
def test_an_unknown_key_is_refused(logged_in, annas, three_keys, key):
    refused(logged_in.run("iam", "api-key-delete", key, "-f"), f"API key {key} was not found.")

    assert len(annas.listed()) == 3


def test_a_key_of_somebody_else_is_unknown(logged_in, bens):
    key = bens.create_key("Ben's")

    refused(logged_in.run("iam", "api-key-delete", key["id"], "-f"), "was not found")

    assert len(bens.listed()) == 1


# Words that begin with a dash, and other traps of a command line


TRICKY = ["-d", "--lock", "-", "--", "-f key.json", "=", "-=x", "=x", "--output=json", "-dx", "$HOME", "a=b", " x"]


@pytest.mark.parametrize("text", TRICKY)
def test_a_description_may_be_anything(logged_in, text):
    for flags in (["-d", text], ["--description", text]):
        assert create(logged_in, "MyKey", *flags)["description"] == text.strip()


@pytest.mark.parametrize("text", [text for text in TRICKY if text != "--"])
def test_a_name_after_two_dashes_may_be_anything(logged_in, annas, text):
    done = logged_in.run("iam", "api-key-create", "-d", "x", "--", text)

    assert done.status == 0, done.err
    assert [key["name"] for key in annas.listed()] == [text.strip()]


def test_a_new_name_may_begin_with_a_dash(logged_in, annas):
    annas.create_key("MyKey")

    assert logged_in.run("iam", "api-key-update", "MyKey", "-n", "-f").status == 0

    assert [key["name"] for key in annas.listed()] == ["-f"]
    assert logged_in.run("iam", "api-key-delete", "-f", "--", "-f").status == 0
    assert annas.listed() == []


def test_a_key_may_be_called_like_a_command(logged_in, annas):
    annas.create_key("api-key-create")

    assert logged_in.run("iam", "api-key-delete", "-f", "api-key-create").status == 0

    assert annas.listed() == []


def test_a_password_may_begin_with_a_dash(terminal, site):
    refused(terminal.run("login", "-a", site.url, "-u", "-anna", "-p", "-p"), "The user ID or the password")


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


def test_an_argument_that_is_no_text_is_wrong_usage(logged_in, annas):
    done = logged_in.shell("apikeys iam api-key-create MyKey -d $'\\xff'")

    assert done.status == 2
    assert "Traceback" not in done.err
    assert annas.listed() == []


# The session


def test_the_session_file_is_for_its_owner_alone(logged_in, site, anna):
    logged_in.session_file.unlink()
    logged_in.session_file.parent.rmdir()

    assert logged_in.run("login", "-a", site.url, "-u", anna.username, "-p", PASSWORD).status == 0

    assert stat.S_IMODE(logged_in.session_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(logged_in.session_file.parent.stat().st_mode) == 0o700
    assert PASSWORD.encode() not in logged_in.session_file.read_bytes()


def test_the_session_follows_xdg_config_home(terminal, site, anna):
    elsewhere = terminal.home / "elsewhere"

    done = terminal.run("login", "-a", site.url, "-u", anna.username, "-p", PASSWORD, XDG_CONFIG_HOME=str(elsewhere))

    assert done.status == 0, done.err
    assert stat.S_IMODE((elsewhere / "apikeys" / "session.json").stat().st_mode) == 0o600
    assert not terminal.session_file.exists()


def test_a_file_left_behind_by_a_crash_does_not_open_the_session(logged_in):
    for process in range(2, 100):  # whatever number the next process has
        (logged_in.session_file.parent / f"session.{process}").touch(0o666)

    logged_in.run("target", "-r", "us-south")

    assert stat.S_IMODE(logged_in.session_file.stat().st_mode) == 0o600


BROKEN_SESSIONS = {
    "empty": "",
    "half": '{"url": "http',
    "a list": "[]",
    "a number": "7",
    "wrong types": '{"url": 7, "access_token": ["x"], "refresh_token": {}, "expiration": "soon", "target": null}',
    "no text": "\udcff",
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("text", BROKEN_SESSIONS.values(), ids=BROKEN_SESSIONS)
def test_a_broken_session_is_none(logged_in, site, anna, text):
    logged_in.session_file.write_bytes(text.encode(errors="surrogateescape"))

    refused(logged_in.run("iam", "api-keys"), "Not logged in.")
    assert logged_in.run("login", "-a", site.url, "-u", anna.username, "-p", PASSWORD).status == 0


def test_a_session_that_can_not_be_kept_is_one_sentence(terminal, site, anna):
    (terminal.home / ".config").write_text("a file where a folder should be")

    done = terminal.run("login", "-a", site.url, "-u", anna.username, "-p", PASSWORD)

    refused(done, "The log-in can't be remembered in ")


def test_a_token_about_to_run_out_is_renewed_without_a_word(logged_in):
    before = logged_in.session()
    logged_in.change_session(expiration=0)

    assert names(logged_in) == []

    after = logged_in.session()
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert after["expiration"] >= before["expiration"]


def test_a_token_that_the_server_no_longer_takes_is_renewed_without_a_word(logged_in):
    broken = logged_in.session()["access_token"].rpartition(".")[0] + "." + base64.b64encode(b"x" * 384).decode()
    logged_in.change_session(access_token=broken)

    assert names(logged_in) == []


def test_a_log_in_with_a_key_renews_itself_too(terminal, site, annas):
    terminal.run("login", "-a", site.url, "--apikey", annas.create_key("MyKey")["apikey"])
    terminal.change_session(expiration=0)

    assert names(terminal) == ["MyKey"]


def test_many_processes_at_once_renew_once_and_all_succeed(logged_in):
    before = logged_in.session()
    logged_in.change_session(expiration=0)

    started = [logged_in.start("iam", "api-keys", "--output", "json") for _ in range(6)]
    ended = [(process.communicate(timeout=60), process.returncode) for process in started]

    assert [(out, status) for (out, _err), status in ended] == [("[]\n", 0)] * 6
    assert logged_in.session()["refresh_token"] != before["refresh_token"]
    logged_in.change_session(expiration=0)
    assert names(logged_in) == []  # nobody used a refresh token twice: its family lives


def test_a_log_in_that_has_ended_says_so_and_is_forgotten(logged_in, site, anna):
    logged_in.change_session(expiration=0, refresh_token="spent")

    refused(logged_in.run("iam", "api-keys"), "Your log-in has ended. Use 'apikeys login' to log in again.")

    refused(logged_in.run("iam", "api-keys"), "Not logged in.")


def test_a_deleted_key_ends_the_log_in_that_was_made_with_it(terminal, site, annas):
    key = annas.create_key("MyKey")
    terminal.run("login", "-a", site.url, "--apikey", key["apikey"])
    annas.delete(f"/v1/apikeys/{key['id']}")

    refused(terminal.run("iam", "api-keys"), "Your log-in has ended.")


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_in_trouble_does_not_end_the_log_in(logged_in, site, status):
    with Fixed(status, '{"errorCode": "x", "errorMessage": "Busy"}', Content_Type="application/json") as busy:
        logged_in.change_session(expiration=0, url=busy.url)
        refused(logged_in.run("iam", "api-keys"), "Busy")

    logged_in.change_session(url=site.url)
    assert names(logged_in) == []


def test_a_token_without_renewal_is_used_to_its_end(logged_in):
    logged_in.change_session(refresh_token="", expiration=0)

    assert names(logged_in) == []


# Servers that misbehave


def log_in(terminal: Terminal, url: str, **environment: str):
    return terminal.run("login", "-a", url, "-u", "anna", "-p", PASSWORD, **environment)


@pytest.mark.parametrize("url", ["http://", "ftp://127.0.0.1", "http://[::1", "http://127.0.0.1:99999", "http://a b"])
def test_an_address_that_is_none(terminal, url):
    refused(log_in(terminal, url), f"The URL {url.rstrip('/')} can't be used.")


def test_a_refused_connection(terminal):
    with Silent() as gone:
        pass

    refused(log_in(terminal, gone.url), f"There is no connection to {gone.url[7:]}. Check the URL and the network.")


def test_a_name_without_a_scheme_means_https(terminal, site):
    done = log_in(terminal, site.url.removeprefix("http://"))

    assert f"API endpoint: https://{site.url[7:]}\n" in done.out
    refused(done, "There is no connection to ")


def test_no_answer_in_time(terminal):
    with Silent() as silent:
        done = terminal.execute(
            [sys.executable, "-c", IMPATIENT, "login", "-a", silent.url, "-u", "anna", "-p", PASSWORD]
        )

    refused(done, f"{silent.url[7:]} did not answer in time.")


def test_no_answer_in_time_to_a_question_that_is_repeated(logged_in):
    with Silent() as silent:
        logged_in.change_session(url=silent.url)
        done = logged_in.execute([sys.executable, "-c", IMPATIENT, "iam", "api-keys"])

    refused(done, "did not answer in time.")


@pytest.mark.parametrize("status", [200, 404, 418])
def test_an_answer_in_html(terminal, status):
    with Fixed(status, "<!doctype html><title>Welcome</title>", Content_Type="text/html") as website:
        done = log_in(terminal, website.url)

    refused(done, "Check the URL")
    assert "<" not in done.err


@pytest.mark.parametrize("body", ["[]", "7", '{"access_token": "x"}', "{}", '{"access_token": "x", "expiration": "?"}'])
def test_an_answer_in_json_that_is_not_iams(terminal, body):
    with Fixed(200, body, Content_Type="application/json") as other:
        done = log_in(terminal, other.url)

    refused(done, "The server's answer is not one of IAM. Check the URL.")


@pytest.mark.parametrize("body", ["{}", '{"apikeys": 7}', "[]", "<html>"])
def test_a_list_that_is_none(logged_in, body):
    with Fixed(200, body, Content_Type="application/json") as other:
        logged_in.change_session(url=other.url)
        done = logged_in.run("iam", "api-keys")

    refused(done, "The server's answer is not one of IAM. Check the URL.")


def test_a_list_that_leads_in_a_circle(logged_in):
    body = json.dumps({"apikeys": [], "next": "http://x/v1/apikeys?pagetoken=again"})
    with Fixed(200, body, Content_Type="application/json") as other:
        logged_in.change_session(url=other.url)
        done = logged_in.run("iam", "api-keys")

    refused(done, "leads in a circle")
    assert len(other.asked) == 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(terminal, logged_in, site, status):
    with Relay(site.url) as target:
        with Fixed(status, Location=f"{target.url}/identity/token") as elsewhere:
            refused(log_in(terminal, elsewhere.url), "Check the URL")
            logged_in.change_session(url=elsewhere.url)
            refused(logged_in.run("iam", "api-keys"), "Check the URL")
        assert target.asked == []


def test_a_question_is_repeated_after_a_passing_fault_and_a_creation_never(logged_in, site, annas):
    with Relay(site.url, failures=(503, 429)) as relay:
        logged_in.change_session(url=relay.url)
        assert names(logged_in) == []
        assert len(relay.asked) == 3

    with Relay(site.url, failures=(503,)) as relay:
        logged_in.change_session(url=relay.url)
        refused(logged_in.run("iam", "api-key-create", "MyKey"), "status 503")
        assert relay.asked == [("POST", "/v1/apikeys")]
    assert annas.listed() == []


def test_a_password_for_the_same_machine_in_netrc_is_not_sent_in_place_of_the_token(logged_in, anna):
    netrc = logged_in.home / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)

    assert names(logged_in) == []


# Certificates and proxies


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> tuple[Path, Path]:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_a_private_authority_is_trusted_when_told_so(terminal, site, anna, certificates):
    authority, certificate = certificates
    with Relay(site.url, certificate) as front:
        done = terminal.run(
            "login", "-a", front.url, "-u", anna.username, "-p", PASSWORD, REQUESTS_CA_BUNDLE=str(authority)
        )

        assert done.status == 0, done.err
        assert terminal.run("iam", "api-keys", REQUESTS_CA_BUNDLE=str(authority)).status == 0
        refused(terminal.run("iam", "api-keys"), "is not trusted.")
    assert [target for _method, target in front.asked] == ["/identity/token", "/v1/apikeys?pagesize=100&sort=name"]


def test_an_unknown_authority_is_not_trusted(terminal, site, certificates):
    with Relay(site.url, certificates[1]) as front:
        done = log_in(terminal, front.url)

    refused(done, f"The certificate of {front.url[8:]} is not trusted.")
    assert front.asked == []


def test_a_certificate_for_another_name_is_not_trusted(terminal, site, certificates):
    authority, certificate = certificates
    with Relay(site.url, certificate) as front:
        url = front.url.replace("localhost", "127.0.0.1")
        done = log_in(terminal, url, REQUESTS_CA_BUNDLE=str(authority))

    refused(done, "The certificate of 127.0.0.1:", "is not trusted.")
    assert front.asked == []


def test_a_missing_file_of_authorities_is_one_sentence(terminal, site, certificates):
    with Relay(site.url, certificates[1]) as front:
        done = log_in(terminal, front.url, REQUESTS_CA_BUNDLE="/no/such/file.pem")

    refused(done, "is not trusted.")


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_is_used(terminal, site, anna, variable):
    with Relay(site.url) as proxy:
        done = terminal.run(
            "login", "-a", "http://console.test", "-u", anna.username, "-p", PASSWORD, **{variable: proxy.url}
        )

    assert done.status == 0, done.err
    assert proxy.asked == [("POST", "http://console.test/identity/token")]


def test_what_no_proxy_names_is_asked_directly(terminal, site, anna):
    with Silent() as gone:
        pass

    done = terminal.run(
        "login", "-a", site.url, "-u", anna.username, "-p", PASSWORD, HTTP_PROXY=gone.url, NO_PROXY="127.0.0.1"
    )

    assert done.status == 0, done.err


def test_a_proxy_for_https_is_asked_for_a_tunnel(terminal):
    with Fixed(403) as proxy:
        done = log_in(terminal, "https://console.test", HTTPS_PROXY=proxy.url)

    refused(done, "The proxy did not let the request through to console.test.")
    assert proxy.asked[0] == ("CONNECT", "console.test:443")


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
    for command in ("login", "target", "logout", "iam", "scan", "completion"):
        assert re.search(rf"^    {command}\b", top.out, re.MULTILINE)
    for command in (
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


# Completion


def completed(terminal: Terminal, *line: str, shell_words: str = "") -> list[str]:
    """Return what bash offers for the last word of the line."""
    quoted = " ".join(f"'{word}'" for word in line)
    done = terminal.shell(
        f'eval "$(apikeys completion bash)"; COMP_WORDS=({quoted}); COMP_CWORD={len(line) - 1}; '
        "$(complete -p apikeys | sed -n 's/.*-F \\([^ ]*\\).*/\\1/p'); printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    assert (done.status, done.err) == (0, "")
    return done.out.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (["apikeys", ""], ["login", "target", "logout", "scan", "completion", "iam", "-h", "--help"]),
        (["apikeys", "lo"], ["login", "logout"]),
        (["apikeys", "iam", "api-key-d"], ["api-key-delete", "api-key-disable"]),
        (["apikeys", "iam", "api-key-create", "MyKey", "--"],
         ["--help", "--description", "--file", "--action-if-leaked", "--lock", "--output"]),
        (["apikeys", "iam", "api-key-delete", "MyKey", "--f"], ["--force"]),
        (["apikeys", "iam", "api-keys", "-n", "x", "--u"], ["--uuid"]),
        (["apikeys", "login", "-a", "http", "--ap"], ["--api", "--apikey"]),
        (["apikeys", "completion", ""], ["-h", "--help", "bash", "zsh"]),
    ],
)  # fmt: skip
def test_bash_completes_commands_and_options(terminal, line, offered):
    assert sorted(completed(terminal, *line)) == sorted(offered)


def test_bash_completes_files_where_no_word_fits(terminal):
    (terminal.home / "key.json").touch()

    assert completed(terminal, "apikeys", "iam", "api-key-create", "MyKey", "-f", "ke") == ["key.json"]
    assert completed(terminal, "apikeys", "scan", "ke") == ["key.json"]


def test_bash_completes_while_somebody_types(terminal):
    """A real interactive bash: the keys of a person, the Tab key included."""
    terminal.install()
    terminal.environment["PATH"] = f"{terminal.home / 'bin'}:{terminal.environment['PATH']}"
    (terminal.home / "bashrc").write_text('PS1="ready> "; bind "set enable-bracketed-paste off"\n')
    talk = Conversation(terminal, [*bash_command(), "--noprofile", "--rcfile", "bashrc", "-i"])
    talk.wait_for("ready> ")
    talk.answer('eval "$(apikeys completion bash)"; echo is"set"')
    talk.wait_for("isset")
    talk.press(b"echo apikeys | cat; apikeys ia\tapi-key-cr\t--he\t\n")
    talk.wait_for("usage: apikeys iam api-key-create")
    talk.answer("exit")

    assert talk.end() == 0


def bash_command() -> list[str]:
    """`Conversation` runs a Python; this one becomes bash."""
    return [sys.executable, "-c", "import os, sys; os.execvp('bash', ['bash', *sys.argv[1:]])"]


def test_the_completion_for_zsh_is_the_one_for_bash_through_zshs_own_bridge(terminal):
    bash = terminal.run("completion", "bash").out
    zsh = terminal.run("completion", "zsh").out

    assert zsh == "autoload -Uz bashcompinit && bashcompinit\n" + bash


def test_every_command_and_option_is_completed(terminal):
    script = terminal.run("completion", "bash").out
    for command in ("login", "target", "iam api-keys", "iam api-key-create", "iam api-key-update", "scan"):
        options = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", terminal.run(*command.split(), "--help").out))
        line = next(line for line in script.splitlines() if line.strip().startswith(f'"{command}")'))
        assert options <= set(re.findall(r"--?[a-z][a-z-]*", line.partition("words=")[2]))
