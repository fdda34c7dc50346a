"""Errors of IAM's client, translated into those that every store raises."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from apikeys import exceptions
from apikeys.exceptions import gettext_noop as _
from apikeys.iam.client import IAMError, IAMUnavailable
from apikeys.iam.transport import NOT_IAM

OWN_ERROR = _("%(host)s reported an internal error: %(text)s (transaction %(trace)s). Try again shortly.")
REFUSED = _("%(host)s refused the request: %(text)s")


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn an IAMError into the ApiKeyError that every store raises for it."""
    try:
        yield
    except IAMError as exc:
        raise error_of(exc) from None


@contextmanager
def reject_malformed() -> Iterator[None]:
    """Turn a ValueError, raised while an answer is parsed, into BackendUnavailable: no IAM answers like that."""
    try:
        yield
    except ValueError:
        raise exceptions.BackendUnavailable(NOT_IAM) from None


@contextmanager
def mark_may_have_happened() -> Iterator[None]:
    """Mark each ApiKeyError: the change was made, and only its result could not be read."""
    try:
        yield
    except exceptions.ApiKeyError as exc:
        exc.may_have_happened = True
        raise


def error_of(exc: IAMError) -> exceptions.ApiKeyError:
    """Return what a store raises for an error of its client."""
    host, text = settings.IAM_HOST, str(exc)
    if isinstance(exc, IAMUnavailable):
        error: exceptions.ApiKeyError = exceptions.BackendUnavailable(exc.message, **exc.params)
    elif exc.status >= 500:
        error = exceptions.BackendUnavailable(OWN_ERROR, host=host, text=text, trace=exc.trace or "–")
    elif exc.status == 401:
        error = exceptions.LogInAgain(host=host)
    elif exc.status == 403:
        error = exceptions.NotAuthorized(REFUSED, host=host, text=text)
    elif exc.status == 404:
        error = exceptions.ApiKeyNotFound()
    else:
        error = exceptions.BackendRefused(exc.status, host=host, text=text, trace=exc.trace, reason=exc.code)
    error.may_have_happened = exc.may_have_happened
    return error
