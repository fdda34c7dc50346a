"""Requests to one IAM server: deadline, retry with back-off, limit of size, and its errors. Built on `requests`.

Redirects are never followed, TLS is always verified, no cookie is kept, and neither a value nor a token is
ever in a message.
"""

import contextlib
import json
import math
import random
import re
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.exceptions import NewConnectionError

from apikeys import VERSION
from apikeys.exceptions import ApiKeyError
from apikeys.exceptions import gettext_noop as _
from apikeys.iam.payloads import without_surrogates
from apikeys.iam.sockets import DeadlineAdapter
from apikeys.iam.timeouts import CALL_SECONDS, CONNECT_SECONDS, MAX_WAIT_SECONDS, READ_SECONDS

ATTEMPTS = 3
MAX_ANSWER_BYTES = 4 << 20  # a hundred of the longest keys; read as JSON it takes many times that
CHUNK_BYTES = 1 << 16
POOL_SIZE = 64
TOO_MANY_REQUESTS = 429
RETRY_STATUSES = frozenset({TOO_MANY_REQUESTS, 500, 502, 503, 504})

NOT_IAM = _("The server's response is not a valid IAM response. Check the URL.")
NOT_IN_TIME = _("%(host)s did not answer in time.")


class IAMError(ApiKeyError):
    """IAM refused. `status`, `code` and the sentence are its own, `trace` is its transaction id, "" for none.

    `detail` and `requirement` are what IAM adds to some refusals, such as that a second factor is needed, else "".
    """

    detail = requirement = ""

    def __init__(self, message: str, *, status: int, code: str = "", trace: str = "", **params: object) -> None:
        self.status, self.code, self.trace = status, code, trace
        super().__init__(message, **params)


class IAMUnavailable(IAMError):
    """No answer in time, or none that can be understood: status 503. `transient` tells whether a retry may help."""

    def __init__(
        self,
        message: str,
        *,
        may_have_happened: bool = False,
        transient: bool = False,
        trace: str = "",
        **params: object,
    ) -> None:
        super().__init__(message, status=503, code="unavailable", trace=trace, **params)
        self.may_have_happened, self.transient = may_have_happened, transient


_WARNING = re.compile(r'299 - "([^"]{1,200})"')  # RFC 7234, section 5.5


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, read within the limits of time and size."""

    status: int
    headers: "requests.structures.CaseInsensitiveDict[str]" = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def trace(self) -> str:
        return str(self.headers.get("Transaction-Id", ""))[:100]

    @property
    def warnings(self) -> list[str]:
        """The sentences that the server adds to a success."""
        return _WARNING.findall(self.headers.get("Warning", ""))

    def json(self) -> dict[str, Any] | None:
        """Return the JSON object, or None where the body is anything else."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


