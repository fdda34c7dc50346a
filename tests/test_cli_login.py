"""Log in, target and log out at the command line: prompts at a real terminal, keys, files, the environment."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from apikeys.domain import ApiKey, IssuedApiKey
from apikeys.iam import payloads
from tests.cast import PASSWORD
from tests.cli_person import names, refused

pytestmark = pytest.mark.once

# Log in


def test_log_in_asks_for_email_and_password_at_a_terminal_and_shows_no_password(terminal, site, site_alice):
    talk = terminal.talk("login", "-a", site.url)

    talk.wait_for("Email> ")
    talk.answer(site_alice.username)
    talk.wait_for("Password> ")
    talk.answer(PASSWORD)

    assert talk.end() == 0
    assert PASSWORD not in talk.shown
    assert f"User:          {site_alice.email}\n" in talk.shown
    assert names(terminal) == []


def test_log_in_asks_only_for_what_was_not_given(terminal, site, site_alice):
    talk = terminal.talk("login", "-a", site.url, "-u", site_alice.username)

    talk.wait_for("Password> ")
    talk.answer(PASSWORD)

    assert talk.end() == 0
    assert "Email>" not in talk.shown


def test_log_in_reads_answers_from_a_pipe_too(terminal, site, site_alice):
    done = terminal.run("login", "-a", site.url, typed=f"{site_alice.username}\n{PASSWORD}\n")

    assert done.status == 0, done.err
    assert terminal.session()["url"] == site.url


@pytest.mark.parametrize("typed", ["", "alice\n", "\udcff\n"], ids=["nothing", "half", "no text"])
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


def test_a_wrong_password_is_refused_in_the_servers_words(terminal, site, site_alice):
    done = terminal.run("login", "-a", site.url, "-u", site_alice.username, "-p", "wrong")

    refused(done, "The user ID or the password is not correct.", "Request ID: ")
    assert "wrong" not in done.out + done.err
    assert not terminal.session_file.exists()


def test_log_in_with_a_key(terminal, site, site_alice, alices):
    value = alices.create_key("MyKey")["apikey"]

    done = terminal.run("login", "-a", site.url, "--apikey", value)

    assert done.status == 0, done.err
    assert names(terminal) == ["MyKey"]
    assert value not in done.out + done.err + terminal.session_file.read_text()


FORMS = {
    "command line": '{"id": "x", "crn": "x", "iam_id": "x", "name": "MyKey", "apikey": "VALUE", "locked": false}',
    "before 2020": '{\n\t"name": "MyKey",\n\t"apikey": "VALUE",\n\t"createdAt": "x",\n\t"uuid": "x"\n}',
    "page": '{"name": "MyKey", "description": "", "createdAt": "2026-02-19T18:59+0000", "apikey": "VALUE"}\n',
    "another spelling": '{"name": "MyKey", "apiKey": "VALUE"}',
    "value alone": "VALUE\n",
    "with a byte order mark": '\ufeff{"apikey": "VALUE"}',
    "value with a byte order mark": "\ufeffVALUE",
}
ENCODED = [
    *((form, "utf-8") for form in FORMS),
    *((form, encoding) for form in ("page", "another spelling") for encoding in ("utf-8-sig", "utf-16")),
    ("with a byte order mark", "utf-16-be"),
]


@pytest.mark.parametrize(("form", "encoding"), ENCODED)
def test_log_in_with_a_file_in_every_form_and_encoding_there_is(terminal, site, alices, form, encoding):
    value = alices.create_key("MyKey")["apikey"]
    (terminal.home / "key.json").write_bytes(FORMS[form].replace("VALUE", value).encode(encoding))

    done = terminal.run("login", "-a", site.url, "--apikey", "@key.json")

    assert done.status == 0, done.err
    assert names(terminal) == ["MyKey"]


def test_a_file_is_found_below_the_home_folder(terminal, site, alices):
    (terminal.home / "key.json").write_text(alices.create_key("MyKey")["apikey"])

    assert terminal.run("login", "-a", site.url, "--apikey", "@~/key.json").status == 0


def test_a_file_that_the_page_offers_logs_in(terminal, site, alices):
    value = alices.create_key("MyKey")["apikey"]
    now = datetime.now(UTC)
    key = ApiKey("ApiKey-x", "1-x", "MyKey", "", "IBMid-X", "x", now, "IBMid-X", now, "")
    (terminal.home / payloads.KEY_FILE_NAME).write_text(payloads.key_file(IssuedApiKey(key, value)))

    assert terminal.run("login", "-a", site.url, "--apikey", f"@{payloads.KEY_FILE_NAME}").status == 0


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
    refused(terminal.run("login", "-a", site.url, "--apikey", f"@{name}"), f"Can't read {name}: ")


@pytest.mark.parametrize("at", ["", "@"], ids=["value", "file"])
def test_log_in_with_the_environment(terminal, site, alices, at):
    value = alices.create_key("MyKey")["apikey"]
    (terminal.home / "key.json").write_text(value)

    done = terminal.run("login", "-a", site.url, IBMCLOUD_API_KEY="@key.json" if at else value)

    assert done.status == 0, done.err
    assert names(terminal) == ["MyKey"]


def test_what_is_said_on_the_command_line_counts_more_than_the_environment(terminal, site, site_alice, alices, bobs):
    alices.create_key("Alice's")
    bobs_value = bobs.create_key("Bob's")["apikey"]

    done = terminal.run(
        "login", "-a", site.url, "-u", site_alice.username, "-p", PASSWORD, IBMCLOUD_API_KEY="no such value"
    )
    assert done.status == 0, done.err
    assert names(terminal) == ["Alice's"]

    terminal.run("login", "--apikey", bobs_value, IBMCLOUD_API_KEY="no such value")
    assert names(terminal) == ["Bob's"]


def test_the_address_comes_from_the_environment_or_from_the_last_log_in(terminal, site, site_alice):
    refused(terminal.run("login"), "No API endpoint is set. Use 'apikeys login -a URL', or set APIKEYS_URL.")

    assert terminal.run("login", "-u", site_alice.username, "-p", PASSWORD, APIKEYS_URL=site.url).status == 0
    assert terminal.run("logout").status == 0
    done = terminal.run("login", "-u", site_alice.username, "-p", PASSWORD)

    assert done.status == 0, done.err
    assert f"API endpoint: {site.url}\n" in done.out


def test_a_one_time_passcode_is_asked_for_and_where_it_is_made_is_said(terminal, site):
    talk = terminal.talk("login", "-a", site.url, "--sso")

    talk.wait_for("One-time passcode> ")
    talk.answer("123456")

    assert talk.end() == 1
    assert "123456" not in talk.shown
    assert f"Get a one-time passcode from {site.url.replace('127.0.0.1', 'localhost')}/account/passcode/" in talk.shown
    assert "This passcode is not right, was used, is older than two minutes, or its session has ended." in talk.shown


def test_a_passcode_can_be_given_as_ibms_command_line_takes_it(terminal, site):
    done = terminal.run("login", "-a", site.url, "-u", "passcode", "-p", "123456")

    refused(
        done,
        "This passcode is not right, was used, is older than two minutes, or its session has ended. Make another one.",
    )


def test_a_value_that_was_deleted_is_refused(terminal, site):
    done = terminal.run("login", "-a", site.url, "--apikey", "apk_" + "x" * 40)

    refused(done, "Provided API key could not be found.")


# Target


def test_the_target_of_the_log_in_is_kept_shown_and_changed(terminal, site, site_alice):
    done = terminal.run(
        "login", "-a", site.url, "-u", site_alice.username, "-p", PASSWORD,
        "-r", "us-south", "-o", "MyOrg", "-s", "dev", "-c", site_alice.account_id, "-g", "default",
    )  # fmt: skip
    assert done.status == 0, done.err

    shown = (
        f"API endpoint:  {site.url}\n"
        f"User:          {site_alice.email}\n"
        f"Account:       {site_alice.account_id}\n"
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
