"""IAM's two shapes of an error; docs/rest-api.md has both."""

import time
from datetime import UTC, datetime
from typing import TypeVar

from django.core.exceptions import BadRequest, DisallowedHost, SuspiciousOperation
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.utils.translation import get_language

from apikeys.api.answers import Answer, JsonAnswer
from apikeys.api.paths import is_token_path
from apikeys.exceptions import ApiKeyError, ScopeInsufficient, TokenRefused, TooManyAttempts
from apikeys.services.messages import sentence

# Requests that Django can't read: the fault is not in the code that a traceback shows.
UNREADABLE = (BadRequest, MultiPartParserError, SuspiciousOperation)
NO_STORE = "no-cache, no-store, must-revalidate"
WORDS = {
    "BXNIM0102E": "not_found",
    "BXNIM0105E": "delete_not_possible",
    "BXNIM0106E": "bad_request",
    "BXNIM0109E": "bad_request",
    "BXNIM0113E": "bad_request",
    "BXNIM0151E": "limit_reached",
    "BXNIM0513E": "forbidden",
    "BXNIM0060E": "method_not_allowed",
}
CODES = {
    400: "bad_request",
    403: "BXNIM0513E",
    404: "BXNIM0102E",
    405: "BXNIM0060E",
    413: "bad_request",
    415: "bad_request",
    429: "too_many_requests",
    503: "unavailable",
    507: "insufficient_storage",
}

Response = TypeVar("Response", bound=Answer)


def error_answer(request: HttpRequest, error: ApiKeyError) -> JsonAnswer:
    """Return the error in the shape of its path, in the language of the request."""
    response = answer(request, error.status, error.code, sentence(error), details=getattr(error, "field", ""))
    if isinstance(error, TooManyAttempts):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, ScopeInsufficient):
        response.headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{error.scope}"'
    if error.status == 401:
        by_client = isinstance(error, TokenRefused)
        response.headers["WWW-Authenticate"] = 'Basic realm="IAM"' if by_client else 'Bearer error="invalid_token"'
    return response


def status_answer(request: HttpRequest, status: int, message: str) -> JsonAnswer:
    """Return the error for an HTTP status that no ApiKeyError stands for."""
    return answer(request, status, CODES.get(status, "internal_error"), message)


def answer(request: HttpRequest, status: int, code: str, message: str, *, details: str = "") -> JsonAnswer:
    """Return an error; `details` names the offending field, header or parameter where there is one."""
    if is_token_path(request):
        body = token_body(request, code, message, details)
    else:
        error = {"code": WORDS.get(code, code), "message_code": code, "message": message}
        body = {
            "errors": [error | ({"details": details} if details else {})],
            "status_code": status,
            "trace": getattr(request, "correlation_id", ""),
        }
    return with_headers(request, JsonAnswer(body, status=status))


def with_headers(request: HttpRequest, response: Response) -> Response:
    """Set what every answer of the API carries."""
    response.headers["Cache-Control"] = NO_STORE
    if is_token_path(request):
        response.headers["Pragma"] = "no-cache"  # RFC 6749, section 5.1
    response.headers["Transaction-Id"] = getattr(request, "correlation_id", "")
    return response


def token_body(request: HttpRequest, code: str, message: str, details: str = "") -> dict[str, object]:
    now = time.time()
    started = getattr(request, "started_at", now)
    return {
        "errorCode": code,
        "errorMessage": message,
        **({"errorDetails": details} if details else {}),
        "context": {
            "requestId": getattr(request, "correlation_id", ""),
            "requestType": f"incoming.{request.path.rpartition('/')[2].title()}",
            "userAgent": request.META.get("HTTP_USER_AGENT", "")[:255],
            "url": _url(request),
            "startTime": _moment(started),
            "endTime": _moment(now),
            "elapsedTime": str(int((now - started) * 1000)),
            "locale": (get_language() or "en").replace("-", "_"),
        },
    }


def _url(request: HttpRequest) -> str:
    """Return the full address, or only the path where this very answer refuses the Host header."""
    try:
        return request.build_absolute_uri(request.path)
    except DisallowedHost:
        return request.path


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d.%m.%Y %H:%M:%S:%f UTC")
