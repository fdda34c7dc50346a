"""Figures for Prometheus: requests by route and outcome, and what the processes of this server need.

A request notes what it was in memory. A thread of its process adds that up each five seconds and writes it to a file,
which the process that is asked for the figures reads beside its own: a worker knows nothing of the others. A plain file
meets a full disk with an error; the library's own way, memory mapped to files, with the end of the process.
"""

import json
import os
import resource
import secrets
import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.views.decorators.http import require_GET
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from apikeys import VERSION
from console.env import is_loopback
from console.outbox import dispatcher

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds, as the last bound of each
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
OTHER = "other"  # a method of a client's own, or an address that is none
UNWRITTEN = 100_000  # requests that are remembered while nothing can be added up
# What a proxy adds to a request: one that is forwarded comes from a loopback address wherever it began.
FORWARDED = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO",
             "HTTP_X_REAL_IP")  # fmt: skip
PAGE = Path("/proc/self/statm")
OPEN_FILES = Path("/proc/self/fd")

Labels = tuple[str, str, str]  # route, method, status

_noted: deque[tuple[str, str, int, float]] = deque(maxlen=UNWRITTEN)


def note(request: HttpRequest, status: int, seconds: float) -> None:
    """Remember a request that was answered: its route and never its address, which may name a key."""
    match = request.resolver_match
    route = match.route if match is not None else None
    if route is None:
        route = settings.STATIC_URL[1:] if request.path.startswith(settings.STATIC_URL) else OTHER
    _noted.append((route, request.method or "", status, seconds))


@dataclass
class Figures:
    """What one process has answered, and what it needs now; `times` has the count of each bucket, then the sum."""

    times: dict[Labels, list[float]] = field(default_factory=dict)
    deliveries: dict[str, int] = field(default_factory=dict)  # by kind and outcome, with a blank between them
    cpu_seconds: float = 0.0
    memory: int = 0
    open_files: int = 0
    threads: int = 0

    def add_up(self) -> bool:
        """Take over what was noted; tell whether that was anything."""
        some = self._add_deliveries()
        while True:
            try:
                route, method, status, seconds = _noted.popleft()
            except IndexError:
                return some
            some = True
            labels = (f"/{route}" if route != OTHER else OTHER, method if method in METHODS else OTHER, str(status))
            row = self.times.setdefault(labels, [0.0] * (len(BUCKETS) + 2))
            row[bisect_left(BUCKETS, seconds)] += 1
            row[-1] += seconds

    def _add_deliveries(self) -> bool:
        some = False
        while dispatcher.ended:
            some = True
            label = " ".join(dispatcher.ended.popleft())
            self.deliveries[label] = self.deliveries.get(label, 0) + 1
        return some

    def look(self) -> None:
        """See what this process needs now."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        self.cpu_seconds = used.ru_utime + used.ru_stime
        self.threads = threading.active_count()
        with suppress(OSError, ValueError, IndexError):  # another system than Linux
            self.memory = int(PAGE.read_text().split()[1]) * resource.getpagesize()
            self.open_files = len(list(OPEN_FILES.iterdir()))

    def text(self) -> str:
        return json.dumps({**self.__dict__, "times": [[*labels, row] for labels, row in self.times.items()]})

    @classmethod
    def read(cls, text: str) -> "Figures":
        """Return what `text` wrote. Raises ValueError, KeyError or TypeError for anything else."""
        found: dict[str, Any] = json.loads(text)
        times = {(route, method, status): row for route, method, status, row in found.pop("times")}
        return cls(times, **found)


_own, _lock = Figures(), threading.Lock()
_shared_by: set[int] = set()  # this process, once it has a file


def folder() -> Path:
    """Return where the workers of this server leave their figures; another server on DATA_DIR has another port."""
    return Path(settings.DATA_DIR) / f"metrics-{settings.PORT}"


def begin() -> None:
    """Make the folder, without what a server that is gone left there. Raises OSError."""
    folder().mkdir(mode=0o700, exist_ok=True)
    for file in folder().iterdir():
        file.unlink(missing_ok=True)


def share() -> None:
    """Add up what was noted and, where that is anything, leave it for the other processes. Raises OSError."""
    with _lock:
        if not _own.add_up() and os.getpid() in _shared_by:
            return
        _own.look()
        draft = folder() / f".{os.getpid()}"
        draft.write_text(_own.text())
        draft.replace(folder() / f"{os.getpid()}.json")
        _shared_by.add(os.getpid())


def all_figures() -> dict[int, Figures]:
    """Return the figures of each process of this server by its id: its own as they are, others' of seconds ago."""
    found = {}
    with suppress(OSError):
        for file in folder().glob("*.json"):
            with suppress(OSError, ValueError, KeyError, TypeError):  # it goes, or the disk is full
                found[int(file.stem)] = Figures.read(file.read_text())
    with _lock:
        _own.add_up()
        _own.look()
        found[os.getpid()] = Figures.read(_own.text())
    return found


