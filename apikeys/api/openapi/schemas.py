"""What goes in and out of the API, as JSON Schema: the schemas of the OpenAPI description.

They are exact: what they allow is accepted, what they do not is refused, and an answer has no member that is not
here. tests/test_openapi.py and tests/test_schemathesis.py hold the code to them.
"""

from apikeys import scopes
from apikeys.api import bodies
from apikeys.api.bulk import ACTIONS
from apikeys.api.keys import MAX_COUNTED, PER_IDENTITY
from apikeys.api.openapi.components import EXAMPLE_CONTEXT
from apikeys.api.openapi.shapes import (
    PRINTABLE,
    UUID,
    Schema,
    about_iam_ids,
    account_id,
    boolean,
    crn,
    entity_tag,
    iam_id,
    iam_ids,
    id_of,
    list_of,
    moment,
    number,
    record,
    ref,
    request,
    second,
    text,
)
from apikeys.domain import (
    ALL_FILTERS,
    DESCRIPTION_MAX_LENGTH,
    MAX_OVERLAP,
    MAX_PAUSE,
    MOST_IN_REQUEST,
    MOST_PLACES,
    NAME_MAX_LENGTH,
    Reason,
    Status,
)
from apikeys.iam import oauth
from apikeys.iam.payloads import MAX_PAGE_SIZE, OWNER
from apikeys.identity import signing
from apikeys.services import leaks
from apikeys.usage.records import MOST_REFUSALS
from apikeys.values import MIN_OWN_VALUE

