"""Moments as pages show them: in the reader's time zone and language, with UTC beside it, and how far away they are.

A list has some fifty of them: what hardly differs from moment to moment is kept for each language.
"""

from datetime import UTC, date, datetime, tzinfo
from functools import cache, lru_cache
from html import escape, unescape

from django.utils import formats, timezone
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from console.relative_times import distance

TIME = '<time datetime="%s"%s>%s</time>'
TIME_FAR_AWAY = '<time datetime="%s"%s>%s <span class="exact">%s</span></time>'
TITLE = ' title="%s"'
MINUS = "\N{MINUS SIGN}"  # unlike a hyphen, it ends no line
MOST_DAYS = 4096  # whose words are kept: those of ten years


class Moments:
    """Writes moments in the time zone and the language that are active, all of them as seen from the same now."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.language = get_language()
        self.zone: tzinfo = timezone.get_current_timezone()
        self._exact, self._brief = _exact(self.language), _brief(self.language)

    def when(self, value: datetime | None) -> str:
        """Return how far away a moment is, with what `brief` returns in a line below, as HTML; or "Never"."""
        if value is None:
            return _("Never")
        at, here = self._read(value)
        far = escape(self.far(value))
        return _html(TIME_FAR_AWAY, at, self._title(at, here), far, self._brief_text(at, here))

    def brief(self, value: datetime) -> str:
        """Return `14 Nov 2026, 14:05` as HTML, UTC being its title; where clocks show UTC, `14 Nov 2026, 13:05 UTC`."""
        at, here = self._read(value)
        return _html(TIME, at, self._title(at, here), self._brief_text(at, here))

    def written(self, value: datetime | None, *, clock: bool = False) -> str:
        """Return `14 Nov 2026` as HTML, or "Never"; `clock` adds hours and minutes, with UTC as the title."""
        if value is None:
            return _("Never")
        at, here = self._read(value)
        text, title = (self._text(here), self._title(at, here)) if clock else (self._day(here), "")
        return _html(TIME, at, title, text)

    def written_twice(self, value: datetime | None) -> str:
        """Return `14 Nov 2026, 14:05 UTC+1 (13:05 UTC)` as HTML, where the day differs with both; or "Never"."""
        if value is None:
            return _("Never")
        at, here = self._read(value)
        utc = _clock(at) if at[:10] == here[:10] else self._text(at)
        return _html(TIME, at, "", self._beside(at, here, self._text(here), utc))

    def plain(self, value: datetime) -> str:
        """Return `14 Nov 2026, 14:05 UTC+1`, as text."""
        _at, here = self._read(value)
        return unescape(self._text(here))

    def time_of_day(self, value: datetime) -> str:
        """Return `14:05:30 UTC+1 (13:05:30 UTC)` as HTML; to machines it says fractions of a second, too."""
        at, here = self._read(value)
        text = self._beside(at, here, _clock(here, 19), _clock(at, 19))
        return _html(TIME, value.isoformat(), "", text)

    def far(self, value: datetime) -> str:
        """Return "in 3 days" or "3 days ago"."""
        return distance((value - self.now).total_seconds(), self.language)

    def _read(self, value: datetime) -> tuple[str, str]:
        """Return a moment as ISO 8601 has it, to the second: in UTC, and as the reader's clock shows it."""
        at = (value if value.tzinfo is UTC else value.astimezone(UTC)).isoformat("T", "seconds")
        if self.zone is UTC:
            return at, at
        try:
            return at, value.astimezone(self.zone).isoformat("T", "seconds")
        except OverflowError:  # no calendar has what a clock there will show
            return at, at

    def _text(self, iso: str) -> str:
        return self._exact.format(_escaped_day(iso[:10], self.language), iso[11:16], _offset(iso[19:]))

    def _brief_text(self, at: str, here: str) -> str:
        return self._text(at) if at == here else self._brief.format(self._day(here), here[11:16])

    def _title(self, at: str, here: str) -> str:
        return "" if at == here else TITLE % self._text(at)

    def _beside(self, at: str, here: str, text: str, utc: str) -> str:
        return text if at == here else _pair(self.language) % {"here": text, "utc": utc}

    def _day(self, iso: str) -> str:
        return _escaped_day(iso[:10], self.language)


def _html(element: str, *texts: str) -> SafeString:
    return SafeString(element % texts)  # nosec B703  # numbers, and words that are escaped where they are kept


def day(value: date, language: str | None) -> str:
    """Return `14 Nov 2026` in this language, which must be the active one."""
    return formats.date_format(value, _format(language))


@lru_cache(maxsize=MOST_DAYS)
def _escaped_day(iso: str, language: str | None) -> str:
    return escape(day(date.fromisoformat(iso), language))


@cache
def _exact(language: str | None) -> str:
    # Translators: a date, a time of day, and how far ahead of UTC it is, such as UTC+1.
    return escape(_("%(date)s, %(time)s %(zone)s") % {"date": "{0}", "time": "{1}", "zone": "{2}"})


@cache
def _brief(language: str | None) -> str:
    # Translators: a date and a time of day.
    return escape(_("%(date)s, %(time)s") % {"date": "{0}", "time": "{1}"})


@cache
def _pair(language: str | None) -> str:
    # Translators: a moment as the reader's clock shows it, and the same one in UTC.
    return escape(_("%(here)s (%(utc)s)"))


def _clock(iso: str, end: int = 16) -> str:
    return f"{iso[11:end]} {_offset(iso[19:])}"


@cache
def _offset(iso: str) -> str:
    """Return `UTC+1` for `+01:00`, `UTC` for none."""
    sign, hours, minutes = iso[0].replace("-", MINUS), int(iso[1:3]), iso[4:6]
    if minutes != "00":
        return f"UTC{sign}{hours}:{minutes}"
    return f"UTC{sign}{hours}" if hours else "UTC"


@cache
def _format(language: str | None) -> str:
    # Translators: how a date is written in a table, in Django's format letters.
    return _("j M Y")
