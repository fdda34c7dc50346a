"""Caddy, which stands before consoles."""

import shutil

from tests import packages


def find() -> str | None:
    return shutil.which("caddy")


def install() -> None:
    """Install Caddy where there is none; the tests that need it say so where that failed."""
    packages.install("caddy", find)
