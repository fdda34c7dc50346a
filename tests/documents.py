"""Examples in documents: found where the reader sees them, run as the reader would, compared with what is shown."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANYTHING = "…"
RUN = ("sh", "bash", "console")

# What differs each time and has a length of its own, so that columns stay columns.
VARYING = [
    (re.compile(r"\bApiKey-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "ApiKey-ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d\+0000"), "DATE"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "ACCOUNT"),
]


@dataclass(frozen=True)
class Example:
    """A block to run, and the block after it that shows what it prints, "" where there is none."""

    language: str
    code: str
    shown: str


def blocks(page: Path) -> list[tuple[str, str]]:
    return FENCE.findall(page.read_text(encoding="utf-8"))


def examples(page: Path) -> list[Example]:
    found = blocks(page)
    following = [*found[1:], ("", "")]
    return [
        Example(language, code, shown if kind in ("", "json") else "")
        for (language, code), (kind, shown) in zip(found, following, strict=True)
        if language in RUN
    ]


def is_as_shown(shown: str, printed: str) -> bool:
    """Tell whether a text is what a document shows, "…" being any text on its line."""
    if shown.startswith("{"):
        return _is_alike(json.loads(shown), json.loads(printed))
    return _is_text_alike(shown, printed)


def _is_alike(shown: Any, found: Any) -> bool:
    if isinstance(shown, dict):
        return (
            isinstance(found, dict)
            and list(shown) == list(found)
            and all(_is_alike(shown[name], found[name]) for name in shown)
        )
    if isinstance(shown, str):
        return isinstance(found, str) and _is_text_alike(shown, found)
    return type(shown) is type(found) and shown == found


def _is_text_alike(shown: str, printed: str) -> bool:
    shown, printed = _steady(shown), _steady(printed)
    expected = ".+".join(re.escape(part) for part in shown.split(ANYTHING))
    return re.fullmatch(expected, printed) is not None


def _steady(text: str) -> str:
    for pattern, name in VARYING:
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))
