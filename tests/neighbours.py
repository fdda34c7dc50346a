"""Servers that a program meets on its way to the console, or instead of it. All on this machine."""

import select
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import requests
import trustme

HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "proxy-connection", "transfer-encoding"}


class InThread:
    """A server that runs in a thread while `with` lasts, for HTTPS where it has a certificate; `url` is its address."""

    def serve_with(self, server: ThreadingHTTPServer, certificate: Path | None) -> None:
        self.server = server
        self.url = f"http://127.0.0.1:{server.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            self.url = f"https://localhost:{server.server_port}"

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Neighbour(InThread):
    """A server that tells how it was asked: `asked` are the requests it got, as method and target."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.asked: list[tuple[str, str]] = []
        neighbour = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                neighbour.asked.append((self.command, self.path))
                status, headers, answer = neighbour.answer(self.command, self.path, dict(self.headers), body)
                self.send_response(status)
                for name, text in headers.items():
                    self.send_header(name, text)
                if status != 204:
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_DELETE = do_CONNECT = handle_any  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.serve_with(server, certificate)

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        raise NotImplementedError


class Fixed(Neighbour):
    """Answers everything alike."""

    def __init__(self, status: int = 200, body: str = "", **headers: str) -> None:
        super().__init__()
        self.status, self.body = status, body
        self.headers = {name.replace("_", "-"): text for name, text in headers.items()}

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        return self.status, self.headers, self.body.encode()


class Relay(Neighbour):
    """Passes requests on to the console: as a forward proxy, or with a certificate as the HTTPS in front of it.

    `failures` are statuses given instead to the first requests.
    """

    def __init__(self, console_url: str, certificate: Path | None = None, failures: tuple[int, ...] = ()) -> None:
        super().__init__(certificate)
        self.console_url = console_url
        self.failures = list(failures)

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if self.failures:
            return self.failures.pop(0), {"Retry-After": "0"}, b""
        parts = urlsplit(target)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        passed = {name: text for name, text in headers.items() if name.lower() not in HOP_BY_HOP}
        with requests.Session() as session:
            session.trust_env = False
            found = session.request(
                method, self.console_url + path, headers=passed, data=body, timeout=30, allow_redirects=False
            )
        kept = {name: text for name, text in found.headers.items() if name.lower() not in HOP_BY_HOP}
        kept.pop("Content-Encoding", None)
        return found.status_code, kept, found.content


class Tunnel(Neighbour):
    """A proxy for HTTPS: lets bytes through to the machine itself, and sees none of what they say."""

    def __init__(self) -> None:
        super().__init__()
        self.server.RequestHandlerClass.do_CONNECT = lambda handler: self.connect(handler)

    def connect(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append((handler.command, handler.path))
        with socket.create_connection(("127.0.0.1", int(handler.path.rpartition(":")[2]))) as there:
            handler.send_response(200)
            handler.end_headers()
            here = handler.connection
            ends = {here: there, there: here}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    data = end.recv(1 << 16)
                    if not data:
                        handler.close_connection = True
                        return
                    ends[end].sendall(data)


class Silent:
    """Takes connections and never answers."""

    def __enter__(self) -> "Silent":
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        return self

    def __exit__(self, *_exc: object) -> None:
        self.socket.close()


def make_certificates(folder: Path) -> tuple[Path, Path]:
    """Make a certificate authority, and by it a certificate with its key for the name localhost; return both files."""
    authority = trustme.CA()
    authority_file, server_file = folder / "authority.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(str(authority_file))
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(server_file))
    return authority_file, server_file
