"""What strangers cost who guess values: each refusal, and a program's exchanges while sixteen of them go on asking."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

from apikeys import values
from bench import keys
from bench.load import Job, LoadGenerator
from bench.probes import Stopwatch
from bench.rows import SIXTEEN, Result
from bench.servers import OF_LOAD, Console, pin
from bench.store import Store
from bench.visits import GRANT, Visits

VALUES, ROUNDS = 1000, 7
BEFORE_SECONDS = 0.3  # that strangers ask before anything is measured beside them, and more than that after it
ANY_STATUS = 0
PLACES: dict[str, dict[str, str]] = {"within the limit": {}, "beyond the limit": {"BAD_VALUES_PER_MINUTE": "10"}}


def guesses(store: Store, stopwatch: Stopwatch) -> list[Result]:
    """Compare refusals with exchanges, and exchanges beside strangers with those alone, within and beyond the limit."""
    return [result for place, settings in PLACES.items() for result in measured(place, settings, store, stopwatch)]


def measured(place: str, settings: dict[str, str], store: Store, stopwatch: Stopwatch) -> list[Result]:
    refusal, beside = [], []
    with Console(store, **settings) as console:
        visits = Visits(console, store)
        good = exchanges(visits, visits.values(keys.MANY, VALUES))
        wrong = exchanges(visits, [values.generate(values.DEFAULT_PREFIX) for _value in range(VALUES)])
        exchange, guess = visits.probe("exchange", *good), replace(visits.probe("guess", *wrong), status=ANY_STATUS)
        stopwatch.load.run(Job(console.port, good, count=VALUES))  # what was good once is not held up by others
        for _round in range(ROUNDS):
            alone = stopwatch.measure(exchange)
            refusal.append(stopwatch.measure(guess).cpu / alone.cpu)
            with strangers(console.port, wrong, 3 * BEFORE_SECONDS + stopwatch.seconds):
                beside.append(stopwatch.measure(exchange).rate / alone.rate)
    return [
        Result(f"refusal of a value that is nobody's, {place}", refusal, "× CPU", "an exchange"),
        Result(f"exchanges, 1 at a time, beside {SIXTEEN} strangers {place}", beside, "× rate", "alone"),
    ]


def exchanges(visits: Visits, given: Sequence[str]) -> list[str]:
    return [visits.form("/identity/token", {"grant_type": GRANT, "apikey": value}) for value in given]


@contextmanager
def strangers(port: int, requests: list[str], seconds: float) -> Iterator[None]:
    """Let strangers ask for so long, over connections of their own, from another process; wait for their end."""
    with LoadGenerator() as load, ThreadPoolExecutor(1) as pool:
        pin(load.process.pid, OF_LOAD)
        asking = pool.submit(load.run, Job(port, requests, SIXTEEN, seconds=seconds, status=ANY_STATUS))
        time.sleep(BEFORE_SECONDS)
        yield
        asking.result()
