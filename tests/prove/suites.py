"""Proofs that tests of the suite give, run whole."""

import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from apikeys import values
from tests.prove.figures import Figure, Size, counted
from tests.server import ROOT

Proof = Callable[[Path, Size], list[Figure]]
SECONDS = 1200
ON_SQLITE = "not browser and not engine and not postgres"
PASSED, FAILED = re.compile(r"(\d+) passed"), re.compile(r"(\d+) (?:failed|error)")
EVERY_CALL = ("tests/test_every_call_fails.py",)
FULL_DISK = ("tests/test_full_disk.py",)
CLOCK = ("-m", "clock", "tests")
MACHINE = ("tests/test_key_machine.py",)
VALUE = ("tests/test_no_trace.py", "tests/test_shown_once.py", "tests/test_handover.py", "tests/test_masking.py")
KEY = ("tests/test_values.py", "tests/test_peppers.py", "tests/test_refusals.py")
PASSWORDS = ("tests/test_passwords.py", "tests/test_login_limits.py")
FACTORS = ("tests/test_factors.py", "tests/test_passkeys.py", "tests/test_passcodes.py", "tests/test_single_sign_on.py")
SESSIONS = ("tests/test_sessions.py", "tests/test_session_limits.py", "tests/test_asked_again.py")
TOKENS = ("tests/test_tokens.py", "tests/test_signing_keys.py", "tests/test_callers.py")
AUDIT = ("tests/test_audit_chain.py", "tests/test_audit_lines.py", "tests/test_log_in_events.py")
# Parts of `make check`.
STATIC = {
    "findings of bandit, medium or high": ("-m", "tests.bandit_check"),
    "errors of strict types": ("-m", "mypy"),
    "warnings of check --deploy, with either store": ("-m", "tests.deployment_check"),
    "faults of the SBOM, and of hashes in the lock": ("-m", "tests.sbom"),
}
GAPS = 9  # of level 3
ROW = re.compile(r"^\| \d+\.\d+\.\d+ \| (\d) \| [^|]+ \| ([a-z ]+) \|", re.M)


def passed(name: str, *arguments: str) -> Figure:
    """Run tests on SQLite with everything that they can try, and tell how many of them passed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-q", "-m", ON_SQLITE, *arguments],
        cwd=ROOT, env=os.environ | {"PROVE": "1"}, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    good, bad = (sum(map(int, pattern.findall(done.stdout))) for pattern in (PASSED, FAILED))
    return Figure(name, "all tests pass", f"{good:,} of {good + bad:,}", done.returncode == 0 and good > 0)


def of_tests(name: str, *arguments: str) -> Proof:
    """Return a proof that is made of tests alone."""
    return lambda _folder, _size: [passed(name, *arguments)]


every_call = of_tests("each database call of each change fails, in four ways", *EVERY_CALL)
full_disk = of_tests("a full disk", *FULL_DISK)
clock = of_tests("a clock that is set forward and back", *CLOCK)
machine = of_tests("keys against a model, in any order of what is done", *MACHINE)
value = of_tests("a value is in one answer, masked everywhere else", *VALUE)
passwords = of_tests("passwords, and limits on attempts", *PASSWORDS)
factors = of_tests("second factors, passkeys, passcodes, single sign-on", *FACTORS)
sessions = of_tests("sessions, their ends, and proofs asked for again", *SESSIONS)
tokens = of_tests("access tokens and what signs them", *TOKENS)
audit = of_tests("audit events, their lines and their chain", *AUDIT)


def key(_folder: Path, _size: Size) -> list[Figure]:
    made = {len(values.generate(values.DEFAULT_PREFIX)) for _value in range(1000)}
    random = values.LENGTH - len(values.DEFAULT_PREFIX) - values.CHECKSUM_LENGTH
    bits = math.log2(len(values.ALPHABET)) * random
    return [
        Figure("characters of a value", "44", ", ".join(map(str, made)), made == {44}),
        Figure("random bits of a value", "202", f"{bits:.0f}", bits >= 202),
        passed("what is kept of a value, and one answer to whatever is none", *KEY),
    ]


def static(_folder: Path, _size: Size) -> list[Figure]:
    found = []
    for name, command in STATIC.items():
        done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, timeout=SECONDS)
        found.append(Figure(name, "0", "some" if done.returncode else "0", done.returncode == 0))
    return found


def asvs(_folder: Path, _size: Size) -> list[Figure]:
    """Count the rows of docs/asvs.md; that each is there once and names tests that are there, its own test holds."""
    states = Counter(ROW.findall((ROOT / "docs" / "asvs.md").read_text()))
    below = {state: states["1", state] + states["2", state] for state in ("met", "deployer", "not met")}
    apply, unmet = sum(below.values()), below.get("not met", 0)
    return [
        counted("requirements of level 1 and 2 that are not met", unmet, of=f"{apply} that apply"),
        counted("gaps of level 3", states["3", "gap"], GAPS),
        passed("rows, and the tests that they name", "tests/test_asvs.py"),
    ]
