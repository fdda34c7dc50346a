"""What `manage.py check_iam` tells an operator, against a console in a process of its own."""

import subprocess
import sys

import pytest

from tests.neighbours import Relay
from tests.server import ROOT, free_port

pytestmark = pytest.mark.once


class Nameless(Relay):
    """Hides the name of a key that it makes."""

    def answer(self, method, target, headers, body):
        status, kept, answer = super().answer(method, target, headers, body)
        if (method, target) == ("POST", "/v1/apikeys"):
            answer = answer.replace(b'"name"', b'"mane"')
        return status, kept, answer


class Undeleting(Relay):
    """Refuses each deletion."""

    def answer(self, method, target, headers, body):
        if method == "DELETE" and target.count("/") == 3:
            return 403, {}, b'{"errors": [{"code": "no", "message": "No."}]}'
        return super().answer(method, target, headers, body)


@pytest.fixture
def check(tmp_path):
    def run(url: str, key: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", "check_iam", *options],
            cwd=ROOT,
            env={
                "PATH": "",
                "DATA_DIR": str(tmp_path / "data"),
                "DJANGO_SETTINGS_MODULE": "console.settings",
                "APIKEYS_BACKEND": "ibm-cloud",
                "IAM_URL": url,
                "IBMCLOUD_API_KEY": key,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def key(alices) -> dict:
    return alices.create_key("checker")


def lines(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return the word that each check came to, by what was checked."""
    found = [line.strip().partition(":")[0].split(None, 1) for line in done.stdout.splitlines() if line[:2] == "  "]
    return {name: word for word, name in found}


def test_reading_only_says_what_works_and_changes_nothing(check, site, alices, key):
    done = check(site.url, key["apikey"])

    told = key["apikey"] in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("All of it works.")
    assert lines(done)["lists keys, page by page"] == "yes"
    assert lines(done)["lists the keys of the whole account"] == "(no)"  # Alice is no administrator
    assert not told
    assert [(one["id"], one["entity_tag"]) for one in alices.listed()] == [(key["id"], key["entity_tag"])]


def test_writing_makes_a_key_changes_it_and_leaves_none_behind(check, site, alices, key, tmp_path):
    file = tmp_path / "apikey.json"
    file.write_text(f'{{"apikey": "{key["apikey"]}"}}')

    done = check(site.url, f"@{file}", "--write")

    assert done.returncode == 0, done.stderr
    assert {"makes a key", "changes it", "locks it", "disables it", "deletes it"} <= lines(done).keys()
    assert [one["id"] for one in alices.listed()] == [key["id"]]


def test_reading_asks_for_two_pages_however_many_keys_there_are(check, site, alices, key):
    for number in range(3):
        alices.create_key(f"robot {number}")
    with Relay(site.url) as front:
        done = check(front.url, key["apikey"])

    listings = [target for method, target in front.asked if method == "GET" and target.startswith("/v1/apikeys?")]
    own = [target for target in listings if "scope=account" not in target]
    assert done.returncode == 0, done.stderr + done.stdout
    assert len(own) == 2


def test_a_key_that_can_t_be_read_is_deleted_all_the_same(check, site, alices, key):
    with Nameless(site.url) as front:
        done = check(front.url, key["apikey"], "--write")

    assert done.returncode == 1
    assert lines(done)["makes a key"] == "NO"
    assert lines(done)["deletes it"] == "yes"
    assert [one["id"] for one in alices.listed()] == [key["id"]]


def test_a_key_that_stays_is_named(check, site, alices, key):
    with Undeleting(site.url) as front:
        done = check(front.url, key["apikey"], "--write")

    [left] = [one for one in alices.listed() if one["id"] != key["id"]]
    assert done.returncode == 1
    assert f"The key {left['name']!r} is still there: delete it by hand." in done.stderr


def test_a_value_that_is_no_key_is_told_and_nothing_else_is_tried(check, site):
    done = check(site.url, "no-such-key-" * 4)

    assert done.returncode == 1
    assert lines(done) == {"tells what it offers": "yes", "gives an access token for the API key": "NO"}
    assert "Provided API key could not be found." in done.stdout
    assert "no-such-key" not in done.stdout + done.stderr


def test_an_address_where_nobody_answers_is_told(check):
    done = check(f"http://127.0.0.1:{free_port()}", "no-such-key-" * 4)

    assert done.returncode == 1
    assert "There is no connection to 127.0.0.1" in done.stdout
    assert "Traceback" not in done.stderr


def test_without_a_key_it_says_where_to_put_one(check, site):
    done = check(site.url, "")

    assert done.returncode == 1
    assert "Set IBMCLOUD_API_KEY to the value of an API key, or to @FILE." in done.stderr
