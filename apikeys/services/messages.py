"""What a service refused, in the reader's language."""

from django.utils.translation import gettext, ngettext

from apikeys.domain import BulkFailure
from apikeys.exceptions import ApiKeyError, TooManyAttempts


def sentence(error: ApiKeyError | BulkFailure) -> str:
    """Return the message in the reader's language; of too many attempts, with the minutes to wait."""
    if isinstance(error, TooManyAttempts):
        minutes = -(-error.retry_after // 60)
        return ngettext(
            "Too many attempts. Wait %(minutes)d minute, then try again.",
            "Too many attempts. Wait %(minutes)d minutes, then try again.",
            minutes,
        ) % {"minutes": minutes}
    message = gettext(error.message)
    return message % error.params if error.params else message
