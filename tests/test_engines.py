"""Which engines `make test` tries, and what it says of those that it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import ROOT

pytestmark = pytest.mark.once


def run_engines(wanted: str, programs: Path) -> subprocess.CompletedProcess[str]:
    """Run the chore on a machine that has only the programs in that folder, without collecting a test."""
    environment = os.environ | {"PATH": str(programs), "FIREFOX": ""}
    command = [sys.executable, "-m", "tests.engines", wanted, "--version"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("wanted", "code"), [("found", 0), ("all", 1)])
def test_the_last_line_says_which_engine_was_not_tried_and_how_to_get_it(tmp_path: Path, wanted, code):
    done = run_engines(wanted, tmp_path)

    assert done.stdout.splitlines()[-1] == (
        "Not tried: firefox, webkit. To get it: "
        "apt-get install --yes --no-install-recommends firefox-esr webkit2gtk-driver xvfb"
    )
    assert done.returncode == code


def test_an_engine_that_is_there_is_tried_without_the_other(tmp_path: Path):
    (tmp_path / "firefox-esr").symlink_to(sys.executable)

    done = run_engines("found", tmp_path)

    assert "pytest" in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("Not tried: webkit. To get it: apt-get install")
