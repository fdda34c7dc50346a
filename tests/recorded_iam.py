"""The answers of IBM's IAM, in the shapes and the order that were recorded of it, from a store in memory.

Everybody has an account here, whatever their user ID: their IAM ID follows from it, their password is PASSWORD.
"""

import base64
import hashlib
import itertools
import json
import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from tests.cast import PASSWORD

PASSCODE = "aBcDeFgHiJ"
ACCOUNT, OTHER_ACCOUNT = "a" * 32, "b" * 32
TOKEN_SECONDS = 3600
CLIENT = "Basic " + base64.b64encode(b"bx:bx").decode()
ID_LETTERS = 10

Reply = tuple[int, dict[str, str], Any]


def iam_id_of(username: str) -> str:
    digits = hashlib.sha256(username.encode()).hexdigest().upper()
    return f"IBMid-{digits[:ID_LETTERS]}"


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    kind: str
    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def form(self) -> dict[str, str]:
        return {name: texts[0] for name, texts in parse_qs(self.body.decode()).items()}

    @property
    def query(self) -> dict[str, str]:
        return {name: texts[0] for name, texts in parse_qs(urlsplit(self.target).query).items()}

    @property
    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")


def kind_of(method: str, target: str, body: bytes = b"") -> str:
    """Return the operation: token, refresh, list, get, create, update, delete, lock, disable, limits, accounts…"""
    path = urlsplit(target).path
    if path == "/identity/token":
        return "refresh" if b"grant_type=refresh_token" in body else "token"
    if path.endswith(("/lock", "/disable", "/details")):
        return path.rpartition("/")[2]
    if path == "/v1/apikeys":
        return {"GET": "list", "POST": "create"}.get(method, "")
    if path.startswith("/v1/apikeys/"):
        return {"GET": "get", "PUT": "update", "DELETE": "delete"}.get(method, "")
    named = {"/identity/.well-known/openid-configuration": "discovery", "/coe/v2/accounts": "accounts"}
    return named.get(path, "limits" if path.endswith("/limits/identity") else "")


def v1_error(status: int, code: str, message_code: str, message: str) -> Reply:
    errors = [{"code": code, "message_code": message_code, "message": message, "details": ""}]
    body = {"trace": "trace-of-v1", "errors": errors, "status_code": status}
    return status, {"Transaction-Id": "trace-of-v1"}, body


def token_error(status: int, code: str, message: str, **more: object) -> Reply:
    context = {"requestId": "trace-of-token", "requestType": "incoming.Identity_Token", "url": "https://iam.test"}
    body = {"errorCode": code, "errorMessage": message, **more, "context": context}
    return status, {"Transaction-Id": "trace-of-token"}, body


UNAUTHORIZED = v1_error(401, "unauthorized", "BXNIM0308E", "The access token is not valid.")
NOT_FOUND = v1_error(404, "not_found", "BXNIM0102E", "Unable to find the API key.")
WRONG_PASSWORD = token_error(401, "BXNIM0602E", "The user ID or the password is not correct.")


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M+0000")


SETTABLE = ("locked", "disabled", "leaked", "activity", "support_sessions")


