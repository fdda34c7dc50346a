"""All operations of the API: the paths of the OpenAPI description."""

from functools import partial

from apikeys import scopes
from apikeys.api.openapi import components, links, shapes
from apikeys.api.openapi.components import NOBODY, answer, body, operation, parameter
from apikeys.api.openapi.key_paths import key_operations, service_id_operations
from apikeys.api.openapi.lifecycle_paths import lifecycle_operations
from apikeys.api.openapi.shapes import Schema
from apikeys.iam import oauth

FORM = "application/x-www-form-urlencoded"
TOKENS_EXAMPLE = {
    "access_token": "header.claims.signature",
    "refresh_token": oauth.NO_REFRESH_TOKEN,
    "token_type": "Bearer",
    "expires_in": 3600,
    "expiration": 1896116400,
    "scope": scopes.EVERYTHING,
}
DISCOVERY = {
    "/identity/.well-known/openid-configuration": ("getDiscovery", ""),
    "/.well-known/oauth-authorization-server/identity": ("getServerMetadata", ", as RFC 8414 places it"),
    "/.well-known/oauth-authorization-server": (
        "getServerMetadataOfHost",
        ", for clients that leave the issuer's path out",
    ),
    "/.well-known/openid-configuration": (
        "getDiscoveryOfHost",
        ", for clients that leave the issuer's path out (OpenID Connect)",
    ),
}
EMPTY = {
    "profiles": "Profiles",
    "profile_templates": "ProfileTemplates",
    "account_settings_templates": "AccountSettingsTemplates",
}
of_tokens = partial(operation, components.TOKENS, token=True)
of_others = partial(operation, components.OTHERS)


def paths() -> dict[str, Schema]:
    """Return every path of apikeys/api/urls.py, with its operations by method."""
    found: dict[str, Schema] = {}
    for address, described in (
        key_operations() | lifecycle_operations() | service_id_operations() | token_operations() | other_operations()
    ).items():
        method, path = address.split()
        found.setdefault(path, {})[method.lower()] = described
    return found


def token_operations() -> dict[str, Schema]:
    get_token = partial(
        of_tokens,
        success=answer("The token.", "Tokens", TOKENS_EXAMPLE, warned=True, links=links.FROM_TOKEN),
        codes=[code for code in components.TOKEN_REFUSALS if code != "unauthorized"],
        description="Only the client `bx` also gets a refresh token. Other properties are ignored.",
        body=body("TokenRequest", {"grant_type": oauth.GRANT_API_KEY, "apikey": "<the value>"}, media_type=FORM),
        security=[{}, {"client": []}],
    )
    person = answer("The person or the service ID.", "UserInfo")
    return {
        "POST /identity/token": get_token("getToken", "Get an access token"),
        "POST /oidc/token": get_token("getTokenAtOldAddress", "Get an access token at the address used in 2018"),
        "POST /identity/introspect": of_tokens(
            "introspect",
            "Check whether an access token or a key's value is valid",
            answer("Whether it is valid, and whose it is.", "Introspection", {"active": False}, warned=True),
            ("BXNIM0109E", "BXNIM0106E", "bad_request", "unauthorized", "too_many_requests"),
            description="RFC 7662. The caller sends its own access token or API key.",
            body=body("IntrospectionRequest", {"token": "header.claims.signature"}, media_type=FORM),
            security=[{"bearer": []}, {"key": []}],
        ),
        "POST /identity/revoke": of_tokens(
            "revoke",
            "Revoke an access token or a refresh token",
            answer("Revoked, or it was never valid.", "Nothing", {}),
            ("BXNIM0109E", "BXNIM0106E", "bad_request", "BXNIM0308E"),
            description="RFC 7009. A refresh token is revoked with all tokens of the same log-in: the later "
            "refresh tokens and their access tokens. An access token is revoked alone. Other properties "
            "are ignored.",
            body=body("RevocationRequest", {"token": "header.claims.signature"}, media_type=FORM),
            security=[{}, {"client": []}],
        ),
        "GET /identity/keys": of_tokens(
            "getKeys", "Get the public keys that verify access tokens", answer("The keys.", "KeySet"), security=NOBODY
        ),
        "GET /identity/userinfo": of_tokens(
            "getUserInfo", "Get the person or service ID of an access token", person, ("unauthorized",)
        ),
        "POST /identity/userinfo": of_tokens(
            "postUserInfo",
            "Get the person or service ID of an access token, by POST",
            person,
            ("unauthorized",),
            posts=True,
        ),
    } | {
        f"GET {path}": of_tokens(
            operation_id,
            f"Get the addresses of the endpoints{which}",
            answer("OpenID Connect Discovery, and RFC 8414.", "Discovery"),
            security=NOBODY,
        )
        for path, (operation_id, which) in DISCOVERY.items()
    }


def other_operations() -> dict[str, Schema]:
    signature = {
        "Github-Public-Key-Identifier": "The entry in the server's LEAK_REPORT_KEYS that verifies the signature.",
        "Github-Public-Key-Signature": "ECDSA P-256 with SHA-256 over the body, DER, base64.",
    }
    report = {"token": "<the value>", "type": "api_key", "url": "https://code.example/file", "source": "content"}
    description = {
        "type": "object",
        "properties": {"openapi": {"const": "3.1.0"}},
        "required": ["openapi", "info", "paths", "components"],
    }
    return {
        "POST /v1/leaks": of_others(
            "reportLeaks",
            "Report values found in public",
            answer("A verdict on each value, in the order of the reports.", "LeakVerdicts"),
            ("bad_request", "unauthorized"),
            description="The partner notice of GitHub's secret scanning. A reported key is marked as leaked, then "
            "disabled or deleted if its action_when_leaked says so, even if it is locked. The signature is checked "
            "before the body is read.",
            parameters=[
                parameter(name, "header", shapes.text(pattern=shapes.VISIBLE_ASCII), what, required=True)
                for name, what in signature.items()
            ],
            body=body("LeakReports", [report]),
            security=NOBODY,
        ),
        **{
            f"GET /v1/{path}": of_others(
                f"list{name}",
                f"List {path.replace('_', ' ')} (always empty)",
                answer("An empty list.", shapes.record({path: shapes.list_of({}, maxItems=0)}), {path: []}),
                ("bad_request", "unauthorized"),
                parameters=["AccountId"],
            )
            for path, name in EMPTY.items()
        },
        "GET /v1/openapi.json": of_others(
            "getDescription", "Get this description", answer("OpenAPI 3.1.", description), security=NOBODY
        ),
    }
