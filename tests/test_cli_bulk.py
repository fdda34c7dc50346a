"""Many keys at once at the command line, and by the request that it sends."""

import re

import pytest

from tests.cast import PASSWORD
from tests.cli_person import refused

pytestmark = pytest.mark.once

MAKE_KEYS = """
from apikeys.models import ApiKeyRecord
from console.models import User
person = User.objects.get(username={username!r})
ApiKeyRecord.objects.bulk_create(
    ApiKeyRecord(
        iam_id=person.iam_id, account_id=person.account_id, created_by=person.iam_id, name=f"crew {{n:04}}",
        name_folded=f"crew {{n:04}}", pepper=1, digest=f"{username} {{n}}", hint="", locked=n in (100, 101, 102),
    )
    for n in range(1000)
)
"""
LOCKED, GONE = "This API key is locked. Unlock it first.", "This API key does not exist. It may have been deleted."
UNKNOWN = "ApiKey-00000000-0000-4000-8000-000000000000"


def states(program) -> dict[str, tuple[bool, bool]]:
    return {key["name"]: (key["locked"], key["disabled"]) for key in program.listed()}


def test_a_thousand_keys_are_disabled_and_the_four_that_can_not_be_are_named(logged_in, site, site_alice, alices):
    site.server.run_python(MAKE_KEYS.format(username=site_alice.username))
    talk = logged_in.talk("iam", "api-keys-bulk", "disable", "-n", "crew")
    talk.wait_for("and 990 more? [y/N] > ")
    assert "disable 1,000 API keys: crew 0000, crew 0001," in talk.shown
    [gone] = alices.listed(filter='name eq "crew 0500"')
    assert alices.delete(f"/v1/apikeys/{gone['id']}").status_code == 204
    talk.answer("y")

    assert talk.end() == 1

    assert "Disabling API keys: 1,000 of 1,000" in talk.shown
    assert "996 API keys were disabled" in talk.shown
    assert "This could not be done to 4 of 1,000 API keys." in talk.shown
    assert re.findall(r"(crew \d+) \(ApiKey-[^)]+\): ([^\r\n]+)", talk.shown) == [
        *((f"crew {n:04}", LOCKED) for n in (100, 101, 102)),
        ("crew 0500", GONE),
    ]


@pytest.mark.parametrize(
    ("action", "state"),
    [("lock", (True, False)), ("disable", (False, True)), ("unlock", (False, False)), ("enable", (False, False))],
)
def test_each_action_is_done_to_what_is_named_and_to_nothing_else(logged_in, alices, three_keys, action, state):
    done = logged_in.run("iam", "api-keys-bulk", action, "MyKey", three_keys["terraform"]["id"], "-f")

    assert done.status == 0
    assert done.out.splitlines()[1:] == ["OK", f"2 API keys were {action.removesuffix('e')}ed"]
    assert states(alices) == {"MyKey": state, "terraform": state, "Terraform-test": (False, False)}


def test_keys_are_found_by_filters_and_deleted(logged_in, alices, three_keys):
    logged_in.run("iam", "api-key-disable", "MyKey", "-f")

    told = logged_in.run("iam", "api-keys-bulk", "delete", "--status", "disabled", "-f", "--output", "json")

    assert (told.status, told.json) == (0, {"done": 1, "failed": []})
    assert set(states(alices)) == {"terraform", "Terraform-test"}


def test_who_names_no_keys_or_unknown_ones_changes_nothing(logged_in, alices, three_keys):
    assert logged_in.run("iam", "api-keys-bulk", "delete", "-f").status == 2
    assert logged_in.run("iam", "api-keys-bulk", "rotate", "MyKey", "-f").status == 2
    refused(logged_in.run("iam", "api-keys-bulk", "delete", "MyKey", "nothing", "-f"), "API key nothing was not found.")
    refused(logged_in.run("iam", "api-keys-bulk", "delete", "-n", "nothing", "-f"), "No such API key was found.")
    talk = logged_in.talk("iam", "api-keys-bulk", "delete", "-n", "")
    talk.wait_for("delete 3 API keys: MyKey, terraform, Terraform-test? [y/N] > ")
    talk.answer("n")
    assert talk.end() == 1

    assert len(alices.listed()) == 3


def test_a_program_is_told_of_each_key_what_a_request_about_it_alone_would_get(alices, bobs, three_keys):
    mine, locked = three_keys["MyKey"]["id"], three_keys["terraform"]["id"]
    strangers = bobs.create_key("strangers")["id"]
    assert alices.post(f"/v1/apikeys/{locked}/lock").status_code == 204

    answer = alices.post("/v1/apikeys/bulk", json={"action": "disable", "ids": [mine, locked, strangers, mine]})

    assert answer.json() == {
        "done": 1,
        "failed": [
            {"id": locked, "name": "terraform", "code": "conflict", "message": LOCKED},
            {"id": strangers, "code": "BXNIM0102E", "message": GONE},
        ],
    }


@pytest.mark.parametrize(
    "body",
    [
        {"action": "rotate", "ids": [UNKNOWN]},
        {"action": "lock", "ids": []},
        {"action": "lock", "ids": [UNKNOWN] * 101},
        {"action": "lock", "ids": UNKNOWN},
        {"ids": [UNKNOWN]},
    ],
)
def test_a_request_that_is_no_such_request_is_refused(alices, body):
    answer = alices.post("/v1/apikeys/bulk", json=body)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "bad_request")


def test_all_keys_of_somebody_are_revoked_by_an_administrator_who_types_whose(
    terminal, site, site_dora, site_alice, alices
):
    alices.create_key("works")
    terminal.run("login", "-a", site.url, "-u", site_dora.username, "-p", PASSWORD)

    talk = terminal.talk("iam", "api-keys-revoke", "--owner", site_alice.username)
    talk.wait_for(f"Type {site_alice.username} to disable every API key of {site_alice.username} > ")
    talk.answer("yes")
    assert talk.end() == 1
    assert states(alices)["works"] == (False, False)
    done = terminal.run("iam", "api-keys-revoke", "--owner", site_alice.username, "-f")

    assert done.out.endswith("OK\n1 API key was disabled\n")
    assert states(alices)["works"] == (False, True)
    assert terminal.run("iam", "api-keys-revoke", "-f").status == 2