class RecordedIAM:
    """What the service knows. `limit` is for each identity; `refusals` are answers to log-ins by user ID."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.keys: dict[str, dict[str, Any]] = {}  # oldest first
        self.values: dict[str, str] = {}  # IAM ID by value
        self.bearers: dict[str, tuple[str, str]] = {}  # IAM ID and account by access token
        self.refreshers: dict[str, tuple[str, str]] = {}  # the same by refresh token; each works once
        self.secrets: set[str] = set()  # every value and token that was ever given out
        self.used_passcodes: set[str] = set()
        self.usernames: dict[str, str] = {}
        self.refusals: dict[str, Reply] = {}
        self.in_several_accounts: set[str] = set()
        self.administrators: set[str] = set()
        self.limit = 1000
        self.token_seconds = TOKEN_SECONDS
        self.offers_passcodes = True
        self.url = ""
        self._numbers = itertools.count(1)

    def expire_access_tokens(self) -> None:
        """From now on no access token is good that was given out before."""
        with self.lock:
            self.bearers.clear()

    def pair_for(self, username: str, account: str) -> dict[str, Any]:
        """Return what is answered to somebody's log-in, for one account."""
        with self.lock:
            body: dict[str, Any] = self._pair(username, account=account)[2]
        return body

    def add_key(self, iam_id: str, name: str, **fields: object) -> dict[str, Any]:
        """Keep another key and return it as it is listed."""
        key_id = f"ApiKey-{uuid.uuid4()}"
        key = {
            "id": key_id,
            "entity_tag": f"1-{secrets.token_hex(16)}",
            "crn": f"crn:v1:bluemix:public:iam-identity::a/{ACCOUNT}::apikey:{key_id}",
            "locked": False,
            "disabled": False,
            "created_at": fields.pop("created_at", now()),
            "created_by": iam_id,
            "modified_at": now(),
            **({"expires_at": fields.pop("expires_at")} if fields.get("expires_at") else {}),
            "support_sessions": False,
            "action_when_leaked": fields.pop("action_when_leaked", "none"),
            "name": name,
            "description": fields.pop("description", ""),
            "iam_id": iam_id,
            "account_id": fields.pop("account_id", ACCOUNT),
            "leaked": False,
        } | {field: found for field, found in fields.items() if field in SETTABLE}
        with self.lock:
            self.keys[key_id] = key
        return key

    def keys_of(self, iam_id: str) -> list[dict[str, Any]]:
        with self.lock:
            return [key for key in self.keys.values() if key["iam_id"] == iam_id]

    def answer(self, asked: Asked) -> Reply:
        with self.lock:
            if asked.kind in ("token", "refresh"):
                return self._token(asked)
            if asked.kind == "discovery":
                found = {"issuer": f"{self.url}/identity", "token_endpoint": f"{self.url}/identity/token"}
                return 200, {}, found | ({"passcode_endpoint": f"{self.url}/passcode"} if self.offers_passcodes else {})
            if asked.token not in self.bearers:
                return UNAUTHORIZED
            return self._operation(asked, *self.bearers[asked.token])

    # Tokens

    def _token(self, asked: Asked) -> Reply:
        form = asked.form
        grant = form.get("grant_type", "").rpartition(":")[2]
        if grant in ("password", "refresh_token") and asked.headers.get("Authorization") != CLIENT:
            return token_error(401, "BXNIM0308E", "No authorization header found.")
        if grant == "password":
            username = form.get("username", "")
            if username in self.refusals:
                return self.refusals[username]
            return self._pair(username) if form.get("password") == PASSWORD else WRONG_PASSWORD
        if grant == "passcode":
            username = form.get("passcode", "").removeprefix(f"{PASSCODE}-")
            if username in self.used_passcodes or username == form.get("passcode"):
                return token_error(400, "BXNIM0605E", "The passcode is not valid or was used.")
            self.used_passcodes.add(username)
            return self._pair(username)
        if grant == "apikey":
            iam_id = self.values.get(form.get("apikey", ""))
            username = self.usernames.get(iam_id or "", "somebody")
            unknown = token_error(400, "BXNIM0415E", "Provided API key could not be found.")
            return self._pair(username, iam_id) if iam_id else unknown
        return self._refreshed(form)

    def _refreshed(self, form: dict[str, str]) -> Reply:
        bearer = self.refreshers.get(form.get("refresh_token", ""))
        if bearer is None:
            return token_error(400, "BXNIM0407E", "Provided refresh token is invalid.")
        iam_id, account = bearer
        wanted = form.get("account", account)
        if wanted not in ("", ACCOUNT, OTHER_ACCOUNT):
            return token_error(400, "BXNIM0524E", "The user is not a member of the account.")
        del self.refreshers[form["refresh_token"]]
        return self._pair(self.usernames[iam_id], iam_id, wanted)

    def _pair(self, username: str, iam_id: str | None = None, account: str | None = None) -> Reply:
        iam_id = iam_id or iam_id_of(username)
        self.usernames[iam_id] = username
        if account is None:
            account = "" if username in self.in_several_accounts else ACCOUNT
        began = int(time.time())
        claims = {
            "iam_id": iam_id,
            "id": iam_id,
            "realmid": "IBMid",
            "jti": secrets.token_hex(16),
            "identifier": iam_id.partition("-")[2],
            "given_name": username.title(),
            "family_name": "Example",
            "name": f"{username.title()} Example",
            "email": f"{username}@example.com",
            "sub": username,
            "account": {"valid": True, "bss": account, "frozen": True} if account else {"valid": True},
            "iat": began,
            "exp": began + self.token_seconds,
            "iss": "https://iam.cloud.ibm.com/identity",
            "scope": "ibm openid",
        }
        parts = [json.dumps(part).encode() for part in ({"kid": "20260101", "alg": "RS256"}, claims)]
        access = ".".join(
            base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (*parts, secrets.token_bytes(32))
        )
        refresh = f"refresh-{secrets.token_urlsafe(48)}"
        self.bearers[access] = self.refreshers[refresh] = iam_id, account
        self.secrets |= {access, refresh}
        body = {"access_token": access, "refresh_token": refresh, "ims_user_id": 1, "token_type": "Bearer"}
        body |= {"expires_in": self.token_seconds, "expiration": began + self.token_seconds, "scope": "ibm openid"}
        return 200, {"Set-Cookie": f"sticky={secrets.token_hex(4)}; Path=/"}, body

    # Operations with an access token

    def _operation(self, asked: Asked, iam_id: str, account: str) -> Reply:
        if asked.kind == "list":
            return self._list(asked.query, iam_id)
        if asked.kind == "create":
            return self._create(asked, iam_id, account)
        if asked.kind == "limits":
            identities = [{"iam_id": iam_id, "count": len(self.keys_of(iam_id))}]
            return 200, {}, {"apikeys_per_identity": {"limit": self.limit, "identities": identities}}
        if asked.kind == "accounts":
            named = {ACCOUNT: "Example & Sons", OTHER_ACCOUNT: "Another"}
            rows = [{"metadata": {"guid": guid}, "entity": {"name": name}} for guid, name in named.items()]
            return 200, {}, {"next_url": None, "total_results": len(rows), "resources": rows}
        key = self.keys.get(urlsplit(asked.target).path.split("/")[3])
        if key is None or (key["iam_id"] != iam_id and iam_id not in self.administrators):
            return NOT_FOUND
        return self._about(asked, key)

    def _list(self, query: dict[str, str], iam_id: str) -> Reply:
        if query.get("scope") == "account":
            if iam_id not in self.administrators:
                return v1_error(403, "insufficient_permissions", "BXNIM0513E", "You are not authorized to do this.")
            found = list(self.keys.values())
        else:
            found = self.keys_of(iam_id)
        if query.get("sort") == "name":
            found.sort(key=lambda key: str(key["name"]))
        if query.get("order") == "desc":
            found.reverse()
        size, start = int(query.get("pagesize", 20)), int(query.get("pagetoken") or 0)
        here = f"{self.url}/v1/apikeys?" + urlencode({name: query[name] for name in query if name != "pagetoken"})
        body: dict[str, Any] = {"offset": start, "limit": size, "first": here}
        if start + size < len(found):
            body["next"] = f"{here}&pagetoken={quote(str(start + size))}"
        rows = [{name: key[name] for name in key if name != "activity"} for key in found[start : start + size]]
        return 200, {}, body | {"apikeys": rows}

    def _create(self, asked: Asked, iam_id: str, account: str) -> Reply:
        if len(self.keys_of(iam_id)) >= self.limit:
            return v1_error(422, "limit_reached", "BXNIM0151E", "The limit of API keys is reached.")
        fields = json.loads(asked.body)
        key = self.add_key(
            iam_id,
            fields["name"],
            description=fields.get("description", ""),
            expires_at=fields.get("expires_at"),
            action_when_leaked=fields.get("action_when_leaked", "none"),
            account_id=account or ACCOUNT,
            locked=asked.headers.get("Entity-Lock") == "true",
        )
        value = secrets.token_urlsafe(33)
        self.values[value] = iam_id
        self.secrets.add(value)
        before_leaked = {name: found for name, found in key.items() if name != "leaked"}
        return 201, {"ETag": key["entity_tag"]}, before_leaked | {"apikey": value, "leaked": False}

    def _about(self, asked: Asked, key: dict[str, Any]) -> Reply:
        if asked.kind in ("lock", "disable"):
            key["locked" if asked.kind == "lock" else "disabled"] = asked.method == "POST"
            return 204, {}, None
        conflict = v1_error(409, "conflict", "BXNIM0111E", "The API key was changed or is locked.")
        if asked.kind == "delete":
            if key["locked"]:
                return conflict
            del self.keys[key["id"]]
            return 204, {}, None
        if asked.kind == "update":
            if key["locked"] or asked.headers.get("If-Match") not in (key["entity_tag"], "*"):
                return conflict
            changes = json.loads(asked.body)
            key |= {name: changes[name] for name in ("name", "description") if name in changes}
            number = int(key["entity_tag"].partition("-")[0])
            key |= {"entity_tag": f"{number + 1}-{secrets.token_hex(16)}", "modified_at": now()}
        shown = {name: key[name] for name in key if name != "activity"}
        if asked.query.get("include_history") == "true":
            entry = {"timestamp": key["created_at"], "iam_id": key["created_by"], "iam_id_account": ACCOUNT}
            shown["history"] = [entry | {"action": "create", "params": [], "message": "API key created"}]
        if asked.query.get("include_activity") == "true":
            shown["activity"] = key.get("activity", {"authn_count": 0})
        return 200, {"ETag": key["entity_tag"]}, shown
