"""Measures the console and prints each figure beside what is to be reached: `make bench`, or see `--help`."""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from bench import groups, table
from bench.load import Job, LoadGenerator
from bench.peer import PEERS, Peer
from bench.probes import Probe, Stopwatch
from bench.rows import ONE, SIXTEEN, Result, Round, Rows
from bench.servers import OF_DATABASES, OF_LOAD, Console, measuring_alone, pin
from bench.store import DATABASES, POSTGRESQL, ROOT, Shelf, Store, say
from bench.visits import Visits
from tests import postgres

CACHE = ROOT / ".bench"
Subject = TypeVar("Subject")
WARM_UP = 100  # requests of each probe at most, for a second at most, before any is measured


def main() -> None:
    options = arguments(sys.argv[1:])
    shelf = Shelf(options.cache, options.keys)
    databases = DATABASES if options.database == "both" else [options.database]
    if POSTGRESQL in databases and not postgres.find():
        postgres.install()
    for database in databases:
        with measuring_alone(), shelf.opened(database) as store:
            measure(shelf, store, options)


def arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000, help="how many keys there are (1,000,000)")
    parser.add_argument("--database", choices=[*DATABASES, "both"], default="both")
    parser.add_argument(
        "--rows", type=names, default=list(groups.NAMES), help=f"some of: {','.join(groups.NAMES)} (all of them)"
    )
    parser.add_argument("--rounds", type=int, default=7, help="how often each thing is measured, in turn (7)")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long, each time (0.5)")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where databases are kept (.bench)")
    return parser.parse_args(given)


def names(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := [name for name in chosen if name not in groups.NAMES]:
        raise argparse.ArgumentTypeError(f"no row has the name {unknown[0]}; use some of {', '.join(groups.NAMES)}")
    return chosen


def measure(shelf: Shelf, store: Store, options: argparse.Namespace) -> None:
    """Measure with one database, and print the tables."""
    if store.postgres:
        pin(store.postgres.process.pid, OF_DATABASES)
    found: list[Result] = []
    rounds: list[Round] = []
    try:
        with LoadGenerator() as load:
            pin(load.process.pid, OF_LOAD)
            stopwatch = Stopwatch(load, options.seconds, store.postgres)
            with ExitStack() as stack:
                names = PEERS if groups.WITH_PEERS & set(options.rows) else ()
                peers = [stack.enter_context(Peer(name, shelf, store.postgres)) for name in names]
                visits = Visits(stack.enter_context(Console(store)), store, peers)
                chosen = [groups.GROUPS[name](visits) for name in options.rows if name in groups.GROUPS]
                rounds += in_turn(stopwatch, probes_of(chosen), options.rounds)
                found += [row.result(rounds) for rows in chosen for row in rows.rows]
                found += results_of(groups.ONCE, options.rows, visits, stopwatch)
            found += results_of(groups.ALONE, options.rows, store, stopwatch)
    finally:
        show(store, found, rounds)


def results_of(
    functions: Mapping[str, Callable[[Subject, Stopwatch], list[Result]]],
    names: Iterable[str],
    subject: Subject,
    stopwatch: Stopwatch,
) -> Iterator[Result]:
    """Give the results of those functions that have one of the names."""
    for name in names:
        if name in functions:
            say(name)
            yield from functions[name](subject, stopwatch)


def show(store: Store, found: Sequence[Result], rounds: Sequence[Round]) -> None:
    sys.stdout.write(f"\n{store.database}, {sum(store.held.values()):,} keys\n\n{table.results(found)}\n\n")
    sys.stdout.write(f"{table.samples(rounds)}\n")
    sys.stdout.flush()


def probes_of(chosen: Iterable[Rows]) -> list[Probe]:
    """Return each probe once."""
    return list({probe.name: probe for rows in chosen for probe in rows.probes}.values())


def in_turn(stopwatch: Stopwatch, probes: Sequence[Probe], rounds: int) -> list[Round]:
    """Measure all probes in turn, as often as there are rounds."""
    for probe in probes:
        stopwatch.load.run(Job(probe.port, list(probe.requests), SIXTEEN, seconds=1, count=WARM_UP))
    measured: list[Round] = []
    for each in range(rounds if probes else 0):
        say(f"round {each + 1} of {rounds}")
        measured.append(
            {
                (probe.name, connections): stopwatch.measure(probe, connections)
                for probe in probes
                for connections in (ONE, SIXTEEN)
            }
        )
    return measured


if __name__ == "__main__":
    main()
