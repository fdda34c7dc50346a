"""What the command line remembers of a log-in, and how that renews itself."""

import base64
import stat

import pytest

from tests.cast import PASSWORD
from tests.cli_person import names, refused
from tests.neighbours import Fixed

pytestmark = pytest.mark.once


def test_the_session_file_is_for_its_owner_alone(logged_in, site, site_alice):
    logged_in.session_file.unlink()
    logged_in.session_file.parent.rmdir()

    assert logged_in.run("login", "-a", site.url, "-u", site_alice.username, "-p", PASSWORD).status == 0

    assert stat.S_IMODE(logged_in.session_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(logged_in.session_file.parent.stat().st_mode) == 0o700
    assert PASSWORD.encode() not in logged_in.session_file.read_bytes()


def test_the_session_follows_xdg_config_home(terminal, site, site_alice):
    elsewhere = terminal.home / "elsewhere"

    done = terminal.run(
        "login", "-a", site.url, "-u", site_alice.username, "-p", PASSWORD, XDG_CONFIG_HOME=str(elsewhere)
    )

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
def test_a_broken_session_is_none(logged_in, site, site_alice, text):
    logged_in.session_file.write_bytes(text.encode(errors="surrogateescape"))

    refused(logged_in.run("iam", "api-keys"), "Not logged in.")
    assert logged_in.run("login", "-a", site.url, "-u", site_alice.username, "-p", PASSWORD).status == 0


def test_a_session_that_can_not_be_kept_is_one_sentence(terminal, site, site_alice):
    (terminal.home / ".config").write_text("a file where a folder should be")

    done = terminal.run("login", "-a", site.url, "-u", site_alice.username, "-p", PASSWORD)

    refused(done, "Can't save the log-in in ")


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


def test_a_log_in_with_a_key_renews_itself_too(terminal, site, alices):
    terminal.run("login", "-a", site.url, "--apikey", alices.create_key("MyKey")["apikey"])
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


def test_a_log_in_that_has_ended_says_so_and_is_forgotten(logged_in, site, site_alice):
    logged_in.change_session(expiration=0, refresh_token="spent")

    refused(logged_in.run("iam", "api-keys"), "Your session has ended. Use 'apikeys login' to log in again.")

    refused(logged_in.run("iam", "api-keys"), "Not logged in.")


def test_a_deleted_key_ends_the_log_in_that_was_made_with_it(terminal, site, alices):
    key = alices.create_key("MyKey")
    terminal.run("login", "-a", site.url, "--apikey", key["apikey"])
    alices.delete(f"/v1/apikeys/{key['id']}")

    refused(terminal.run("iam", "api-keys"), "Your session has ended.")


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
