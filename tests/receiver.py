"""A program that receives webhooks, on this machine: what it was sent, and what it answers."""

import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True)
class Message:
    headers: dict[str, str]
    body: str


class Receiver:
    """Started by `with`. `answer` is a status and headers; `hold`, if there is one, is waited for before."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.received: list[Message] = []
        self.answer: tuple[int, dict[str, str]] = (204, {})
        self.body = b""
        self.hold: threading.Event | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                receiver.received.append(Message({name.lower(): text for name, text in self.headers.items()}, body))
                if receiver.hold is not None:
                    receiver.hold.wait(20)
                status, headers = receiver.answer
                self.send_response(status)
                for name, text in headers.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(receiver.body)

            def log_message(self, *_arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_arguments: object) -> None:
                pass  # a sender that leaves is no fault of it

        self.server = Server(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=lambda: self.server.serve_forever(0.02), daemon=True)

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}/hooks?from=console"

    def __enter__(self) -> "Receiver":
        self.thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.server.shutdown()
        self.server.server_close()
