"""Moments as pages show them: in UTC, in the reader's language, and how far away they are.

A list has some fifty of them: what hardly differs from moment to moment is kept for each language.
"""

from datetime import UTC, date, datetime
from functools import cache, lru_cache
from html import escape

from django.utils import formats
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from console.relative_times import distance

TIME = '<time datetime="{at}">{text}</time>'
TIME_FAR_AWAY = '<time datetime="%(at)s">%(far)s <span class="exact">{exact}</span></time>'
MOST_DAYS = 4096  # whose words are kept: those of ten years


class Moments:
    """Writes moments in the language that is active, all of them as seen from the same now."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.language = get_language()
        self._exact = _exact(self.language)
        self._far_away = TIME_FAR_AWAY.format(exact=self._exact)

    def when(self, value: datetime | None) -> str:
        """Return how far away a moment is, with the moment itself in a line below, as HTML; or "Never"."""
        if value is None:
            return _("Never")
        at = _machine(value)
        far = escape(self.far(value))
        return SafeString(self._far_away % {"at": at, "far": far, "date": self._day(at), "time": at[11:16]})

    def written(self, value: datetime | None, *, clock: bool = False) -> str:
        """Return `14 Nov 2026` as HTML, or "Never"; `clock` adds hours and minutes."""
        if value is None:
            return _("Never")
        at = _machine(value)
        text = self._exact % {"date": self._day(at), "time": at[11:16]} if clock else self._day(at)
        return SafeString(TIME.format(at=at, text=text))

    def far(self, value: datetime) -> str:
        """Return "in 3 days" or "3 days ago"."""
        return distance((value - self.now).total_seconds(), self.language)

    def _day(self, at: str) -> str:
        return _escaped_day(at[:10], self.language)


def day(value: date, language: str | None) -> str:
    """Return `14 Nov 2026` in this language, which must be the active one."""
    return formats.date_format(value, _format(language))


def _machine(value: datetime) -> str:
    """Return a moment as ISO 8601 has it, in UTC and to the second: the day in ten characters comes first."""
    return (value if value.tzinfo is UTC else value.astimezone(UTC)).isoformat(timespec="seconds")


@lru_cache(maxsize=MOST_DAYS)
def _escaped_day(iso: str, language: str | None) -> str:
    return escape(day(date.fromisoformat(iso), language))


@cache
def _exact(language: str | None) -> str:
    # Translators: a date and a time of day.
    return escape(_("%(date)s, %(time)s UTC"))


@cache
def _format(language: str | None) -> str:
    # Translators: how a date is written in a table, in Django's format letters.
    return _("j M Y")
