"""The text of a cursor in a URL: the API's `pagetoken`, and `at` of the pages; no Django."""

import base64
import json

from apikeys.domain import Cursor, is_printable


def write_cursor(cursor: Cursor) -> str:
    """Return the cursor as a text of A-Z a-z 0-9 _ and -."""
    text = json.dumps([cursor.position, cursor.key_id, int(cursor.backward)], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """Return the cursor that was written so. Raises ValueError for any other text."""
    try:
        decoded = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        position, key_id, backward = json.loads(decoded.decode())
    except (ValueError, TypeError, RecursionError):
        raise ValueError("not a cursor") from None
    if not (isinstance(position, str) and isinstance(key_id, str) and backward in (0, 1)):
        raise ValueError("not a cursor")
    if not is_printable(position + key_id):
        raise ValueError("not a cursor that a database can look for")
    return Cursor(position, key_id, bool(backward))
