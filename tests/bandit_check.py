"""`bandit` over the code by every rule, and over the tests by those of pyproject.toml: no finding of weight.

A rule that fails by itself has judged nothing, which bandit only logs.
"""

import subprocess
import sys
from pathlib import Path

BANDIT = [str(Path(sys.executable).with_name("bandit")), "--quiet", "--recursive", "--severity-level", "medium"]
CODE = ["apikeys", "bench", "console", "deploy", "locale", "manage.py"]
TESTS = ["--configfile", "pyproject.toml", "tests"]
# Told again for each piece of a text that has no finding.
NOISE = "WARNING\tnosec encountered"


def main() -> int:
    runs = [
        subprocess.Popen([*BANDIT, *what], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for what in (CODE, TESTS)
    ]
    failures = 0
    for run in runs:
        out, err = run.communicate()
        told = [line for line in err.splitlines() if NOISE not in line]
        print("\n".join([*out.splitlines(), *told]), end="\n" if out or told else "")
        failures += bool(run.returncode) or any("ERROR" in line for line in told)
    return failures


if __name__ == "__main__":
    sys.exit(main())
