"""What a service refused, in the reader's language."""

from django.utils.translation import gettext

from apikeys.domain import BulkFailure
from apikeys.exceptions import ApiKeyError


def sentence(error: ApiKeyError | BulkFailure) -> str:
    """Return the message in the reader's language."""
    message = gettext(error.message)
    return message % error.params if error.params else message
