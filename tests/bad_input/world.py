"""Who sends bad requests, and what a refusal of them is."""

import json
from dataclasses import dataclass, field
from typing import Any

from apikeys.api import errors
from apikeys.api.errors import NO_STORE
from tests.bad_input.good import GOOD, JSON, Refusal, Request
from tests.cast import PASSWORD
from tests.databases import Look
from tests.forgery import BAD_TOKENS, Forge
from tests.programs import API_KEY_GRANT, Person, Program, Site
from tests.raw_http import Answer, send
from tests.waiting import until


@dataclass(repr=False)
class World:
    """Alice with a key and a service ID, and the names under which requests speak of them."""

    site: Site
    program: Program
    names: dict[str, str]
    forge: Forge | None = None  # for tokens that are none
    look: Look | None = None  # for those who ask what is stored
    version: object = None
    seen: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    def fill(self, text: str | bytes) -> bytes:
        """Return the bytes with what each `<name>` stands for."""
        found = text if isinstance(text, bytes) else text.encode("utf-8")
        for name, value in self.names.items():
            found = found.replace(f"<{name}>".encode(), value.encode())
        if found.startswith(b"Bearer <bad token: "):
            assert self.forge
            what = found.decode().removeprefix("Bearer <bad token: ").removesuffix(">")
            found = f"Bearer {BAD_TOKENS[what](self.forge)}".encode()
        return found

    def send(self, request: Request) -> Answer:
        body = request.body
        if body is not None:
            body = self.fill(body if isinstance(body, bytes) else json.dumps(body))
        headers = {name: self.fill(text) for name, text in request.headers.items() if text is not None}
        if request.target.strip("/") == "v1/leaks":
            signed = self.site.sign(body or b"")
            headers = {name: text.encode() for name, text in signed.items() if name not in request.headers} | headers
            if headers.get("Github-Public-Key-Signature") == b"<signature of another body>":
                headers |= {
                    "Github-Public-Key-Signature": self.site.sign(b"[]")["Github-Public-Key-Signature"].encode()
                }
        return send(self.site.url, request.method, self.fill(request.target).decode(), headers, body)

    def token_works(self) -> bool:
        return self.send(GOOD["listApiKeys"]).status == 200

    def stored(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all that the database holds, save what a use of a key and the clock change by themselves."""
        assert self.look
        if (version := self.look.version()) != self.version:
            self.version, self.seen = version, {query: self.look.sql(query) for query in STORED}
        return self.seen


COLUMNS_OF_KEYS = (
    "id, iam_id, account_id, created_by, created_at, modified_at, revision, entity_tag, name, description, "
    "name_folded, description_folded, pepper, digest, hint, locked, disabled, leaked, expires_at, support_sessions, "
    "action_when_leaked"
)
STORED = (
    f"SELECT {COLUMNS_OF_KEYS} FROM apikeys_apikeyrecord ORDER BY id",  # noqa: S608
    "SELECT * FROM apikeys_historyrecord ORDER BY id",
    "SELECT * FROM apikeys_serviceidrecord ORDER BY id",
    "SELECT * FROM apikeys_refreshtoken ORDER BY digest",
    "SELECT * FROM apikeys_signingkey ORDER BY kid",
    "SELECT id, iam_id, key_id, received_at FROM apikeys_handover ORDER BY id",
    "SELECT * FROM console_user ORDER BY id",
)


def make_world(site: Site) -> World:
    """Return a new Alice with a key and a service ID: all that good requests speak of."""
    site_alice = site.next_person("alice")
    tokens = site.token_request(
        client=True, grant_type="password", username=site_alice.username, password=PASSWORD
    ).json()
    program = site.with_token(tokens["access_token"])
    key = program.create_key("Alice's")
    key = program.post(f"/v1/apikeys/{key['id']}/rotate", json={}).json()
    names = {
        "token": program.token,
        "refresh_token": tokens["refresh_token"],
        "iam_id": site_alice.iam_id,
        "account": site_alice.account_id,
        "username": site_alice.username,
        "tag": key["entity_tag"],
        "key": key["id"],
        "value": key["apikey"],
        "service": service_of(program, site_alice),
        "request": refused_request_of(program, site),
    }
    return World(site, program, names)


def refused_request_of(program: Program, site: Site) -> str:
    """Return the id of a request that was refused, once it can be explained."""
    key = program.create_key("refused")
    program.post(f"/v1/apikeys/{key['id']}/disable")
    answer = site.token_request(grant_type=API_KEY_GRANT, apikey=key["apikey"])
    request_id = str(answer.headers["Transaction-Id"])
    until(lambda: program.get(f"/v1/apikeys/refusals/{request_id}").status_code == 200)
    return request_id


def service_of(program: Program, person: Person) -> str:
    """Return the id of a new service ID."""
    answer = program.post("/v1/serviceids", json={"name": "robot", "account_id": person.account_id})
    return str(answer.json()["id"])


def make_world_of_bad_requests(site: Site) -> World:
    """Return one with keys that do not work any more, too, and with Bob, who has a key and a service ID of his own."""
    world, site_bob = make_world(site), site.next_person("bob")
    program, bobs = world.program, site.log_in(site_bob)
    bobs_key = bobs.create_key("Bob's")
    world.names |= {
        "bobs_iam_id": site_bob.iam_id,
        "bobs_username": site_bob.username,
        "bobs_key": bobs_key["id"],
        "bobs_value": bobs_key["apikey"],
        "bobs_service": service_of(bobs, site_bob),
    }
    dying = {kind: program.create_key(kind) for kind in ("deleted", "disabled", "expired")}
    by_key = site.use(dying["deleted"]["apikey"]).token
    program.delete(f"/v1/apikeys/{dying['deleted']['id']}")
    program.post(f"/v1/apikeys/{dying['disabled']['id']}/disable")
    past = {"expires_at": "2020-01-31T18:00+0000"}
    program.put(f"/v1/apikeys/{dying['expired']['id']}", json=past, headers={"If-Match": "*"})
    world.names |= {f"{kind}_value": key["apikey"] for kind, key in dying.items()}
    dead_ids = {kind: key["id"] for kind, key in dying.items()} | {"somebody else's": bobs_key["id"]}
    world.forge = Forge.of(site, good=program.token, by_key=by_key, dead_key_ids=dead_ids, other_iam_id=site_bob.iam_id)
    return world


def complaints(answer: Answer, request: Request, refusal: Refusal, details: str) -> list[str]:
    """Return what is wrong with a refusal, in sentences without anything that was sent."""
    status, code = refusal
    if answer.status != status:
        return [f"its status is {answer.status}, not {status}; its code {code_of(answer)}"]
    if answer.headers.get("Content-Type") != JSON:
        return [f"it is {answer.headers.get('Content-Type')}"]
    body = answer.json
    is_token = request.target.startswith(("/identity", "/oidc", "/.well-known"))
    trace = answer.headers.get("Transaction-Id")
    wrong = {
        "it may be kept": answer.headers.get("Cache-Control") != NO_STORE,
        "it may be kept by HTTP/1.0": is_token and answer.headers.get("Pragma") != "no-cache",
        "it sets a cookie": "Set-Cookie" in answer.headers,
        "its trace is not its Transaction-Id": not trace or trace != answer.headers.get("X-Correlation-Id"),
        "a 401 says how to authenticate, another does not": ("WWW-Authenticate" in answer.headers) != (status == 401),
        "a 405 says what is allowed, another does not": ("Allow" in answer.headers) != (status == 405),
    }
    if status == 401:
        by_client = is_token and not request.target.startswith("/identity/userinfo")
        scheme = 'Basic realm="IAM"' if by_client else 'Bearer error="invalid_token"'
        wrong["WWW-Authenticate"] = answer.headers["WWW-Authenticate"] != scheme
    if is_token:
        context = body.get("context", {})
        wrong |= {
            "its shape": not {"errorCode", "errorMessage", "context"} <= body.keys()
            or body.keys() > {"errorCode", "errorMessage", "errorDetails", "context"},
            f"its code is {body.get('errorCode')}": body.get("errorCode") != code,
            "its sentence": not body.get("errorMessage"),
            f"its details are {body.get('errorDetails')!r}": body.get("errorDetails", "") != details,
            "its context": not all(isinstance(text, str) for text in context.values()) or len(context) != 8,
            "its requestId": context.get("requestId") != trace,
        }
    else:
        [error] = body.get("errors", [{}])
        wrong |= {
            "its shape": body.keys() != {"errors", "status_code", "trace"}
            or not {"code", "message_code", "message"}
            <= error.keys()
            <= {"code", "message_code", "message", "details"},
            f"its code is {error.get('message_code')}": error.get("message_code") != code,
            "its word": error.get("code") != errors.WORDS.get(code, code),
            "its sentence": not error.get("message"),
            f"its details are {error.get('details')!r}": error.get("details", "") != details,
            "its status_code": body.get("status_code") != status,
            "its trace": body.get("trace") != trace,
        }
    return [sentence for sentence, is_wrong in wrong.items() if is_wrong]


def code_of(answer: Answer) -> str:
    try:
        body = answer.json
        return str(body["errors"][0]["message_code"] if "errors" in body else body["errorCode"])
    except (ValueError, KeyError, TypeError):
        return "none"
