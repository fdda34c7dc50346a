"""How far away a moment is, in the reader's language."""

from functools import lru_cache

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
MONTH, YEAR = 365.2425 / 12 * DAY, 365.2425 * DAY
# From how many seconds on a moment is told in which unit. Ninety days are more than "three months" to a reader
# who chose them, and "a year" hides up to half of one.
UNITS = ((2 * YEAR, YEAR), (100 * DAY, MONTH), (DAY, DAY), (HOUR, HOUR), (MINUTE, MINUTE))
MOST_WORDS = 1024  # that are kept


def distance(seconds: float, language: str | None) -> str:
    """Return "in 3 days" for so many seconds ahead, "3 days ago" for less than none, to the nearest whole unit.

    The language must be the active one.
    """
    for least, unit in UNITS:
        if abs(seconds) >= least - unit / 120:  # what was set to 30 days a moment ago is still in 30 days
            return _words(unit, round(abs(seconds) / unit), seconds > 0, language)
    return _("in less than a minute") if seconds > 0 else _("just now")


@lru_cache(maxsize=MOST_WORDS)
def _words(unit: float, number: int, is_ahead: bool, language: str | None) -> str:
    return (_UNTIL if is_ahead else _SINCE)[unit](number) % {"number": number}


_SINCE = {
    MINUTE: lambda number: ngettext("%(number)d minute ago", "%(number)d minutes ago", number),
    HOUR: lambda number: ngettext("%(number)d hour ago", "%(number)d hours ago", number),
    DAY: lambda number: ngettext("%(number)d day ago", "%(number)d days ago", number),
    MONTH: lambda number: ngettext("%(number)d month ago", "%(number)d months ago", number),
    YEAR: lambda number: ngettext("%(number)d year ago", "%(number)d years ago", number),
}
_UNTIL = {
    MINUTE: lambda number: ngettext("in %(number)d minute", "in %(number)d minutes", number),
    HOUR: lambda number: ngettext("in %(number)d hour", "in %(number)d hours", number),
    DAY: lambda number: ngettext("in %(number)d day", "in %(number)d days", number),
    MONTH: lambda number: ngettext("in %(number)d month", "in %(number)d months", number),
    YEAR: lambda number: ngettext("in %(number)d year", "in %(number)d years", number),
}
