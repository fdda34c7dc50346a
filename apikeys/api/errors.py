"""IAM's two shapes of an error; iam-contract, section 3."""

import time
from datetime import UTC, datetime
from typing import TypeVar

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.translation import get_language

from apikeys.exceptions import ApiKeyError, TooManyAttempts
from apikeys.middleware import sentence

TOKEN_PATH = "/identity/"  # noqa: S105  (a path)
PATHS = ("/v1/", TOKEN_PATH)
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
CODES = {400: "bad_request", 404: "BXNIM0102E", 405: "BXNIM0060E", 413: "bad_request", 429: "too_many_requests"}

Response = TypeVar("Response", bound=HttpResponseBase)


def is_api(request: HttpRequest) -> bool:
    """Tell whether a request is for the API, whose errors are never pages."""
    return f"{request.path}/".startswith(PATHS)


def error_answer(request: HttpRequest, error: ApiKeyError) -> JsonResponse:
    """Return the error in the shape of its path, in the language of the request."""
    response = answer(request, error.status, error.code, sentence(error), details=getattr(error, "field", ""))
    if isinstance(error, TooManyAttempts):
        response.headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        is_token = request.path.startswith(TOKEN_PATH)
        response.headers["WWW-Authenticate"] = 'Basic realm="IAM"' if is_token else 'Bearer error="invalid_token"'
    return response


def status_answer(request: HttpRequest, status: int, message: str) -> JsonResponse:
    """Return the error for an HTTP status that no ApiKeyError stands for."""
    return answer(request, status, CODES.get(status, "internal_error"), message)


def answer(request: HttpRequest, status: int, code: str, message: str, *, details: str = "") -> JsonResponse:
    """Return an error; `details` names the offending field, header or parameter where there is one."""
    if f"{request.path}/".startswith(TOKEN_PATH):
        body = token_body(request, code, message, details)
    else:
        error = {"code": WORDS.get(code, code), "message_code": code, "message": message}
        body = {
            "errors": [error | ({"details": details} if details else {})],
            "status_code": status,
            "trace": getattr(request, "correlation_id", ""),
        }
    return with_headers(request, JsonResponse(body, status=status))


def with_headers(request: HttpRequest, response: Response) -> Response:
    """Set what every answer of the API carries."""
    response.headers["Cache-Control"] = NO_STORE
    response.headers["Transaction-Id"] = getattr(request, "correlation_id", "")
    return response


def token_body(request: HttpRequest, code: str, message: str, details: str = "") -> dict[str, object]:
    now = time.time()
    started = getattr(request, "started_at", now)
    body: dict[str, object] = {"errorCode": code, "errorMessage": message}
    if details:
        body["errorDetails"] = details
    return body | {
        "context": {
            "requestId": getattr(request, "correlation_id", ""),
            "requestType": f"incoming.{request.path.rpartition('/')[2].title()}",
            "userAgent": request.headers.get("User-Agent", "")[:255],
            "url": _url(request),
            "startTime": _moment(started),
            "endTime": _moment(now),
            "elapsedTime": str(int((now - started) * 1000)),
            "locale": (get_language() or "en").replace("-", "_"),
        }
    }


def _url(request: HttpRequest) -> str:
    """Return the full address, or only the path where this very answer refuses the Host header."""
    try:
        return request.build_absolute_uri(request.path)
    except DisallowedHost:
        return request.path


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d.%m.%Y %H:%M:%S:%f UTC")
