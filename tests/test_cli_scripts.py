"""What stands around the keys in scripts for IBM's command line, and the machines that scripts run on."""

import json
import os
import shutil
import sys
import venv
from pathlib import Path

import pytest

from tests.cast import PASSWORD
from tests.cli_person import create, names, refused
from tests.neighbours import Fixed, Silent
from tests.terminal import ROOT

pytestmark = pytest.mark.once

DEPLOYMENT = """
set -e
ibmcloud --version
ibmcloud version
ibmcloud help
ibmcloud help iam api-key-create
ibmcloud config --check-version=false
ibmcloud config --color false
ibmcloud -q config --http-timeout 60 --trace=false --locale en_US --usage-stats-collect false
bx api {host}
ibmcloud login -a {url} -u {user} -p "$PASSWORD" --no-region --no-account -q
ibmcloud target -r us-south -g default
ibmcloud iam api-key-create deployer -d "of the pipeline" --file key.json -q
ibmcloud logout
ibmcloud login --apikey @key.json -r us-south --quiet
ibmcloud iam oauth-tokens | sed 's/^IAM token: *//' > token
ibmcloud iam oauth-tokens --output json > token.json
ibmcloud iam api-key-delete deployer -f -q
ibmcloud logout -q
"""


@pytest.fixture
def ibmcloud(terminal):
    """The terminal, with the command under both names that scripts call it by."""
    terminal.install()
    for name in ("ibmcloud", "bx"):
        (terminal.home / "bin" / name).symlink_to("apikeys")
    return terminal


def test_a_deployment_script_of_the_original_runs_to_its_end(ibmcloud, site, site_alice, alices):
    script = DEPLOYMENT.format(host=site.url.removeprefix("http://"), url=site.url, user=site_alice.username)

    done = ibmcloud.shell(script, PASSWORD=PASSWORD)

    assert (done.status, done.err) == (0, "")
    assert alices.listed() == []
    scheme, token = (ibmcloud.home / "token").read_text().split()
    assert scheme == "Bearer"
    assert token == json.loads((ibmcloud.home / "token.json").read_text())["iam_token"].removeprefix("Bearer ")
    assert site.with_token(token).refused()  # the key is deleted, and the log-out has revoked it


def test_quiet_leaves_results_and_errors(logged_in, site_alice):
    made = logged_in.run("-q", "iam", "api-key-create", "MyKey")
    listed = logged_in.run("iam", "api-keys", "-q")
    missing = logged_in.run("iam", "--quiet", "api-key-delete", "nothing", "-f")

    assert made.out.startswith("ID ")
    assert listed.out.startswith("Name ")
    refused(missing, "API key nothing was not found.")
    assert missing.out == ""


def test_quiet_may_be_a_description(logged_in):
    assert create(logged_in, "MyKey", "-d", "-q")["description"] == "-q"


@pytest.mark.parametrize("command", [["version"], ["--version"], ["-v"]], ids=" ".join)
def test_the_version_is_told(terminal, command):
    done = terminal.run(*command)

    assert (done.status, done.out) == (0, "apikeys version 0.1.0\n")


@pytest.mark.parametrize("words", [[], ["iam"], ["iam", "api-key-create"], ["login"]], ids=" ".join)
def test_help_with_a_command_is_that_commands_help(terminal, words):
    assert terminal.run("help", *words) == terminal.run(*words, "--help")


# The API endpoint


def test_the_endpoint_is_set_shown_and_forgotten(terminal):
    unset = terminal.run("api")
    made = terminal.run("api", "https://console.example.com")
    shown = terminal.run("api", "-q")
    forgotten = terminal.run("api", "--unset")

    assert unset.out == forgotten.out == "No API endpoint is set. Use 'apikeys api URL' to set it.\n"
    assert made.out == "API endpoint:  https://console.example.com\nNot logged in. Use 'apikeys login' to log in.\n"
    assert shown.out == "API endpoint:  https://console.example.com\n"
    assert {done.status for done in (unset, made, shown, forgotten)} == {0}


