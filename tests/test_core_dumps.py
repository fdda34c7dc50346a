"""What is seen of a process that handles values from beside it: no core dump, and nothing of its memory."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.management.commands import serve
from console.server import ports
from tests.containers import without_privileges
from tests.server import ROOT, ConsoleServer
from tests.strangers import workers_of

pytestmark = pytest.mark.once

SLEEPS = "import time; print('ready', flush=True); time.sleep(60)"

COMMAND_LINE = """
import contextlib, io, runpy, sys
sys.argv = ["apikeys", "completion", "bash"]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    runpy.run_module("apikeys", run_name="__main__")
"""


class PlainServer(ConsoleServer):
    """One that runs as a user without root's rights."""

    run_by = tuple(without_privileges())


@contextmanager
def running(*arguments, **environment):
    """Run Python without root's rights until it says that it is ready."""
    command = without_privileges(sys.executable, *arguments)
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE) as process:
        try:
            assert b"ready\n" in process.stdout
            yield process.pid
        finally:
            process.kill()


def is_open(pid: int) -> bool:
    """Tell whether another process of the same user can read what this one has in memory."""
    return subprocess.run(without_privileges("cat", f"/proc/{pid}/environ"), capture_output=True).returncode == 0


def core_size(pid: int) -> list[str]:
    [line] = [line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if "core file size" in line]
    return line.split()[4:6]


def test_any_other_process_can_be_looked_into():
    with running("-c", SLEEPS) as pid:
        seen = is_open(pid)

    assert seen  # or the tests below would show nothing


def test_no_process_of_a_server_leaves_a_core_dump_or_can_be_looked_into(tmp_path):
    with PlainServer(tmp_path / "data") as server:
        pids = [server.process.pid, *workers_of(server.process.pid)]
        sizes, seen = [core_size(pid) for pid in pids], [is_open(pid) for pid in pids]

    assert len(pids) == 2
    assert sizes == [["0", "0"]] * 2
    assert seen == [False] * 2


@pytest.mark.parametrize("program", ["manage.py", "command line"])
def test_nor_does_a_command(program, tmp_path):
    arguments = {
        "manage.py": ["manage.py", "shell", "--command", SLEEPS],
        "command line": ["-c", COMMAND_LINE + SLEEPS],
    }[program]

    with running(*arguments, DATA_DIR=str(tmp_path / "data")) as pid:
        size, seen = core_size(pid), is_open(pid)

    assert size == ["0", "0"]
    assert not seen


def test_a_port_that_a_console_hides_is_told_with_the_consoles_there_are(monkeypatch, tmp_path):
    for pid, parent, command in ((40, 1, "python manage.py serve"), (41, 40, "python manage.py serve"), (42, 1, "sh")):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "cmdline").write_text(command.replace(" ", "\0"))
        (folder / "stat").write_text(f"{pid} (python) S {parent} 1 1")
        (folder / "status").write_text(f"Name:\tpython\nUid:\t{os.getuid()}\t0\t0\t0\n")
    monkeypatch.setattr(ports, "PROC", tmp_path)

    sentence = serve.who_to_stop(8000)

    assert sentence.startswith(
        " One of your consoles, process 40 (python manage.py serve), or a program of another user"
    )
    assert "ss -ltnp 'sport = :8000'" in sentence
