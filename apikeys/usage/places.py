"""What uses add up to, as data: the places of a key and its days, and what is kept of them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from apikeys.domain import DAYS_OF_USE, MOST_PLACES, Place, Reason, UseDay, is_printable
from apikeys.values import mask_agent

MAX_CLIENT = 64
MOMENTS = ("first_used_at", "last_used_at", "value_since", "older_used_at", "refused_at")

Days = dict[str, list[int]]  # as it is stored: uses and refusals of each day


class Spot(NamedTuple):
    """What uses have in common that are counted together; with a `reason` they were refused."""

    day: date
    address: str
    client: str
    number: int  # of the value
    reason: Reason | None = None


@dataclass(slots=True)
class Tally:
    """How many uses there were at one spot, the first and the last."""

    count: int
    first: datetime
    last: datetime

    def add(self, now: datetime) -> None:
        self.count += 1
        self.last = max(self.last, now)

    def merge(self, other: "Tally") -> None:
        self.count += other.count
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)


Tallies = dict[Spot, Tally]


def printable(text: str) -> str:
    """Return a text that every database takes."""
    return "".join(character if is_printable(character) else "\ufffd" for character in text)


@lru_cache(1000)
def client_of(agent: str) -> str:
    """Return the product that a User-Agent names first, without its version: the same client after an upgrade."""
    first = next(iter(printable(mask_agent(agent)).split()), "")
    return first.partition("/")[0][:MAX_CLIENT]


def days_after(days: Mapping[str, list[int]], tallies: Tallies, today: date) -> Days:
    """Return the stored days with what the tallies add, without those that are too old."""
    found = {day: list(counts) for day, counts in days.items()}
    for spot, tally in tallies.items():
        found.setdefault(spot.day.isoformat(), [0, 0])[0 if spot.reason is None else 1] += tally.count
    oldest = (today - timedelta(days=DAYS_OF_USE - 1)).isoformat()
    return {day: found[day] for day in sorted(found) if day >= oldest}


def places_after(places: Iterable[Mapping[str, Any]], tallies: Tallies) -> list[dict[str, Any]]:
    """Return the stored places with what the tallies add: the latest MOST_PLACES, the latest first."""
    found = {(place.address, place.client): place for place in map(read_place, places)}
    for spot, tally in sorted(tallies.items(), key=lambda item: item[1].last):
        at = (spot.address, spot.client)
        place = found.get(at, Place(*at))
        found[at] = _used(place, spot.number, tally) if spot.reason is None else _refused(place, spot.reason, tally)
    latest = sorted(found.values(), key=lambda place: place.last_at, reverse=True)
    return [_stored(place) for place in latest[:MOST_PLACES]]


def _used(place: Place, number: int, tally: Tally) -> Place:
    is_newer = place.value_since is None or number > place.value_number
    older = [place.older_used_at, place.last_used_at if is_newer else None]
    if not is_newer and number < place.value_number:
        older.append(tally.last)
    since = tally.first if is_newer else place.value_since
    return replace(
        place,
        uses=place.uses + tally.count,
        first_used_at=min(place.first_used_at or tally.first, tally.first),
        last_used_at=max(place.last_used_at or tally.last, tally.last),
        value_number=number if is_newer else place.value_number,
        value_since=min(since or tally.first, tally.first) if number == place.value_number else since,
        older_used_at=max((moment for moment in older if moment is not None), default=None),
    )


def _refused(place: Place, reason: Reason, tally: Tally) -> Place:
    is_latest = place.refused_at is None or tally.last >= place.refused_at
    return replace(
        place,
        refusals=place.refusals + tally.count,
        refused_at=tally.last if is_latest else place.refused_at,
        reason=reason if is_latest else place.reason,
    )


def _stored(place: Place) -> dict[str, Any]:
    held = asdict(place)
    return held | {name: held[name].isoformat() for name in MOMENTS if held[name] is not None}


def read_place(stored: Mapping[str, Any]) -> Place:
    """Return a place as it was stored, also by a later release: what this one does not know is left out."""
    moments = {name: datetime.fromisoformat(stored[name]) for name in MOMENTS if stored.get(name) is not None}
    reason = Reason(stored["reason"]) if stored.get("reason") in [*Reason] else None
    known = {field.name: stored[field.name] for field in fields(Place) if field.name in stored}
    return Place(**{**known, **moments, "reason": reason})


def read_days(stored: Mapping[str, list[int]], today: date) -> tuple[UseDay, ...]:
    """Return each of the last DAYS_OF_USE days, today last."""
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS_OF_USE))]
    return tuple(UseDay(day, *stored.get(day.isoformat(), (0, 0))) for day in days)
