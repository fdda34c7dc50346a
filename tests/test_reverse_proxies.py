"""The examples of docs/reverse-proxy and of systemd: proxies end TLS in front of a console, as it is written there."""

import os
import re
import shutil
import socket
import ssl
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import trustme

from tests import caddy, nginx
from tests.cast import ADMIN
from tests.http_person import HttpPerson
from tests.server import ROOT, ConsoleServer, free_port
from tests.waiting import until

pytestmark = pytest.mark.postgres  # the run that installs proxies where they are missing

EXAMPLES = ROOT / "docs" / "reverse-proxy"
UNIT = ROOT / "docs" / "apikeys-console.service"
UNIT_FOLDER = "/opt/apikeys-console"
NAME, SECONDS = "localhost", 20
MOST_EXPOSED = 20  # tenths of what systemd counts, from 0 to 100


class Proxy:
    """One that runs, with the certificate of an authority of its own."""

    def __init__(self, folder: Path, console_port: int) -> None:
        self.folder, self.console_port = folder, console_port
        self.port, self.plain_port = free_port(), free_port()
        self.url = f"https://{NAME}:{self.port}"
        authority, self.authority = trustme.CA(), folder / "authority.pem"
        certificate = authority.issue_cert(NAME)
        authority.cert_pem.write_to_path(self.authority)
        certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
        certificate.private_key_pem.write_to_path(folder / "key.pem")

    def example(self, name: str, **changes: str) -> str:
        """Return an example with this machine's ports, and files of this test in place of the system's."""
        text = (EXAMPLES / name).read_text()
        for pattern, change in {
            r"127\.0\.0\.1:8000": f"127.0.0.1:{self.console_port}",
            r"/etc/ssl/console\.example\.com\.pem": str(self.folder / "certificate.pem"),
            r"/etc/ssl/private/console\.example\.com\.key": str(self.folder / "key.pem"),
            **changes,
        }.items():
            text, times = re.subn(pattern, change, text, flags=re.MULTILINE)
            assert times, pattern
        return text

    def command(self, name: str) -> list[str]:
        """Write the configuration of a proxy, and return the command that runs it."""
        return {"nginx": self.of_nginx, "caddy": self.of_caddy}[name]()

    def of_nginx(self) -> list[str]:
        changes = {
            r"listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            r"listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            r"console\.example\.com": NAME,
            r"Host \$host;": "Host $http_host;",  # as the comment there says
        }
        own = "\n".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi"))
        own += f"\nuwsgi_temp_path {self.folder}/uwsgi; scgi_temp_path {self.folder}/scgi; access_log off;"
        file = self.folder / "nginx.conf"
        file.write_text(
            f"daemon off; pid {self.folder}/pid; error_log {self.folder}/log; events {{}}\n"
            f"http {{\n{own}\n{self.example('nginx.conf', **changes)}\n}}\n"
        )
        return [str(nginx.find()), "-p", str(self.folder), "-c", str(file)]

    def of_caddy(self) -> list[str]:
        own = f"{{\n\tadmin off\n\thttp_port {self.plain_port}\n\thttps_port {self.port}\n\tskip_install_trust\n}}\n"
        file = self.folder / "Caddyfile"
        file.write_text(own + self.example("Caddyfile", **{r"console\.example\.com": NAME}))
        return [str(caddy.find()), "run", "--config", str(file), "--adapter", "caddyfile"]


@contextmanager
def running(proxy: Proxy, name: str):
    command = proxy.command(name)
    assert Path(command[0]).exists(), f"This test needs {name}: run python -m tests.postgres, or install it."
    home = os.environ | {"HOME": str(proxy.folder), "XDG_DATA_HOME": str(proxy.folder)}
    with (proxy.folder / "said").open("wb") as said:
        process = subprocess.Popen(command, env=home, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        until(lambda: process.poll() is not None or answers(proxy), SECONDS)
        assert process.poll() is None, (proxy.folder / "said").read_text()
        yield proxy
    finally:
        process.terminate()
        process.wait(SECONDS)


def answers(proxy: Proxy) -> bool:
    try:
        return requests.get(f"{proxy.url}/healthz", verify=str(proxy.authority), timeout=5).ok
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    """A console that both proxies stand before, in turn."""
    with ConsoleServer(
        tmp_path_factory.mktemp("behind") / "data", HTTPS="true", ALLOWED_HOSTS=f"{NAME},127.0.0.1", PUBLIC_URL=f"https://{NAME}",
        LOG_FORMAT="json",
    ) as server:  # fmt: skip
        yield server


@pytest.mark.parametrize("name", ["nginx", "caddy"])
def test_a_proxy_ends_tls_in_front_of_the_console_as_its_example_says(console, tmp_path, name):
    forged = {"X-Forwarded-For": "127.0.0.1", "X_Forwarded_For": "127.0.0.1", "X-Forwarded-Proto": "http"}
    with running(Proxy(tmp_path, console.port), name) as proxy, HttpPerson(proxy.url) as person:
        person.verify = str(proxy.authority)
        person.headers["Referer"] = f"{proxy.url}/"
        person.log_in(*ADMIN)
        page = person.get("/manage/security/apikeys/", headers=forged | {"Accept-Encoding": "gzip"})
        figures = person.get("/metrics")
        plain = requests.get(f"http://{NAME}:{proxy.plain_port}/login/", allow_redirects=False, timeout=5)
        programs = [
            requests.post(f"http://{NAME}:{proxy.plain_port}{path}", allow_redirects=False, timeout=5)
            for path in ("/identity/token", "/v1/apikeys", "/oidc/token")
        ]
        cbc = ssl.create_default_context(cafile=proxy.authority)
        cbc.maximum_version = ssl.TLSVersion.TLSv1_2
        cbc.set_ciphers("AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA")
        with pytest.raises(ssl.SSLError), socket.create_connection((NAME, proxy.port), SECONDS) as connection:
            cbc.wrap_socket(connection, server_hostname=NAME)
        large = person.post("/login/", data=b"x" * 140_000)

    assert page.status_code == 200
    assert page.headers["Strict-Transport-Security"].startswith("max-age=63072000")
    assert page.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "__Host-session" in person.cookies
    assert figures.status_code == 401, "whoever a proxy forwards is not on this machine"
    assert plain.status_code in (301, 308)
    assert plain.headers["Location"].startswith(f"https://{NAME}")
    assert [answer.status_code for answer in programs] == [403] * 3
    assert large.status_code == 413
    assert "Traceback" not in console.log


def test_the_unit_is_one_that_systemd_takes_and_leaves_it_little(tmp_path):
    program = shutil.which("systemd-analyze")
    assert program, "This test needs systemd-analyze, of Debian's package systemd."
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(f"{UNIT_FOLDER}/.venv/bin/python", shutil.which("python3")))

    verified = subprocess.run([program, "verify", unit], capture_output=True, text=True)
    exposed = subprocess.run(
        [program, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit], capture_output=True, text=True
    )

    assert (verified.returncode, verified.stderr) == (0, "")
    assert exposed.returncode == 0, exposed.stdout
    assert f"InaccessiblePaths=-{UNIT_FOLDER}/.git\n" in UNIT.read_text()
