"""The good request of each operation, and how a bad one is made of it: with a single thing wrong."""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from apikeys.api.openapi import document
from tests.programs import API_KEY_GRANT, CLIENT

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

# Refusals: HTTP status and code.
Refusal = tuple[int, str]
Headers = dict[str, str | bytes | None]
BAD_REQUEST: Refusal = (400, "bad_request")
INVALID: Refusal = (400, "BXNIM0113E")
UNAUTHORIZED: Refusal = (401, "unauthorized")
FORBIDDEN: Refusal = (403, "BXNIM0513E")
NOT_FOUND: Refusal = (404, "BXNIM0102E")
WRONG_METHOD: Refusal = (405, "BXNIM0060E")
CONFLICT: Refusal = (409, "conflict")
TOO_LARGE: Refusal = (413, "bad_request")
PACKED: Refusal = (415, "bad_request")
PROPERTY_MISSING: Refusal = (400, "BXNIM0109E")
PROPERTY_REFUSED: Refusal = (400, "BXNIM0106E")
VALUE_UNKNOWN: Refusal = (400, "BXNIM0415E")
REFRESH_INVALID: Refusal = (400, "BXNIM0407E")
PASSCODE_REFUSED: Refusal = (400, "BXNIM0605E")
NO_CLIENT: Refusal = (401, "BXNIM0308E")
WRONG_PASSWORD: Refusal = (401, "BXNIM0602E")


@dataclass(frozen=True)
class Request:
    """One request; `<name>` in it stands for what the world has under that name."""

    method: str
    target: str
    headers: Headers = field(default_factory=dict)
    body: Any = None  # bytes as they are, anything else as JSON


@dataclass(frozen=True)
class Bad:
    """One wrong thing in the good request of an operation, and how it is refused; `details` names what is wrong."""

    operation: str
    what: str
    refusal: Refusal
    details: str = ""
    query: str = ""
    target: str = ""
    headers: Headers = field(default_factory=dict)
    body: Any = None
    method: str = ""

    def __str__(self) -> str:
        return f"{self.operation}: {self.what}"

    def request(self) -> Request:
        good = GOOD[self.operation]
        target = self.target or good.target
        return Request(
            method=self.method or good.method,
            target=f"{target}?{self.query}" if self.query else target,
            headers=good.headers | self.headers,
            body=good.body if self.body is None else self.body,
        )


BEARER: Headers = {"Authorization": "Bearer <token>"}
JSON_BEARER = BEARER | {"Content-Type": JSON}
CHANGE = JSON_BEARER | {"If-Match": "*"}
KEY, SERVICE, LIMITS = "/v1/apikeys/<key>", "/v1/serviceids/<service>", "/v1/accounts/<account>/limits/identity"
NEW_KEY = {"name": "new", "iam_id": "<iam_id>"}
NEW_SERVICE = {"name": "new", "account_id": "<account>"}
REPORTS = [{"token": "nothing of this server's", "type": "api_key", "url": "", "source": "content"}]
BX = "Basic " + base64.b64encode(":".join(CLIENT).encode()).decode()
FORM_OF_BX: Headers = {"Content-Type": FORM, "Authorization": BX}

