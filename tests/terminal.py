"""The command line as people and scripts run it: a process of its own, a home folder of its own, a real terminal."""

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 60

# Makes the terminal that is its standard input its own, as a log-in shell does, then becomes the command.
WITH_TERMINAL = (
    # A parallel test run ignores SIGINT, and children would inherit that.
    "import fcntl, os, signal, sys, termios; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
)


@dataclass(frozen=True)
class Done:
    """A command that ended: its exit status and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)


class Terminal:
    """A person's home folder, and the commands run in it."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.environment = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            **environment,
        }

    @property
    def session_file(self) -> Path:
        return self.home / ".config" / "apikeys" / "session.json"

    def session(self) -> dict[str, Any]:
        return dict(json.loads(self.session_file.read_text()))

    def change_session(self, **changes: Any) -> None:
        self.session_file.write_text(json.dumps(self.session() | changes))

    def run(self, *arguments: str, typed: str = "", **environment: str) -> Done:
        """Run `apikeys` with the arguments; `typed` is its standard input, which is no terminal."""
        return self.execute([sys.executable, "-P", "-m", "apikeys", *arguments], typed, **environment)

    def shell(self, script: str, **environment: str) -> Done:
        """Run a script in bash, where `apikeys` is the command line."""
        self.install()
        path = f"{self.home / 'bin'}:{self.environment['PATH']}"
        return self.execute(["bash", "-c", script], PATH=path, **environment)

    def install(self) -> None:
        """Put an `apikeys` into ~/bin."""
        wrapper = self.home / "bin" / "apikeys"
        if not wrapper.exists():
            wrapper.parent.mkdir()
            wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m apikeys "$@"\n')
            wrapper.chmod(0o755)

    def execute(self, command: list[str], typed: str = "", **environment: str) -> Done:
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self.environment | environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "apikeys", *arguments],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def talk(self, *arguments: str) -> "Conversation":
        """Run `apikeys` at a real terminal."""
        return Conversation(self, [sys.executable, "-P", "-m", "apikeys", *arguments])


class Conversation:
    """A command at a terminal: wait for what it says, then answer."""

    def __init__(self, terminal: Terminal, command: list[str]) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", WITH_TERMINAL, *command],
            cwd=terminal.home,
            env=terminal.environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.shown = ""
        self.deadline = time.monotonic() + SECONDS

    def wait_for(self, text: str) -> None:
        while text not in self.shown:
            assert self._read(), f"{text!r} did not come; shown was {self.shown!r}"

    def answer(self, line: str) -> None:
        os.write(self.master, line.encode() + b"\n")

    def interrupt(self) -> None:
        """Press Ctrl-C, and again where Python was between prompt and wait: a signal that comes then wakes nobody."""
        while self.process.poll() is None and time.monotonic() < self.deadline:
            os.write(self.master, b"\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1)

    def press(self, key: bytes) -> None:
        os.write(self.master, key)

    def end(self) -> int:
        """Return the exit status, once everything was shown."""
        while self._read():
            pass
        status = self.process.wait(SECONDS)
        os.close(self.master)
        return status

    def _read(self) -> bool:
        """Take in what is shown next; False at the end."""
        ready, _, _ = select.select([self.master], [], [], max(0.0, self.deadline - time.monotonic()))
        assert ready, f"nothing more came; shown was {self.shown!r}"
        try:
            found = os.read(self.master, 4096)
        except OSError:  # Linux says so when the last process closed its side
            return False
        self.shown += found.decode(errors="replace").replace("\r\n", "\n")
        return bool(found)
