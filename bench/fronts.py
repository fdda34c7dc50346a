"""The rate of a view that returns a constant behind each HTTP server against Granian's WSGI: `python -m bench.fronts`.

One process each with four threads, in turn.
"""

import argparse
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.load import Job, LoadGenerator
from bench.servers import OF_LOAD, OF_SERVERS, SETTINGS, cpu_seconds, measuring_alone, pin
from bench.strangers import SERVERS, console, peer

AGAINST = "granian-wsgi-http1"
CONNECTIONS = (1, 16)
ASK = "GET /bench/constant HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fronts", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("servers", nargs="*", choices=["console", *SERVERS], help="installed ones; the console")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    names = [AGAINST, *(name for name in arguments.servers or ["console"] if name != AGAINST)]
    rates: dict[tuple[str, int], list[float]] = {}
    costs: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as stack:
        stack.enter_context(measuring_alone())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        load = stack.enter_context(LoadGenerator())
        pin(load.process.pid, OF_LOAD)
        servers = {}
        for name in names:
            serving = peer(folder, 1, SERVERS[name], SETTINGS) if name in SERVERS else console(folder, 1, SETTINGS)
            servers[name] = stack.enter_context(serving)
            for pid in servers[name].pids:
                pin(pid, OF_SERVERS)
        for _round in range(arguments.rounds):
            for name, server in servers.items():
                for connections in CONNECTIONS:
                    before = sum(map(cpu_seconds, server.pids))
                    figures = load.run(Job(server.port, [ASK], connections, arguments.seconds))
                    cost = (sum(map(cpu_seconds, server.pids)) - before) / figures.count
                    rates.setdefault((name, connections), []).append(figures.count / figures.seconds)
                    costs.setdefault((name, connections), []).append(cost)
    for (name, connections), found in rates.items():
        ratios = [one / other for one, other in zip(found, rates[AGAINST, connections], strict=True)]
        sys.stdout.write(
            f"{name}, {connections} connections: {statistics.median(ratios):.2f} times the rate "
            f"({min(ratios):.2f} to {max(ratios):.2f}), "
            f"{statistics.median(costs[name, connections]) * 1000:.2f} ms of processor for a request\n"
        )


if __name__ == "__main__":
    main()