GOOD = {
    "listApiKeys": Request("GET", "/v1/apikeys", BEARER),
    "exportApiKeys": Request("GET", "/v1/apikeys/export", BEARER),
    "createApiKey": Request("POST", "/v1/apikeys", JSON_BEARER, NEW_KEY),
    "getApiKeyDetails": Request("GET", "/v1/apikeys/details", BEARER | {"IAM-ApiKey": "<value>"}),
    "getApiKey": Request("GET", KEY, BEARER),
    "updateApiKey": Request("PUT", KEY, CHANGE, {"name": "changed"}),
    "deleteApiKey": Request("DELETE", KEY, BEARER),
    "lockApiKey": Request("POST", f"{KEY}/lock", JSON_BEARER),
    "unlockApiKey": Request("DELETE", f"{KEY}/lock", BEARER),
    "disableApiKey": Request("POST", f"{KEY}/disable", JSON_BEARER),
    "enableApiKey": Request("DELETE", f"{KEY}/disable", BEARER),
    "rotateApiKey": Request("POST", f"{KEY}/rotate", JSON_BEARER, {"overlap_seconds": 60, "end_previous": True}),
    "endPreviousValue": Request("DELETE", f"{KEY}/previous", BEARER),
    "pauseApiKey": Request("POST", f"{KEY}/pause", JSON_BEARER, {"seconds": 60}),
    "resumeApiKey": Request("DELETE", f"{KEY}/pause", BEARER),
    "changeApiKeys": Request("POST", "/v1/apikeys/bulk", JSON_BEARER, {"action": "disable", "ids": ["<key>"]}),
    "revokeApiKeys": Request("POST", "/v1/apikeys/revoke", JSON_BEARER, {"owner": "<iam_id>"}),
    "listDeletedApiKeys": Request("GET", "/v1/apikeys/deleted", BEARER),
    "restoreApiKey": Request("POST", f"{KEY}/restore", JSON_BEARER),
    "getApiKeyUsage": Request("GET", f"{KEY}/usage", BEARER),
    "getApiKeyRefusals": Request("GET", f"{KEY}/refusals", BEARER),
    "explainRefusal": Request("GET", "/v1/apikeys/refusals/<request>", BEARER),
    "getIdentityLimits": Request("GET", LIMITS, BEARER),
    "getIdentityLimitsInBulk": Request("POST", LIMITS, JSON_BEARER, {"apikeys_per_identity": ["<iam_id>"]}),
    "listServiceIds": Request("GET", "/v1/serviceids", BEARER),
    "createServiceId": Request("POST", "/v1/serviceids", JSON_BEARER, NEW_SERVICE),
    "getServiceId": Request("GET", SERVICE, BEARER),
    "updateServiceId": Request("PUT", SERVICE, CHANGE, {"name": "changed"}),
    "deleteServiceId": Request("DELETE", SERVICE, BEARER),
    "lockServiceId": Request("POST", f"{SERVICE}/lock", JSON_BEARER),
    "unlockServiceId": Request("DELETE", f"{SERVICE}/lock", BEARER),
    "disableServiceId": Request("POST", f"{SERVICE}/disable", JSON_BEARER),
    "enableServiceId": Request("DELETE", f"{SERVICE}/disable", BEARER),
    "getToken": Request(
        "POST", "/identity/token", {"Content-Type": FORM}, f"grant_type={quote(API_KEY_GRANT)}&apikey=<value>".encode()
    ),
    "introspect": Request("POST", "/identity/introspect", BEARER | {"Content-Type": FORM}, b"token=<token>"),
    "getTokenAtOldAddress": Request(
        "POST", "/oidc/token", {"Content-Type": FORM}, f"grant_type={quote(API_KEY_GRANT)}&apikey=<value>".encode()
    ),
    "getUserInfo": Request("GET", "/identity/userinfo", BEARER),
    "postUserInfo": Request("POST", "/identity/userinfo", BEARER),
    "revoke": Request("POST", "/identity/revoke", {"Content-Type": FORM}, b"token=<token>"),
    "getKeys": Request("GET", "/identity/keys"),
    "getDiscovery": Request("GET", "/identity/.well-known/openid-configuration"),
    "getServerMetadata": Request("GET", "/.well-known/oauth-authorization-server/identity"),
    "getServerMetadataOfHost": Request("GET", "/.well-known/oauth-authorization-server"),
    "getDiscoveryOfHost": Request("GET", "/.well-known/openid-configuration"),
    "reportLeaks": Request("POST", "/v1/leaks", {"Content-Type": JSON}, REPORTS),
    "listProfiles": Request("GET", "/v1/profiles", BEARER),
    "listProfileTemplates": Request("GET", "/v1/profile_templates", BEARER),
    "listAccountSettingsTemplates": Request("GET", "/v1/account_settings_templates", BEARER),
    "getDescription": Request("GET", "/v1/openapi.json"),
}

DESCRIPTION = document.description("https://console.example", with_password=True)
OPERATIONS: dict[str, dict[str, Any]] = {
    operation["operationId"]: operation for methods in DESCRIPTION["paths"].values() for operation in methods.values()
}


def resolve(found: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in found:
        return found
    target: Any = DESCRIPTION
    for step in found["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return dict(target)


def parameters_of(operation: str, place: str) -> list[str]:
    parameters = [resolve(found) for found in OPERATIONS[operation].get("parameters", [])]
    return [found["name"] for found in parameters if found["in"] == place]


WITH_TOKEN = [name for name, operation in OPERATIONS.items() if operation["security"] == [{"bearer": []}]]
WITH_JSON = [name for name in WITH_TOKEN if JSON in OPERATIONS[name].get("requestBody", {}).get("content", {})]
WITH_ID = [name for name in OPERATIONS if "id" in parameters_of(name, "path")]
CHANGES = ["updateApiKey", "updateServiceId"]
CREATIONS = ["createApiKey", "createServiceId"]
NAMED = [*CREATIONS, *CHANGES]  # whose body has a name


# A wrong thing for several operations. Wrongs are told by their names, or as they are written.

Wrongs = dict[str, Any] | Iterable[Any]


def told(wrongs: Wrongs) -> Iterable[tuple[str, Any]]:
    return wrongs.items() if isinstance(wrongs, dict) else [(repr(wrong)[:40], wrong) for wrong in wrongs]


def some(operations: list[str], what: str, refusal: Refusal, details: str = "", **wrong: Any) -> Iterator[Bad]:
    for operation in operations:
        yield Bad(operation, what, refusal, details, **wrong)


def members(operations: list[str], name: str, wrongs: Wrongs, refusal: Refusal = BAD_REQUEST) -> Iterator[Bad]:
    for what, wrong in told(wrongs):
        for operation in operations:
            yield Bad(operation, f"{name}: {what}", refusal, name, body={**GOOD[operation].body, name: wrong})


def members_of_first_key(name: str, wrongs: Wrongs, refusal: Refusal = BAD_REQUEST) -> Iterator[Bad]:
    for what, wrong in told(wrongs):
        body = {**NEW_SERVICE, "apikey": {"name": "first", name: wrong}}
        yield Bad("createServiceId", f"{name} of the first key: {what}", refusal, name, body=body)


def parameters(operations: list[str], name: str, wrongs: Wrongs, refusal: Refusal = BAD_REQUEST) -> Iterator[Bad]:
    """Yield with each wrong as it stands in a URL."""
    for what, wrong in told(wrongs):
        yield from some(operations, f"{name}={what}", refusal, name, query=f"{name}={wrong}")


def headers(
    operations: list[str], name: str, wrongs: Wrongs, refusal: Refusal = BAD_REQUEST, details: str | None = None
) -> Iterator[Bad]:
    """Yield with each wrong as that header, with None without one; the name of the header are the details."""
    for what, wrong in told(wrongs):
        about = name if details is None else details
        yield from some(operations, f"{name}: {what}", refusal, about, headers={name: wrong})
