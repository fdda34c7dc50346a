"""The operations on API keys and service IDs, one function call each: paths of the OpenAPI description."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import partial

from apikeys.api.keys import MAX_COUNTED, PER_IDENTITY
from apikeys.api.openapi import components, links, shapes
from apikeys.api.openapi.components import FORBIDDEN, YES_OR_NO, answer, body, operation, parameter
from apikeys.api.openapi.shapes import EXAMPLE_ACCOUNT, EXAMPLE_PERSON, EXAMPLE_TAG, EXAMPLE_VALUE, ZERO_UUID, Schema
from apikeys.api.paging import DEFAULT_PAGE_SIZE, DEFAULT_SORT, KEY_SORTS, SERVICE_ID_SORTS, STATUSES
from apikeys.domain import MAX_DAYS, ApiKey, Owner, ServiceId
from apikeys.iam import exports, payloads
from apikeys.iam.exports import Format

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
    managed_by=EXAMPLE_PERSON,
)
API_KEY_EXAMPLE = payloads.api_key(EXAMPLE_KEY)
EXPORT_EXAMPLE = exports.record(EXAMPLE_KEY, Owner(EXAMPLE_PERSON, "Alice Liddell", "alice"))
SERVICE_ID_EXAMPLE = payloads.service_id(EXAMPLE_SERVICE_ID)
LIMITS_EXAMPLE = {PER_IDENTITY: {"limit": 1000, "identities": [{"iam_id": EXAMPLE_PERSON, "count": 3}]}}
PAGE_EXAMPLE = {"limit": DEFAULT_PAGE_SIZE, "first": "https://console.example/v1/"}

BAD, REFUSED, UNKNOWN, GONE = "bad_request", "BXNIM0113E", "unauthorized", "BXNIM0102E"
READING = (BAD, UNKNOWN, GONE)
ONE = ["IncludeHistory", "IncludeActivity"]
of_keys = partial(operation, components.KEYS)
of_service_ids = partial(operation, components.SERVICE_IDS)


def key_operations() -> dict[str, Schema]:
    one_key = answer("The key.", "ApiKey", API_KEY_EXAMPLE, tagged=True, links=links.FROM_KEY)
    changed = answer("The key as it is now.", "ApiKey", API_KEY_EXAMPLE, tagged=True, links=links.FROM_KEY)
    counts = answer("The limit and the counts.", "Limits", LIMITS_EXAMPLE)
    own_account = "The account of the access token. No other is accepted."
    account = parameter("account_id", "path", shapes.account_id(""), own_account)
    return {
        "GET /v1/apikeys": of_keys(
            "listApiKeys",
            "List API keys",
            answer("One page.", "ApiKeyList", PAGE_EXAMPLE | {"apikeys": [API_KEY_EXAMPLE]}),
            (BAD, REFUSED, UNKNOWN, FORBIDDEN),
            parameters=[*list_parameters(), "IncludeHistory"],
        ),
        "GET /v1/apikeys/export": of_keys(
            "exportApiKeys",
            "Export API keys",
            answer("One page.", "ApiKeyExport", PAGE_EXAMPLE | {"apikeys": [EXPORT_EXAMPLE]}),
            (BAD, REFUSED, UNKNOWN, FORBIDDEN),
            description="The same list with all that the console shows of each key, and who owns it. Its first page is "
            "an audit event, which says what the export is made into.",
            parameters=[
                *list_parameters(),
                parameter("format", "query", {"enum": [*map(str, Format)], "default": "json"}, "What it is made into."),
            ],
        ),
        "POST /v1/apikeys": of_keys(
            "createApiKey",
            "Create an API key",
            answer(
                "Created. This response is the only one that contains the value.",
                "CreatedApiKey",
                payloads.api_key(EXAMPLE_KEY, value=EXAMPLE_VALUE),
                status=201,
                warned=True,
                links=links.FROM_NEW_KEY,
            ),
            (BAD, REFUSED, UNKNOWN, FORBIDDEN, "conflict", "BXNIM0151E"),
            parameters=[
                "EntityLock",
                parameter("Entity-Disable", "header", YES_OR_NO, "Whether to create it disabled."),
                "IdempotencyKey",
            ],
            body=body("ApiKeyCreate", {"name": "terraform", "iam_id": EXAMPLE_PERSON}),
        ),
        "GET /v1/apikeys/details": of_keys(
            "getApiKeyDetails",
            "Get the API key that has a value",
            one_key,
            (*READING, "too_many_requests"),
            description="Returns the key in any state, if you may see it. This does not count as a use of the key. A "
            "service that asks for somebody else passes on that address, and is told 404 where the key can't be used "
            "from there.",
            parameters=[
                parameter(
                    "IAM-ApiKey",
                    "header",
                    shapes.text(pattern=shapes.VISIBLE_ASCII, examples=[EXAMPLE_VALUE.replace(" ", "-")]),
                    "The value. It must be ASCII, because a header can carry nothing else.",
                    required=True,
                ),
                parameter(
                    "IAM-Client-Address",
                    "header",
                    shapes.text(pattern=shapes.VISIBLE_ASCII, examples=["192.0.2.7"]),
                    "The IP address of whoever shows the value to the service that asks.",
                ),
                "IncludeHistory",
            ],
        ),
        "GET /v1/apikeys/{id}": of_keys("getApiKey", "Get an API key", one_key, READING, parameters=["ApiKeyId", *ONE]),
        "PUT /v1/apikeys/{id}": of_keys(
            "updateApiKey",
            "Change an API key",
            changed,
            (BAD, REFUSED, UNKNOWN, FORBIDDEN, GONE, "conflict"),
            parameters=["ApiKeyId", "IfMatch"],
            body=body("ApiKeyUpdate", {"description": "Applies changes at night"}),
        ),
        "DELETE /v1/apikeys/{id}": of_keys(
            "deleteApiKey",
            "Delete an API key",
            answer("Deleted permanently. Its access tokens are no longer valid.", status=204),
            (UNKNOWN, FORBIDDEN, GONE, "conflict"),
            parameters=["ApiKeyId"],
        ),
        **switch(
            "/v1/apikeys/{id}/lock", of_keys, "ApiKey", "an API key", ("lock", "unlock"), (UNKNOWN, GONE), (FORBIDDEN,)
        ),
        **switch(
            "/v1/apikeys/{id}/disable",
            of_keys,
            "ApiKey",
            "an API key",
            ("disable", "enable"),
            (UNKNOWN, FORBIDDEN, GONE, "conflict"),
            (REFUSED,),
        ),
        "GET /v1/accounts/{account_id}/limits/identity": of_keys(
            "getIdentityLimits",
            "Get the limit of API keys and how many identities have",
            counts,
            (BAD, REFUSED, UNKNOWN),
            parameters=[
                account,
                parameter(PER_IDENTITY, "query", shapes.iam_ids(MAX_COUNTED), shapes.about_iam_ids(MAX_COUNTED)),
            ],
        ),
        "POST /v1/accounts/{account_id}/limits/identity": of_keys(
            "getIdentityLimitsInBulk",
            "Get the same, with the identities in the body",
            counts,
            (BAD, REFUSED, UNKNOWN),
            parameters=[account],
            body=body("LimitsRequest", {PER_IDENTITY: [EXAMPLE_PERSON]}),
        ),
    }


def list_parameters() -> list[str | Schema]:
    """Return what a list of keys can be asked for."""
    return [
        "AccountId",
        parameter("iam_id", "query", components.PRINTABLE, "The owner: you (the default) or one of your service IDs."),
        "PageSize",
        "PageToken",
        parameter(
            "scope",
            "query",
            {"enum": ["entity", "account"], "default": "entity"},
            "`account` returns everyone's keys, for administrators only.",
        ),
        parameter(
            payloads.OWNER,
            "query",
            components.PRINTABLE,
            "The owner among everyone, for administrators only: a user ID, an email, an IAM ID, the ID of a service "
            "ID, or a part of a name that only one has.",
        ),
        parameter(
            "type",
            "query",
            {"enum": ["user", "serviceid", ""]},
            "Only keys of this kind. Use it with scope=account.",
        ),
        sort_by(
            KEY_SORTS,
            " A key that was never used counts as used before all others, one that never expires as expiring "
            "after all others.",
        ),
        "Order",
        "Filter",
        *key_filters(),
    ]


def sort_by(words: Collection[str], more: str = "") -> Schema:
    return parameter("sort", "query", {"enum": [*words], "default": DEFAULT_SORT}, f"The property to sort by.{more}")


def key_filters() -> list[Schema]:
    """Return the parameters that narrow a list of keys down; a key must meet all that are given."""
    days = shapes.number(minimum=1, maximum=MAX_DAYS)
    day = shapes.text(format="date", pattern=f"^{shapes.DAY}$", examples=["2026-01-31"])
    return [
        parameter(
            "status",
            "query",
            {"enum": [*STATUSES]},
            "Only keys of this status; where several apply, a key has the first of these.",
        ),
        parameter("expires_within_days", "query", days, "Only keys that expire within so many days."),
        parameter("unused_for_days", "query", days, "Only keys that were not used for so many days, or never."),
        parameter(
            "never_used",
            "query",
            {"type": "boolean"},
            "Only keys of seven days or more that were never used, or only used ones.",
        ),
        parameter("created_since", "query", day, "Only keys that were created on this day, in UTC, or later."),
        parameter("leaked", "query", {"type": "boolean"}, "Only keys that were found in public, or only others."),
    ]


def switch(
    path: str,
    of_kind: partial[Schema],
    kind: str,
    thing: str,
    verbs: tuple[str, str],
    codes: Sequence[str],
    codes_of_undoing: Sequence[str] = (),
) -> dict[str, Schema]:
    """Return POST and DELETE of what is set and unset, each with a link to the other; both may be repeated."""
    return {
        f"{method} {path}": of_kind(
            f"{verb}{kind}",
            f"{verb.title()} {thing}",
            answer("Done, or already the case.", status=204, links=links.from_same(kind, opposite)),
            (*codes, *(codes_of_undoing if method == "DELETE" else ())),
            parameters=[f"{kind}Id"],
            posts=method == "POST",
        )
        for method, verb, opposite in (("POST", *verbs), ("DELETE", *reversed(verbs)))
    }


def service_id_operations() -> dict[str, Schema]:
    service = answer(
        "The service ID as it is now.", "ServiceId", SERVICE_ID_EXAMPLE, tagged=True, links=links.FROM_SERVICE_ID
    )
    return {
        "GET /v1/serviceids": of_service_ids(
            "listServiceIds",
            "List service IDs",
            answer("One page.", "ServiceIdList", {"offset": 0, **PAGE_EXAMPLE, "serviceids": [SERVICE_ID_EXAMPLE]}),
            (BAD, UNKNOWN),
            parameters=[
                "AccountId",
                parameter("group_id", "query", {"enum": [""]}, "This server has no groups of service IDs."),
                parameter("name", "query", components.PRINTABLE, "Only service IDs with exactly this name."),
                "PageSize",
                "PageToken",
                sort_by(SERVICE_ID_SORTS),
                "Order",
                "IncludeHistory",
                "Filter",
            ],
        ),
        "POST /v1/serviceids": of_service_ids(
            "createServiceId",
            "Create a service ID",
            answer(
                "Created, with its first key if the request asked for one.",
                "CreatedServiceId",
                SERVICE_ID_EXAMPLE,
                status=201,
                warned=True,
                links=links.FROM_NEW_SERVICE_ID,
            ),
            (BAD, REFUSED, UNKNOWN, FORBIDDEN, "conflict"),
            description="Only people create service IDs.",
            parameters=[
                "EntityLock",
                parameter(
                    "Entity-Disable",
                    "header",
                    YES_OR_NO,
                    "Whether to create its first key disabled. Refused without a first key.",
                ),
                "IdempotencyKey",
            ],
            body=body("ServiceIdCreate", {"account_id": EXAMPLE_ACCOUNT, "name": "build server"}),
        ),
        "GET /v1/serviceids/{id}": of_service_ids(
            "getServiceId", "Get a service ID", service, READING, parameters=["ServiceIdId", *ONE]
        ),
        "PUT /v1/serviceids/{id}": of_service_ids(
            "updateServiceId",
            "Change a service ID",
            service,
            (BAD, REFUSED, UNKNOWN, GONE, "conflict"),
            parameters=["ServiceIdId", "IfMatch"],
            body=body("ServiceIdUpdate", {"description": "Builds every commit"}),
        ),
        "DELETE /v1/serviceids/{id}": of_service_ids(
            "deleteServiceId",
            "Delete a service ID with its API keys",
            answer("Deleted permanently with its keys. Their access tokens are no longer valid.", status=204),
            (UNKNOWN, GONE, "conflict", "BXNIM0105E"),
            parameters=["ServiceIdId"],
        ),
        **switch(
            "/v1/serviceids/{id}/lock",
            of_service_ids,
            "ServiceId",
            "a service ID",
            ("lock", "unlock"),
            (UNKNOWN, GONE),
            (FORBIDDEN,),
        ),
        **switch(
            "/v1/serviceids/{id}/disable",
            of_service_ids,
            "ServiceId",
            "a service ID",
            ("disable", "enable"),
            (UNKNOWN, GONE, "conflict"),
            (FORBIDDEN,),
        ),
    }
