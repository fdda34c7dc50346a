"""What a search finds, for stores that can't search by themselves; and how text is compared in every store."""

import unicodedata
from collections.abc import Callable

from apikeys.domain import ApiKey, ApiKeyQuery, Condition, Match
from apikeys.values import HINT_LENGTH

MATCHERS: dict[Match, Callable[[str, str], bool]] = {
    Match.CONTAINS: lambda text, wanted: wanted in text,
    Match.EQUALS: lambda text, wanted: text == wanted,
    Match.STARTS_WITH: lambda text, wanted: text.startswith(wanted),
}


def fold(text: str) -> str:
    """Return `text` as it is compared: compatibility forms joined, case ignored, in every script."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def names_version(if_match: str, entity_tag: str) -> bool:
    """Tell whether an If-Match header, or an entity tag alone, stands for this version: quoted, weak, one of a list."""
    if if_match.strip() == "*":
        return True
    tags = (tag.strip().removeprefix("W/") for tag in if_match.split(","))
    return entity_tag in (tag[1:-1] if len(tag) > 1 and tag[0] == tag[-1] == '"' else tag for tag in tags)


def hint_end(search: str) -> str:
    """Return what the hint of a key ends with that a search is for, "" for a search too short to tell keys apart."""
    text = search.strip().replace("...", "…")
    return text if len(text) >= HINT_LENGTH else ""


def is_found(key: ApiKey, query: ApiKeyQuery) -> bool:
    """Tell whether a key is one that the query's search and conditions look for."""
    wanted, end = fold(query.search), hint_end(query.search).casefold()
    is_hint = bool(end) and key.hint.casefold().endswith(end)
    if wanted not in fold(key.name) and wanted not in fold(key.description) and not is_hint:
        return False
    return all(_meets(key, condition) for condition in query.conditions)


def _meets(key: ApiKey, condition: Condition) -> bool:
    return MATCHERS[condition.match](fold(str(getattr(key, condition.attribute))), fold(condition.text))