HISTORY = list_of(
    ref("HistoryEntry"), "Only with include_history. Oldest first; includes at least the creation.", minItems=1
)
API_KEY: Schema = {
    "id": id_of("ApiKey"),
    "entity_tag": entity_tag(),
    "crn": crn("apikey", f"ApiKey-{UUID}"),
    "locked": boolean("If true, the key can't be changed, disabled or deleted. It still authenticates."),
    "disabled": boolean("If true, the key does not authenticate."),
    "created_at": moment("When it was created."),
    "created_by": iam_id("Who created it."),
    "modified_at": moment("When it last changed."),
    "expires_at": moment("Only if the key expires. It no longer authenticates from then on."),
    "support_sessions": {"type": "boolean"},
    "action_when_leaked": {"enum": bodies.ACTIONS},
    "name": text(minLength=1, maxLength=NAME_MAX_LENGTH, examples=["terraform"]),
    "description": text('"" if there is none.', maxLength=DESCRIPTION_MAX_LENGTH, examples=["Applies changes"]),
    "iam_id": iam_id("The person or service ID it authenticates."),
    "account_id": account_id("The account of its owner."),
    "leaked": boolean("Whether it was found in public."),
    "scopes": list_of(text(), "Only if the key is limited to them.", minItems=1),
    "networks": list_of(text(), "Only if the key can't be used from everywhere.", minItems=1),
    "paused_until": second("Only while the key is paused. It authenticates again from then on."),
    "history": HISTORY,
    "activity": ref("Activity", "Only with include_activity."),
}
OPTIONAL = ("expires_at", "paused_until", "scopes", "networks")  # of a key
OWNER_IN_WORDS: Schema = {
    "owner": text('The name of its owner; "" if the server does not know it.'),
    "owner_user_id": text('The user ID of its owner; "" for a service ID.'),
}
EXPORTED = record(
    {
        **{name: API_KEY[name] for name in ("id", "name")},
        "hint": text("The first and last characters of its value."),
        "description": API_KEY["description"],
        **OWNER_IN_WORDS,
        "iam_id": API_KEY["iam_id"],
        "status": {"enum": [*map(str, Status)]},
        "locked": boolean("Whether it is locked."),
        "disabled": boolean("Whether it is disabled."),
        "leaked": API_KEY["leaked"],
        "created_at": second("When it was created."),
        "created_by": text("Who created it, an IAM ID."),
        "modified_at": second("When it last changed."),
        "expires_at": second("When it expires; null for never.") | {"type": ["string", "null"]},
        "last_used_at": second("When it was last used; null for never.") | {"type": ["string", "null"]},
        "use_count": number("How often it was used."),
        "scope": text('What it may do; "" for everything.'),
        "networks": text('From where it may be used; "" for everywhere.'),
    }
)
CREATED_API_KEY = {name: schema for name, schema in API_KEY.items() if name not in ("history", "activity")} | {
    "apikey": text("The value. Only this response contains it.", minLength=MIN_OWN_VALUE)
}
SERVICE_ID: Schema = {
    "id": id_of("ServiceId"),
    "iam_id": iam_id("`iam-` followed by the id. Owns the keys of the service ID."),
    "entity_tag": entity_tag(),
    "crn": crn("serviceid", f"ServiceId-{UUID}"),
    "locked": boolean("If true, the service ID can't be changed or deleted."),
    "created_at": moment("When it was created."),
    "modified_at": moment("When it last changed."),
    "account_id": account_id("Its account."),
    "name": text(minLength=1, maxLength=NAME_MAX_LENGTH, examples=["build server"]),
    "description": text('"" if there is none.', maxLength=DESCRIPTION_MAX_LENGTH),
    "unique_instance_crns": list_of(text(), "CRNs of the services that it is for, as its creator gave them."),
    "managed_by": iam_id("The person who manages it. While that person is deactivated its keys are refused."),
    "disabled": boolean("If true, its keys and their access tokens are refused."),
    "history": HISTORY,
    "activity": ref("Activity", "Only with include_activity. The uses of its keys, including deleted ones."),
}
TOKEN_CLAIMS = {
    "active": {"const": True},
    "token_type": {"const": "Bearer"},
    "iam_id": iam_id("The person or service ID it authenticates."),
    "iss": text(format="uri"),
    "iat": number(),
    "exp": number(),
}
PUBLIC_KEY = {
    "kty": {"enum": ["RSA", "EC"]},
    "alg": {"enum": list(signing.ALGORITHMS)},
    "kid": text(pattern="^[0-9a-f]{32}$"),
    "use": {"const": "sig"},
}
APPLIED = list_of(
    {"enum": [*sorted(ALL_FILTERS), OWNER, "sort"]},
    "The filters, and `sort` where IBM's service has no such sort, that this page obeys. Absent without any. An IAM "
    "that does not know them ignores them, and lacks this member.",
)
ENDPOINTS = (
    "issuer", "token_endpoint", "introspection_endpoint", "revocation_endpoint", "userinfo_endpoint", "jwks_uri",
    "passcode_endpoint",
)  # fmt: skip
SUPPORTED = (
    "grant_types", "response_types", "subject_types", "id_token_signing_alg_values", "token_endpoint_auth_methods",
    "revocation_endpoint_auth_methods", "scopes",
)  # fmt: skip


ACTIONS_OF_HISTORY = [
    "create", "update", "lock", "unlock", "disable", "enable", "leak", "leak_previous", "rotate", "end_previous",
    "extend_previous", "pause", "resume", "delete", "restore",
]  # fmt: skip
REASON: Schema = {"enum": [str(reason) for reason in Reason]}
PLACE = record(
    {
        "address": text('"" for all places beyond those that are counted apart.'),
        "client": text("The product that its User-Agent names."),
        "uses": number("The number of uses."),
        "refusals": number("The number of uses that were refused."),
        "value_number": number("The newest value that was used there; 1 is the value the key was created with."),
        "first_used_at": second("The first use."),
        "last_used_at": second("The last use."),
        "refused_at": second("The last refusal."),
        "reason": REASON | {"description": "Why it was refused last."},
    },
    optional=("first_used_at", "last_used_at", "refused_at", "reason"),
)


