"""Print a Python for the other Django of the lock: 3.12 or newer beside 3.11, and the other way round."""

import glob
import os
import shutil
import subprocess
import sys

NEWER = ("3.14", "3.13", "3.12")
PROBE = "import sys, venv, ensurepip, sqlite3, ssl; print('%d.%d' % sys.version_info[:2])"


def candidates(version: str) -> list[str]:
    found = shutil.which(f"python{version}")
    homes = [os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")]
    return ([found] if found else []) + [
        path for home in homes for path in sorted(glob.glob(f"{home}/versions/{version}.*/bin/python"))
    ]


def works(path: str, version: str) -> bool:
    probe = subprocess.run([path, "-c", PROBE], capture_output=True, text=True)
    return probe.returncode == 0 and probe.stdout.strip() == version


def main() -> None:
    if os.path.basename(sys.prefix) == ".venv-other":
        return
    for version in NEWER if sys.version_info < (3, 12) else ("3.11",):
        for path in candidates(version):
            if works(path, version):
                print(path)
                return
    print("No other Python was found: only this one's Django was tested.", file=sys.stderr)


if __name__ == "__main__":
    main()