def json_of(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of a successful answer. Raises IAMUnavailable where it has none."""
    found = answer.json()
    if found is None:
        raise IAMUnavailable(NOT_IAM, may_have_happened=True, trace=answer.trace)
    return found


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Hide redirects, which are not followed: `requests` would read the whole body of one, whatever its size."""
        return


@cache
def shared_session() -> requests.Session:
    """Return this process's pool of connections. It keeps no cookies, because people share it."""
    session = _Session()
    session.headers["User-Agent"] = f"apikeys/{VERSION}"
    session.headers["Accept"] = "application/json"
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = DeadlineAdapter(pool_maxsize=POOL_SIZE)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class IAMTransport:
    """Sends requests to one server, and retries after transient faults what is safe to retry: twice, after a pause.

    Every call ends by `deadline`, in seconds of time.monotonic, and after 45 seconds at the latest.
    """

    def __init__(self, url: str, access_token: str = "", *, deadline: float = math.inf) -> None:
        self.url = url.rstrip("/")
        self.access_token = access_token
        self.deadline = deadline

    def call_json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Return the JSON object of a successful answer. Raises IAMError."""
        return json_of(self.call(method, path, **request))

    def call_empty(self, method: str, path: str) -> None:
        """Send a request whose answer has no body. Raises IAMError; an answer with a body is IAMUnavailable."""
        answer = self.call(method, path)
        if answer.body:
            raise IAMUnavailable(NOT_IAM, may_have_happened=True, trace=answer.trace)

    def call(self, method: str, path: str, *, base: str = "", retry: bool = True, **request: Any) -> Answer:
        """Return a successful answer. Raises IAMError for a refusal, IAMUnavailable where there is no answer."""
        base = base or self.url
        deadline = min(self.deadline, time.monotonic() + CALL_SECONDS)
        attempts = ATTEMPTS if retry else 1
        may_have_happened = False
        if time.monotonic() >= deadline:
            raise IAMUnavailable(NOT_IN_TIME, host=_host(base))
        for attempt in range(1, attempts + 1):
            try:
                answer = self._exchange(method, f"{base}{path}", deadline, **request)
            except (OSError, urllib3.exceptions.HTTPError) as exc:  # OSError: also of the file with certificates
                unreachable = _unreachable(exc, base)
                failure: IAMError = unreachable
                is_transient = unreachable.transient
                wait = _pause(attempt)
            else:
                if 200 <= answer.status < 300:
                    return answer
                failure = _refusal(answer, base)
                is_transient = answer.status in RETRY_STATUSES
                wait = _pause(attempt, answer.headers.get("Retry-After", ""))
            may_have_happened = (failure.may_have_happened or may_have_happened) and method != "GET"
            failure.may_have_happened = may_have_happened
            if attempt == attempts or not is_transient or time.monotonic() + wait >= deadline:
                raise failure
            time.sleep(wait)
        raise AssertionError("unreachable")

    def _exchange(self, method: str, url: str, deadline: float, **request: Any) -> Answer:
        """Make one attempt and return the complete answer. Raises OSError or urllib3's HTTPError without one."""
        left = max(0.1, deadline - time.monotonic())
        request.setdefault("auth", self._authorise)
        with shared_session().request(
            method,
            url,
            timeout=urllib3.Timeout(left, min(CONNECT_SECONDS, left), min(READ_SECONDS, left)),  # type: ignore[arg-type]
            allow_redirects=False,
            stream=True,
            **request,
        ) as response:
            body = bytearray()
            while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise requests.exceptions.ContentDecodingError
            return Answer(response.status_code, response.headers, bytes(body))

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # Without an `auth`, requests would send a password from ~/.netrc instead.
        if self.access_token:
            request.headers["Authorization"] = f"Bearer {self.access_token}"
        return request


def _unreachable(exc: Exception, url: str) -> IAMUnavailable:
    """Return the error of an attempt without an answer, without the library's text: that may quote what was sent."""
    if isinstance(exc, ValueError):  # requests' own errors about addresses
        return IAMUnavailable(_("The URL %(url)s can't be used."), url=url)
    if isinstance(exc, requests.exceptions.ContentDecodingError):
        return IAMUnavailable(NOT_IAM, may_have_happened=True)
    host = _host(url)
    is_ssl = isinstance(exc, requests.exceptions.SSLError)
    is_library = isinstance(exc, (requests.RequestException, urllib3.exceptions.HTTPError))
    if (is_ssl and "CERTIFICATE_VERIFY_FAILED" in str(exc)) or not is_library:
        return IAMUnavailable(_("The certificate of %(host)s is not trusted."), host=host)
    if isinstance(exc, requests.exceptions.ProxyError):
        return IAMUnavailable(_("The proxy did not let the request through to %(host)s."), transient=True, host=host)
    if isinstance(exc, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        sent = not isinstance(exc, requests.ConnectTimeout)
        return IAMUnavailable(NOT_IN_TIME, may_have_happened=sent, transient=True, host=host)
    cause = exc.args[0] if exc.args else None  # the error of urllib3 that one of requests wraps
    if isinstance(getattr(cause, "reason", None), NewConnectionError):
        return IAMUnavailable(
            _("There is no connection to %(host)s. Check the URL and the network."), transient=True, host=host
        )
    return IAMUnavailable(
        _("%(host)s closed the connection before it answered."),
        may_have_happened=True,
        transient=True,
        host=host,
    )


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _refusal(answer: Answer, url: str) -> IAMError:
    """Return the error that an answer tells, in IAM's own words; IAM has two shapes of it (docs/iam-contract.md)."""
    found = answer.json()
    if answer.status == TOO_MANY_REQUESTS:
        words = _("%(host)s is receiving too many requests. Wait a moment, then try again.")
        return IAMUnavailable(words, trace=answer.trace, host=_host(url))
    if found is None or answer.status < 400:  # a redirect is not followed, whatever it says
        return IAMUnavailable(
            _("The server answered with status %(number)d and no explanation. Check the URL, or try again later."),
            may_have_happened=answer.status >= 500,
            trace=answer.trace,
            number=answer.status,
        )
    errors = found.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    message = first.get("message") or found.get("errorMessage") or found.get("message") or found.get("error")
    code = first.get("message_code") or found.get("errorCode") or first.get("code") or ""
    error = IAMError(
        "%(text)s",
        status=answer.status,
        code=str(code),
        trace=answer.trace or str(found.get("trace") or "")[:100],
        text=without_surrogates(str(message or f"HTTP {answer.status}"))[:1000],
    )
    error.may_have_happened = answer.status >= 500
    error.detail = str(first.get("details") or found.get("errorDetails") or "")[:1000]
    requirements = found.get("requirements")
    if isinstance(requirements, dict):
        error.requirement = " ".join(str(requirements.get(name) or "")[:200] for name in ("code", "error"))
    return error


def _pause(attempt: int, retry_after: str = "") -> float:
    """Return the seconds to back off before the next attempt: what Retry-After says, else longer each time.

    Where that is more than a person waits for, infinity: to ask earlier would only add to the server's load.
    """
    seconds = random.uniform(0.1, 0.3) * 2.0 ** (attempt - 1)  # noqa: S311  (jitter, not a secret)
    if retry_after.isascii() and retry_after.isdigit():
        seconds = float(retry_after[:9])
    elif retry_after:
        with contextlib.suppress(ValueError, OverflowError):
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
    return max(seconds, 0.0) if seconds <= MAX_WAIT_SECONDS else math.inf
