"""Finds a Chromium for the browser tests; run as a module, installs one where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def find() -> str | None:
    """Return the path of a Chromium: CHROMIUM, Playwright's own, or the system's."""
    given = os.environ.get("CHROMIUM")
    if given:
        return given
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    if Path(own).exists():
        return own
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def install() -> None:
    attempts = (
        [sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"],
        ["apt-get", "update"],
        ["apt-get", "install", "--yes", "--no-install-recommends", "chromium", "fonts-noto-cjk"],
    )
    for command in attempts:
        print("Trying:", *command, flush=True)
        try:
            subprocess.run(command, check=False, timeout=900, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as exc:
            print(exc, flush=True)
        if find():
            return


def main() -> None:
    if not find():
        install()
    path = find()
    if not path:
        sys.exit(
            "The browser tests need Chromium and none could be installed. Install it, or set CHROMIUM to its path."
        )
    print(f"Browser tests use {path}")


if __name__ == "__main__":
    main()
