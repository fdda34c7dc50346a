"""Requests made from the OpenAPI description, good ones and bad ones, against a real server: no answer may surprise."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from apikeys.values import mask
from tests.cast import ADMIN
from tests.programs import API_KEY_GRANT, public_pem
from tests.schemathesis_hooks import REPORTER, TO_BE_SIGNED
from tests.server import ROOT, ConsoleServer
from tests.waiting import until

pytestmark = pytest.mark.once

EXAMPLES_PER_OPERATION = 30
SCENARIOS = 100
STEPS_PER_SCENARIO = 12
SEED = 20260219
MOST_SECONDS = 300
# The client `bx` is public: every command line has it built in.
CLIENT = {"Authorization": "Basic " + base64.b64encode(b"bx:bx").decode()}


@pytest.mark.long
@pytest.mark.contract
def test_no_request_made_from_the_description_gets_an_answer_that_is_not_in_it(tmp_path: Path) -> None:
    reporter = ec.generate_private_key(ec.SECP256R1())
    known = json.dumps({REPORTER: public_pem(reporter)})
    with ConsoleServer(tmp_path / "data", LEAK_REPORT_KEYS=known, APIKEYS_PER_IDENTITY="0") as server:
        token = access_token(server)
        (tmp_path / "openapi.json").write_text(json.dumps(usable_description(server, token)))
        (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)

        run = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"),
                *("run", "openapi.json", "--url", server.url, "--seed", str(SEED)),
            ],
            cwd=tmp_path,
            env=os.environ
            | {"ACCESS_TOKEN": token, "REPORTER_KEY": private_pem(reporter), "NO_COLOR": "1", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )

        report = mask(run.stdout[-60_000:] + run.stderr[-5_000:])
        assert run.returncode == 0, report
        assert "Traceback" not in server.log
    summary = json.loads((tmp_path / "report.json").read_text())
    assert summary["operations"]["tested"] == summary["operations"]["total"]
    assert {phase["status"] for phase in summary["phases"].values()} == {"success"}
    assert summary["warnings"]["missing_auth"] == summary["warnings"]["missing_test_data"] == []


CONFIGURATION = f"""
hooks = "tests.schemathesis_hooks"
continue-on-failure = true
workers = 1
[generation]
max-examples = {EXAMPLES_PER_OPERATION}
deterministic = true
database = "none"
[phases.stateful]
max-steps = {STEPS_PER_SCENARIO}
[phases.stateful.generation]
max-examples = {SCENARIOS}
# A report that is too large ends the connection, which a client may see in place of the answer while it sends.
[[operations]]
include-path = "/v1/leaks"
request-retries = 3
[checks.use_after_free]
enabled = false
[cache]
enabled = false
[auth.openapi.bearer]
bearer = "${{ACCESS_TOKEN}}"
[auth.openapi.client]
username = "bx"
password = "bx"
[reports.json]
path = "report.json"
"""


def private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def access_token(server: ConsoleServer) -> str:
    form = {"grant_type": "password", "username": ADMIN[0], "password": ADMIN[1]}
    answer = requests.post(f"{server.url}/identity/token", data=form, headers=CLIENT, timeout=30)
    assert answer.status_code == 200, answer.status_code
    return str(answer.json()["access_token"])


def usable_description(server: ConsoleServer, token: str) -> dict[str, Any]:
    """Return the server's description for one caller: what no schema can say is said here as the usable values.

    A well-formed request that names another identity or account is refused, and rightly so. The same holds for a page
    token that was never handed out, an owner whom nobody knows, a scope that nobody defined, what is no address or
    network, keys of an owner and of everybody at once, a date that is not in the future, an Idempotency-Key that is
    not random, and a value that is in use, which the second request with it always is: those are left to tests of
    their own. To ask for details one must have a value.
    """
    headers = {"Authorization": f"Bearer {token}"}
    me = requests.post(f"{server.url}/identity/introspect", {"token": token}, headers=headers, timeout=30).json()
    key = {"name": "its details are asked for", "iam_id": me["iam_id"]}
    made = requests.post(f"{server.url}/v1/apikeys", json=key, headers=headers, timeout=30).json()
    rotated = requests.post(f"{server.url}/v1/apikeys/{made['id']}/rotate", json={}, headers=headers, timeout=30).json()
    robot = {"name": "it is locked and unlocked", "account_id": me["account"]["bss"]}
    service = requests.post(f"{server.url}/v1/serviceids", json=robot, headers=headers, timeout=30).json()
    description: dict[str, Any] = requests.get(f"{server.url}/v1/openapi.json", timeout=30).json()

    mine = {
        "iam_id": {"enum": [me["iam_id"]]},
        "account_id": {"enum": [me["account"]["bss"]]},
        "IAM-ApiKey": {"enum": [rotated["apikey"]]},
        "IAM-Client-Address": {"enum": ["192.0.2.7"]},
        "owner": {"enum": [ADMIN[0]]},
        "request_id": {"enum": [refused_request(server, me["iam_id"], headers)]},
        "Github-Public-Key-Identifier": {"enum": [REPORTER]},
        "Github-Public-Key-Signature": {"enum": [TO_BE_SIGNED]},
    }
    limits = {
        "scopes": {"enum": [["apikeys:read"], ["apikeys:read", "apikeys:write"], [], None]},
        "networks": {"enum": [["127.0.0.0/8", "::1"], ["!192.0.2.7"], [], None]},
    }
    date = {"enum": ["2090-01-31T18:00+0000", "2090-01-31T18:00:59Z", "", None]}
    components = description["components"]
    # Tells Schemathesis that a well-formed request for a token may show credentials that do not exist.
    for path in ("/identity/token", "/oidc/token"):
        components["securitySchemes"][path.strip("/")] = {
            "type": "oauth2",
            "flows": {"password": {"tokenUrl": f"{server.url}{path}", "scopes": {}}},
        }
    components["parameters"]["AccountId"]["schema"] = mine["account_id"]
    components["schemas"]["ApiKeyCreate"]["properties"] |= {
        "iam_id": mine["iam_id"],
        "account_id": {"enum": [me["account"]["bss"], "", None]},
        "expires_at": date,
        "store_value": {"enum": [False, "false", None]},  # true is for keys of service IDs
    }
    components["schemas"]["ApiKeyUpdate"]["properties"] |= {"expires_at": date} | limits
    components["schemas"]["ApiKeyCreate"]["properties"] |= limits
    revocation = {"owner": mine["owner"], "everybody": {"enum": [False, "false", None]}}
    components["schemas"]["RevokeRequest"] |= {"properties": revocation, "required": ["owner"]}
    components["schemas"]["ServiceIdCreate"]["properties"]["account_id"] = mine["account_id"]
    first_key = components["schemas"]["ServiceIdCreate"]["properties"]["apikey"]["anyOf"][0]["properties"]
    first_key |= {"expires_at": date} | limits
    for properties in (components["schemas"]["ApiKeyCreate"]["properties"], first_key):
        del properties["apikey"]
    components["parameters"]["IdempotencyKey"]["schema"]["pattern"] = "^random[A-Za-z0-9_-]{16,122}$"
    operations = [(path, method) for path, methods in description["paths"].items() for method in methods]
    for path, method in operations:
        operation = description["paths"][path][method]
        # Else it is a matter of luck whether a scenario comes to them by a link, with an id that exists.
        if re.fullmatch(r"/v1/apikeys/{id}/(lock|disable|previous|pause)", path):
            operation["parameters"] = [with_example(components["parameters"]["ApiKeyId"], made["id"])]
        if re.fullmatch(r"/v1/serviceids/{id}/(lock|disable)", path):
            operation["parameters"] = [with_example(components["parameters"]["ServiceIdId"], service["id"])]
        parameters = [found for found in operation.get("parameters", []) if not is_page_token(found)]
        for parameter in parameters:
            if parameter.get("name") == "Entity-Disable" and "serviceids" in path:
                parameter["schema"] = {"type": "boolean", "enum": [False]}  # true needs a first key in the body
            if parameter.get("name") in mine:
                parameter["schema"] = mine[parameter["name"]]
        if parameters:
            operation["parameters"] = parameters
        for answer in operation["responses"].values():
            answer.get("links", {}).pop("createApiKey", None)  # with an owner that is made up only then
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for name in mine:
                if name in content["example"]:
                    content["example"][name] = mine[name]["enum"][0]
    return description


def refused_request(server: ConsoleServer, iam_id: str, headers: dict[str, str]) -> str:
    """Return the id of a request that was refused and can be explained."""
    keys = f"{server.url}/v1/apikeys"
    made = requests.post(keys, json={"name": "refused", "iam_id": iam_id}, headers=headers, timeout=30).json()
    requests.post(f"{keys}/{made['id']}/disable", headers=headers, timeout=30)
    form = {"grant_type": API_KEY_GRANT, "apikey": made["apikey"]}
    answer = requests.post(f"{server.url}/identity/token", data=form, timeout=30)
    request_id = str(answer.headers["Transaction-Id"])
    until(lambda: requests.get(f"{keys}/refusals/{request_id}", headers=headers, timeout=30).ok)
    return request_id


def with_example(parameter: dict[str, Any], example: str) -> dict[str, Any]:
    return parameter | {"schema": parameter["schema"] | {"examples": [example]}}


def is_page_token(parameter: dict[str, Any]) -> bool:
    return bool(parameter.get("$ref") == "#/components/parameters/PageToken")
