"""Which engines beside Chromium are on this machine, and how to get those that are not."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MINI_BROWSERS = ("/usr/lib/*/webkit2gtk-4.*/MiniBrowser", "/usr/lib*/webkit2gtk-4.*/MiniBrowser")


def firefox() -> str | None:
    """Return the path of a Firefox: FIREFOX, or the system's."""
    return os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")


def mini_browser() -> str | None:
    """Return the path of WebKitGTK's own small browser, which its driver drives."""
    return next((str(path) for place in MINI_BROWSERS for path in sorted(Path("/").glob(place[1:]))), None)


def webkit_driver() -> str | None:
    return shutil.which("WebKitWebDriver")


def screen() -> str | None:
    """Return the path of an X server that needs no screen."""
    return shutil.which("Xvfb")


@dataclass(frozen=True)
class Needs:
    programs: tuple[Callable[[], str | None], ...]
    packages: tuple[str, ...]  # of Debian

    @property
    def are_met(self) -> bool:
        return all(find() for find in self.programs)


ENGINES = {
    "firefox": Needs((firefox,), ("firefox-esr",)),
    "webkit": Needs((mini_browser, webkit_driver, screen), ("webkit2gtk-driver", "xvfb")),
}


def missing() -> list[str]:
    return [name for name, needs in ENGINES.items() if not needs.are_met]


def command_for(names: list[str]) -> list[str]:
    """Return the command that gets these engines."""
    packages = [package for name in names for package in ENGINES[name].packages]
    return ["apt-get", "install", "--yes", "--no-install-recommends", *packages]


def install() -> None:
    """Install what is missing, where this is a Debian and its administrator asks."""
    names = missing()
    if not names or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    for command in (["apt-get", "update"], command_for(names)):
        print("Trying:", *command, flush=True)
        try:
            subprocess.run(command, check=False, timeout=900, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as exc:
            print(exc, flush=True)
