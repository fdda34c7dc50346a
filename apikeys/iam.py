"""A client of IAM's API: IBM Cloud's, or a console's of this kind. The only module that knows `requests`.

Redirects are never followed, TLS is always verified, and neither a value nor a token is ever in a message.
"""

import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import requests
from requests.adapters import HTTPAdapter

from apikeys.exceptions import ApiKeyError
from apikeys.exceptions import gettext_noop as _

VERSION = "0.1.0"
CONNECT_SECONDS, READ_SECONDS = 5, 15
ATTEMPTS = 3
MAX_WAIT_SECONDS = 8.0
PAGE_SIZE = 100
MAX_PAGES = 10_000
RETRY_STATUSES = frozenset({429, 500, 502, 503, 504})
CLIENT = ("bx", "bx")  # the public client of IBM's command line
GRANT_API_KEY = "urn:ibm:params:oauth:grant-type:apikey"


class IAMError(ApiKeyError):
    """The service refused, or could not be understood. `trace` is its transaction id, "" without one."""

    def __init__(self, message: str, *, status: int, code: str = "", trace: str = "", **params: object) -> None:
        self.status, self.code, self.trace = status, code, trace
        super().__init__(message, **params)


class IAMUnavailable(IAMError):
    """No usable answer: whether the request had an effect is not known."""

    def __init__(self, message: str, **params: object) -> None:
        super().__init__(message, status=503, code="unavailable", trace="", **params)


