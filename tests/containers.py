"""What Dockerfile and compose.yaml say, done on this machine as far as that goes without an engine.

The commands that make the image run in an empty folder; what it starts runs there without a capability of the system,
in files that nobody can write, with the settings and secrets of compose.yaml.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

import trustme
import yaml

from tests import nginx
from tests.postgres import unprivileged_identity
from tests.server import ROOT, free_port
from tests.waiting import until

SECONDS = 60
BUILD_SECONDS = 600
HOST = "localhost"
WORKDIR = "/opt/apikeys-console"
PLACEHOLDER = re.compile(r"\$\{CONSOLE_HOST:\?[^}]*\}")
RUN_SECRETS = "/run/secrets/"


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text()))


def stages() -> list[list[tuple[str, str]]]:
    """Return each stage of the Dockerfile as its instructions with what stands behind them."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", "")
    found: list[list[tuple[str, str]]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _blank, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest.strip()))
    return found


def said(stage: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for instruction, rest in stage if instruction == name]


def variables(stage: list[tuple[str, str]]) -> dict[str, str]:
    return dict(pair.split("=", 1) for line in said(stage, "ENV") for pair in shlex.split(line))


def context(folder: Path) -> None:
    """Copy what .dockerignore lets into the image."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*", "everything is left out that is not named"
    for name in (line.removeprefix("!").rstrip("/") for line in lines if line.startswith("!")):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def without_privileges(*command: object) -> list[str]:
    """Return a command that runs as in a container of compose.yaml: no capability, and none to be had."""
    bounds = ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"] if os.geteuid() == 0 else []
    return ["setpriv", "--no-new-privs", *bounds, *map(str, command)]


class Image:
    """The checkout as the image has it, in a folder of its own that nobody can write afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        build, final = stages()
        context(folder)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
        for line in said(build, "RUN"):
            subprocess.run(
                ["sh", "-euc", line], cwd=folder, env=environment | {"PATH": path}, check=True, timeout=BUILD_SECONDS
            )
        self.environment = variables(final)
        self.command = [*self.exec_form(said(final, "ENTRYPOINT")[0]), *self.exec_form(said(final, "CMD")[0])]
        self.health_check = self.exec_form(said(final, "HEALTHCHECK")[0].partition("CMD")[2])
        for path in [folder, *folder.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222)

    def exec_form(self, text: str) -> list[str]:
        return [word.replace(WORKDIR, str(self.folder)) for word in json.loads(text)]

    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}


class Container:
    """A console of compose.yaml, started by `with`."""

    def __init__(self, image: Image, secrets: Path, data_dir: Path) -> None:
        self.image, self.port, self.log_path = image, free_port(), data_dir.with_suffix(".log")
        given = compose()["services"]["console-a"]["environment"]
        self.environment = {
            "PATH": os.environ["PATH"],
            **image.environment,
            **{name: PLACEHOLDER.sub(HOST, text).replace(RUN_SECRETS, f"{secrets}/") for name, text in given.items()},
            "DATA_DIR": str(data_dir),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
        }
        data_dir.mkdir(mode=0o700)

    def __enter__(self) -> Self:
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                without_privileges(*self.image.command),
                cwd=self.image.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until(lambda: self.process.poll() is not None or not self.health().returncode, SECONDS)
        assert self.process.poll() is None, self.log_path.read_text()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.process.poll() is None:
            self.stop()

    def stop(self) -> int:
        """Stop it as an engine does, and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)

    def health(self) -> subprocess.CompletedProcess[str]:
        command = without_privileges(*self.image.health_check)
        return subprocess.run(
            command, cwd=self.image.folder, env=self.environment, capture_output=True, text=True, timeout=SECONDS
        )


class Proxy:
    """The proxy of compose.yaml in front of two consoles, started by `with`, with a certificate of its own.

    Like there, its user is an ordinary one.
    """

    def __init__(self, *consoles: Container) -> None:
        self.consoles = consoles
        self.tls_port, self.plain_port = free_port(), free_port()
        self.url, self.plain_url = f"https://{HOST}:{self.tls_port}", f"http://{HOST}:{self.plain_port}"

    def __enter__(self) -> Self:
        program = nginx.find()
        assert program, "These tests need nginx: run python -m tests.postgres, or install it."
        self.folder, identity = Path(tempfile.mkdtemp(prefix="apikeys-proxy-")), unprivileged_identity()
        authority = trustme.CA()
        certificate = authority.issue_cert(HOST)
        self.authority = self.folder / "authority.pem"
        authority.cert_pem.write_to_path(self.authority)
        certificate.cert_chain_pems[0].write_to_path(self.folder / "tls_certificate")
        certificate.private_key_pem.write_to_path(self.folder / "tls_key")
        (self.folder / "nginx.conf").write_text(self.configuration())
        for path in [self.folder, *self.folder.iterdir()]:
            os.chown(path, identity.get("user", -1), identity.get("group", -1))
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [program, "-c", self.folder / "nginx.conf"],
                **identity, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until(lambda: self.process.poll() is not None or (self.folder / "nginx.pid").exists(), SECONDS)
        assert self.process.poll() is None, self.log
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> int:
        service = compose()["services"]["proxy"]
        self.process.send_signal(signal.Signals[service["stop_signal"]])
        return self.process.wait(SECONDS)

    def configuration(self) -> str:
        """Return deploy/nginx.conf with the addresses and folders of this machine in place of a container's."""
        text = (ROOT / "deploy" / "nginx.conf").read_text()
        changes = {
            r"^ *resolver .*\n": "",  # the consoles have addresses here, no names
            r"console-a:8000 resolve": f"127.0.0.1:{self.consoles[0].port}",
            r"console-b:8000 resolve": f"127.0.0.1:{self.consoles[1].port}",
            r"listen 8443 ssl": f"listen 127.0.0.1:{self.tls_port} ssl",
            r"listen 8080": f"listen 127.0.0.1:{self.plain_port}",
            r"/tmp/": f"{self.folder}/",
            RUN_SECRETS: f"{self.folder}/",
            r"/dev/stdout": f"{self.folder}/access",
        }
        for pattern, change in changes.items():
            text, times = re.subn(pattern, change, text, flags=re.MULTILINE)
            assert times, pattern
        return text

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")
