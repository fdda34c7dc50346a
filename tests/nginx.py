"""Nginx, which stands before consoles."""

import os
import shutil

from tests import packages


def find() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def install() -> None:
    """Install nginx where there is none; the tests that need it say so where that failed."""
    packages.install("nginx-light", find)