class Server(Collector):
    """The processes of this server as one."""

    def collect(self) -> Iterator[Metric]:
        figures = all_figures()
        yield requests(figures.values())
        yield processor_time(figures.values())
        yield deliveries(figures.values())
        yield waiting()
        running = [each for pid, each in figures.items() if pid == os.getpid() or is_running(pid)]
        for name, words, number in (
            ("console_workers", "Processes that answer requests.", len(running)),
            ("console_workers_memory_bytes", "Memory of all of them.", sum(each.memory for each in running)),
            ("console_workers_open_files", "Open files and connections.", sum(each.open_files for each in running)),
            ("console_workers_threads", "Threads.", sum(each.threads for each in running)),
        ):
            yield GaugeMetricFamily(name, words, number)
        version = GaugeMetricFamily("console_version", "1, with the version of the console.", labels=["version"])
        version.add_metric([VERSION], 1)
        yield version


def requests(figures: Any) -> Metric:
    family = HistogramMetricFamily(
        "console_request_seconds",
        "Requests and how long their answers took, from when they had a thread.",
        labels=["route", "method", "status"],
    )
    total: dict[Labels, list[float]] = {}
    for each in figures:
        for labels, row in each.times.items():
            known = total.get(labels)
            total[labels] = row if known is None else [a + b for a, b in zip(known, row, strict=True)]
    for labels, row in sorted(total.items()):
        counted, buckets = 0.0, []
        for bound, count in zip([*map(str, BUCKETS), "+Inf"], row, strict=False):
            counted += count
            buckets.append((bound, counted))
        family.add_metric(list(labels), buckets, row[-1])
    return family


def deliveries(figures: Any) -> Metric:
    words = "Attempts to send what is in the outbox."
    family = CounterMetricFamily("console_deliveries", words, labels=["kind", "outcome"])
    total: Counter[str] = Counter()
    for each in figures:
        total.update(each.deliveries)
    for label, number in sorted(total.items()):
        family.add_metric(label.split(), number)
    return family


def waiting() -> Metric:
    """As this process saw it last: a figure must not wait for the database."""
    family = GaugeMetricFamily("console_deliveries_waiting", "What waits in the outbox.", labels=["kind"])
    for kind, number in sorted(dispatcher.waiting.items()):
        family.add_metric([kind], number)
    return family


def processor_time(figures: Any) -> Metric:
    """Those that are gone count on: a sum that falls would look like a restart."""
    words = "Processor time of all workers since the server started."
    return CounterMetricFamily("console_workers_cpu_seconds", words, sum(each.cpu_seconds for each in figures))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


REGISTRY = CollectorRegistry(auto_describe=False)
REGISTRY.register(Server())


@login_not_required
@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures, for whoever shows METRICS_TOKEN, and for this machine where no proxy stands between."""
    if not (is_direct(request) or has_token(request)):
        refusal = HttpResponse("Send METRICS_TOKEN as a bearer token.\n", content_type="text/plain", status=401)
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def is_direct(request: HttpRequest) -> bool:
    """Tell whether a program of this machine asks, by a name of this machine: a page of another site can't."""
    host, _port = split_domain_port(request.get_host())
    return (
        is_loopback(str(request.META.get("REMOTE_ADDR", "")))
        and is_loopback(host.strip("[]"))
        and not any(name in request.META for name in FORWARDED)
    )


def has_token(request: HttpRequest) -> bool:
    scheme, _blank, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    wanted = settings.METRICS_TOKEN
    return bool(wanted) and scheme.lower() == "bearer" and secrets.compare_digest(token.encode(), wanted.encode())
