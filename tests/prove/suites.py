"""Proofs that tests of the suite give, run whole."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.prove.figures import Figure, Size
from tests.server import ROOT

SECONDS = 1200
PASSED, FAILED = re.compile(r"(\d+) passed"), re.compile(r"(\d+) (?:failed|error)")
EVERY_CALL = ("tests/test_every_call_fails.py",)
FULL_DISK = ("tests/test_full_disk.py",)
CLOCK = ("-m", "clock", "tests")
MACHINE = ("tests/test_key_machine.py",)


def passed(name: str, *arguments: str) -> Figure:
    """Run tests with everything that they can try, and tell how many of them passed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-q", "-m", "not browser and not engine", *arguments],
        cwd=ROOT, env=os.environ | {"PROVE": "1"}, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    good, bad = (sum(map(int, pattern.findall(done.stdout))) for pattern in (PASSED, FAILED))
    return Figure(name, "all tests pass", f"{good:,} of {good + bad:,}", done.returncode == 0 and good > 0)


def every_call(_folder: Path, _size: Size) -> list[Figure]:
    return [passed("each database call of each change fails, in four ways", *EVERY_CALL)]


def full_disk(_folder: Path, _size: Size) -> list[Figure]:
    return [passed("a full disk", *FULL_DISK)]


def clock(_folder: Path, _size: Size) -> list[Figure]:
    return [passed("a clock that is set forward and back", *CLOCK)]


def machine(_folder: Path, _size: Size) -> list[Figure]:
    return [passed("keys against a model, in any order of what is done", *MACHINE)]
