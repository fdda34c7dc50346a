"""IAM's two shapes of an error; iam-contract, section 3."""

import time
from datetime import UTC, datetime

from django.http import HttpRequest, JsonResponse
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


def is_api(request: HttpRequest) -> bool:
    """Tell whether a request is for the API, whose errors are never pages."""
    return request.path.startswith(PATHS)


def error_answer(request: HttpRequest, error: ApiKeyError) -> JsonResponse:
    """Return the error in the shape of its path, in the language of the request."""
    response = answer(request, error.status, error.code, sentence(error))
    if isinstance(error, TooManyAttempts):
        response.headers["Retry-After"] = str(error.retry_after)
    if error.status == 401 and not request.path.startswith(TOKEN_PATH):
        response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return response


def status_answer(request: HttpRequest, status: int, message: str) -> JsonResponse:
    """Return the error for an HTTP status that no ApiKeyError stands for."""
    return answer(request, status, CODES.get(status, "internal_error"), message)


def answer(request: HttpRequest, status: int, code: str, message: str) -> JsonResponse:
    if request.path.startswith(TOKEN_PATH):
        body = token_body(request, code, message)
    else:
        body = {
            "errors": [{"code": WORDS.get(code, code), "message_code": code, "message": message}],
            "status_code": status,
            "trace": getattr(request, "correlation_id", ""),
        }
    return with_headers(request, JsonResponse(body, status=status))


def with_headers(request: HttpRequest, response: JsonResponse) -> JsonResponse:
    """Set what every answer of the API carries."""
    response.headers["Cache-Control"] = NO_STORE
    response.headers["Transaction-Id"] = getattr(request, "correlation_id", "")
    return response


def token_body(request: HttpRequest, code: str, message: str) -> dict[str, object]:
    now = time.time()
    started = getattr(request, "started_at", now)
    return {
        "errorCode": code,
        "errorMessage": message,
        "context": {
            "requestId": getattr(request, "correlation_id", ""),
            "requestType": f"incoming.{request.path.rpartition('/')[2].title()}",
            "userAgent": request.headers.get("User-Agent", "")[:255],
            "url": request.build_absolute_uri(request.path) if request.META.get("HTTP_HOST") else request.path,
            "startTime": _moment(started),
            "endTime": _moment(now),
            "elapsedTime": str(int((now - started) * 1000)),
            "locale": (get_language() or "en").replace("-", "_"),
        },
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d.%m.%Y %H:%M:%S:%f UTC")
