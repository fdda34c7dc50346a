"""What can be done next with what an answer brought: the links of the OpenAPI description.

A tool that follows them gets from the creation of a key to its end without knowing what an id is.
"""

from typing import Any

from apikeys.api.openapi.shapes import Schema
from apikeys.iam.oauth import GRANT_API_KEY

IN_BODY = "$response.body#/"
VALUE, IAM_ID = f"{IN_BODY}apikey", f"{IN_BODY}iam_id"


def link(operation_id: str, parameters: Schema, body: Any = None) -> Schema:
    """Return one link by the name of its operation."""
    more = ({"parameters": parameters} if parameters else {}) | ({"requestBody": body} if body is not None else {})
    return {operation_id: {"operationId": operation_id, **more}}


def by_id(kind: str, verbs: tuple[str, ...], found_in: str) -> Schema:
    """Return links to operations on the one key or service ID whose id is there."""
    return {name: found for verb in verbs for name, found in link(f"{verb}{kind}", {"id": found_in}).items()}


def change(operation_id: str) -> Schema:
    """Return the link to a change that is based on the version in the answer's body."""
    return link(operation_id, {"id": f"{IN_BODY}id", "If-Match": f"{IN_BODY}entity_tag"})


def from_same(kind: str, opposite: str) -> Schema:
    """Return what comes after one was locked, unlocked, disabled or enabled: above all the opposite.

    Such an answer has no body: the id is that of the request.
    """
    return by_id(kind, (opposite, "get", "delete"), "$request.path.id")


# A key that an answer shows; a new one with its value, which no other answer has; a service ID; a new one, which can be
# given keys; and an access token, other than to send it along.
VERBS_OF_KEY = ("get", "delete", "lock", "unlock", "disable", "enable", "pause", "resume")
FROM_KEY = by_id("ApiKey", VERBS_OF_KEY, f"{IN_BODY}id")
FROM_KEY |= change("updateApiKey")
FROM_ROTATED_KEY = {
    **FROM_KEY,
    **link("getApiKeyDetails", {"IAM-ApiKey": VALUE}),
    **link("getToken", {}, {"grant_type": GRANT_API_KEY, "apikey": VALUE}),
    **link("introspect", {}, {"apikey": VALUE}),
}
FROM_NEW_KEY = FROM_ROTATED_KEY | by_id("ApiKey", ("rotate",), f"{IN_BODY}id")
FROM_SERVICE_ID = by_id("ServiceId", ("get", "delete", "lock", "unlock", "disable", "enable"), f"{IN_BODY}id")
FROM_SERVICE_ID |= change("updateServiceId")
FROM_NEW_SERVICE_ID = {
    **FROM_SERVICE_ID,
    **link("createApiKey", {}, {"name": f"{IN_BODY}name", "iam_id": IAM_ID}),
    **link("listApiKeys", {"iam_id": IAM_ID}),
    **link("getIdentityLimits", {"account_id": f"{IN_BODY}account_id", "apikeys_per_identity": IAM_ID}),
}
FROM_TOKEN = link("introspect", {}, {"token": f"{IN_BODY}access_token"})
