"""What a name, a description and a new key may be."""

import re
from datetime import UTC, datetime

from apikeys.backends.search import DIRECTION_CONTROLS, MARKS, VISIBLE
from apikeys.domain import DESCRIPTION_MAX_LENGTH, NAME_MAX_LENGTH, ApiKeyDraft, Description, Name
from apikeys.exceptions import InvalidApiKey
from apikeys.exceptions import gettext_noop as _


def check_expiration(draft: ApiKeyDraft) -> None:
    """Raise InvalidApiKey for a new key whose end is in the past."""
    if draft.expires_at is not None and draft.expires_at <= datetime.now(UTC):
        raise InvalidApiKey("expires_at", _("The expiration date is in the past. Choose a later one."))


def clean_name(name: str) -> Name:
    """Return a name without surrounding white space.

    Raises InvalidApiKey: it needs a visible character and has 255 characters at most, no control characters and none
    that change the direction of text.
    """
    name = name.strip()
    if not name:
        raise InvalidApiKey("name", _("Enter a name."))
    name = _clean("name", name, NAME_MAX_LENGTH)
    if not re.search(VISIBLE, name):
        raise InvalidApiKey("name", _("The name has no visible character. Enter a name that people can see."))
    if re.match(f"[{MARKS}]", name):
        raise InvalidApiKey("name", _("The name begins with an accent that belongs to no letter. Type it again."))
    return Name(name)


def clean_description(description: str) -> Description:
    """Return a description without surrounding white space, "" for an empty one.

    Raises InvalidApiKey: it has 1,000 characters at most, and none that a name may not have.
    """
    return Description(_clean("description", description.strip(), DESCRIPTION_MAX_LENGTH))


def clean_sentence(sentence: str) -> str:
    """Return what a scope allows, in words, without surrounding white space.

    Raises InvalidApiKey: it has 1 to 255 characters, and none that a name may not have.
    """
    if not sentence.strip():
        raise InvalidApiKey("sentence", _("Say what the scope allows."))
    return _clean("sentence", sentence.strip(), NAME_MAX_LENGTH)


def _clean(field: str, text: str, limit: int) -> str:
    if len(text) > limit:
        raise InvalidApiKey(
            field, _("This has %(length)d characters. Use at most %(limit)d."), length=len(text), limit=limit
        )
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text):
        raise InvalidApiKey(field, _("This contains a control character. Remove it."))
    if any(character in DIRECTION_CONTROLS for character in text):
        raise InvalidApiKey(
            field, _("This contains an invisible character that changes the direction of text. Type it again.")
        )
    if any(0xD800 <= ord(character) < 0xE000 or character == "\ufffd" for character in text):
        raise InvalidApiKey(field, _("This contains an invalid character. Type it again."))
    return text