def test_the_tokens_of_one_server_are_not_sent_to_another(logged_in, site):
    assert logged_in.run("api", site.url).status == 0
    assert names(logged_in) == []

    assert logged_in.run("api", "https://console.example.com").status == 0

    refused(logged_in.run("iam", "api-keys"), "Not logged in.")
    assert logged_in.session()["access_token"] == ""


@pytest.mark.parametrize("name", ["cloud.ibm.com", "https://cloud.ibm.com", "https://api.ng.bluemix.net"])
def test_ibm_clouds_endpoint_is_its_iam_unless_a_console_is_named(terminal, site, name):
    plain = terminal.run("api", name)
    console = terminal.run("api", name, APIKEYS_URL=site.url)

    assert plain.out.startswith("API endpoint:  https://iam.cloud.ibm.com\n")
    assert console.out.startswith(f"API endpoint:  {site.url}\n")
    assert console.err.startswith("APIKEYS_URL is set, so its server is used instead of ")


def test_an_address_with_a_password_in_it_is_refused_and_not_repeated(terminal):
    done = terminal.run("api", "https://alice:secret@console.example.com")

    refused(done, "The URL contains a user name.")
    assert "secret" not in done.out + done.err


def test_that_certificates_are_checked_all_the_same_is_a_warning(terminal, site, site_alice):
    done = terminal.run("login", "-a", site.url, "-u", site_alice.username, "-p", PASSWORD, "--skip-ssl-validation")

    assert done.status == 0
    assert done.err.startswith("Warning: certificates are always checked.")


@pytest.mark.parametrize(
    "way", [["--apikey", "a key"], ["-u", "alice", "-p", "a password"], ["--sso"]], ids=lambda way: way[0]
)
def test_nothing_secret_goes_to_another_machine_over_http_unasked(terminal, way):
    with Fixed(200, "{}") as proxy:
        done = terminal.run("login", "-a", "http://console.test", *way, HTTP_PROXY=proxy.url)

    refused(done, "console.test unencrypted", "Use https://", "APIKEYS_ALLOW_HTTP=true")
    assert proxy.asked == []


# Values, and what gets round them


AROUND = {
    "a line feed": "{}\n",
    "a Windows line end": "{}\r\n",
    "blanks": "  {} ",
    "quotation marks": '"{}"',
    "apostrophes": "'{}'",
    "a byte order mark": "\ufeff{}",
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_a_value_is_taken_without_what_a_file_or_a_shell_put_round_it(terminal, site, alices, around):
    given = around.format(alices.create_key("MyKey")["apikey"])
    (terminal.home / "key").write_text(given)
    (terminal.home / "key").chmod(0o600)

    for way in ({"IBMCLOUD_API_KEY": given}, {"BLUEMIX_API_KEY": given}, {"IBMCLOUD_API_KEY": " @key\n"}):
        done = terminal.run("login", "-a", site.url, **way)
        assert (done.status, done.err) == (0, "")
    assert terminal.run("login", "-a", site.url, "--apikey", given).status == 0
    assert names(terminal) == ["MyKey"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "--apikey contains no API key."),
        (" \n", "--apikey contains no API key."),
        ('""', "--apikey contains no API key."),
        ("one\ntwo", "--apikey contains more than one line. An API key is one line."),
    ],
)
def test_what_can_be_no_value_is_named(terminal, site, text, sentence):
    refused(terminal.run("login", "-a", site.url, "--apikey", text), sentence)


def test_a_key_file_that_others_can_read_is_told_of(terminal, site, alices):
    file = terminal.home / "key.json"
    file.write_text(alices.create_key("MyKey")["apikey"])

    def told(mode: int) -> str:
        file.chmod(mode)
        done = terminal.run("login", "-a", site.url, "--apikey", "@key.json")
        assert done.status == 0
        return done.err

    warning = "Warning: other users of this machine can read key.json. To keep it private: chmod 600 key.json\n"
    assert [told(mode) for mode in (0o644, 0o640, 0o600, 0o400)] == [warning, warning, "", ""]


