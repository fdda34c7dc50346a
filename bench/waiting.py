"""How long pages that need no answer of IAM take while twenty people wait for it."""

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fault_server import Fault, FaultServer
from tests.upstream import HTMX, ConsoleWithUpstream, Visitor

ROUNDS = 30
PEOPLE = 20
UPSTREAM_SECONDS = 5.0
KEYS = "/manage/security/apikeys/"


def measure_waiting() -> None:
    with tempfile.TemporaryDirectory(prefix="apikeys-bench-") as folder, FaultServer() as iam:
        settings = {"WORKERS": "2", "LOG_LEVEL": "WARNING", "ALLOWED_HOSTS": "127.0.0.1"}
        with ConsoleWithUpstream(Path(folder) / "data", iam, **settings) as console:
            people, dora = [Visitor(console) for _person in range(PEOPLE)], Visitor(console, "dora")
            pages: dict[str, Callable[[], object]] = {
                "log-in page": lambda: Visitor(console, logs_in=False).get("/login/"),
                "health": lambda: dora.get("/healthz"),
                "create form": lambda: dora.get(f"{KEYS}create/", headers=HTMX),
            }
            alone = {name: times_of(visit) for name, visit in pages.items()}
            over = threading.Event()
            iam.fail("list", Fault(wait=UPSTREAM_SECONDS), times=100 * PEOPLE)

            def keep_waiting(person: Visitor) -> None:
                while not over.is_set():
                    person.get(KEYS)

            with ThreadPoolExecutor(PEOPLE) as pool:
                waiting = [pool.submit(keep_waiting, person) for person in people]
                time.sleep(1)
                among = {name: times_of(visit) for name, visit in pages.items()}
                over.set()
                iam.heal(answers=True)
            for future in waiting:
                future.result()
    for name in pages:
        one, other = statistics.median(among[name]), statistics.median(alone[name])
        sys.stdout.write(
            f"{name} while {PEOPLE} people wait {UPSTREAM_SECONDS:.0f} s for IAM: {one / other:.2f} times the time "
            f"(median {one * 1000:.0f} ms, longest {max(among[name]) * 1000:.0f} ms, {ROUNDS} visits)\n"
        )


def times_of(visit: Callable[[], object]) -> list[float]:
    visit()
    times = []
    for _round in range(ROUNDS):
        began = time.perf_counter()
        visit()
        times.append(time.perf_counter() - began)
    return times
