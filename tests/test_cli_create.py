"""`apikeys iam api-key-create`: the value is shown or saved once, and never lost unseen."""

import json
import stat
from pathlib import Path

import pytest

from apikeys.iam.payloads import DECOY_MADE
from tests.cli_person import VALUE, create, listed, refused
from tests.neighbours import Relay

pytestmark = pytest.mark.once


def test_create_shows_the_key_once_in_the_rows_of_the_original(logged_in, site, site_alice):
    done = logged_in.run("iam", "api-key-create", "MyKey", "-d", "this is my API key")

    assert (done.status, done.err) == (0, "")
    key = listed(logged_in)[0]
    value = VALUE.search(done.out)[0]
    assert done.out == (
        f"Creating API key MyKey under {site_alice.account_id} as {site_alice.email}...\n"
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


def test_create_tells_of_a_name_that_looks_like_another(logged_in):
    first = logged_in.run("iam", "api-key-create", "tofu")
    twin = logged_in.run("iam", "api-key-create", "tоfu", "--output", "json")

    assert (first.status, first.err) == (0, "")
    assert (twin.status, twin.err) == (0, "The owner has another API key whose name looks the same.\n")
    assert json.loads(twin.out)["name"] == "tоfu"


def test_create_locked_with_a_leaked_action(logged_in):
    key = create(logged_in, "MyKey", "--lock", "--action-if-leaked", "DELETE")

    assert (key["locked"], key["action_when_leaked"]) == (True, "delete")
    assert VALUE.fullmatch(key["apikey"])
    assert "Locked         true\n" in logged_in.run("iam", "api-key-create", "Other", "--lock").out


def test_create_a_decoy(logged_in, site):
    done = logged_in.run("iam", "api-key-create", "root", "--decoy", "--output", "json")

    assert (done.status, done.err) == (0, f"{DECOY_MADE}\n")
    assert site.exchange(done.json["apikey"]).status_code == 400


def test_a_server_that_makes_no_decoys_keeps_no_key(logged_in, site):
    class WithoutDecoys(Relay):
        """Ignores a member that it does not know."""

        def answer(self, method, target, headers, body):
            return super().answer(method, target, headers, body.replace(b'"decoy"', b'"decor"'))

    with WithoutDecoys(site.url) as older:
        session = json.loads(logged_in.session_file.read_text())
        logged_in.session_file.write_text(json.dumps(session | {"url": older.url}))
        refused(logged_in.run("iam", "api-key-create", "root", "--decoy"), "makes no decoys")

        assert listed(logged_in) == []


def test_create_a_key_for_some_networks(logged_in, site):
    key = create(logged_in, "office", "--network", "192.0.2.0/24", "--network", "!192.0.2.7")

    assert key["networks"] == ["192.0.2.0/24", "!192.0.2.7"]
    assert site.exchange(key["apikey"]).status_code == 400  # from here
    assert "Networks       192.0.2.0/24 !192.0.2.7\n" in logged_in.run("iam", "api-key", "office").out
    assert "networks" not in create(logged_in, "everywhere", "--network", "any")
    refused(logged_in.run("iam", "api-key-create", "no", "--network", "office"), "office is not a network.")


def test_create_a_key_that_may_only_look(logged_in, site):
    key = create(logged_in, "reader", "--scope", "apikeys:read")

    assert key["scopes"] == ["apikeys:read"]
    assert site.exchange(key["apikey"]).json()["scope"] == "apikeys:read"
    assert "Scopes         apikeys:read\n" in logged_in.run("iam", "api-key", "reader").out
    assert "scopes" not in create(logged_in, "whole", "--scope", "all")
    refused(logged_in.run("iam", "api-key-create", "no", "--scope", "nobody:knows"), "There is no scope nobody:knows.")


@pytest.mark.parametrize(
    ("flags", "member", "told", "now"),
    [
        (["--network", "192.0.2.0/24"], b'"networks"', "API keys to networks.", "can be used from everywhere."),
        (["--scope", "apikeys:read"], b'"scopes"', "what API keys may do.", "may do everything that its owner may."),
    ],
)
def test_a_server_that_ignores_a_limit_keeps_no_key(logged_in, site, flags, member, told, now):
    class Older(Relay):
        """Ignores a member that it does not know."""

        def answer(self, method, target, headers, body):
            return super().answer(method, target, headers, body.replace(member, b'"another"'))

    with Older(site.url) as older:
        session = json.loads(logged_in.session_file.read_text())
        logged_in.session_file.write_text(json.dumps(session | {"url": older.url}))
        done = logged_in.run("iam", "api-key-create", "office", "--lock", *flags, "-f", "key.json")
        refused(done, f"does not limit {told} The API key that it created was deleted.")

        assert listed(logged_in) == []
        assert not (logged_in.home / "key.json").exists()
        create(logged_in, "office")
        refused(logged_in.run("iam", "api-key-update", "office", *flags), f"does not limit {told} The API key {now}")


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
def test_what_exists_is_not_overwritten_and_no_key_is_made(logged_in, alices, make):
    path = logged_in.home / "key.json"
    make(path)
    before = path.lstat()

    done = logged_in.run("iam", "api-key-create", "MyKey", "-f", "key.json")

    refused(done, "key.json already exists and was left unchanged. Choose another file.")
    after = path.lstat()
    assert (after.st_mode, after.st_size, after.st_mtime_ns) == (before.st_mode, before.st_size, before.st_mtime_ns)
    assert alices.listed() == []


def test_a_file_that_can_not_be_made_makes_no_key(logged_in, alices):
    refused(
        logged_in.run("iam", "api-key-create", "MyKey", "-f", "no/such/folder/key.json"),
        "Can't create no/such/folder/key.json: ",
    )

    assert alices.listed() == []


def test_a_refused_creation_leaves_no_file(logged_in):
    refused(logged_in.run("iam", "api-key-create", " ", "-f", "key.json"), "Enter a name.")

    assert not (logged_in.home / "key.json").exists()


def test_a_full_disk_shows_the_key_instead_of_losing_it(logged_in, site):
    """A limit of no bytes for files stands for the full disk; it leaves terminals and pipes alone."""
    done = logged_in.shell("ulimit -f 0; apikeys iam api-key-create MyKey -f key.json")

    assert done.status == 0
    assert "The API key was created, but not saved in key.json: File too large. It is shown instead." in done.err
    assert site.exchange(VALUE.search(done.out)[0]).status_code == 200
    assert not (logged_in.home / "key.json").exists()


@pytest.mark.parametrize("lock", ["", "--lock"])
def test_a_key_that_can_not_be_shown_is_deleted_again(logged_in, alices, lock):
    done = logged_in.shell(f"apikeys iam api-key-create MyKey {lock} --output json > /dev/full")

    refused(done, "The API key can't be shown: No space left on device. It was deleted.")
    assert not VALUE.search(done.err)
    assert alices.listed() == []


def test_a_reader_that_goes_away_loses_no_key_unseen(logged_in, alices):
    done = logged_in.shell(
        'set -o pipefail; apikeys iam api-key-create MyKey | { read -r first; echo "$first"; }; echo $?'
    )

    kept = alices.listed()
    lines = done.out.splitlines()
    assert lines[0].startswith("Creating API key MyKey")
    assert "Traceback" not in done.err
    # The pipe holds the whole answer or breaks: either the command says 0 and the key is there, or 1 and it is not.
    assert (lines[-1], [key["name"] for key in kept]) in [("0", ["MyKey"]), ("1", [])]


def test_output_that_goes_nowhere_is_one_sentence(logged_in):
    done = logged_in.shell("apikeys iam api-keys > /dev/full")

    refused(done, "The output can't be written: No space left on device.")
