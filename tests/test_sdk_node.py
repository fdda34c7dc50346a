"""IBM's own Node client, from npm and unmodified, does with this server all that it does with IBM's."""

import json
import os
import re
import subprocess
from typing import Any

import pytest

from tests import node_modules

pytestmark = pytest.mark.once

SECONDS = 60


@pytest.fixture(scope="session")
def node() -> str:
    return node_modules.node()


# The calls of IBM's own suite, in its order.
SUITE = [
    "cleanupResources",
    "createApiKey1",
    "createApiKey2",
    "getApiKey",
    "getApiKeysDetails",
    "listApiKeys",
    "updateApiKey",
    "lockApiKey",
    "unlockApiKey",
    "disableApiKey",
    "enableApiKey",
    "deleteApiKey1",
    "deleteApiKey2",
    "createServiceId",
    "getServiceId",
    "listServiceIds",
    "updateServiceId",
    "lockServiceId",
    "unlockServiceId",
    "deleteServiceId",
    "getAccountLimits",
    "bulkListAccountEntityConsumption",
    "cleanupResourcesAgain",
]


@pytest.fixture
def script(node, site, site_alice, alices):
    """Run a script as Alice, with a key of hers called `sdk`; return what it tells as JSON."""
    value = alices.create_key("sdk")["apikey"]

    def run(*command: str) -> Any:
        done = subprocess.run(
            [node, *command],
            cwd=node_modules.FOLDER,
            env={
                "PATH": os.environ["PATH"],
                "SERVER_URL": site.url,
                "IBMCLOUD_API_KEY": value,
                "IAM_ID": site_alice.iam_id,
                "ACCOUNT_ID": site_alice.account_id,
            },
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def journey(script):
    """Return what the client saw in one chapter of the journey."""
    return lambda chapter: script("journey.js", chapter)


def test_ibms_suite_of_its_node_client_passes(script, alices):
    passed = script("ibm_suite.js")

    assert passed == SUITE
    assert [key["name"] for key in alices.listed()] == ["sdk"]


def test_the_lock_file_holds_hashes_and_no_address():
    lock = json.loads(node_modules.LOCK.read_text())
    packages = {path: package for path, package in lock["packages"].items() if path}

    assert "@ibm-cloud/platform-services" in "".join(packages)
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not any("resolved" in package for package in packages.values())


def test_keys_are_created_used_and_looked_at(journey, site_alice):
    report = journey("create")

    created = report["created"]["result"]
    value = created.pop("apikey")
    assert report["created"]["status"] == 201
    assert re.fullmatch(r"[A-Za-z0-9_-]{44}", value)
    assert (created["name"], created["description"]) == ("terraform", "Applies changes")
    assert (created["support_sessions"], created["action_when_leaked"]) == (True, "disable")
    assert (created["iam_id"], created["expires_at"]) == (site_alice.iam_id, "2090-01-31T18:00+0000")
    assert report["used"] == ["sdk", "terraform"]
    got = report["got"]
    assert report["etag"] == got["entity_tag"]
    assert [entry["action"] for entry in got.pop("history")] == ["create"]
    assert got.pop("activity")["authn_count"] == 1
    assert got == created
    assert [entry["action"] for entry in report["details"].pop("history")] == ["create"]
    assert report["details"] == created
    assert report["locked"] is True
    assert report["disabled"] is True


def test_keys_are_listed_page_by_page_sorted_and_filtered(journey):
    report = journey("list")

    by_name = ["ansible", "sdk", "terraform prod", "TERRAFORM test"]
    assert report["pages"] == [[name] for name in by_name]
    assert report["filtered"] == ["terraform prod", "TERRAFORM test"]
    assert report["descending"] == by_name[::-1]
    assert report["whole_account"]["status"] == 403


def test_keys_are_updated_locked_disabled_and_deleted(journey):
    report = journey("change")

    fresh = report["fresh"]["result"]
    assert (report["fresh"]["status"], fresh["name"], fresh["description"]) == (200, "opentofu", "")
    assert report["stale"]["status"] == 409
    done = ("lock", "unlock", "disable", "enable", "delete")
    assert {step: report[step]["status"] for step in done} == dict.fromkeys(done, 204)
    assert (report["update_locked"]["status"], report["delete_locked"]["status"]) == (409, 409)
    assert report["update_locked"]["message"] == "This API key is locked. Unlock it first."
    assert report["use_locked"]["status"] == report["use_enabled"]["status"] == 200
    assert report["use_disabled"]["status"] == report["use_deleted"]["status"] == 401
    assert report["exchange_disabled"]["message"] == "Provided API key could not be found."
    before = report["before_delete"]
    assert (before["name"], before["locked"], before["disabled"]) == ("opentofu", False, False)
    assert report["get_deleted"]["status"] == 404
    assert report["left"] == ["sdk"]


def test_service_ids_live_their_life(journey, site_alice):
    report = journey("service_ids")

    robot = report["robot"]
    assert report["status"] == 201
    assert robot["iam_id"] == f"iam-{robot['id']}"
    assert robot.pop("apikey")["name"] == "first key"
    assert [entry["action"] for entry in report["got"].pop("history")] == ["create"]
    assert report["got"] == robot
    assert report["listed"]["serviceids"] == [robot]
    assert report["used"] == ["first key", "second key"]
    assert report["fresh"]["result"]["name"] == "android"
    assert report["stale"]["status"] == 409
    refusal = json.loads(report["delete_with_locked_key"]["body"])["errors"][0]
    assert (refusal["message_code"], refusal["code"]) == ("BXNIM0105E", "delete_not_possible")
    assert report["limits"]["apikeys_per_identity"]["identities"] == [
        {"iam_id": site_alice.iam_id, "count": 1},
        {"iam_id": robot["iam_id"], "count": 2},
    ]
    assert (report["lock"]["status"], report["unlock"]["status"]) == (204, 204)
    assert report["delete_locked"]["status"] == 409
    assert report["delete_locked"]["message"] == "This service ID is locked. Unlock it first."
    assert report["before_delete"] == ["first key", "second key"]
    assert report["delete"]["status"] == 204
    assert (report["get_deleted"]["status"], report["get_deleted_key"]["status"]) == (404, 404)


def test_tokens_are_renewed_and_a_client_that_names_itself_gets_a_refresh_token(journey, site, alices):
    report = journey("refresh")

    assert report["before"] == report["after"] == ["sdk"]
    assert report["renewed"] is True
    answer = site.token_request(client=True, grant_type="refresh_token", refresh_token=report["refresh_token"])
    assert answer.status_code == 200
    assert site.with_token(answer.json()["access_token"]).listed() == alices.listed()


def test_a_refusal_comes_with_the_servers_own_words(journey):
    report = journey("refused")

    assert report["unknown"]["status"] == 400
    assert report["unknown"]["message"] == "Provided API key could not be found."
    assert report["profiles"]["profiles"] == []
    assert report["templates"]["profile_templates"] == []
