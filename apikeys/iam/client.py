"""A client of IAM's API, IBM Cloud's or another console's; docs/iam-contract.md has the facts about IBM's."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from apikeys.exceptions import gettext_noop as _
from apikeys.iam import oauth
from apikeys.iam.transport import NOT_IAM, IAMError, IAMTransport, IAMUnavailable, json_of

PAGE_SIZE = 100
MAX_PAGES = 10_000
MAX_ACCOUNT_PAGES = 100
MAX_MOMENT = 1 << 40  # unix seconds; later ones are nonsense
TOKEN = re.compile(r"[!-~]+")
NOT_FOUND = 404
REPEATING = _("The server's list repeats itself.")

__all__ = ["IAMClient", "IAMError", "IAMUnavailable", "TokenPair", "page_token"]


@dataclass(frozen=True, slots=True)
class TokenPair:
    """`expiration` is in unix seconds; `refresh_token` is "" where the service gives none."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expiration: int


class IAMClient(IAMTransport):
    """The operations of one service. Reading is repeated after passing faults, creating a key never is."""

    # Tokens

    def log_in_with_password(self, username: str, password: str) -> TokenPair:
        return self._token({"grant_type": oauth.GRANT_PASSWORD, "username": username, "password": password})

    def log_in_with_api_key(self, value: str) -> TokenPair:
        return self._token({"grant_type": oauth.GRANT_API_KEY, "apikey": value})

    def log_in_with_passcode(self, passcode: str) -> TokenPair:
        return self._token({"grant_type": oauth.GRANT_PASSCODE, "passcode": passcode})

    def refresh(self, refresh_token: str, *, account_id: str = "") -> TokenPair:
        """Exchange a refresh token, for one account where the person has several."""
        form = {"grant_type": oauth.GRANT_REFRESH, "refresh_token": refresh_token}
        return self._token(form | ({"account": account_id} if account_id else {}))

    def _token(self, form: dict[str, str]) -> TokenPair:
        form["response_type"] = oauth.RESPONSE_TYPE
        answer = self.call_json("POST", "/identity/token", data=form, auth=oauth.PUBLIC_CLIENT, repeat=False)
        try:
            refresh_token = str(answer.get("refresh_token") or "")
            pair = TokenPair(
                str(answer["access_token"]),
                "" if refresh_token == oauth.NO_REFRESH_TOKEN else refresh_token,
                int(answer["expiration"]),
            )
            # A header can't say another kind of token, and would repeat it in its error.
            if not TOKEN.fullmatch(pair.access_token) or not 0 <= pair.expiration < MAX_MOMENT:
                raise ValueError
        except (KeyError, TypeError, ValueError, OverflowError):
            raise IAMUnavailable(NOT_IAM) from None
        self.access_token = pair.access_token
        return pair

    def revoke(self, token: str) -> None:
        """End an access token, or a refresh token with all that came of the same log-in (RFC 7009)."""
        self.call("POST", "/identity/revoke", data={"token": token}, auth=oauth.PUBLIC_CLIENT, repeat=False)

    def discover(self) -> dict[str, Any]:
        """Return the OpenID configuration; IBM's has a `passcode_endpoint`."""
        return self.call_json("GET", "/identity/.well-known/openid-configuration")

    def list_accounts(self, accounts_url: str) -> list[tuple[str, str]]:
        """Return id and name of each account that the person belongs to, as IBM's account service lists them."""
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
        raise IAMUnavailable(REPEATING)

    # Keys

    def list_api_keys(self, **parameters: str) -> Iterator[dict[str, Any]]:
        """Return every key, page by page. Raises IAMError; a listing that repeats itself is one."""
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
        raise IAMUnavailable(REPEATING)

    def api_key_page(self, **parameters: str) -> dict[str, Any]:
        """Return one page as IAM answers it; `apikeys` is a list of objects for certain. Raises IAMError."""
        query = {name: text for name, text in parameters.items() if text}
        answer = self.call_json("GET", "/v1/apikeys", params=query)
        keys = answer.get("apikeys")
        if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
            raise IAMUnavailable(NOT_IAM)
        if (token := page_token(answer, "next")) and token == parameters.get("pagetoken"):
            raise IAMUnavailable(REPEATING)
        return answer

    def get_api_key(self, key_id: str, *, history: bool = False) -> dict[str, Any]:
        query = {"include_activity": "true"} | ({"include_history": "true"} if history else {})
        return self.call_json("GET", _item(key_id), params=query)

    def get_api_key_by_value(self, value: str) -> dict[str, Any]:
        return self.call_json("GET", "/v1/apikeys/details", headers={"IAM-ApiKey": value})

    def create_api_key(
        self,
        body: dict[str, Any],
        *,
        locked: bool = False,
        disabled: bool = False,
        warnings: list[str] | None = None,
    ) -> dict[str, Any]:
        """Make a key; never repeated, because an answer that was lost may have been a success.

        The sentences of the answer's Warning are added to `warnings`.
        """
        headers = ({"Entity-Lock": "true"} if locked else {}) | ({"Entity-Disable": "true"} if disabled else {})
        answer = self.call("POST", "/v1/apikeys", json=body, headers=headers, repeat=False)
        if warnings is not None:
            warnings += answer.warnings
        return json_of(answer)

    def update_api_key(self, key_id: str, entity_tag: str, changes: dict[str, Any]) -> dict[str, Any]:
        return self.call_json("PUT", _item(key_id), json=changes, headers={"If-Match": entity_tag}, repeat=False)

    def delete_api_key(self, key_id: str) -> None:
        """End a key. One that is gone after an earlier attempt lost its answer was ended by that."""
        try:
            self.call_silent("DELETE", _item(key_id))
        except IAMError as exc:
            if exc.status != NOT_FOUND or not exc.may_have_happened:
                raise

    def set_locked(self, key_id: str, locked: bool) -> None:
        self.call_silent("POST" if locked else "DELETE", f"{_item(key_id)}/lock")

    def set_disabled(self, key_id: str, disabled: bool) -> None:
        self.call_silent("POST" if disabled else "DELETE", f"{_item(key_id)}/disable")

    def key_limits(self, account_id: str, iam_id: str) -> tuple[int, int]:
        """Return how many keys an identity may have, 0 for no limit, and how many it has."""
        path = f"/v1/accounts/{quote(account_id, safe='')}/limits/identity"
        answer = self.call_json("GET", path, params={"apikeys_per_identity": iam_id})
        try:
            limits = answer["apikeys_per_identity"]
            counts = {row["iam_id"]: int(row["count"]) for row in limits["identities"]}
            return int(limits["limit"]), counts[iam_id]
        except (KeyError, TypeError, ValueError, OverflowError):
            raise IAMUnavailable(NOT_IAM) from None


def page_token(answer: dict[str, Any], rel: str) -> str:
    """Return the `pagetoken` of the URL of a neighbouring page, "" where there is none."""
    try:
        return next(iter(parse_qs(urlsplit(str(answer.get(rel) or "")).query).get("pagetoken", [])), "")
    except ValueError:
        return ""


def _item(key_id: str) -> str:
    return f"/v1/apikeys/{quote(key_id, safe='')}"
