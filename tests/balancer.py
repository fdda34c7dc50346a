"""Nginx in front of several consoles, as docs/scaling.md configures it."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests import nginx
from tests.documents import blocks
from tests.server import ROOT, ConsoleServer, free_port
from tests.waiting import until

SECONDS = 20
PAGE = ROOT / "docs" / "scaling.md"
SERVER = re.compile(r"server [^ ;]+")
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/log;
events {{}}
http {{
    access_log off;
    {temporary}
    {upstream}
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""


def documented(consoles: list[ConsoleServer]) -> tuple[str, str]:
    """Return the upstream block of the document with these consoles as its servers, and its location block."""
    upstream, location = (code for language, code in blocks(PAGE) if language == "nginx")
    ports = [console.port for console in consoles]
    assert len(SERVER.findall(upstream)) == len(ports)
    return SERVER.sub(lambda _found: f"server 127.0.0.1:{ports.pop(0)}", upstream), location


class Balancer:
    """Started by `with`; `url` is where it listens, also before: consoles need it as their PUBLIC_URL."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def in_front_of(self, *consoles: ConsoleServer) -> Self:
        self.consoles = list(consoles)
        return self

    def __enter__(self) -> Self:
        program = nginx.find()
        assert program, "These tests need nginx: run python -m tests.postgres, or install it."
        self.folder = Path(tempfile.mkdtemp(prefix="apikeys-nginx-"))
        upstream, location = documented(self.consoles)
        configuration = self.folder / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(
                folder=self.folder, port=self.port, upstream=upstream, location=location,
                temporary="\n    ".join(f"{name}_temp_path {self.folder}/{name};" for name in TEMPORARY),
            )
        )  # fmt: skip
        self.process = subprocess.Popen(
            [program, "-p", self.folder, "-c", configuration], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until((self.folder / "pid").exists, SECONDS)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.terminate()
        self.process.wait(SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")
