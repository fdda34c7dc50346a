"""List, show, update, delete, lock and disable keys at the command line."""

import json
import re

import pytest

from apikeys.cli.output import escape
from tests.cast import PASSWORD
from tests.cli_person import CHANGES, DATE, KEY_ID, listed, names, refused
from tests.neighbours import Fixed

pytestmark = pytest.mark.once

# List and show


def test_list_shows_name_description_date_and_state(logged_in, site_alice, three_keys):
    logged_in.run("iam", "api-key-lock", "terraform", "-f")
    logged_in.run("iam", "api-key-disable", "MyKey", "-f")

    done = logged_in.run("iam", "api-keys")

    dates = {name: key["created_at"] for name, key in three_keys.items()}
    assert done.out == (
        f"Getting all API keys of {site_alice.email} under account {site_alice.account_id}...\n"
        "OK\n"
        "\n"
        "Name             Description       Created At              State\n"
        f"MyKey            mine              {dates['MyKey']}   disabled\n"
        f"terraform        Applies changes   {dates['terraform']}   locked\n"
        f"Terraform-test   -                 {dates['Terraform-test']}   active\n"
    )


def test_a_list_of_everybodys_keys_names_their_owners(terminal, site, site_alice, alices, doras, site_dora):
    service = alices.post("/v1/serviceids", json={"account_id": site_alice.account_id, "name": "robot"}).json()
    alices.create_key("hers")
    alices.create_key("robots", iam_id=service["iam_id"])
    terminal.run("login", "-a", site.url, "-u", site_dora.username, "-p", PASSWORD)

    done = terminal.run("iam", "api-keys", "--all", "-n", "s")

    owners = {line.split()[0]: line.split()[-1] for line in done.out.splitlines()[3:]}
    assert owners.items() >= {"Name": "Owner", "hers": site_alice.username, "robots": "robot"}.items()
    assert "Owner" not in terminal.run("iam", "api-keys").out
    assert all("owner" not in key for key in alices.listed())


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


def test_list_as_json_is_what_the_api_says(logged_in, alices, three_keys):
    assert listed(logged_in) == alices.listed(sort="name")


def test_a_list_longer_than_a_page_is_read_to_its_end(logged_in, alices):
    made = {alices.create_key(f"key {number:03}")["name"] for number in range(103)}

    assert set(names(logged_in)) == made


FILTERED = [
    (["--status", "locked"], ["locked"]),
    (["--status", "EXPIRED"], ["gone"]),
    (["--expires-within", "14d"], ["soon"]),
    (["--expires-within", "9d"], []),
    (["--unused-for", "90d"], ["gone", "leaked", "locked", "old"]),
    (["--created-since", "2020-02-04"], ["gone", "leaked", "locked", "soon"]),
    (["--leaked"], ["leaked"]),
    (["--unused-for", "1d", "--status", "active", "-n", "O"], ["old"]),
]
# With the first keys of each: those that are the same in what they are sorted by follow in any order.
SORTED = [
    (["--sort", "expires_at"], ["gone", "soon"]),
    (["--sort", "last_authn", "--order", "desc"], ["soon", "old"]),
    (["--sort", "created_at"], ["old", "locked", "gone", "soon", "leaked"]),
    (["--order", "DESC"], ["soon", "old", "locked", "leaked", "gone"]),
]
MAKE_DIFFERENT = """
from datetime import timedelta
from django.utils import timezone
from apikeys.models import ApiKeyRecord
now = timezone.now()
for name, columns in {{
    "locked": {{"locked": True}},
    "gone": {{"expires_at": now - timedelta(days=1)}},
    "soon": {{"expires_at": now + timedelta(days=10), "last_used_at": now}},
    "leaked": {{"leaked": True}},
    "old": {{"created_at": now.replace(year=2020, month=2, day=3), "last_used_at": now - timedelta(days=100)}},
}}.items():
    assert ApiKeyRecord.objects.filter(iam_id={iam_id!r}, name=name).update(**columns) == 1
"""


