"""All operations of the API: the paths of the OpenAPI description."""

from apikeys.api.openapi import links, shapes
from apikeys.api.openapi.components import (
    JSON,
    NOBODY,
    OTHERS,
    SHARED,
    TOKENS,
    TRACED,
    answer,
    body,
    operation,
    parameter,
)
from apikeys.api.openapi.key_paths import key_paths, service_id_paths
from apikeys.api.openapi.shapes import Schema
from apikeys.iam import oauth

FORM = "application/x-www-form-urlencoded"
TOKENS_EXAMPLE = {
    "access_token": "header.claims.signature",
    "refresh_token": oauth.NO_REFRESH_TOKEN,
    "token_type": "Bearer",
    "expires_in": 3600,
    "expiration": 1896116400,
    "scope": oauth.SCOPE,
}


def paths() -> dict[str, Schema]:
    """Return every path of apikeys/api/urls.py."""
    return key_paths() | service_id_paths() | token_paths() | other_paths()


def token_paths() -> dict[str, Schema]:
    return {
        "/identity/token": {"post": get_token("getToken", "Get an access token")},
        "/oidc/token": {"post": get_token("getTokenAtOldAddress", "Get an access token at the address used in 2018")},
        "/identity/introspect": {
            "post": operation(
                "introspect",
                TOKENS,
                "Check whether an access token or a key's value is valid",
                {"200": answer("Whether it is valid, and whose it is.", "Introspection", {"active": False})},
                ("BXNIM0109E", "BXNIM0106E", "bad_request", "unauthorized"),
                description="RFC 7662. The caller sends its own access token or API key.",
                body=body("IntrospectionRequest", {"token": "header.claims.signature"}, media_type=FORM),
                security=[{"bearer": []}, {"key": []}],
                token=True,
            )
        },
        "/identity/revoke": {
            "post": operation(
                "revoke",
                TOKENS,
                "Revoke an access token or a refresh token",
                {"200": answer("Revoked, or it was never valid.", "Nothing", {})},
                ("BXNIM0109E", "BXNIM0106E", "bad_request", "BXNIM0308E"),
                description="RFC 7009. A refresh token is revoked with all tokens of the same log-in: the later "
                "refresh tokens and their access tokens. An access token is revoked alone. Other properties "
                "are ignored.",
                body=body("RevocationRequest", {"token": "header.claims.signature"}, media_type=FORM),
                security=[{}, {"client": []}],
                token=True,
            )
        },
        "/identity/keys": {
            "get": operation(
                "getKeys",
                TOKENS,
                "Get the public keys that verify access tokens",
                {"200": answer("The keys.", "KeySet")},
                security=NOBODY,
                token=True,
            )
        },
        "/identity/userinfo": {
            "get": get_userinfo("getUserInfo", "Get the person or service ID of an access token"),
            "post": get_userinfo(
                "postUserInfo", "Get the person or service ID of an access token, by POST", posts=True
            ),
        },
        "/identity/.well-known/openid-configuration": get_discovery("getDiscovery"),
        "/.well-known/oauth-authorization-server/identity": get_discovery(
            "getServerMetadata", ", as RFC 8414 places it"
        ),
        "/.well-known/oauth-authorization-server": get_discovery(
            "getServerMetadataOfHost", ", for clients that leave the issuer's path out"
        ),
        "/.well-known/openid-configuration": get_discovery(
            "getDiscoveryOfHost", ", for clients that leave the issuer's path out (OpenID Connect)"
        ),
    }


def get_token(operation_id: str, summary: str) -> Schema:
    return operation(
        operation_id,
        TOKENS,
        summary,
        {"200": answer("The token.", "Tokens", TOKENS_EXAMPLE, links=links.from_token())},
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
        description="Only the client `bx` also gets a refresh token. Other properties are ignored.",
        body=body("TokenRequest", {"grant_type": oauth.GRANT_API_KEY, "apikey": "<the value>"}, media_type=FORM),
        security=[{}, {"client": []}],
        token=True,
    )


def get_userinfo(operation_id: str, summary: str, *, posts: bool = False) -> Schema:
    success = {"200": answer("The person or the service ID.", "UserInfo")}
    return operation(operation_id, TOKENS, summary, success, ("unauthorized",), token=True, posts=posts)


def get_discovery(operation_id: str, which: str = "") -> Schema:
    success = {"200": answer("OpenID Connect Discovery, and RFC 8414.", "Discovery")}
    return {
        "get": operation(
            operation_id, TOKENS, f"Get the addresses of the endpoints{which}", success, security=NOBODY, token=True
        )
    }


def other_paths() -> dict[str, Schema]:
    signature = {
        "Github-Public-Key-Identifier": "The entry in the server's LEAK_REPORT_KEYS that verifies the signature.",
        "Github-Public-Key-Signature": "ECDSA P-256 with SHA-256 over the body, DER, base64.",
    }
    collections = {"profiles": "Profiles", "profile_templates": "ProfileTemplates"}
    collections["account_settings_templates"] = "AccountSettingsTemplates"
    empty = {
        f"/v1/{path}": {
            "get": operation(
                f"list{name}",
                OTHERS,
                f"List {path.replace('_', ' ')} (always empty)",
                {
                    "200": {
                        "description": "An empty list.",
                        "headers": TRACED,
                        "content": {
                            JSON: {
                                "schema": shapes.record({path: shapes.list_of({}, maxItems=0)}),
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
                {"200": answer("A verdict on each value, in the order of the reports.", "LeakVerdicts")},
                ("bad_request", "unauthorized"),
                description="The partner notice of GitHub's secret scanning. A reported key is marked as leaked, then "
                "disabled or deleted if its action_when_leaked says so, even if it is locked. The signature is checked "
                "before the body is read.",
                parameters=[
                    parameter(name, "header", shapes.text(pattern=r"^[\u0021-\u007e]+$"), description, required=True)
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
