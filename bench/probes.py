"""What is asked of a server again and again, and what one round of it tells."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bench.load import Job, LoadGenerator
from bench.servers import cpu_seconds
from tests.postgres import PostgresServer

# Where servers come before all other programs, the kernel takes the processor from one that never rests.
PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Sample:
    """One round of a probe; processor time and latencies in milliseconds, `client` as a share of the time."""

    rate: float
    server_cpu: float
    database_cpu: float
    p50: float
    p99: float
    client: float

    @property
    def cpu(self) -> float:
        """Processor time of one request, in the server and in the database."""
        return self.server_cpu + self.database_cpu


@dataclass(frozen=True)
class Probe:
    """Requests for one server, one after the other."""

    name: str
    pid: int
    port: int
    requests: Sequence[str] = field(repr=False)
    status: int = 200  # of every answer, 0 for any


class Stopwatch:
    """Measures probes with one load generator, beside a database server if there is one."""

    def __init__(self, load: LoadGenerator, seconds: float, postgres: PostgresServer | None) -> None:
        self.load, self.seconds, self.postgres = load, seconds, postgres

    def measure(self, probe: Probe, connections: int = 1, count: int | None = None) -> Sample:
        """Ask for some seconds, or `count` times."""
        time.sleep(PAUSE_SECONDS)
        job = Job(probe.port, list(probe.requests), connections, status=probe.status)
        job = replace(job, seconds=self.seconds) if count is None else replace(job, count=count)
        server, database = cpu_seconds(probe.pid), self.database_seconds()
        figures = self.load.run(job)
        server, database = cpu_seconds(probe.pid) - server, self.database_seconds() - database
        return Sample(
            rate=figures.count / figures.seconds,
            server_cpu=server / figures.count * 1000,
            database_cpu=database / figures.count * 1000,
            p50=figures.p50,
            p99=figures.p99,
            client=figures.busy / figures.seconds,
        )

    def database_seconds(self) -> float:
        return cpu_seconds(self.postgres.process.pid) if self.postgres else 0.0