def test_a_list_is_narrowed_down_and_sorted_by_the_server(logged_in, site, alices):
    for name in ("locked", "gone", "soon", "leaked", "old"):
        alices.create_key(name)
    site.server.run_python(MAKE_DIFFERENT.format(iam_id=alices.iam_id))

    for flags, found in FILTERED:
        assert names(logged_in, *flags) == found, flags
    for flags, first in SORTED:
        assert names(logged_in, *flags)[: len(first)] == first, flags
    assert logged_in.run("iam", "api-keys", "--status", "expired").out.split()[-1] == "expired"


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--expires-within", "14"], "argument --expires-within: write it like 14d, with 1 to 36500 days"),
        (["--expires-within", "0d"], "argument --expires-within: write it like 14d, with 1 to 36500 days"),
        (["--unused-for", "-1d"], "argument --unused-for: write it like 14d, with 1 to 36500 days"),
        (["--unused-for", "36501d"], "argument --unused-for: write it like 14d, with 1 to 36500 days"),
        (["--unused-for", ""], "argument --unused-for: write it like 14d, with 1 to 36500 days"),
        (["--created-since", "2026-02-30"], "argument --created-since: write it like 2026-01-31"),
        (["--created-since", "20260131"], "argument --created-since: write it like 2026-01-31"),
        (["--status", "lost"], "argument --status: invalid choice: 'lost'"),
        (["--sort", "id"], "argument --sort: invalid choice: 'id'"),
    ],
)
def test_a_filter_that_is_none_is_wrong_usage(logged_in, flags, sentence):
    done = logged_in.run("iam", "api-keys", *flags)

    assert (done.status, done.out) == (2, "")
    assert sentence in done.err


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--unused-for", "90d", "--leaked"], "leaked, unused_for_days"),
        (["--sort", "last_authn"], "sort"),
        (["--status", "active", "--output", "json"], "status"),
    ],
)
def test_a_server_that_ignores_a_filter_lists_nothing(logged_in, flags, named):
    """Else a script that deletes what was not used for long would delete every key."""
    key = {"id": "ApiKey-00000000-0000-4000-8000-000000000000", "name": "in use"}
    with Fixed(200, json.dumps({"apikeys": [key]}), Content_Type="application/json") as iam:
        logged_in.change_session(url=iam.url)
        done = logged_in.run("iam", "api-keys", *flags)

    refused(done, f"The server ignored {named} and listed other keys, which are not shown.")
    assert "in use" not in done.out


def test_an_empty_list_is_only_titles(logged_in):
    assert logged_in.run("iam", "api-keys").out.endswith("OK\n\nName   Description   Created At   State\n")


