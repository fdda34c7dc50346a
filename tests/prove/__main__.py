"""Tries each proof and prints its table: `make prove`, or see `--help`."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from tests import postgres  # noqa: E402
from tests.prove import cutting_off, fuzzing, guessing, killing, racing, searching, suites, timing  # noqa: E402
from tests.prove.figures import COMMAND, HEAD, LONG, SHORT, Figure, Size, markdown  # noqa: E402

PROOFS: dict[str, Callable[[Path, Size], list[Figure]]] = {
    "kills": killing.kills,
    "crashes": killing.crashes,
    "guesses": guessing.guesses,
    "timing": timing.timing,
    "races": racing.races,
    "requests": fuzzing.requests,
    "away": cutting_off.away,
    "held": cutting_off.held,
    "traces": searching.traces,
    "every-call": suites.every_call,
    "full-disk": suites.full_disk,
    "clock": suites.clock,
    "machine": suites.machine,
    "value": suites.value,
    "key": suites.key,
    "passwords": suites.passwords,
    "factors": suites.factors,
    "sessions": suites.sessions,
    "tokens": suites.tokens,
    "audit": suites.audit,
    "static": suites.static,
    "asvs": suites.asvs,
}
MINUTES = 30


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("proofs", nargs="*", metavar="proof", help=f"some of: {', '.join(PROOFS)} (all of them)")
    parser.add_argument("--short", action="store_true", help="little of each, in a minute or two")
    options = parser.parse_args()
    if unknown := {*options.proofs} - PROOFS.keys():
        parser.error(f"no proof is called {', '.join(sorted(unknown))}")
    if not postgres.find():
        postgres.install()
    size, began, figures = SHORT if options.short else LONG, time.monotonic(), []
    sys.stdout.write(HEAD)
    for name in options.proofs or PROOFS:
        if time.monotonic() - began > MINUTES * 60:
            sys.exit(f"{MINUTES} minutes are over before {name}.")
        with tempfile.TemporaryDirectory(prefix="apikeys-prove-", ignore_cleanup_errors=True) as folder:
            found = PROOFS[name](Path(folder), size)
        figures += found
        sys.stdout.write(markdown(f"{COMMAND} PROVE={name}", found))
        sys.stdout.flush()
    sys.exit(not all(figure.is_met for figure in figures))


if __name__ == "__main__":
    main()
