"""What a line of the table is made of; groups.py has the lines."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.probes import Probe, Sample

Round = Mapping[tuple[str, int], Sample]  # by the name of a probe and the number of connections
ONE, SIXTEEN = 1, 16


@dataclass(frozen=True)
class Reach:
    """What a figure is to be: at most, or at least."""

    limit: float
    at_least: bool = False

    def is_met(self, figure: float) -> bool:
        return figure >= self.limit if self.at_least else figure <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclass(frozen=True)
class Result:
    """One line of the table. `figures` are those of the rounds, in `unit`."""

    title: str
    figures: Sequence[float]
    unit: str
    against: str = ""
    reach: Reach | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.figures)

    @property
    def is_met(self) -> bool | None:
        return None if self.reach is None else self.reach.is_met(self.median)


@dataclass(frozen=True)
class Row:
    """A line whose figure is computed from what the probes told in one round."""

    title: str
    figure: Callable[[Round], float]
    unit: str
    against: str = ""
    reach: Reach | None = None

    def result(self, rounds: Sequence[Round]) -> Result:
        return Result(self.title, [self.figure(each) for each in rounds], self.unit, self.against, self.reach)


@dataclass(frozen=True)
class Rows:
    """Lines, and the probes that they need, each with 1 and with 16 connections."""

    rows: Sequence[Row]
    probes: Sequence[Probe]


def cpu(name: str, other: str) -> Callable[[Round], float]:
    """Processor time of a request as a multiple of another one's."""
    return lambda each: each[name, ONE].cpu / each[other, ONE].cpu


def rate(name: str, other: str, connections: int) -> Callable[[Round], float]:
    """Requests a second as a multiple of another probe's."""
    return lambda each: each[name, connections].rate / each[other, connections].rate


def per_cpu_second(name: str, other: str, connections: int) -> Callable[[Round], float]:
    """Requests in a second of processor time as a multiple of another probe's."""
    return lambda each: each[other, connections].cpu / each[name, connections].cpu


def latency(name: str, percentile: str) -> Callable[[Round], float]:
    """A percentile of the latency with 16 connections, in milliseconds."""
    return lambda each: float(getattr(each[name, SIXTEEN], percentile))
