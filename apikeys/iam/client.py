"""A client of IAM's API, IBM Cloud's or another console's.

Its requests are those of IBM's SDK and command line; docs/iam-contract.md has the source of each fact, under *Keys* and
under *Tokens and log-in*.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from apikeys.exceptions import gettext_noop as _
from apikeys.iam import oauth, payloads
from apikeys.iam.transport import NOT_IAM, IAMError, IAMTransport, IAMUnavailable, json_of

PAGE_SIZE = 100  # the most that IAM takes
MAX_PAGES = 10_000
MAX_ACCOUNT_PAGES = 100
MAX_MOMENT = 1 << 40  # unix seconds; later ones are nonsense
TOKEN = re.compile(r"[!-~]+")
NOT_FOUND, NOT_IMPLEMENTED = 404, 501
KEYS = "/v1/apikeys"
ENDLESS_LIST = _("The server's list repeats itself.")
IGNORED = _("The server ignored %(names)s and listed other keys, which are not shown.")

__all__ = ["IAMClient", "IAMError", "IAMUnavailable", "TokenPair", "page_token"]


@dataclass(frozen=True, slots=True)
class TokenPair:
    """`expiration` is when the access token expires, in unix seconds; `refresh_token` is "" where IAM gives none."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expiration: int


class IAMClient(IAMTransport):
    """The operations of one IAM server.

    Every method raises IAMError with IAM's status, code and sentence where IAM refuses, and IAMUnavailable (status 503)
    where no answer comes in time, none that can be understood, or 429. A method names the statuses that mean something
    of its own; with each of them 401 is an access token that no longer works, 403 a missing role.

    Reading, deleting, locking and disabling are retried after transient faults; log-in, create and update are not.
    """

    # Tokens

    def log_in_with_password(self, username: str, password: str) -> TokenPair:
        """Log in, and use the access token from now on. Raises IAMError 400 or 401 for wrong credentials.

        Also for people who log in through a company or need a second factor: the error's `requirement` may say so.
        """
        return self._token({"grant_type": oauth.GRANT_PASSWORD, "username": username, "password": password})

    def log_in_with_api_key(self, value: str) -> TokenPair:
        """Log in as the owner of a key. Raises IAMError 400 for a value that no active key has."""
        return self._token({"grant_type": oauth.GRANT_API_KEY, "apikey": value})

    def log_in_with_passcode(self, passcode: str) -> TokenPair:
        """Log in with a passcode, which works once. Raises IAMError 400 or 401 for one that does not."""
        return self._token({"grant_type": oauth.GRANT_PASSCODE, "passcode": passcode})

    def refresh(self, refresh_token: str, *, account_id: str = "") -> TokenPair:
        """Exchange a refresh token, for one account where the person has several.

        It works once, and for 72 hours at most. Raises IAMError 400 or 401 where it no longer works.
        """
        form = {"grant_type": oauth.GRANT_REFRESH, "refresh_token": refresh_token}
        return self._token(form | ({"account": account_id} if account_id else {}))

    def _token(self, form: dict[str, str]) -> TokenPair:
        form["response_type"] = oauth.RESPONSE_TYPE
        sent = self.call("POST", "/identity/token", data=form, auth=oauth.PUBLIC_CLIENT, retry=False)
        answer, self.warnings = json_of(sent), sent.warnings
        try:
            refresh_token = str(answer.get("refresh_token") or "")
            pair = TokenPair(
                str(answer["access_token"]),
                "" if refresh_token == oauth.NO_REFRESH_TOKEN else refresh_token,
                int(answer["expiration"]),
            )
            # The HTTP library refuses a header with any other token, and quotes it in its error.
            if not TOKEN.fullmatch(pair.access_token) or not 0 <= pair.expiration < MAX_MOMENT:
                raise ValueError
        except (KeyError, TypeError, ValueError, OverflowError):
            raise IAMUnavailable(NOT_IAM) from None
        self.access_token = pair.access_token
        return pair

    def revoke(self, token: str) -> None:
        """End an access token, or a refresh token with all tokens of the same log-in (RFC 7009).

        Raises IAMError where the server has no such operation; IBM Cloud has none.
        """
        self.call("POST", "/identity/revoke", data={"token": token}, auth=oauth.PUBLIC_CLIENT, retry=False)

    def discover(self) -> dict[str, Any]:
        """Return the OpenID configuration; `passcode_endpoint` is there where people can get passcodes."""
        return self.call_json("GET", "/identity/.well-known/openid-configuration")

    def list_accounts(self, accounts_url: str) -> list[tuple[str, str]]:
        """Return id and name, "" for none, of each account that the person belongs to.

        `accounts_url` is the address of IBM's account service. Raises IAMUnavailable for a list of over 100 pages.
        """
        found: list[tuple[str, str]] = []
        path = "/coe/v2/accounts"
        for _page in range(MAX_ACCOUNT_PAGES):
            answer = self.call_json("GET", path, base=accounts_url.rstrip("/"))
            entries = answer.get("resources")
            for entry in entries if isinstance(entries, list) else []:
                with contextlib.suppress(KeyError, TypeError, AttributeError):
                    found.append((str(entry["metadata"]["guid"]), str(entry["entity"].get("name") or "")))
            path = str(answer.get("next_url") or "")
            if not path.startswith("/"):
                return found
        raise IAMUnavailable(ENDLESS_LIST)

    # Keys

    def list_api_keys(self, **parameters: str) -> Iterator[dict[str, Any]]:
        """Yield every key, page by page of 100; the parameters are those of a page.

        Raises IAMUnavailable for a list that repeats itself or has over 10,000 pages.
        """
        token, seen = "", set[str]()
        for _page in range(MAX_PAGES):
            answer = self.api_key_page(**{"pagesize": str(PAGE_SIZE), **parameters, "pagetoken": token})
            yield from answer["apikeys"]
            token = page_token(answer, "next")
            if not token:
                return
            if token in seen:
                break
            seen.add(token)
        raise IAMUnavailable(ENDLESS_LIST)

    def api_key_page(self, path: str = KEYS, /, **parameters: str) -> dict[str, Any]:
        """Return one page as IAM answers it; `apikeys` is checked to be a list of objects.

        The parameters are IAM's: `account_id`, `iam_id`, `scope`, `type`, `sort`, `order`, `pagesize` from 1 to 100,
        `pagetoken` (see `page_token`), and the filters and sorts of a console; empty ones are left out. Raises IAMError
        400 for a page token that has expired, 501 where the server ignored a filter or a sort.
        """
        query = {name: text for name, text in parameters.items() if text}
        answer = self.call_json("GET", path, params=query)
        keys = answer.get("apikeys")
        if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
            raise IAMUnavailable(NOT_IAM)
        if ignored := payloads.not_applied(query, answer):
            raise IAMError(IGNORED, status=NOT_IMPLEMENTED, names=", ".join(ignored))
        if (token := page_token(answer, "next")) and token == parameters.get("pagetoken"):
            raise IAMUnavailable(ENDLESS_LIST)
        return answer

    def export_page(self, **parameters: str) -> dict[str, Any]:
        """Return one page of an export in the same way. Raises IAMError 404 where the server makes none."""
        return self.api_key_page(f"{KEYS}/export", **parameters)

    def get_api_key(self, key_id: str, *, history: bool = False) -> dict[str, Any]:
        """Return a key with its last use, on request with its history. Raises IAMError 404."""
        query = {"include_activity": "true"} | ({"include_history": "true"} if history else {})
        return self.call_json("GET", _item(key_id), params=query)

    def get_api_key_by_value(self, value: str) -> dict[str, Any]:
        """Return the key that has this value. Raises IAMError 404."""
        return self.call_json("GET", "/v1/apikeys/details", headers={"IAM-ApiKey": value})

    def create_api_key(
        self,
        body: dict[str, Any],
        *,
        locked: bool = False,
        disabled: bool = False,
        warnings: list[str] | None = None,
    ) -> dict[str, Any]:
        """Create a key, and return it with its value as `apikey`; this answer alone has it.

        The sentences of the answer's Warning are added to `warnings`. Raises IAMError 400 for a bad field, 422 or
        whatever status with the code BXNIM0151E at the limit of keys. `may_have_happened` of an error tells that the
        answer was lost: the key may exist.
        """
        headers = ({"Entity-Lock": "true"} if locked else {}) | ({"Entity-Disable": "true"} if disabled else {})
        answer = self.call("POST", "/v1/apikeys", json=body, headers=headers, retry=False)
        if warnings is not None:
            warnings += answer.warnings
        return json_of(answer)

    def update_api_key(self, key_id: str, entity_tag: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Change the given members, and return the key.

        Raises IAMError 409 or 412 for a key that is locked or no longer has this entity tag, 404.
        """
        return self.call_json("PUT", _item(key_id), json=changes, headers={"If-Match": entity_tag}, retry=False)

    def delete_api_key(self, key_id: str) -> None:
        """Delete a key for good. Raises IAMError 409 or 412 for a locked one, 404.

        Not 404 after an attempt whose answer was lost: that attempt has deleted it.
        """
        try:
            self.call_empty("DELETE", _item(key_id))
        except IAMError as exc:
            if exc.status != NOT_FOUND or not exc.may_have_happened:
                raise

    def set_locked(self, key_id: str, locked: bool) -> None:
        """Lock a key against change and deletion, or unlock it. Raises IAMError 404."""
        self.call_empty("POST" if locked else "DELETE", f"{_item(key_id)}/lock")

    def set_disabled(self, key_id: str, disabled: bool) -> None:
        """Stop a key from authenticating, or let it. Raises IAMError 409 or 412 for a locked one, 404."""
        self.call_empty("POST" if disabled else "DELETE", f"{_item(key_id)}/disable")

    def change_api_keys(self, action: str, key_ids: list[str]) -> dict[str, Any]:
        """Do something to each of these keys, 100 at most; return `done`, how many, and `failed`, which and why.

        A deletion is not tried again where the answer was lost: what it has deleted would be told as gone.
        """
        body = {"action": action, "ids": key_ids}
        answer = self.call_json("POST", "/v1/apikeys/bulk", json=body, retry=action != "delete")
        if not isinstance(answer.get("failed"), list):
            raise IAMUnavailable(NOT_IAM)
        return answer

    def revoke_api_keys(self, owner: str = "") -> int:
        """Disable all keys of an owner, of everybody where nobody is named; return how many. Raises IAMError 403."""
        body = {"owner": owner} if owner else {"everybody": True}
        return int(self.call_json("POST", "/v1/apikeys/revoke", json=body).get("revoked", 0))

    def rotate_api_key(self, key_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Give a key a new value, and return it with that as `apikey`; this answer alone has it.

        Raises IAMError 404, 409 for a locked one and while an earlier value works.
        """
        return self.call_json("POST", f"{_item(key_id)}/rotate", json=body, retry=False)

    def end_previous_value(self, key_id: str) -> None:
        """End the previous value of a key. Raises IAMError 404 where none works, 409 for a locked key."""
        self.call_empty("DELETE", f"{_item(key_id)}/previous")

    def pause_api_key(self, key_id: str, seconds: int) -> dict[str, Any]:
        """Refuse a key for so many seconds, and return it. Raises IAMError 404, 409 for a locked one."""
        return self.call_json("POST", f"{_item(key_id)}/pause", json={"seconds": seconds})

    def resume_api_key(self, key_id: str) -> None:
        """End the pause of a key. Raises IAMError 404, 409 for a locked one."""
        self.call_empty("DELETE", f"{_item(key_id)}/pause")

    def deleted_api_keys(self) -> list[dict[str, Any]]:
        """Return the keys that were deleted lately, the latest first."""
        found = self.call_json("GET", "/v1/apikeys/deleted").get("apikeys")
        return found if isinstance(found, list) else []

    def restore_api_key(self, key_id: str) -> dict[str, Any]:
        """Bring back a deleted key, and return it. Raises IAMError 404, 409 for one that leaked, 422 at the limit."""
        return self.call_json("POST", f"{_item(key_id)}/restore")

    def api_key_usage(self, key_id: str) -> dict[str, Any]:
        """Return where a key is used and how often. Raises IAMError 404."""
        return self.call_json("GET", f"{_item(key_id)}/usage")

    def api_key_refusals(self, key_id: str) -> dict[str, Any]:
        """Return why a key is refused now, and was lately. Raises IAMError 404."""
        return self.call_json("GET", f"{_item(key_id)}/refusals")

    def explain_refusal(self, request_id: str) -> dict[str, Any]:
        """Return what was refused in the request of this id. Raises IAMError 404."""
        return self.call_json("GET", f"/v1/apikeys/refusals/{quote(request_id, safe='')}")

    def key_limits(self, account_id: str, iam_id: str) -> tuple[int, int]:
        """Return how many keys an identity may have, 0 for no limit, and how many it has. Raises IAMError 403, 404."""
        path = f"/v1/accounts/{quote(account_id, safe='')}/limits/identity"
        answer = self.call_json("GET", path, params={"apikeys_per_identity": iam_id})
        try:
            limits = answer["apikeys_per_identity"]
            counts = {row["iam_id"]: int(row["count"]) for row in limits["identities"]}
            return int(limits["limit"]), counts[iam_id]
        except (KeyError, TypeError, ValueError, OverflowError):
            raise IAMUnavailable(NOT_IAM) from None


def page_token(answer: dict[str, Any], rel: str) -> str:
    """Return the `pagetoken` in the URL of the `next` or `previous` page, "" where there is none."""
    try:
        return next(iter(parse_qs(urlsplit(str(answer.get(rel) or "")).query).get("pagetoken", [])), "")
    except ValueError:
        return ""


def _item(key_id: str) -> str:
    return f"/v1/apikeys/{quote(key_id, safe='')}"
