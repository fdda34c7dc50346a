"""Each operation of the API, one function call each: the paths of the OpenAPI description."""

from apikeys import wire
from apikeys.api import openapi_schemas as schemas
from apikeys.api.identity import FORM
from apikeys.api.keys import MAX_COUNTED
from apikeys.api.openapi_parts import JSON, NOBODY, SHARED, TRACED, answer, body, operation, parameter
from apikeys.api.openapi_schemas import EXAMPLE_ACCOUNT, EXAMPLE_PERSON, EXAMPLE_TAG, EXAMPLE_VALUE, ZERO_UUID, Schema
from apikeys.api.paging import DEFAULT_PAGE_SIZE, SORTS
from apikeys.tokens import GRANT_API_KEY, SCOPE

KEYS, SERVICE_IDS, TOKENS, OTHERS = "API keys", "Service IDs", "Access tokens", "Everything else"
TAGS = {
    KEYS: "Your own, those of your service IDs, and for administrators all of the account.",
    SERVICE_IDS: "Identities for programs, with API keys of their own. Whoever made one manages it.",
    TOKENS: "A key's value, or a password, becomes an access token that lives for an hour at most.",
    OTHERS: "Reports of leaks, collections that clients look into when they start, and this description.",
}

API_KEY_EXAMPLE = {
    "id": f"ApiKey-{ZERO_UUID}",
    "entity_tag": EXAMPLE_TAG,
    "crn": f"crn:v1:bluemix:public:iam-identity::a/{EXAMPLE_ACCOUNT}::apikey:ApiKey-{ZERO_UUID}",
    "locked": False,
    "disabled": False,
    "created_at": "2030-01-31T18:00+0000",
    "created_by": EXAMPLE_PERSON,
    "modified_at": "2030-01-31T18:00+0000",
    "support_sessions": False,
    "action_when_leaked": "none",
    "name": "terraform",
    "description": "Applies changes",
    "iam_id": EXAMPLE_PERSON,
    "account_id": EXAMPLE_ACCOUNT,
    "leaked": False,
}
SERVICE_ID_EXAMPLE = {
    "id": f"ServiceId-{ZERO_UUID}",
    "iam_id": f"iam-ServiceId-{ZERO_UUID}",
    "entity_tag": EXAMPLE_TAG,
    "crn": f"crn:v1:bluemix:public:iam-identity::a/{EXAMPLE_ACCOUNT}::serviceid:ServiceId-{ZERO_UUID}",
    "locked": False,
    "created_at": "2030-01-31T18:00+0000",
    "modified_at": "2030-01-31T18:00+0000",
    "account_id": EXAMPLE_ACCOUNT,
    "name": "build server",
    "description": "",
    "unique_instance_crns": [],
}
PAGE_EXAMPLE = {"limit": DEFAULT_PAGE_SIZE, "first": "https://console.example/v1/"}
TOKENS_EXAMPLE = {
    "access_token": "header.claims.signature",
    "refresh_token": "not_supported",
    "token_type": "Bearer",
    "expires_in": 3600,
    "expiration": 1896116400,
    "scope": SCOPE,
}
GONE = "BXNIM0102E"


def paths() -> dict[str, Schema]:
    """Return every path of apikeys/api/urls.py."""
    return key_paths() | service_id_paths() | token_paths() | other_paths()


