"""Rotate, pause, restore and explain keys at the command line."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli_person import refused
from tests.programs import API_KEY_GRANT
from tests.waiting import until

pytestmark = pytest.mark.once


def exchange(site, value: str):
    return site.token_request(grant_type=API_KEY_GRANT, apikey=value)


def test_a_rotated_value_is_saved_once_and_the_old_one_works_until_it_is_finished(logged_in, site, three_keys):
    old = three_keys["MyKey"]["apikey"]

    done = logged_in.run("iam", "api-key-rotate", "MyKey", "--overlap", "7d", "-f", "new.json")
    assert done.status == 0
    new = json.loads((logged_in.home / "new.json").read_text())["apikey"]
    assert new not in done.out
    assert [exchange(site, value).status_code for value in (old, new)] == [200, 200]
    logged_in.run("iam", "api-key-rotation-finish", "MyKey", "-f")

    assert [exchange(site, value).status_code for value in (old, new)] == [400, 200]
    refused(logged_in.run("iam", "api-key-rotation-finish", "MyKey", "-f"), "no previous value")


def test_another_rotation_has_to_say_that_it_ends_the_first(logged_in, site, three_keys):
    first = logged_in.run("iam", "api-key-rotate", "MyKey", "--overlap", "none", "--output", "json").json
    refused(logged_in.run("iam", "api-key-rotate", "MyKey", "-f", "new.json"), "previous value")
    assert not (logged_in.home / "new.json").exists()

    logged_in.run("iam", "api-key-rotate", "MyKey", "--end-previous", "--overlap", "0", "-f", "new.json")

    assert exchange(site, first["apikey"]).status_code == 400


@pytest.mark.parametrize("overlap", ["91d", "7", "-1d", "x", "1.5h", ""])
def test_an_overlap_that_makes_no_sense_is_wrong_usage(logged_in, three_keys, overlap):
    done = logged_in.run("iam", "api-key-rotate", "MyKey", "--overlap", overlap)

    assert done.status == 2


def test_a_key_is_paused_and_resumed(logged_in, site, three_keys):
    value = three_keys["MyKey"]["apikey"]

    done = logged_in.run("iam", "api-key-pause", "MyKey", "--for", "10m")
    assert "is refused until 20" in done.out
    assert exchange(site, value).status_code == 400
    assert [line.split()[-1] for line in logged_in.run("iam", "api-keys").out.splitlines() if "MyKey" in line] == [
        "paused"
    ]
    logged_in.run("iam", "api-key-resume", "MyKey")

    assert exchange(site, value).status_code == 200
    assert logged_in.run("iam", "api-key-pause", "MyKey", "--for", "31m").status == 2


def test_a_deleted_key_is_restored_by_its_name(logged_in, site, three_keys):
    logged_in.run("iam", "api-key-delete", "MyKey", "-f")
    assert exchange(site, three_keys["MyKey"]["apikey"]).status_code == 400
    [deleted] = logged_in.run("iam", "api-keys-deleted", "--output", "json").json
    assert (deleted["name"], deleted["restorable"]) == ("MyKey", True)

    done = logged_in.run("iam", "api-key-restore", "MyKey")

    assert done.out.endswith("OK\nAPI key MyKey was restored\n")
    assert exchange(site, three_keys["MyKey"]["apikey"]).status_code == 200
    refused(logged_in.run("iam", "api-key-restore", "MyKey"), "not among the deleted keys")


def test_of_a_key_that_works_the_command_line_says_so_and_until_when(logged_in, alices):
    for name, limits in {
        "works": {},
        "ends": {"expires_at": "2090-01-31T18:00+0000"},
        "stays": {"networks": ["127.0.0.1"]},
    }.items():
        alices.create_key(name, **limits)

    said = {name: logged_in.run("-q", "iam", "api-key-why", name).out for name in ("works", "ends", "stays")}

    never = "It was not refused in the last thirty days.\n"
    assert said == {
        "works": f"API key works works, and does not expire.\n{never}",
        "ends": f"API key ends works until 2090-01-31T18:00+0000.\n{never}",
        "stays": f"API key stays works from the networks that it is limited to, and does not expire.\n{never}",
    }
    assert logged_in.run("-q", "iam", "api-key-usage", "works").out == "No use of API key works is known.\n"
    assert logged_in.run("-q", "iam", "api-keys-deleted").out == "There are no deleted API keys.\n"


def test_where_a_key_is_used_and_why_it_was_refused(logged_in, site, three_keys):
    value = three_keys["MyKey"]["apikey"]
    assert exchange(site, value).status_code == 200
    logged_in.run("iam", "api-key-disable", "MyKey", "-f")
    request_id = exchange(site, value).headers["Transaction-Id"]
    until(lambda: logged_in.run("iam", "api-key-why", request_id, "--request").status == 0)

    why = logged_in.run("iam", "api-key-why", "MyKey").out
    assert "Refused now: disabled, since 20" in why
    assert request_id in why
    [place] = logged_in.run("iam", "api-key-usage", "MyKey", "--output", "json").json["places"]
    assert (place["uses"], place["refusals"], place["reason"]) == (1, 1, "disabled")
    assert "127.0.0.1" in logged_in.run("iam", "api-key-usage", "MyKey").out
    refused(logged_in.run("iam", "api-key-why", "0" * 32, "--request"), "No refusal of a key")


def test_a_log_in_with_a_key_that_ends_soon_says_so(terminal, site, alices):
    soon = datetime.now(UTC) + timedelta(days=3)
    key = alices.create_key("MyKey", expires_at=f"{soon:%Y-%m-%dT%H:%M}+0000")

    done = terminal.run("login", "-a", site.url, "--apikey", key["apikey"])

    assert f"This API key can be used until {soon:%Y-%m-%dT%H:%M}:00+0000." in done.err
