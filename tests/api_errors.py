"""Every error that the API can answer, from the code."""

from collections.abc import Iterator

from apikeys import exceptions
from apikeys.api import errors

# With an upstream this server has no API of its own.
UPSTREAM_ONLY = {
    exceptions.AccountNeeded,
    exceptions.BackendRefused,
    exceptions.BeingCreated,
    exceptions.CreationUnconfirmed,
    exceptions.LogInAgain,
    exceptions.LogInRefused,
    exceptions.NotOffered,
}


def known_codes() -> set[tuple[str, int]]:
    """Return code and status of each."""
    found = {(error.code, error.status) for error in _below(exceptions.ApiKeyError) if error not in UPSTREAM_ONLY}
    return found | {(code, status) for status, code in errors.CODES.items()}


def _below(error: type[exceptions.ApiKeyError]) -> Iterator[type[exceptions.ApiKeyError]]:
    if error.__module__ == exceptions.__name__:
        yield error
    for child in error.__subclasses__():
        yield from _below(child)