def lifecycle_schemas() -> Schema:
    """Return what speaks of a key's uses, refusals and values."""
    seconds: Schema = {"type": ["integer", "null"], "minimum": 0}
    return {
        "Rotation": request(
            {
                "overlap_seconds": seconds
                | {
                    "maximum": int(MAX_OVERLAP.total_seconds()),
                    "description": "How long the previous value goes on working; one day if absent.",
                },
                "until_ended": bodies.TRUE_OR_FALSE
                | {"description": "Let it work until you end it, in place of overlap_seconds."},
                "ask_at_end": bodies.TRUE_OR_FALSE
                | {"description": "Let it work past its end while it is used; the dashboard asks its owner."},
                "end_previous": bodies.TRUE_OR_FALSE
                | {"description": "End the value before it at once, if that still works. Refused without this."},
            }
        ),
        "BulkChange": request(
            {
                "action": {"enum": [*ACTIONS]},
                "ids": list_of(text(pattern=PRINTABLE), "The ids of the keys.", minItems=1, maxItems=MOST_IN_REQUEST),
            },
            required=("action", "ids"),
        ),
        "RevokeRequest": request(
            {
                "owner": text("Whose, by IAM ID, user ID, email or name.", pattern=PRINTABLE, type=["string", "null"]),
                "everybody": bodies.TRUE_OR_FALSE | {"description": "All keys of the account, in place of `owner`."},
            }
        ),
        "RevokeResult": record({"revoked": number("How many keys were disabled.")}),
        "BulkResult": record(
            {
                "done": number("To how many keys it was done."),
                "failed": list_of(
                    record(
                        {
                            "id": text(),
                            "name": text("Absent where the key is gone, or not yours to see."),
                            "code": text("The code that the request about this key alone would get."),
                            "message": text(),
                        },
                        optional=("name",),
                    )
                ),
            }
        ),
        "Pause": request(
            {
                "seconds": seconds
                | {
                    "minimum": 1,
                    "maximum": int(MAX_PAUSE.total_seconds()),
                    "description": "How long; five minutes if absent.",
                }
            }
        ),
        "DeletedApiKeys": record(
            {
                "apikeys": list_of(
                    record(
                        {name: schema for name, schema in API_KEY.items() if name not in ("history", "activity")}
                        | {
                            "deleted_at": second("When it was deleted."),
                            "deleted_by": text("Who deleted it; `leak-report` for a report of a leak."),
                            "gone_at": second("When it is gone for good."),
                            "restorable": boolean("Whether you can restore it."),
                        },
                        optional=OPTIONAL,
                    )
                )
            }
        ),
        "Usage": record(
            {
                "places": list_of(PLACE, "The latest first.", maxItems=MOST_PLACES),
                "days": list_of(
                    record(
                        {
                            "day": text("In UTC.", format="date"),
                            "uses": number("The number of uses."),
                            "refusals": number("The number of uses that were refused."),
                        }
                    ),
                    "The last thirty days, today last.",
                ),
                "rotation": record(
                    {
                        "ends_at": second("When the previous value ends. Absent if somebody has to end it."),
                        "awaits_answer": boolean("Whether its time is up and it works on because it is used."),
                        "clients": number("The number of clients that use the key."),
                        "moved": number("How many of them use the new value and no other."),
                        "waiting": list_of(PLACE, "The others, the latest first."),
                    },
                    optional=("ends_at",),
                ),
            },
            optional=("rotation",),
        ),
        "Why": record(
            {
                "cause": record(
                    {
                        "reason": REASON,
                        "by": text("Who did it, an IAM ID."),
                        "since": second("Since when."),
                        "until": second("Until when, for a pause."),
                    },
                    optional=("by", "since", "until"),
                ),
                "refusals": list_of(ref("Refusal"), "The latest first.", maxItems=MOST_REFUSALS),
            },
            optional=("cause",),
        ),
        "Refusals": record({"refusals": list_of(ref("Refusal"), minItems=1)}),
        "Refusal": record(
            {
                "apikey_id": id_of("ApiKey"),
                "request_id": text("The Transaction-Id of the answer."),
                "at": second("When it happened."),
                "reason": REASON,
                "value_number": number("Which of the key's values was sent; 1 is the first."),
                "address": text("Where the request came from."),
                "agent": text("Its User-Agent."),
            }
        ),
    }


