"""The operations on what becomes of a key after it was created: paths of the OpenAPI description."""

from datetime import timedelta

from apikeys.api.lifecycle import DEFAULT_OVERLAP, DEFAULT_PAUSE
from apikeys.api.openapi import links, shapes
from apikeys.api.openapi.components import FORBIDDEN, answer, body, parameter
from apikeys.api.openapi.key_paths import (
    API_KEY_EXAMPLE,
    BAD,
    EXAMPLE_KEY,
    EXAMPLE_MOMENT,
    GONE,
    REFUSED,
    UNKNOWN,
    of_keys,
)
from apikeys.api.openapi.shapes import EXAMPLE_PERSON, EXAMPLE_VALUE, Schema
from apikeys.domain import Cause, DeletedKey, Identity, KeyUse, Place, Reason, Refusal, UseDay
from apikeys.exceptions import ApiKeyLocked
from apikeys.iam import payloads

EXAMPLE_PLACE = Place(
    "192.0.2.7", "python-requests", uses=42, first_used_at=EXAMPLE_MOMENT, last_used_at=EXAMPLE_MOMENT
)
EXAMPLE_REFUSAL = Refusal(
    EXAMPLE_KEY.id, "0" * 32, EXAMPLE_MOMENT, Reason.EXPIRED, 1, "192.0.2.7", "python-requests/2.32"
)
EXAMPLE_DELETED = payloads.deleted_key(
    DeletedKey(EXAMPLE_KEY, EXAMPLE_MOMENT, EXAMPLE_PERSON, EXAMPLE_MOMENT + timedelta(days=1)),
    Identity(EXAMPLE_PERSON, "", "", ""),
)
BULK_EXAMPLE = {
    "done": 1,
    "failed": [
        {"id": EXAMPLE_KEY.id, "name": EXAMPLE_KEY.name, "code": ApiKeyLocked.code, "message": ApiKeyLocked.message}
    ],
}
USE_EXAMPLE = payloads.key_use(KeyUse((EXAMPLE_PLACE,), (UseDay(EXAMPLE_MOMENT.date(), 42),)))
REFUSALS_EXAMPLE = {"refusals": [payloads.refusal(EXAMPLE_REFUSAL)]}


def lifecycle_operations() -> dict[str, Schema]:
    paused = answer("The key as it is now.", "ApiKey", API_KEY_EXAMPLE, tagged=True, links=links.FROM_KEY)
    return {
        "POST /v1/apikeys/{id}/rotate": of_keys(
            "rotateApiKey",
            "Give an API key a new value",
            answer(
                "Rotated. This response is the only one that contains the new value.",
                "CreatedApiKey",
                payloads.api_key(EXAMPLE_KEY, value=EXAMPLE_VALUE),
                status=201,
                links=links.FROM_ROTATED_KEY,
            ),
            (BAD, REFUSED, UNKNOWN, FORBIDDEN, GONE, "conflict", "rotation_under_way"),
            description="The key stays the same: its id, name, history and settings. Its previous value works until "
            "the overlap ends, and the access tokens made with it end with it.",
            parameters=["ApiKeyId", "IdempotencyKey"],
            body=body("Rotation", {"overlap_seconds": int(DEFAULT_OVERLAP.total_seconds())}),
        ),
        "DELETE /v1/apikeys/{id}/previous": of_keys(
            "endPreviousValue",
            "End the previous value of an API key",
            answer("Ended. Its access tokens are no longer valid.", status=204),
            (UNKNOWN, FORBIDDEN, GONE, "conflict"),
            parameters=["ApiKeyId"],
        ),
        "POST /v1/apikeys/{id}/pause": of_keys(
            "pauseApiKey",
            "Refuse an API key for some time",
            paused,
            (BAD, UNKNOWN, FORBIDDEN, GONE, "conflict"),
            description="It works again by itself. Use this to see what deleting the key would break.",
            parameters=["ApiKeyId"],
            body=body("Pause", {"seconds": int(DEFAULT_PAUSE.total_seconds())}),
        ),
        "DELETE /v1/apikeys/{id}/pause": of_keys(
            "resumeApiKey",
            "End the pause of an API key",
            answer("Done, also if it was not paused.", status=204, links=links.from_same("ApiKey", "pause")),
            (UNKNOWN, FORBIDDEN, GONE, "conflict"),
            parameters=["ApiKeyId"],
        ),
        "POST /v1/apikeys/bulk": of_keys(
            "changeApiKeys",
            "Disable, enable, lock, unlock or delete many API keys",
            answer("To how many it was done, and to which not, with the reason.", "BulkResult", BULK_EXAMPLE),
            (BAD, UNKNOWN),
            description="Each key is changed by itself, with the checks and the audit event that it has alone. A key "
            "to which it can't be done stops no other.",
            body=body("BulkChange", {"action": "disable", "ids": [EXAMPLE_KEY.id]}),
        ),
        "POST /v1/apikeys/revoke": of_keys(
            "revokeApiKeys",
            "Disable all API keys of an owner, or of everybody",
            answer("They are refused now, with their access tokens.", "RevokeResult", {"revoked": 3}),
            (BAD, UNKNOWN, FORBIDDEN),
            description="Your own, by your IAM ID; those of others for administrators only. Keys of the service IDs "
            "that a person manages are disabled with the person's own, locked or not. Only administrators "
            "enable again what an administrator disabled.",
            body=body("RevokeRequest", {"owner": EXAMPLE_PERSON}),
        ),
        "GET /v1/apikeys/deleted": of_keys(
            "listDeletedApiKeys",
            "List API keys that were deleted lately",
            answer(
                "Yours, and those that you deleted, the latest first.", "DeletedApiKeys", {"apikeys": [EXAMPLE_DELETED]}
            ),
            (UNKNOWN,),
        ),
        "POST /v1/apikeys/{id}/restore": of_keys(
            "restoreApiKey",
            "Restore an API key that you deleted",
            answer(
                "The key as it was. If it is back already, nothing happens.",
                "ApiKey",
                API_KEY_EXAMPLE,
                tagged=True,
                links=links.FROM_KEY,
            ),
            (REFUSED, UNKNOWN, FORBIDDEN, GONE, "conflict", "BXNIM0151E"),
            parameters=["ApiKeyId"],
            posts=True,
        ),
        "GET /v1/apikeys/{id}/usage": of_keys(
            "getApiKeyUsage",
            "Get where an API key is used and how often",
            answer("The places and the days.", "Usage", USE_EXAMPLE),
            (UNKNOWN, GONE),
            parameters=["ApiKeyId"],
        ),
        "GET /v1/apikeys/{id}/refusals": of_keys(
            "getApiKeyRefusals",
            "Get why an API key is or was refused",
            answer(
                "What refuses it now, and its latest refusals.",
                "Why",
                {"cause": payloads.cause(Cause(Reason.EXPIRED, EXAMPLE_MOMENT)), **REFUSALS_EXAMPLE},
            ),
            (UNKNOWN, GONE),
            parameters=["ApiKeyId"],
        ),
        "GET /v1/apikeys/refusals/{request_id}": of_keys(
            "explainRefusal",
            "Get why a request was refused",
            answer("What was refused in that request.", "Refusals", REFUSALS_EXAMPLE),
            (UNKNOWN, GONE),
            description="Returns refusals of keys that you may see, within a minute of the request and for 30 days.",
            parameters=[
                parameter("request_id", "path", shapes.text(), "The Transaction-Id of the refused request's answer.")
            ],
        ),
    }