@dataclass(frozen=True, slots=True)
class TokenPair:
    """`expiration` is in unix seconds; `refresh_token` is "" where the service gives none."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expiration: int


class IAMClient:
    """Calls to one service. Reading is repeated after passing faults, creating a key never is."""

    def __init__(self, url: str, access_token: str = "") -> None:
        self.url = url.rstrip("/")
        self.access_token = access_token
        self.session = requests.Session()
        self.session.headers["User-Agent"] = f"apikeys/{VERSION}"
        self.session.headers["Accept"] = "application/json"
        adapter = HTTPAdapter(pool_maxsize=32)
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)

    # Tokens

    def log_in_with_password(self, username: str, password: str) -> TokenPair:
        return self._token({"grant_type": "password", "username": username, "password": password})

    def log_in_with_api_key(self, value: str) -> TokenPair:
        return self._token({"grant_type": GRANT_API_KEY, "apikey": value})

    def log_in_with_passcode(self, passcode: str) -> TokenPair:
        return self._token({"grant_type": "urn:ibm:params:oauth:grant-type:passcode", "passcode": passcode})

    def refresh(self, refresh_token: str) -> TokenPair:
        return self._token({"grant_type": "refresh_token", "refresh_token": refresh_token})

    def _token(self, form: dict[str, str]) -> TokenPair:
        answer = self._json(self._send("POST", "/identity/token", data=form, auth=CLIENT, repeat=False))
        try:
            refresh_token = str(answer.get("refresh_token") or "")
            pair = TokenPair(
                str(answer["access_token"]),
                "" if refresh_token == "not_supported" else refresh_token,  # noqa: S105
                int(answer["expiration"]),
            )
        except (KeyError, TypeError, ValueError):
            raise IAMUnavailable(_("The server's answer is not one of IAM. Check the URL.")) from None
        self.access_token = pair.access_token
        return pair

    # Keys

    def list_api_keys(self, **parameters: str) -> Iterator[dict[str, Any]]:
        """Return every key, page by page. Raises IAMError; a listing that leads in a circle is one."""
        token, seen = "", set[str]()
        for _page in range(MAX_PAGES):
            query = {"pagesize": str(PAGE_SIZE), **parameters, **({"pagetoken": token} if token else {})}
            answer = self._json(self._send("GET", "/v1/apikeys", params=query))
            keys = answer.get("apikeys")
            if not isinstance(keys, list):
                raise IAMUnavailable(_("The server's answer is not one of IAM. Check the URL."))
            yield from keys
            token = next(iter(parse_qs(urlsplit(str(answer.get("next") or "")).query).get("pagetoken", [])), "")
            if not token:
                return
            if token in seen:
                break
            seen.add(token)
        raise IAMUnavailable(_("The server's list of keys leads in a circle."))

    def get_api_key(self, key_id: str) -> dict[str, Any]:
        return self._json(self._send("GET", _item(key_id), params={"include_activity": "true"}))

    def create_api_key(self, body: dict[str, Any], *, locked: bool = False) -> dict[str, Any]:
        """Make a key; never repeated, because an answer that was lost may have been a success."""
        headers = {"Entity-Lock": "true"} if locked else {}
        return self._json(self._send("POST", "/v1/apikeys", json=body, headers=headers, repeat=False))

    def update_api_key(self, key_id: str, entity_tag: str, changes: dict[str, Any]) -> dict[str, Any]:
        return self._json(
            self._send("PUT", _item(key_id), json=changes, headers={"If-Match": entity_tag}, repeat=False)
        )

    def delete_api_key(self, key_id: str) -> None:
        self._send("DELETE", _item(key_id))

    def set_locked(self, key_id: str, locked: bool) -> None:
        self._send("POST" if locked else "DELETE", f"{_item(key_id)}/lock")

    def set_disabled(self, key_id: str, disabled: bool) -> None:
        self._send("POST" if disabled else "DELETE", f"{_item(key_id)}/disable")

    # One request

    def _send(
        self, method: str, path: str, *, repeat: bool = True, headers: dict[str, str] | None = None, **request: Any
    ) -> requests.Response:
        """Return a successful answer. Raises IAMError for a refusal and IAMUnavailable for none."""
        request.setdefault("auth", self._authorise)
        for attempt in range(ATTEMPTS if repeat else 1):
            last = attempt == (ATTEMPTS if repeat else 1) - 1
            try:
                response = self.session.request(
                    method,
                    f"{self.url}{path}",
                    headers=headers,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                    allow_redirects=False,
                    **request,
                )
            except OSError as exc:  # of requests, or of the file with trusted certificates
                if last or not isinstance(exc, (requests.ConnectionError, requests.Timeout)):
                    raise self._unreachable(exc) from None
                _pause(attempt)
                continue
            if response.status_code in RETRY_STATUSES and not last:
                _pause(attempt, response.headers.get("Retry-After", ""))
                continue
            if not response.ok or response.is_redirect:
                raise _refusal(response)
            return response
        raise AssertionError("unreachable")

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # Said as `auth`, or else requests would put a password from ~/.netrc in its place.
        if self.access_token:
            request.headers["Authorization"] = f"Bearer {self.access_token}"
        return request

    def _unreachable(self, exc: OSError) -> IAMUnavailable:
        """Return the sentence for a request that got no answer; the library's own text may hold an address only."""
        if isinstance(exc, ValueError):  # requests' own errors about addresses
            return IAMUnavailable(_("The URL %(url)s can't be used."), url=self.url)
        host = urlsplit(self.url).netloc.rpartition("@")[2]
        is_ssl = isinstance(exc, requests.exceptions.SSLError)
        if (is_ssl and "CERTIFICATE_VERIFY_FAILED" in str(exc)) or not isinstance(exc, requests.RequestException):
            return IAMUnavailable(_("The certificate of %(host)s is not trusted."), host=host)
        if isinstance(exc, requests.exceptions.ProxyError):
            return IAMUnavailable(_("The proxy did not let the request through to %(host)s."), host=host)
        if isinstance(exc, requests.Timeout):
            return IAMUnavailable(_("%(host)s did not answer in time."), host=host)
        return IAMUnavailable(_("There is no connection to %(host)s. Check the URL and the network."), host=host)

    def _json(self, response: requests.Response) -> dict[str, Any]:
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise IAMUnavailable(_("The server's answer is not one of IAM. Check the URL."))
        return answer


def _item(key_id: str) -> str:
    return f"/v1/apikeys/{quote(key_id, safe='')}"


def _refusal(response: requests.Response) -> IAMError:
    """Return the error of an answer in either of IAM's shapes, with the service's own words."""
    trace = response.headers.get("Transaction-Id", "")
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        return IAMUnavailable(
            _("The server answered with status %(number)d and no explanation. Check the URL, or try again later."),
            number=response.status_code,
        )
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    message = first.get("message") or answer.get("errorMessage") or answer.get("message") or answer.get("error")
    code = first.get("message_code") or answer.get("errorCode") or first.get("code") or ""
    return IAMError(
        "%(text)s",
        status=response.status_code,
        code=str(code),
        trace=trace or str(answer.get("trace") or ""),
        text=str(message or response.reason),
    )


def _pause(attempt: int, retry_after: str = "") -> None:
    """Wait before the next attempt: as long as the server says, within a bound, else longer each time."""
    seconds = random.uniform(0.1, 0.3) * 2**attempt  # noqa: S311  (jitter, not a secret)
    if retry_after.isascii() and retry_after.isdigit():
        seconds = float(retry_after)
    elif retry_after:
        with contextlib.suppress(ValueError):
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
    time.sleep(min(max(seconds, 0.0), MAX_WAIT_SECONDS))
