"""The OpenAPI 3.1 description of everything under /v1 and /identity, made here and served at /v1/openapi.json."""

from functools import cache
from typing import Any

from django.conf import settings

from apikeys.api.answers import JsonAnswer
from apikeys.api.decorators import resource
from apikeys.api.openapi import components, paths
from apikeys.api.openapi.schemas import schemas
from apikeys.api.openapi.shapes import ENTITY_TAG, EXAMPLE_TAG, Schema, number, text

API_VERSION = "1"  # of the API, whatever the version of the program
ABOUT = """\
The part of IBM Cloud IAM's API that manages API keys. IBM's own SDKs work with it unchanged.

Exchange a key's value for an access token at `/identity/token`, and send it with every call of `/v1`. A token ends at \
once when its key or its person is deleted or disabled, or its password changes.

A key or a token may be limited to scopes. Without a scope it may do everything. With `apikeys:read` it may use the \
operations of `/v1` with GET, with `apikeys:write` all of them; with other names only, which stand for services behind \
this one, none.

Errors of `/v1` are `Errors`, those of `/identity` are `TokenError`; their messages are in the language of \
Accept-Language. An unknown address returns 404 `BXNIM0102E`, a method that an address does not have 405 `BXNIM0060E` \
with an Allow header, and a query parameter or form property given twice 400. Members and parameters that are not \
described here are ignored."""


def header(description: str, schema: Schema, *, required: bool = True) -> Schema:
    return {"required": required, "description": description, "schema": schema}


def basic(description: str) -> Schema:
    return {"type": "http", "scheme": "basic", "description": description}


HEADERS = {
    "Transaction-Id": header(
        "Identifies the request in the server's records. X-Correlation-Id is the same. An X-Correlation-Id that the "
        "client sends is recorded beside it.",
        text(pattern="^[0-9a-f]{32}$"),
    ),
    "Etag": header("The entity tag, as in the body.", text(pattern=ENTITY_TAG, examples=[EXAMPLE_TAG])),
    "WWW-Authenticate": header("How to authenticate.", text(pattern="^(Bearer|Basic) ")),
    "Scope-Needed": header(
        "RFC 6750. Present if the scope of the key or token is too narrow: the name that it lacks.",
        text(pattern='^Bearer error="insufficient_scope", scope="'),
        required=False,
    ),
    "Warning": header(
        "RFC 7234. Present after a creation if `store_value` was true (the value is not stored), if the owner has "
        "another key whose name looks the same, and if the key is a decoy; after an exchange or an introspection of a "
        "value that ends within 14 days.",
        text(pattern="^299 - "),
        required=False,
    ),
    "Retry-After": header("The number of seconds to wait.", number(minimum=1)),
}


@cache
def description(server_url: str, *, with_password: bool) -> dict[str, Any]:
    """Return the description for a server at this address; `with_password` as PASSWORD_GRANT says."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "API keys", "version": API_VERSION, "description": ABOUT},
        "servers": [{"url": server_url}],
        "tags": [{"name": name, "description": about} for name, about in components.TAGS.items()],
        "paths": paths.paths(),
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token from /identity/token.",
                },
                "client": basic("The public client of command lines: user `bx`, password `bx`."),
                "key": basic("User `apikey`, and a key's value as the password."),
            },
            "headers": HEADERS,
            "parameters": components.PARAMETERS,
            "responses": components.shared_responses(),
            "schemas": schemas(with_password=with_password),
        },
    }


def current() -> dict[str, Any]:
    """Return the description of this server."""
    return description(settings.PUBLIC_URL, with_password=settings.PASSWORD_GRANT)


view = resource(GET=lambda request: JsonAnswer(current()))
