"""Time zones by their IANA names, and what a date and a time of day in one of them mean; no Django."""

import zoneinfo
from datetime import UTC, date, datetime, time, tzinfo
from functools import cache

# Names that people choose from. Others, such as "US/Pacific", are old spellings of these.
REGIONS = (
    "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"
)  # fmt: skip
NAME_OF_UTC = "UTC"


class NoSuchTime(ValueError):
    """Clocks of a zone skip this time of day on this date, or no calendar has the moment in UTC."""


@cache
def names() -> frozenset[str]:
    """Return all names that the system's zone database knows, or that of the package tzdata."""
    return frozenset(zoneinfo.available_timezones())


def is_known(name: str) -> bool:
    """Tell whether this is the name of a zone: such as "Europe/Berlin", old spellings included."""
    return name in names()


@cache
def offered() -> tuple[str, ...]:
    """Return the names that people choose from, in order; UTC is the first."""
    return (NAME_OF_UTC, *sorted(name for name in names() if name.partition("/")[0] in REGIONS and "/" in name))


def named(name: str) -> tzinfo:
    """Return the zone of this name, UTC for one that is not known, or not any more."""
    return zoneinfo.ZoneInfo(name) if name != NAME_OF_UTC and is_known(name) else UTC


def name_of(zone: tzinfo) -> str:
    """Return the name of a zone that `named` returned."""
    return getattr(zone, "key", NAME_OF_UTC)


def moment_at(day: date, clock: time, zone: tzinfo) -> datetime:
    """Return the moment, in UTC, at which clocks of a zone show this; of two such moments the earlier.

    Raises NoSuchTime where they never do.
    """
    shown = datetime.combine(day, clock)
    try:
        found = shown.replace(tzinfo=zone).astimezone(UTC)
        if found.astimezone(zone).replace(tzinfo=None) != shown:
            raise NoSuchTime
    except OverflowError:
        raise NoSuchTime from None
    return found