def key_paths() -> dict[str, Schema]:
    printable = schemas.text(pattern=schemas.PRINTABLE)
    switch = ("unauthorized", GONE, "conflict")
    done = {"204": answer("Done; also if it was so already.")}
    by_id = [SHARED["ApiKeyId"]]
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
                    parameter("iam_id", "query", printable, "The owner: yourself if absent, or a service ID of yours."),
                    SHARED["PageSize"],
                    SHARED["PageToken"],
                    parameter(
                        "scope",
                        "query",
                        {"enum": ["entity", "account"], "default": "entity"},
                        "`account`: everybody's keys, for administrators only.",
                    ),
                    parameter(
                        "type",
                        "query",
                        {"enum": ["user", "serviceid", ""]},
                        "With scope=account: only keys of this kind.",
                    ),
                    parameter("sort", "query", {"enum": [*SORTS], "default": "created_at"}, "What to sort by."),
                    parameter("order", "query", {"enum": ["asc", "desc"], "default": "asc"}, "Which way to sort."),
                    SHARED["IncludeHistory"],
                    parameter(
                        "filter",
                        "query",
                        schemas.text(pattern=schemas.FILTER, maxLength=wire.MAX_FILTER, examples=['name co "terra"']),
                        "`name`, `description` or `id`, then `co` (contains), `eq` (equals), `sw` (starts with), then "
                        "a text in double quotes; several of these joined by `and`. Letters' case is ignored.",
                    ),
                ],
            ),
            "post": operation(
                "createApiKey",
                KEYS,
                "Create an API key",
                {"201": answer("Made. The value is here and nowhere else.", "CreatedApiKey", created_example())},
                ("bad_request", "BXNIM0113E", "unauthorized", "conflict", "BXNIM0151E"),
                parameters=[
                    SHARED["EntityLock"],
                    parameter(
                        "Entity-Disable",
                        "header",
                        {"type": "boolean", "default": False},
                        "Whether it is disabled from the start.",
                    ),
                    parameter(
                        "Idempotency-Key",
                        "header",
                        schemas.text(pattern=schemas.IDEMPOTENCY_KEY),
                        "Random, new for each key to be made. The same request sent again within 300 seconds makes no "
                        "second key and returns the same value.",
                    ),
                ],
                body=body("ApiKeyCreate", {"name": "terraform", "iam_id": EXAMPLE_PERSON}),
            ),
        },
        "/v1/apikeys/details": {
            "get": operation(
                "getApiKeyDetails",
                KEYS,
                "Get the API key of a value",
                {"200": answer("The key.", "ApiKey", API_KEY_EXAMPLE, tagged=True)},
                ("bad_request", "unauthorized", GONE),
                description="Whatever its state, if you may see it. This is no use of the key.",
                parameters=[
                    parameter(
                        "IAM-ApiKey",
                        "header",
                        schemas.text(pattern=r"^[\u0021-\u007e]+$", examples=[EXAMPLE_VALUE.replace(" ", "-")]),
                        "The value, in UTF-8.",
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
                {"200": answer("The key.", "ApiKey", API_KEY_EXAMPLE, tagged=True)},
                ("bad_request", "unauthorized", GONE),
                parameters=[
                    *by_id,
                    SHARED["IncludeHistory"],
                    parameter(
                        "include_activity",
                        "query",
                        {"type": "boolean", "default": False},
                        "Whether to return when and how often it was used as well.",
                    ),
                ],
            ),
            "put": operation(
                "updateApiKey",
                KEYS,
                "Change an API key",
                {"200": answer("The key as it is now.", "ApiKey", API_KEY_EXAMPLE, tagged=True)},
                ("bad_request", "BXNIM0113E", "unauthorized", "BXNIM0513E", GONE, "conflict"),
                parameters=[*by_id, SHARED["IfMatch"]],
                body=body("ApiKeyUpdate", {"description": "Applies changes at night"}),
            ),
            "delete": operation(
                "deleteApiKey",
                KEYS,
                "Delete an API key",
                {"204": answer("Gone for good, and with it every access token made from it.")},
                switch,
                parameters=by_id,
            ),
        },
        "/v1/apikeys/{id}/lock": {
            "post": operation(
                "lockApiKey", KEYS, "Lock an API key", done, ("unauthorized", GONE), parameters=by_id, posts=True
            ),
            "delete": operation(
                "unlockApiKey", KEYS, "Unlock an API key", done, ("unauthorized", GONE), parameters=by_id
            ),
        },
        "/v1/apikeys/{id}/disable": {
            "post": operation("disableApiKey", KEYS, "Disable an API key", done, switch, parameters=by_id, posts=True),
            "delete": operation("enableApiKey", KEYS, "Enable an API key", done, switch, parameters=by_id),
        },
        "/v1/accounts/{account_id}/limits/identity": {
            "get": operation(
                "getIdentityLimits",
                KEYS,
                "Get how many API keys identities have and may have",
                {
                    "200": answer(
                        "The limit and the counts.",
                        "Limits",
                        {
                            "apikeys_per_identity": {
                                "limit": 1000,
                                "identities": [{"iam_id": EXAMPLE_PERSON, "count": 3}],
                            }
                        },
                    )
                },
                ("bad_request", "BXNIM0113E", "unauthorized"),
                parameters=[
                    parameter(
                        "account_id", "path", schemas.account_id(""), "The token's account; no other is accepted."
                    ),
                    parameter(
                        "apikeys_per_identity",
                        "query",
                        schemas.text(
                            pattern=rf"^([^\u0000-\u001f,]*(,[^\u0000-\u001f,]*){{0,{MAX_COUNTED - 1}}})$",
                            examples=[EXAMPLE_PERSON],
                        ),
                        f"IAM IDs, up to {MAX_COUNTED}, with commas between them: your own, the default, and those of "
                        "your service IDs. Administrators may ask for any.",
                    ),
                ],
            )
        },
    }


def created_example() -> Schema:
    """Return a new key, its value where IBM has it: before `leaked`."""
    return {name: found for name, found in API_KEY_EXAMPLE.items() if name != "leaked"} | {
        "apikey": EXAMPLE_VALUE,
        "leaked": False,
    }


def service_id_paths() -> dict[str, Schema]:
    by_id = [SHARED["ServiceIdId"]]
    service = {"200": answer("The service ID as it is now.", "ServiceId", SERVICE_ID_EXAMPLE, tagged=True)}
    printable = schemas.text(pattern=schemas.PRINTABLE)

    def collection(suffix: str, note: str, summary: str) -> Schema:
        return {
            "get": operation(
                f"listServiceIds{suffix}",
                SERVICE_IDS,
                f"List service IDs{summary}",
                {"200": answer("One page.", "ServiceIdList", PAGE_EXAMPLE | {"serviceids": [SERVICE_ID_EXAMPLE]})},
                ("bad_request", "unauthorized"),
                description=note,
                parameters=[
                    SHARED["AccountId"],
                    parameter("name", "query", printable, "Only those of exactly this name."),
                    SHARED["PageSize"],
                    SHARED["PageToken"],
                ],
            ),
            "post": operation(
                f"createServiceId{suffix}",
                SERVICE_IDS,
                f"Create a service ID{summary}",
                {
                    "201": answer(
                        "Made, with its first key where one was asked for.", "CreatedServiceId", SERVICE_ID_EXAMPLE
                    )
                },
                ("bad_request", "BXNIM0113E", "unauthorized"),
                description=note,
                parameters=[SHARED["EntityLock"]],
                body=body("ServiceIdCreate", {"account_id": EXAMPLE_ACCOUNT, "name": "build server"}),
            ),
        }

    return {
        "/v1/serviceids": collection("", "", ""),
        "/v1/serviceids/": collection("WithSlash", "Some clients send the slash.", ", with a slash at the end"),
        "/v1/serviceids/{id}": {
            "get": operation(
                "getServiceId",
                SERVICE_IDS,
                "Get a service ID",
                service,
                ("bad_request", "unauthorized", GONE),
                parameters=[*by_id, SHARED["IncludeHistory"]],
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
                "Delete a service ID",
                {"204": answer("Gone for good.")},
                ("unauthorized", GONE, "conflict", "BXNIM0105E"),
                parameters=by_id,
            ),
        },
        "/v1/serviceids/{id}/lock": {
            "post": operation(
                "lockServiceId",
                SERVICE_IDS,
                "Lock a service ID",
                service,
                ("unauthorized", GONE),
                parameters=by_id,
                posts=True,
            ),
            "delete": operation(
                "unlockServiceId", SERVICE_IDS, "Unlock a service ID", service, ("unauthorized", GONE), parameters=by_id
            ),
        },
    }


def token_paths() -> dict[str, Schema]:
    return {
        "/identity/token": {
            "post": operation(
                "getToken",
                TOKENS,
                "Get an access token",
                {"200": answer("The token.", "Tokens", TOKENS_EXAMPLE)},
                (
                    "BXNIM0109E",
                    "BXNIM0106E",
                    "BXNIM0415E",
                    "BXNIM0407E",
                    "BXNIM0408E",
                    "bad_request",
                    "BXNIM0308E",
                    "BXNIM0602E",
                    "too_many_requests",
                ),
                description="A refresh token comes with it only for the client `bx`. Other properties are ignored.",
                body=body("TokenRequest", {"grant_type": GRANT_API_KEY, "apikey": "<the value>"}, media_type=FORM),
                security=[{}, {"client": []}],
                token=True,
            )
        },
        "/identity/introspect": {
            "post": operation(
                "introspect",
                TOKENS,
                "Ask whether an access token or a key's value is good",
                {"200": answer("Whether it is good, and whose it is.", "Introspection", {"active": False})},
                ("BXNIM0109E", "BXNIM0106E", "bad_request", "unauthorized"),
                description="RFC 7662. The caller shows an access token or an API key of its own.",
                body=body("IntrospectionRequest", {"token": "header.claims.signature"}, media_type=FORM),
                security=[{"bearer": []}, {"key": []}],
                token=True,
            )
        },
        "/identity/keys": {
            "get": operation(
                "getKeys",
                TOKENS,
                "Get the public keys that access tokens are verified with",
                {"200": answer("The keys.", "KeySet")},
                security=NOBODY,
                token=True,
            )
        },
        "/identity/.well-known/openid-configuration": {
            "get": operation(
                "getDiscovery",
                TOKENS,
                "Get where everything is",
                {"200": answer("OpenID Connect Discovery.", "Discovery")},
                security=NOBODY,
                token=True,
            )
        },
    }


def other_paths() -> dict[str, Schema]:
    signature = {
        "Github-Public-Key-Identifier": "Which of the server's LEAK_REPORT_KEYS made the signature.",
        "Github-Public-Key-Signature": "ECDSA P-256 with SHA-256 over the body, DER, base64.",
    }
    collections = {"profiles": "Profiles", "profile_templates": "ProfileTemplates"}
    collections["account_settings_templates"] = "AccountSettingsTemplates"
    empty = {
        f"/v1/{path}": {
            "get": operation(
                f"list{name}",
                OTHERS,
                f"List {path.replace('_', ' ')}, of which there are none",
                {
                    "200": {
                        "description": "Nothing.",
                        "headers": TRACED,
                        "content": {
                            JSON: {
                                "schema": schemas.record({path: schemas.list_of({}, maxItems=0)}),
                                "example": {path: []},
                            }
                        },
                    }
                },
                ("bad_request", "unauthorized"),
                parameters=[SHARED["AccountId"]],
            )
        }
        for path, name in collections.items()
    }
    return {
        "/v1/leaks": {
            "post": operation(
                "reportLeaks",
                OTHERS,
                "Report values found in public",
                {"200": answer("What each was, in the order of the reports.", "LeakVerdicts")},
                ("bad_request", "unauthorized"),
                description="The partner notice of GitHub's secret scanning. A key that is reported is marked, and "
                "disabled or deleted as its action_when_leaked says, locked or not. The signature is checked before "
                "the body is read.",
                parameters=[
                    parameter(name, "header", schemas.text(pattern=r"^[\u0021-\u007e]+$"), description, required=True)
                    for name, description in signature.items()
                ],
                body=body(
                    "LeakReports",
                    [
                        {
                            "token": "<the value>",
                            "type": "api_key",
                            "url": "https://code.example/file",
                            "source": "content",
                        }
                    ],
                ),
                security=NOBODY,
            )
        },
        **empty,
        "/v1/openapi.json": {
            "get": operation(
                "getDescription",
                OTHERS,
                "Get this description",
                {
                    "200": {
                        "description": "OpenAPI 3.1.",
                        "headers": TRACED,
                        "content": {
                            JSON: {
                                "schema": {
                                    "type": "object",
                                    "properties": {"openapi": {"const": "3.1.0"}},
                                    "required": ["openapi", "info", "paths", "components"],
                                }
                            }
                        },
                    }
                },
                security=NOBODY,
            )
        },
    }
