"""What a search finds, for stores that can't search by themselves; and how text is compared in every store."""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime

from apikeys.domain import HINT_LENGTH, ApiKey, ApiKeyQuery, Filters, Match

# Character classes for regular expressions. Blank are spaces, format characters, and letters or symbols that are drawn
# as nothing. Marks are drawn onto the character before them.
_BLANK = (
    r"\u0000-\u0020\u007f-\u00a0\u00ad\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    r"\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000e0000-\U000e0fff"
)
MARKS = r"\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
VISIBLE = rf"[^{_BLANK}{MARKS}]"
# Bidirectional controls: they reorder text beside a name, too.
DIRECTION_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# Small letters of other scripts that are drawn like a Latin one, and digits.
LOOK_ALIKES = str.maketrans("аеорсухіјѕԁһԛԝոսցαινορυ01", "aeopcyxijsdhqwnugaivopuol")

MATCHERS: dict[Match, Callable[[str, str], bool]] = {
    Match.CONTAINS: lambda text, wanted: wanted in text,
    Match.EQUALS: lambda text, wanted: text == wanted,
    Match.STARTS_WITH: lambda text, wanted: text.startswith(wanted),
}


def fold(text: str) -> str:
    """Return `text` as it is compared: compatibility forms joined, case ignored, in every script."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def shape(folded: str) -> str:
    """Return a text that is the same for folded names which look the same: spaces and what is invisible are ignored.

    Of letters that are alike in several scripts it knows the commonest.
    """
    return re.sub(f"[{_BLANK}]", "", folded).translate(LOOK_ALIKES).replace("l", "i")


def hint_end(search: str) -> str:
    """Return the end of a hint that a search may mean, "" where it can be none.

    It is as long as what a hint shows of a value's end; what is longer has the dots of the hint before that.
    """
    text = search.strip().replace("...", "…")
    return text if len(text) == HINT_LENGTH or text[:-HINT_LENGTH].endswith("…") else ""


def is_found(key: ApiKey, query: ApiKeyQuery) -> bool:
    """Tell whether a key is one that the query's search, conditions and filters look for."""
    wanted, end = fold(query.search), hint_end(query.search).casefold()
    is_hint = bool(end) and key.hint.casefold().endswith(end)
    if wanted not in fold(key.name) and wanted not in fold(key.description) and not is_hint:
        return False
    return passes(key, query.filters) and all(
        MATCHERS[condition.match](fold(str(getattr(key, condition.attribute))), fold(condition.text))
        for condition in query.conditions
    )


def passes(key: ApiKey, filters: Filters) -> bool:
    """Tell whether a key meets all that is given of the filters, now."""
    now = datetime.now(UTC)
    expires_before, used_before = filters.expires_before(now), filters.used_before(now)
    created_from, created_before = filters.created_from(), filters.created_before(now)
    return (
        filters.status in (None, key.status)
        and filters.leaked in (None, key.leaked)
        and (expires_before is None or (key.expires_at is not None and now < key.expires_at <= expires_before))
        and (used_before is None or key.last_used_at is None or key.last_used_at <= used_before)
        and filters.never_used in (None, key.last_used_at is None)
        and (created_from is None or key.created_at >= created_from)
        and (created_before is None or key.created_at <= created_before)
    )
