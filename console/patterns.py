"""Patterns: parts of pages that templates/patterns/ draws once, and that are filled for each use.

They come with every page or stand there once for each row. HTML stays in templates; a use costs one formatting.
"""

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from html import escape
from typing import Any

from django.template import Context
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from console.context_processors import SHELL, shell_of

MOST_KEPT = 512
_MARK = "\0"  # in no text that is drawn: no request may have it

NOTHING: Mapping[str, str] = {}

Facts = Mapping[str, Hashable]


class Pattern:
    """A text with blanks, each of which has a name and may stand at several places."""

    def __init__(self, drawn: str) -> None:
        """Take a text that has the name of each blank between two marks."""
        parts = drawn.split(_MARK)
        self.names = parts[1::2]
        self.text = "%s".join(part.replace("%", "%%") for part in parts[::2])

    def filled(self, texts: Mapping[str, str]) -> SafeString:
        """Return the text with these in the blanks, as a template shows them: what is no SafeString is escaped."""
        safe = {name: text if type(text) is SafeString else escape(text) for name, text in texts.items()}
        return SafeString(self.text % tuple([safe[name] for name in self.names]))  # nosec B703  # escaped above


def draw(context: Context, name: str, texts: Mapping[str, str] = NOTHING, facts: Facts = NOTHING) -> SafeString:
    """Return a pattern, filled; `context` is that of the page around it.

    `facts` decide how it is drawn and must be few, for each combination is kept. In its template each of `texts` is
    true unless it is empty, and can be shown; more is not known of it there.
    """
    return _pattern_in(context, name, [text for text in texts if texts[text]], facts).filled(texts)


def draw_each(context: Context, name: str, uses: Sequence[Mapping[str, str]]) -> SafeString:
    """Return a pattern filled for each of these uses, one after the other; in its template each text is true."""
    if not uses:
        return SafeString("")
    return joined("", map(_pattern_in(context, name, uses[0]).filled, uses))


def joined(between: str, parts: Iterable[SafeString]) -> SafeString:
    """Return HTML one after the other; `between` is a text of the program."""
    return SafeString(between.join(parts))  # nosec B703  # types: each part is HTML


def rendered(name: str, context: Mapping[str, Any]) -> SafeString:
    """Return what a template draws without a request, and without white space around it."""
    return SafeString(render_to_string(name, dict(context)).strip())  # nosec B703  # a template escaped it


def _pattern_in(context: Context, name: str, texts: Iterable[str], facts: Facts = NOTHING) -> Pattern:
    shell = tuple((fact, context[fact]) for fact in SHELL)
    return _pattern(name, get_language(), shell, tuple(facts.items()), frozenset(texts))


@lru_cache(maxsize=MOST_KEPT)
def _pattern(
    name: str,
    language: str | None,
    shell: tuple[tuple[str, Any], ...],
    facts: tuple[tuple[str, Hashable], ...],
    texts: frozenset[str],
) -> Pattern:
    """Return a template as a pattern; a run of white space in it becomes one space."""
    blanks = {text: SafeString(f"{_MARK}{text}{_MARK}") for text in texts}  # nosec B703  # words of this program
    drawn = render_to_string(f"patterns/{name}.html", shell_of(**dict(shell)) | dict(facts) | blanks)
    return Pattern(re.sub(r"\s+", " ", drawn.strip()))
