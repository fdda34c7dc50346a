"""The operations on API keys and service IDs, one function call each: paths of the OpenAPI description."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

from apikeys.api.keys import MAX_COUNTED, PER_IDENTITY
from apikeys.api.openapi import links, shapes
from apikeys.api.openapi.components import (
    KEYS,
    PRINTABLE,
    SERVICE_IDS,
    SHARED,
    YES_OR_NO,
    answer,
    body,
    operation,
    parameter,
)
from apikeys.api.openapi.shapes import EXAMPLE_ACCOUNT, EXAMPLE_PERSON, EXAMPLE_TAG, EXAMPLE_VALUE, ZERO_UUID, Schema
from apikeys.api.paging import DEFAULT_PAGE_SIZE, DEFAULT_SORT, KEY_SORTS, SERVICE_ID_SORTS
from apikeys.domain import ApiKey, ServiceId
from apikeys.iam import payloads

EXAMPLE_MOMENT = datetime(2030, 1, 31, 18, tzinfo=UTC)
EXAMPLE_KEY = ApiKey(
    id=f"ApiKey-{ZERO_UUID}",
    entity_tag=EXAMPLE_TAG,
    name="terraform",
    description="Applies changes",
    iam_id=EXAMPLE_PERSON,
    account_id=EXAMPLE_ACCOUNT,
    created_at=EXAMPLE_MOMENT,
    created_by=EXAMPLE_PERSON,
    modified_at=EXAMPLE_MOMENT,
    hint="",
)
EXAMPLE_SERVICE_ID = ServiceId(
    id=f"ServiceId-{ZERO_UUID}",
    entity_tag=EXAMPLE_TAG,
    name="build server",
    description="",
    account_id=EXAMPLE_ACCOUNT,
    created_at=EXAMPLE_MOMENT,
    modified_at=EXAMPLE_MOMENT,
    locked=False,
)
API_KEY_EXAMPLE = payloads.api_key(EXAMPLE_KEY)
SERVICE_ID_EXAMPLE = payloads.service_id(EXAMPLE_SERVICE_ID)
LIMITS_EXAMPLE = {PER_IDENTITY: {"limit": 1000, "identities": [{"iam_id": EXAMPLE_PERSON, "count": 3}]}}
PAGE_EXAMPLE = {"limit": DEFAULT_PAGE_SIZE, "first": "https://console.example/v1/"}
GONE = "BXNIM0102E"


def key_paths() -> dict[str, Schema]:
    switch = ("unauthorized", GONE, "conflict")
    by_id = [SHARED["ApiKeyId"]]
    account = parameter(
        "account_id", "path", shapes.account_id(""), "The account of the access token. No other is accepted."
    )
    return {
        "/v1/apikeys": {
            "get": operation(
                "listApiKeys",
                KEYS,
                "List API keys",
                {"200": answer("One page.", "ApiKeyList", PAGE_EXAMPLE | {"apikeys": [API_KEY_EXAMPLE]})},
                ("bad_request", "BXNIM0113E", "unauthorized", "BXNIM0513E"),
                parameters=[
                    SHARED["AccountId"],
                    parameter("iam_id", "query", PRINTABLE, "The owner: you (the default) or one of your service IDs."),
                    SHARED["PageSize"],
                    SHARED["PageToken"],
                    parameter(
                        "scope",
                        "query",
                        {"enum": ["entity", "account"], "default": "entity"},
                        "`account` returns everyone's keys, for administrators only.",
                    ),
                    parameter(
                        "type",
                        "query",
                        {"enum": ["user", "serviceid", ""]},
                        "Only keys of this kind. Use it with scope=account.",
                    ),
                    sort_by(KEY_SORTS),
                    SHARED["Order"],
                    SHARED["IncludeHistory"],
                    SHARED["Filter"],
                ],
            ),
            "post": operation(
                "createApiKey",
                KEYS,
                "Create an API key",
                {
                    "201": answer(
                        "Created. This response is the only one that contains the value.",
                        "CreatedApiKey",
                        payloads.api_key(EXAMPLE_KEY, value=EXAMPLE_VALUE),
                        warned=True,
                        links=links.from_new_key(),
                    )
                },
                ("bad_request", "BXNIM0113E", "unauthorized", "conflict", "BXNIM0151E"),
                parameters=[
                    SHARED["EntityLock"],
                    parameter("Entity-Disable", "header", YES_OR_NO, "Whether to create it disabled."),
                    SHARED["IdempotencyKey"],
                ],
                body=body("ApiKeyCreate", {"name": "terraform", "iam_id": EXAMPLE_PERSON}),
            ),
        },
        "/v1/apikeys/details": {
            "get": operation(
                "getApiKeyDetails",
                KEYS,
                "Get the API key that has a value",
                {"200": answer("The key.", "ApiKey", API_KEY_EXAMPLE, tagged=True, links=links.from_key())},
                ("bad_request", "unauthorized", GONE),
                description="Returns the key in any state, if you may see it. This does not count as a use of the key.",
                parameters=[
                    parameter(
                        "IAM-ApiKey",
                        "header",
                        shapes.text(pattern=r"^[\u0021-\u007e]+$", examples=[EXAMPLE_VALUE.replace(" ", "-")]),
                        "The value. It must be ASCII, because a header can carry nothing else.",
                        required=True,
                    ),
                    SHARED["IncludeHistory"],
                ],
            )
        },
        "/v1/apikeys/{id}": {
            "get": operation(
                "getApiKey",
                KEYS,
                "Get an API key",
                {"200": answer("The key.", "ApiKey", API_KEY_EXAMPLE, tagged=True, links=links.from_key())},
                ("bad_request", "unauthorized", GONE),
                parameters=[*by_id, SHARED["IncludeHistory"], SHARED["IncludeActivity"]],
            ),
            "put": operation(
                "updateApiKey",
                KEYS,
                "Change an API key",
                {
                    "200": answer(
                        "The key as it is now.", "ApiKey", API_KEY_EXAMPLE, tagged=True, links=links.from_key()
                    )
                },
                ("bad_request", "BXNIM0113E", "unauthorized", "BXNIM0513E", GONE, "conflict"),
                parameters=[*by_id, SHARED["IfMatch"]],
                body=body("ApiKeyUpdate", {"description": "Applies changes at night"}),
            ),
            "delete": operation(
                "deleteApiKey",
                KEYS,
                "Delete an API key",
                {"204": answer("Deleted permanently. Its access tokens are no longer valid.")},
                switch,
                parameters=by_id,
            ),
        },
        "/v1/apikeys/{id}/lock": on_and_off(
            KEYS,
            by_id,
            links.from_same_key,
            ("unauthorized", GONE),
            lockApiKey="Lock an API key",
            unlockApiKey="Unlock an API key",
        ),
        "/v1/apikeys/{id}/disable": on_and_off(
            KEYS,
            by_id,
            links.from_same_key,
            switch,
            disableApiKey="Disable an API key",
            enableApiKey="Enable an API key",
        ),
        "/v1/accounts/{account_id}/limits/identity": {
            "get": operation(
                "getIdentityLimits",
                KEYS,
                "Get the limit of API keys and how many identities have",
                {"200": answer("The limit and the counts.", "Limits", LIMITS_EXAMPLE)},
                ("bad_request", "BXNIM0113E", "unauthorized"),
                parameters=[
                    account,
                    parameter(PER_IDENTITY, "query", shapes.iam_ids(MAX_COUNTED), shapes.about_iam_ids(MAX_COUNTED)),
                ],
            ),
            "post": operation(
                "getIdentityLimitsInBulk",
                KEYS,
                "Get the same, with the identities in the body",
                {"200": answer("The limit and the counts.", "Limits", LIMITS_EXAMPLE)},
                ("bad_request", "BXNIM0113E", "unauthorized"),
                parameters=[account],
                body=body("LimitsRequest", {PER_IDENTITY: [EXAMPLE_PERSON]}),
            ),
        },
    }


def sort_by(words: Collection[str]) -> Schema:
    return parameter("sort", "query", {"enum": [*words], "default": DEFAULT_SORT}, "The property to sort by.")


def on_and_off(
    tag: str, by_id: list[Schema], links_from: Callable[[str], Schema], codes: Sequence[str], **summaries: str
) -> Schema:
    """Return POST and DELETE of what is set and unset, each with a link to the other; both may be repeated."""
    post, delete = summaries
    return {
        method: operation(
            name,
            tag,
            summaries[name],
            {"204": answer("Done, or already the case.", links=links_from(opposite))},
            codes,
            parameters=by_id,
            posts=method == "post",
        )
        for method, name, opposite in (("post", post, delete), ("delete", delete, post))
    }


def service_id_paths() -> dict[str, Schema]:
    by_id = [SHARED["ServiceIdId"]]
    service = {
        "200": answer(
            "The service ID as it is now.",
            "ServiceId",
            SERVICE_ID_EXAMPLE,
            tagged=True,
            links=links.from_service_id(),
        )
    }

    return {
        "/v1/serviceids": {
            "get": operation(
                "listServiceIds",
                SERVICE_IDS,
                "List service IDs",
                {
                    "200": answer(
                        "One page.", "ServiceIdList", {"offset": 0, **PAGE_EXAMPLE, "serviceids": [SERVICE_ID_EXAMPLE]}
                    )
                },
                ("bad_request", "unauthorized"),
                parameters=[
                    SHARED["AccountId"],
                    parameter("group_id", "query", {"enum": [""]}, "This server has no groups of service IDs."),
                    parameter("name", "query", PRINTABLE, "Only service IDs with exactly this name."),
                    SHARED["PageSize"],
                    SHARED["PageToken"],
                    sort_by(SERVICE_ID_SORTS),
                    SHARED["Order"],
                    SHARED["IncludeHistory"],
                    SHARED["Filter"],
                ],
            ),
            "post": operation(
                "createServiceId",
                SERVICE_IDS,
                "Create a service ID",
                {
                    "201": answer(
                        "Created, with its first key if the request asked for one.",
                        "CreatedServiceId",
                        SERVICE_ID_EXAMPLE,
                        warned=True,
                        links=links.from_new_service_id(),
                    )
                },
                ("bad_request", "BXNIM0113E", "unauthorized", "conflict"),
                parameters=[
                    SHARED["EntityLock"],
                    parameter(
                        "Entity-Disable",
                        "header",
                        YES_OR_NO,
                        "Whether to create its first key disabled. Refused without a first key.",
                    ),
                    SHARED["IdempotencyKey"],
                ],
                body=body("ServiceIdCreate", {"account_id": EXAMPLE_ACCOUNT, "name": "build server"}),
            ),
        },
        "/v1/serviceids/{id}": {
            "get": operation(
                "getServiceId",
                SERVICE_IDS,
                "Get a service ID",
                service,
                ("bad_request", "unauthorized", GONE),
                parameters=[*by_id, SHARED["IncludeHistory"], SHARED["IncludeActivity"]],
            ),
            "put": operation(
                "updateServiceId",
                SERVICE_IDS,
                "Change a service ID",
                service,
                ("bad_request", "BXNIM0113E", "unauthorized", GONE, "conflict"),
                parameters=[*by_id, SHARED["IfMatch"]],
                body=body("ServiceIdUpdate", {"description": "Builds every commit"}),
            ),
            "delete": operation(
                "deleteServiceId",
                SERVICE_IDS,
                "Delete a service ID with its API keys",
                {"204": answer("Deleted permanently with its keys. Their access tokens are no longer valid.")},
                ("unauthorized", GONE, "conflict", "BXNIM0105E"),
                parameters=by_id,
            ),
        },
        "/v1/serviceids/{id}/lock": on_and_off(
            SERVICE_IDS,
            by_id,
            links.from_same_service_id,
            ("unauthorized", GONE),
            lockServiceId="Lock a service ID",
            unlockServiceId="Unlock a service ID",
        ),
    }
