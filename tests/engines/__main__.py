"""Run the journey in each other engine that is here or can be installed: `python -m tests.engines found|all [pytest…]`.

With `all` an engine that is missing is a failure; with `found` the last line says which, and how to get it.
"""

import subprocess
import sys

from tests.engines import found


def main(wanted: str, *for_pytest: str) -> int:
    found.install()
    missing = found.missing()
    there = [name for name in found.ENGINES if name not in missing]
    if there:
        chosen = ["-k", " or ".join(there), "tests/engines"]
        command = [sys.executable, "-m", "pytest", "-m", "engine", *chosen, *for_pytest]
        if code := subprocess.run(command, check=False).returncode:
            return code
    if missing:
        print(f"Not tried: {', '.join(missing)}. To get it: {' '.join(found.command_for(missing))}")
    return 1 if missing and wanted == "all" else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