ASKED_SCOPE = text(
    "What the token may do, with spaces between the names: less than the key or the log-in has, never more. If absent, "
    f"empty or `{scopes.EVERYTHING}`, all that it has.",
    examples=[scopes.READ],
)


def page_of(name: str, items: Schema, *, now_and_then: Schema | None = None, **more: Schema) -> Schema:
    """Return the schema of one page of a list; `more` are members that come first, those `now_and_then` may lack."""
    extra = now_and_then or {}
    url = text(format="uri")
    links = {
        "first": url | {"description": "The first page of this list."},
        "previous": url | {"description": "The previous page. Absent on the first page."},
        "next": url | {"description": "The next page, with its pagetoken. Absent on the last page."},
    }
    limit = number("The requested page size.", minimum=1, maximum=MAX_PAGE_SIZE)
    members = {**more, "limit": limit, **links, **extra, name: list_of(items)}
    return record(members, optional=("previous", "next", *extra))


def grant(name: str, fields: Schema, description: str) -> Schema:
    needed = {"grant_type": {"const": name}, **fields}
    return request({**needed, "scope": ASKED_SCOPE}, required=[*needed], description=description)


def grants(*, with_password: bool) -> list[Schema]:
    """Return what the token endpoint takes; `with_password` as the setting PASSWORD_GRANT says."""
    some: Schema = {"minLength": 1}
    by_password = grant(
        oauth.GRANT_PASSWORD,
        {"username": text(**some), "password": text(format="password", **some)},
        "A person's user ID and password, for command lines. Requires the Basic header of the client `bx`.",
    )
    return [
        grant(oauth.GRANT_API_KEY, {"apikey": text("A key's value.", **some)}, "An API key."),
        *([by_password] if with_password else []),
        grant(
            oauth.GRANT_PASSCODE,
            {"passcode": text(format="password", **some)},
            "A one-time passcode, which a person makes in the console. Requires the Basic header of the client `bx`.",
        ),
        grant(
            oauth.GRANT_REFRESH,
            {"refresh_token": text(**some)},
            "A refresh token, which works once. Requires the Basic header of the client `bx`.",
        ),
    ]