# Log out


def test_log_out_revokes_the_tokens_at_the_server(logged_in, site):
    before = logged_in.session()

    done = logged_in.run("logout")

    assert (done.status, done.out, done.err) == (0, "Logging out...\nOK\n", "")
    assert site.with_token(before["access_token"]).refused()
    renewal = site.token_request(client=True, grant_type="refresh_token", refresh_token=before["refresh_token"])
    assert renewal.status_code == 400


def test_log_out_without_a_refresh_token_revokes_the_access_token(logged_in, site):
    token = logged_in.session()["access_token"]
    logged_in.change_session(refresh_token="")

    assert logged_in.run("logout").err == ""

    assert site.with_token(token).refused()


@pytest.mark.parametrize("status", [404, 405, 500, 503])
def test_a_server_that_does_not_revoke_does_not_keep_anybody_logged_in(logged_in, status):
    with Fixed(status, "<html>", Content_Type="text/html") as older:
        logged_in.change_session(url=older.url)
        done = logged_in.run("logout")

    assert (done.status, done.out) == (0, "Logging out...\nOK\n")
    assert done.err.startswith("Logged out on this machine. The server did not revoke the tokens")
    assert older.asked[0] == ("POST", "/identity/revoke")
    refused(logged_in.run("iam", "api-keys"), "Not logged in.")


def test_a_server_that_does_not_answer_is_not_waited_for(logged_in):
    with Silent() as silent:
        logged_in.change_session(url=silent.url)
        logging_out = logged_in.start("logout")
        _out, err = logging_out.communicate(timeout=30)

    assert logging_out.returncode == 0
    assert "did not answer in time" in err
    assert logged_in.session()["refresh_token"] == ""


# Machines


def test_without_a_home_there_is_a_sentence(terminal, site):
    for command in (["login", "-a", site.url], ["iam", "api-keys"], ["target"], ["logout"], ["api"]):
        refused(terminal.run(*command, HOME=""), "There is no home directory", "Set HOME or XDG_CONFIG_HOME.")


def test_a_user_without_an_entry_and_without_a_home_gets_a_sentence(terminal):
    """As in a container that runs under a number."""
    code = (
        "import os, pwd, sys; pwd.getpwuid = None; os.environ.pop('HOME'); "
        "pwd.getpwuid = lambda number: {}[number]; from apikeys.cli.main import main; sys.exit(main(['target']))"
    )

    done = terminal.execute([sys.executable, "-c", code])

    refused(done, "There is no home directory", "Set HOME or XDG_CONFIG_HOME.")


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory) -> Path:
    """A Python without any package."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin" / "python"


def test_a_python_without_requests_gets_a_sentence(terminal, bare_python):
    def run(*arguments: str):
        return terminal.execute([str(bare_python), "-P", "-m", "apikeys", *arguments])

    done = run("login", "-a", "localhost:1", "-u", "alice", "-p", PASSWORD)

    refused(done, "The Python package requests is missing.", "-m pip install requests")
    assert run("version").status == run("scan", ".").status == 0


def test_an_older_python_gets_a_sentence(terminal, tmp_path):
    checkout = tmp_path / "checkout"
    (checkout / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "bin" / "apikeys", checkout / "bin" / "apikeys")
    older = tmp_path / "older"
    older.mkdir()
    (older / "python3").write_text("#!/bin/sh\nexit 1\n")
    (older / "python3").chmod(0o755)

    done = terminal.execute([str(checkout / "bin" / "apikeys"), "version"], PATH=f"{older}:{os.environ['PATH']}")

    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("apikeys needs Python 3.11 or newer. ")
