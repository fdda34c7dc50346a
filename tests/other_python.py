"""Print a Python for the other Django of the lock: 3.12 or newer beside 3.11, and the other way round."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NEWER = ("3.14", "3.13", "3.12")
PROBE = "import sys, venv, ensurepip, sqlite3, ssl; print('%d.%d' % sys.version_info[:2])"


def candidates(version: str) -> list[str]:
    found = shutil.which(f"python{version}")
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    return ([found] if found else []) + [str(path) for path in sorted(versions.glob(f"{version}.*/bin/python"))]


def works(path: str, version: str) -> bool:
    probe = subprocess.run([path, "-c", PROBE], capture_output=True, text=True)
    return probe.returncode == 0 and probe.stdout.strip() == version


def main() -> None:
    if Path(sys.prefix).name == ".venv-other":
        return
    for version in NEWER if sys.version_info < (3, 12) else ("3.11",):
        for path in candidates(version):
            if works(path, version):
                print(path)
                return
    print("No other Python was found: only this one's Django was tested.", file=sys.stderr)


if __name__ == "__main__":
    main()
