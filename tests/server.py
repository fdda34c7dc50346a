"""A real console in a process of its own, as `make run` starts it, with its data in a folder of the test."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import requests

from tests import databases
from tests.cast import ADMIN
from tests.prepared import ROOT, prepare, without_settings

RUN_SECONDS = 120
START_SECONDS = 60


OWN_PORTS = range(11_000, 32_000)  # from 32,768 on the system gives them to whoever asks for any


def free_port() -> int:
    """Return a port at which nothing listens, and which nobody is given before it is used."""
    while True:
        port = secrets.choice(OWN_PORTS)
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


class ConsoleServer:
    """Started by `with`; `url` is where it listens, `log` what it printed, `run_by` a command that runs commands.

    What a first start makes is there already, unless the folder is, or `is_new` says that it is not to be. A database
    that is given to it stays as it is.
    """

    run_by: tuple[str, ...] = ()

    def __init__(self, data_dir: Path, *, is_new: bool = False, **environment: str) -> None:
        self.data_dir = data_dir
        self.is_new, self.has_own_database = is_new, "DATABASE_URL" in environment
        self.port = free_port()
        self.url = f"http://{'[::1]' if environment.get('HOST') == '::1' else '127.0.0.1'}:{self.port}"
        self.log_path = data_dir.parent / f"{data_dir.name}-{self.port}.log"
        self.environment = without_settings() | {
            "DATA_DIR": str(data_dir),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "WORKERS": "1",
            "LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS": "1000",  # which no test reaches by accident
            "LOGIN_ATTEMPTS_PER_ADDRESS": "100000",
            "BAD_VALUES_PER_MINUTE": "1000000",
            "LOGIN_ATTEMPTS_PER_USER": "100000",
            "DATABASE_URL": "" if self.has_own_database else databases.url_for(data_dir),
            "CONSOLE_ADMIN_PASSWORD": ADMIN[1],
            "DJANGO_SETTINGS_MODULE": "console.settings",
            **environment,
        }

    def __enter__(self) -> "ConsoleServer":
        if not self.is_new and not self.data_dir.exists():
            prepare(self.data_dir, with_database=not self.has_own_database)
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [*self.run_by, sys.executable, "manage.py", "serve"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if requests.get(f"{self.url}/readyz", timeout=5).ok:
                    return self
            except requests.ConnectionError:
                time.sleep(0.1)
        self.__exit__()
        raise AssertionError(f"The console did not start:\n{self.log}")

    def __exit__(self, *_exc: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def stop(self) -> None:
        """Stop it as a supervisor does, and wait for its end."""
        self.process.terminate()
        assert self.process.wait(20) == 0, self.log

    def kill(self) -> None:
        """End every process of it at once, as a power cut would."""
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        os.kill(parent, signal.SIGKILL)
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        self.process.wait()

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def database(self) -> str:
        """The URL of its database on a server, or else the path of its file."""
        return self.environment["DATABASE_URL"] or str(self.data_dir / "console.sqlite3")

    def sql(self, statement: str, *parameters: object) -> list[tuple]:
        """Look into the database, or change it, beside the running console; `?` stands for a parameter."""
        with closing(databases.Look(self.database)) as look:
            return look.sql(statement, *parameters)

    def kept(self) -> dict[str, bytes]:
        """Return all that it wrote, by name: its files, its log, and the rows of a database on a server."""
        found = {str(path): path.read_bytes() for path in self.data_dir.rglob("*") if path.is_file()}
        rows = {"rows": databases.rows(self.database)} if self.environment["DATABASE_URL"] else {}
        return found | rows | {str(self.log_path): self.log_path.read_bytes()}

    def attempt(self, *arguments: str, **kwargs: str) -> subprocess.CompletedProcess[str]:
        """Run manage.py with this server's settings to its end, whatever that is."""
        command, environment = [sys.executable, "manage.py", *arguments], self.environment | kwargs
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS)

    def manage(self, *arguments: str, **kwargs: str) -> str:
        """Run manage.py with this server's settings and return what it printed."""
        done = self.attempt(*arguments, **kwargs)
        done.check_returncode()
        return done.stdout

    def run_python(self, code: str) -> str:
        """Run Python inside this server's Django and return what it printed."""
        return self.manage("shell", "--command", code)
