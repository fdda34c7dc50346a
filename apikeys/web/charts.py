"""The chart of uses: thirty days as bars of an SVG, in units of its own, and what they add up to."""

from typing import NamedTuple

from apikeys.domain import DAYS_OF_USE, UseDay

STEP, WIDTH, HEIGHT = 20, 14, 100  # of a bar; the view box has the same units
LEAST = 2  # of a bar for a day that had any


class Bar(NamedTuple):
    """One day: where its bars stand, the refused uses on top of the others."""

    day: UseDay
    x: int
    uses_y: int
    uses_height: int
    refusals_y: int
    refusals_height: int


class Chart(NamedTuple):
    """The bars of all days, the greatest number of a day, and the sums."""

    bars: tuple[Bar, ...]
    peak: int
    uses: int
    refusals: int

    @property
    def view_box(self) -> str:
        return f"0 0 {DAYS_OF_USE * STEP} {HEIGHT}"


def chart_of(days: tuple[UseDay, ...]) -> Chart:
    """Return the chart of these days, the first one at the left."""
    peak = max((day.uses + day.refusals for day in days), default=0)
    bars = []
    for number, day in enumerate(days):
        uses, refusals = (_height(count, peak) for count in (day.uses, day.refusals))
        bars.append(Bar(day, number * STEP + 3, HEIGHT - uses, uses, HEIGHT - uses - refusals, refusals))
    return Chart(tuple(bars), peak, sum(day.uses for day in days), sum(day.refusals for day in days))


def _height(count: int, peak: int) -> int:
    return max(LEAST, count * (HEIGHT - LEAST) // peak) if count else 0
