"""Names and descriptions, and how long what people write may be."""

from typing import NewType

NAME_MAX_LENGTH = 255
DESCRIPTION_MAX_LENGTH = 1000
MAX_CRNS = 100  # of one service ID
CRN_MAX_LENGTH = 1000
SCOPE_MAX_LENGTH = 1000
NETWORKS_MAX_LENGTH = 2000


def is_printable(text: str) -> bool:
    """Tell whether a text has neither control characters nor halves of characters, which no database takes."""
    return not any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in text)


# What services/validation.py lets through: services and stores take no other name, so that each is validated, once.
Name = NewType("Name", str)
Description = NewType("Description", str)
NO_DESCRIPTION = Description("")
