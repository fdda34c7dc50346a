"""Programs that tests need and this machine may lack: installed from its distribution where that may be."""

import subprocess
from collections.abc import Callable

SECONDS = 900


def install(package: str, is_there: Callable[[], object]) -> None:
    """Install a package of Debian's unless what it brings is there; whether that worked, `is_there` tells."""
    for command in (
        ["apt-get", "update"],
        ["apt-get", "install", "--yes", "--no-install-recommends", package],
    ):
        if is_there():
            return
        print("Trying:", *command, flush=True)
        try:
            subprocess.run(command, check=False, timeout=SECONDS, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as exc:
            print(exc, flush=True)