@pytest.mark.parametrize("by", ["name", "id"])
def test_show_by_name_or_id(logged_in, site_alice, three_keys, by):
    key = three_keys["terraform"]

    done = logged_in.run("iam", "api-key", key[by])

    assert done.out == (
        f"Getting API key {key[by]} under {site_alice.account_id} as {site_alice.email}...\n"
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


def test_show_tells_expiry_and_last_use(logged_in, site, alices):
    key = alices.create_key("MyKey", expires_at="2090-01-31T18:00+0000")
    site.use(key["apikey"])

    shown = logged_in.run("iam", "api-key", "MyKey").out

    assert "Expires At     2090-01-31T18:00+0000\n" in shown
    assert re.search(rf"^Last Used      {DATE.pattern}$", shown, re.MULTILINE)


def test_show_as_json(logged_in, three_keys):
    key = logged_in.run("iam", "api-key", "MyKey", "--output", "JSON").json

    assert key["id"] == three_keys["MyKey"]["id"]
    assert key["activity"] == {"authn_count": 0}


def test_a_name_that_a_terminal_can_not_show_stops_nothing(logged_in, alices):
    alices.create_key("金鑰 ünï")

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


@pytest.mark.parametrize(
    ("by", "flags", "found"),
    [("name", ["--name", "opentofu"], ("opentofu", "Applies changes")), ("id", ["-d", ""], ("terraform", ""))],
)
def test_update_changes_only_what_was_said(logged_in, three_keys, by, flags, found):
    before = three_keys["terraform"]

    key = logged_in.run("iam", "api-key-update", before[by], *flags, "--output", "json").json

    assert (key["id"], key["name"], key["description"]) == (before["id"], *found)


def test_update_of_the_networks(logged_in, three_keys):
    def update(*flags: str) -> list[str] | None:
        return logged_in.run("iam", "api-key-update", "terraform", *flags, "--output", "json").json.get("networks")

    assert update("--network", "192.0.2.0/24", "--network", "2001:DB8::/32") == ["192.0.2.0/24", "2001:db8::/32"]
    assert update("-n", "terraform") == ["192.0.2.0/24", "2001:db8::/32"]
    assert update("--network", "any") is None


def test_update_of_the_scopes(logged_in, three_keys):
    def update(*flags: str) -> list[str] | None:
        return logged_in.run("iam", "api-key-update", "terraform", *flags, "--output", "json").json.get("scopes")

    assert update("--scope", "apikeys:write", "--scope", "apikeys:read") == ["apikeys:read", "apikeys:write"]
    assert update("-n", "terraform") == ["apikeys:read", "apikeys:write"]
    refused(logged_in.run("iam", "api-key-update", "terraform", "--scope", "nobody:knows"), "There is no scope")
    assert update("--scope", "all") is None


def test_the_list_says_which_keys_are_limited(logged_in, three_keys):
    logged_in.run("iam", "api-key-update", "terraform", "--scope", "apikeys:read")

    out = logged_in.run("iam", "api-keys").out

    [line] = [line for line in out.splitlines() if line.endswith("active, limited")]
    assert line.startswith("terraform ")
    assert out.count("limited") == 1


def test_update_of_nothing_is_wrong_usage(logged_in, three_keys):
    done = logged_in.run("iam", "api-key-update", "terraform")

    assert (done.status, done.out) == (2, "")
    told = (
        "say what to change: -n NAME, -d DESCRIPTION, --expires WHEN, --action-if-leaked ACTION, --scope NAME or "
        "--network CIDR"
    )
    assert told in done.err


# Delete, lock, unlock, disable, enable


@pytest.mark.parametrize("force", ["-f", "--force"])
def test_delete_without_asking(logged_in, site_alice, alices, three_keys, force):
    done = logged_in.run("iam", "api-key-delete", "terraform", force)

    assert done.out == (
        f"Deleting API key terraform under {site_alice.account_id} as {site_alice.email}...\nOK\n"
        "API key terraform was deleted\n"
    )
    assert [key["name"] for key in alices.listed(sort="name")] == ["MyKey", "Terraform-test"]


@pytest.mark.parametrize(
    ("answer", "status"),
    [("y", 0), ("Yes", 0), (" YES ", 0), ("", 1), ("n", 1), ("no", 1), ("yes please", 1)],
)
def test_delete_asks_and_anything_but_yes_changes_nothing(logged_in, alices, three_keys, answer, status):
    talk = logged_in.talk("iam", "api-key-delete", "terraform")

    talk.wait_for("Do you really want to delete API key terraform? [y/N] > ")
    talk.answer(answer)

    assert talk.end() == status
    assert ("Nothing was changed." in talk.shown) == (status == 1)
    assert len(alices.listed()) == 2 + status


def test_a_script_that_can_not_answer_deletes_nothing(logged_in, alices, three_keys):
    refused(logged_in.run("iam", "api-key-delete", "terraform"), "Nothing was entered")

    assert len(alices.listed()) == 3


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


@pytest.mark.parametrize("verb", CHANGES)
def test_each_change_asks_first(logged_in, alices, three_keys, verb):
    before = alices.listed()
    talk = logged_in.talk("iam", f"api-key-{verb}", "terraform")

    talk.wait_for(f"Do you really want to {verb} API key terraform? [y/N] > ")
    talk.answer("n")

    assert talk.end() == 1
    assert alices.listed() == before


@pytest.mark.parametrize("command", ["api-key", *(f"api-key-{verb}" for verb in CHANGES), "api-key-update"])
def test_a_name_that_fits_several_keys_changes_nothing_and_lists_their_ids(logged_in, alices, command):
    twins = [alices.create_key("twin") for _ in range(2)]
    before = alices.listed()
    flags = {"api-key": [], "api-key-update": ["-n", "changed"]}.get(command, ["-f"])

    done = logged_in.run("iam", command, "twin", *flags)

    refused(done, "There are 2 API keys named twin. Use an ID instead:")
    assert sorted(KEY_ID.findall(done.err)) == sorted(key["id"] for key in twins)
    assert alices.listed() == before
    assert logged_in.run("iam", command, twins[0]["id"], *flags).status == 0


def test_a_name_that_is_the_id_of_another_key_means_that_key(logged_in, alices):
    first = alices.create_key("first")
    alices.create_key(first["id"])

    assert logged_in.run("iam", "api-key-delete", first["id"], "-f").status == 0

    assert [key["name"] for key in alices.listed()] == [first["id"]]


@pytest.mark.parametrize("key", ["terrafor", "TERRAFORM", "ApiKey-00000000-0000-4000-8000-000000000000", "../x", ""])
def test_an_unknown_key_is_refused(logged_in, alices, three_keys, key):
    refused(logged_in.run("iam", "api-key-delete", key, "-f"), f"API key {key} was not found.")

    assert len(alices.listed()) == 3


def test_a_key_of_somebody_else_is_unknown(logged_in, bobs):
    key = bobs.create_key("Bob's")

    refused(logged_in.run("iam", "api-key-delete", key["id"], "-f"), "was not found")

    assert len(bobs.listed()) == 1


def test_a_name_of_an_older_server_cannot_turn_what_the_terminal_writes(site, logged_in, alices):
    key = alices.create_key()
    site.server.run_python(
        "from apikeys.models import ApiKeyRecord\n"
        f"ApiKeyRecord.objects.filter(id={key['id']!r}).update(name='a\\u202eb', description='c\\u2066d')"
    )

    listed, as_json = logged_in.run("iam", "api-keys"), logged_in.run("iam", "api-keys", "--output", "json")

    assert "a\\u202eb" in listed.out
    assert "c\\u2066d" in listed.out
    assert [key["name"] for key in as_json.json] == ["a\u202eb"]


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b31m", "\r", "\x08", "\u200f", "\u2028"])
def test_what_a_terminal_obeys_is_spelled_out(text):
    assert escape(f"a{text}b") == "a" + text.encode("unicode_escape").decode() + "b"
