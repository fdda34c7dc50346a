"""What a proof found, beside what it had to find, and the table of that."""

from collections.abc import Iterable
from dataclasses import dataclass

COMMAND = "make prove"


@dataclass(frozen=True)
class Size:
    """How much is done. `requests` are those of the pages and of the API together; `held` is in seconds."""

    kills: int
    crashes: int
    races: int
    requests: int
    rounds: int  # of a load, between two events
    days: int  # each a day's work, in a moment
    held: float


SHORT = Size(kills=4, crashes=1, races=25, requests=2_000, rounds=2, days=1, held=4)
LONG = Size(kills=200, crashes=10, races=1_000, requests=100_000, rounds=4, days=10, held=30)


@dataclass(frozen=True)
class Figure:
    """One thing that was measured. `is_time` is for what depends on how busy the machine is: no test looks at it."""

    name: str
    bar: str
    measured: str
    is_met: bool
    is_time: bool = False


def counted(name: str, found: int, bar: int = 0, of: str = "") -> Figure:
    """Return the figure of something that may be there so often at most; `of` says among what it was looked for."""
    return Figure(name, f"at most {bar:,}" if bar else "0", f"{found:,}{f' of {of}' if of else ''}", found <= bar)


def whole(name: str, found: int, of: int) -> Figure:
    """Return the figure of something that must be so each time, and at least once."""
    return Figure(name, "100 %", f"{found:,} of {of:,}", 0 < of == found)


def timed(name: str, seconds: float, bar: float) -> Figure:
    return Figure(name, f"{bar:g} s", f"{seconds:.1f} s", seconds <= bar, is_time=True)


def markdown(command: str, figures: Iterable[Figure]) -> str:
    """Return rows of the table in docs/proof.md."""
    return "".join(
        f"| {figure.name} | {figure.bar} | {figure.measured}{'' if figure.is_met else ' **missed**'} | `{command}` |\n"
        for figure in figures
    )


HEAD = "| figure | bar | measured | command |\n|---|---|---|---|\n"
