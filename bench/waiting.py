"""How long pages that need no answer of IAM take while twenty people wait for it."""

import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.rows import Result
from bench.visits import LIST
from tests.fault_server import Fault, FaultServer
from tests.upstream import HTMX, ConsoleWithUpstream, Visitor

ROUNDS = 30
PEOPLE = 20
UPSTREAM_SECONDS = 5.0


def waiting() -> list[Result]:
    """Return how much longer each page takes then, as a multiple of the time that it takes alone."""
    with tempfile.TemporaryDirectory(prefix="apikeys-bench-") as folder, FaultServer() as iam:
        settings = {"WORKERS": "2", "LOG_LEVEL": "WARNING", "ALLOWED_HOSTS": "127.0.0.1"}
        with ConsoleWithUpstream(Path(folder) / "data", iam, **settings) as console:
            people, dora = [Visitor(console) for _person in range(PEOPLE)], Visitor(console, "dora")
            pages: dict[str, Callable[[], object]] = {
                "log-in page": lambda: Visitor(console, logs_in=False).get("/login/"),
                "health": lambda: dora.get("/healthz"),
                "create form": lambda: dora.get(f"{LIST}create/", headers=HTMX),
            }
            alone = {name: times_of(visit) for name, visit in pages.items()}
            over = threading.Event()
            iam.fail("list", Fault(wait=UPSTREAM_SECONDS), times=100 * PEOPLE)

            def keep_waiting(person: Visitor) -> None:
                while not over.is_set():
                    person.get(LIST)

            with ThreadPoolExecutor(PEOPLE) as pool:
                kept = [pool.submit(keep_waiting, person) for person in people]
                time.sleep(1)
                among = {name: times_of(visit) for name, visit in pages.items()}
                over.set()
                iam.heal(answers=True)
            for future in kept:
                future.result()
    title = f"{{}} while {PEOPLE} people wait for IAM"
    return [
        Result(title.format(name), ratios(among[name], alone[name]), "× time", "the same while nobody waits")
        for name in pages
    ]


def ratios(among: list[float], alone: list[float]) -> list[float]:
    """Return the quartiles of the times as multiples of the median of the others."""
    usual = statistics.median(alone)
    return [quartile / usual for quartile in statistics.quantiles(among, n=4)]


def times_of(visit: Callable[[], object]) -> list[float]:
    visit()
    times = []
    for _round in range(ROUNDS):
        began = time.perf_counter()
        visit()
        times.append(time.perf_counter() - began)
    return times
