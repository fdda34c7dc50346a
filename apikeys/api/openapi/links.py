"""What can be done next with what an answer brought: the links of the OpenAPI description.

A tool that follows them gets from the creation of a key to its end without knowing what an id is.
"""

from typing import Any

from apikeys.api.openapi.shapes import Schema
from apikeys.iam.oauth import GRANT_API_KEY

IN_BODY = "$response.body#/"
SAME = "$request.path.id"  # for answers that have no body

KEY_OPERATIONS = ("getApiKey", "deleteApiKey", "lockApiKey", "unlockApiKey", "disableApiKey", "enableApiKey")
SERVICE_ID_OPERATIONS = ("getServiceId", "deleteServiceId", "lockServiceId", "unlockServiceId")


def link(operation_id: str, parameters: Schema, body: Any = None) -> Schema:
    return {
        "operationId": operation_id,
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": body} if body is not None else {}),
    }


def by_id(operation_ids: tuple[str, ...], found_in: str) -> Schema:
    """Return links to operations on the one object whose id is there."""
    return {operation_id: link(operation_id, {"id": found_in}) for operation_id in operation_ids}


def change(operation_id: str) -> Schema:
    """Return the link to a change that is based on the version in the answer's body."""
    return {operation_id: link(operation_id, {"id": f"{IN_BODY}id", "If-Match": f"{IN_BODY}entity_tag"})}


def from_key() -> Schema:
    """Return what can be done with a key that an answer shows."""
    return by_id(KEY_OPERATIONS, f"{IN_BODY}id") | change("updateApiKey")


def from_new_key() -> Schema:
    """Return what can be done with a new key, and with its value, which no other answer has."""
    value = f"{IN_BODY}apikey"
    return from_key() | {
        "getApiKeyDetails": link("getApiKeyDetails", {"IAM-ApiKey": value}),
        "getToken": link("getToken", {}, {"grant_type": GRANT_API_KEY, "apikey": value}),
        "introspect": link("introspect", {}, {"apikey": value}),
    }


def from_same_key(opposite: str) -> Schema:
    """Return what comes after a key was locked, unlocked, disabled or enabled: above all the opposite."""
    return by_id((opposite, "getApiKey", "deleteApiKey"), SAME)


def from_service_id() -> Schema:
    """Return what can be done with a service ID that an answer shows."""
    return by_id(SERVICE_ID_OPERATIONS, f"{IN_BODY}id") | change("updateServiceId")


def from_same_service_id(opposite: str) -> Schema:
    """Return what comes after a service ID was locked or unlocked: above all the opposite."""
    return by_id((opposite, "getServiceId", "deleteServiceId"), SAME)


def from_new_service_id() -> Schema:
    """Return what can be done with a new service ID: also to make and list its keys."""
    iam_id, account_id = f"{IN_BODY}iam_id", f"{IN_BODY}account_id"
    return from_service_id() | {
        "createApiKey": link("createApiKey", {}, {"name": f"{IN_BODY}name", "iam_id": iam_id}),
        "listApiKeys": link("listApiKeys", {"iam_id": iam_id}),
        "getIdentityLimits": link("getIdentityLimits", {"account_id": account_id, "apikeys_per_identity": iam_id}),
    }


def from_token() -> Schema:
    """Return what can be done with an access token other than to send it along."""
    return {"introspect": link("introspect", {}, {"token": f"{IN_BODY}access_token"})}