def schemas(*, with_password: bool) -> Schema:
    """Return all schemas by name, in the order that a reader wants."""
    return {
        "ApiKey": record(API_KEY, optional=(*OPTIONAL, "history", "activity")),
        "CreatedApiKey": record(CREATED_API_KEY, optional=OPTIONAL),
        "ListedApiKey": record(API_KEY | OWNER_IN_WORDS, optional=(*OPTIONAL, *OWNER_IN_WORDS, "history", "activity"))
        | {"description": "`owner` and `owner_user_id` only in lists of other people's keys."},
        "ApiKeyList": page_of("apikeys", ref("ListedApiKey"), now_and_then={"applied": APPLIED}),
        "ApiKeyExport": page_of("apikeys", EXPORTED, now_and_then={"applied": APPLIED}),
        "ApiKeyCreate": request(
            {
                "iam_id": iam_id("The owner: you, or a service ID that you manage."),
                "account_id": {
                    "type": ["string", "null"],
                    "description": "The account of the access token, which is also the default.",
                },
                **bodies.creation_schemas(bodies.API_KEY),
                "store_value": bodies.TRUE_OR_FALSE
                | {
                    "description": "True is refused for a person's key. For a service ID's key it is accepted, but "
                    "the value is not stored, and the header Warning says so."
                },
            },
            required=("iam_id", "name"),
        ),
        "ApiKeyUpdate": request(
            bodies.change_schemas(bodies.API_KEY),
            description="Members that are absent keep their values.",
        ),
        **lifecycle_schemas(),
        "HistoryEntry": record(
            {
                "timestamp": moment("When it happened."),
                "iam_id": text("Who did it; `leak-report` for a report of a leak."),
                "iam_id_account": text('That person\'s account; "" for a report of a leak.'),
                "action": {"enum": ACTIONS_OF_HISTORY},
                "params": list_of(
                    text(), "The name for a creation, the changed fields for an update, the places of a leak."
                ),
                "message": text(),
            }
        ),
        "Activity": record(
            {
                "last_authn": moment("When it was last used, at most one minute late. Absent if it was never used."),
                "authn_count": number("The number of uses."),
            },
            optional=("last_authn",),
        ),
        "Limits": record(
            {
                "apikeys_per_identity": record(
                    {
                        "limit": number("The limit. 0 means no limit."),
                        "identities": list_of(record({"iam_id": text(), "count": number()})),
                    }
                )
            }
        ),
        "LimitsRequest": request(
            {
                PER_IDENTITY: {
                    "anyOf": [
                        list_of(text(pattern=PRINTABLE), maxItems=MAX_COUNTED),
                        iam_ids(MAX_COUNTED),
                        {"type": "null"},
                    ],
                    "description": f"A list of IAM IDs, or a text: {about_iam_ids(MAX_COUNTED)}",
                }
            }
        ),
        "ServiceId": record(SERVICE_ID, optional=("history", "activity")),
        "CreatedServiceId": record(
            {name: schema for name, schema in SERVICE_ID.items() if name not in ("history", "activity")}
            | {"apikey": ref("CreatedApiKey", "Its first key, if the request asked for one.")},
            optional=("apikey",),
        ),
        "ServiceIdList": page_of(
            "serviceids",
            ref("ServiceId"),
            offset=number("The number of service IDs before this page."),
        ),
        "ServiceIdCreate": request(
            {
                "account_id": account_id("The token's account."),
                **bodies.creation_schemas(bodies.SERVICE_ID),
                "group_id": {"enum": ["", None], "description": "This server has no groups of service IDs."},
                "apikey": {
                    "anyOf": [request(bodies.creation_schemas(bodies.API_KEY), required=("name",)), {"type": "null"}],
                    "description": "A first key. The service ID and the key are created together or not at all.",
                },
            },
            required=("account_id", "name"),
        ),
        "ServiceIdUpdate": request(
            bodies.change_schemas(bodies.SERVICE_ID),
            description="Members that are absent keep their values.",
        ),
        "LeakReports": list_of(
            request(
                {
                    "token": text("The value, exactly as it was found."),
                    **{
                        name: {"description": "A text. Any other type is converted to text."}
                        for name in ("type", "url", "source")
                    },
                },
                required=("token",),
            ),
            maxItems=leaks.MAX_REPORTS,
        ),
        "LeakVerdicts": list_of(
            record(
                {
                    "token_hash": text("SHA-256 of the token, base64.", pattern="^[A-Za-z0-9+/]{43}=$"),
                    "token_type": text("The `type` of the report."),
                    "label": {
                        "enum": ["true_positive", "false_positive"],
                        "description": "Whether the value belongs to a key of this server.",
                    },
                }
            )
        ),
        "TokenRequest": {"oneOf": grants(with_password=with_password)},
        "Tokens": record(
            {
                "access_token": text(
                    "A signed JWT, to be sent as `Authorization: Bearer`.", pattern=r"^[\w-]+(\.[\w-]+){2}$"
                ),
                "refresh_token": text("`not_supported` without the Basic header of the client `bx`."),
                "token_type": {"const": "Bearer"},
                "expires_in": number("The lifetime in seconds."),
                "expiration": number("The end of the lifetime, in Unix seconds."),
                "scope": text(f"`{scopes.EVERYTHING}` for everything, else the names of what it allows.", minLength=1),
            }
        ),
        "IntrospectionRequest": request(
            {
                "token": text("An access token."),
                "apikey": text("A key's value. Takes precedence over `token`."),
                "client_address": text(
                    "The IP address of whoever shows the token or the value to the service that asks. Without it a key "
                    "that can't be used from everywhere is not valid."
                ),
            },
            anyOf=[
                {"required": [name], "properties": {name: {"minLength": 1}}, "description": f"With `{name}`."}
                for name in ("token", "apikey")
            ],
        ),
        "RevocationRequest": request(
            {"token": text("An access token or a refresh token.", minLength=1)}, required=("token",)
        ),
        "Nothing": record({}, description="An empty object."),
        "Introspection": {
            "oneOf": [
                record({"active": {"const": False}}, description="Not valid, for any reason."),
                record(
                    {
                        "active": {"const": True},
                        "iam_id": iam_id("The person or service ID it authenticates."),
                        "account": record({"bss": account_id("The account.")}),
                        "apikey_id": id_of("ApiKey"),
                        "apikey_name": text(),
                        "exp": number("When the key expires, in Unix seconds. Absent if it does not."),
                        "scope": text("What it may do, with spaces between the names. Absent for everything."),
                    },
                    optional=("exp", "scope"),
                    description="A valid value of a key.",
                ),
                request(
                    TOKEN_CLAIMS | {"aud": text("Whom the token is for. Absent unless the server sets an audience.")},
                    required=(*TOKEN_CLAIMS, "grant_type", "scope", "client_id"),
                    description="A valid access token, with its claims.",
                ),
            ]
        },
        "UserInfo": record(
            {
                "sub": text("The e-mail address or name of a person, or the identifier of a service ID."),
                "iam_id": iam_id("The person or service ID of the token."),
                "realmid": {"enum": ["IBMid", "iam"]},
                "identifier": text("The IAM ID without its prefix."),
                "given_name": text(),
                "family_name": text(),
                "name": text(),
                "email": text('"" if there is none.'),
                "account": record(
                    {"valid": {"const": True}, "bss": account_id("The account."), "frozen": {"const": True}}
                ),
            }
        ),
        "KeySet": record(
            {
                "keys": list_of(
                    request(
                        PUBLIC_KEY,
                        required=PUBLIC_KEY,
                        anyOf=[{"required": ["n", "e"]}, {"required": ["crv", "x", "y"]}],
                    )
                )
            },
            description="A JSON Web Key Set with the newest key first.",
        ),
        "Discovery": record(
            {
                **dict.fromkeys(ENDPOINTS, text(format="uri")),
                **dict.fromkeys((f"{name}_supported" for name in SUPPORTED), list_of(text(), minItems=1)),
            },
            description="OpenID Connect Discovery.",
        ),
        "Errors": record(
            {
                "errors": list_of(
                    record(
                        {
                            "code": text("The kind of error, in one word.", examples=["not_found"]),
                            "message_code": text("The error code.", examples=["BXNIM0102E"]),
                            "message": text("A sentence in the language of Accept-Language."),
                            "details": text("The property, parameter or header that was refused."),
                        },
                        optional=("details",),
                    ),
                    minItems=1,
                    maxItems=1,
                ),
                "status_code": {"type": "integer", "description": "The HTTP status."},
                "trace": text("The same as the header Transaction-Id."),
            },
            description="The response of /v1 to a request that it refuses.",
        ),
        "TokenError": record(
            {
                "errorCode": text("The error code.", examples=["BXNIM0415E"]),
                "errorMessage": text("A sentence in the language of Accept-Language."),
                "errorDetails": text("The property that was refused."),
                "context": record(dict.fromkeys(EXAMPLE_CONTEXT, text())),
            },
            optional=("errorDetails",),
            description="The response of /identity to a request that it refuses.",
        ),
    }
