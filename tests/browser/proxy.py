"""A proxy between browser and console, on this machine, that a test lets misbehave."""

import http.client
import sys
import threading
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.addresses import CREATE
from tests.browser.value import Value
from tests.server import ConsoleServer

SECONDS = 20
BETWEEN_TWO = {"connection", "keep-alive", "transfer-encoding", "content-length"}  # never passed on


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def without(self, *names: str) -> Self:
        return replace(self, headers=[(name, text) for name, text in self.headers if name.lower() not in names])


class Proxy:
    """Started by `with`; `url` is where it listens. Subclasses say what it changes."""

    def __init__(self, server: ConsoleServer) -> None:
        self.upstream = server

    def __enter__(self) -> Self:
        self.listener = _Listener(("127.0.0.1", 0), _handler(self))
        self.thread = threading.Thread(target=self.listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.listener.shutdown()
        self.listener.server_close()
        self.thread.join(SECONDS)

    @property
    def port(self) -> int:
        return int(self.listener.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, request: Request) -> Request:
        """Return the request as the console gets it."""
        return request

    def answer(self, request: Request, answer: Answer) -> Answer | None:
        """Return the answer as the browser gets it, or None to cut the connection instead."""
        return answer

    def forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream.port, timeout=SECONDS)
        try:
            connection.request(request.method, request.path, request.body, request.headers)
            response = connection.getresponse()
            headers = [(name, text) for name, text in response.getheaders() if name.lower() not in BETWEEN_TWO]
            return Answer(response.status, headers, response.read())
        finally:
            connection.close()


class LosesKeys(Proxy):
    """Cuts the connection instead of delivering created pages, while `losing`; `lost` are the values on them."""

    def __init__(self, server: ConsoleServer) -> None:
        super().__init__(server)
        self.losing = True
        self.lost: set[Value | None] = set()

    def answer(self, request: Request, answer: Answer) -> Answer | None:
        if self.losing and (request.method, request.path) == ("POST", CREATE):
            self.lost.add(Value.in_html(answer.body.decode()))
            return None
        return answer


class HoldsKeys(Proxy):
    """Delivers created pages only once `deliver` is set: a slow way back."""

    def __init__(self, server: ConsoleServer) -> None:
        super().__init__(server)
        self.deliver = threading.Event()

    def answer(self, request: Request, answer: Answer) -> Answer | None:
        if (request.method, request.path) == ("POST", CREATE):
            self.deliver.wait(SECONDS)
        return answer


class KeepsPages(Proxy):
    """Removes what tells a browser not to keep a page; `keeps_cookies` also hides that cookies changed."""

    keeps_cookies = False

    def answer(self, request: Request, answer: Answer) -> Answer | None:
        return answer.without("cache-control", *(["set-cookie"] if self.keeps_cookies else []))


class PlainHttp(Proxy):
    """The console on plain http under a name that browsers do not trust: no clipboard."""

    name = "console.test"  # the tests' browser finds this machine under it

    @property
    def url(self) -> str:
        return f"http://{self.name}:{self.port}"

    def ask(self, request: Request) -> Request:
        headers = {name: text.replace(self.url, self.upstream.url) for name, text in request.headers.items()}
        return replace(request, headers=headers | {"Host": self.upstream.url.removeprefix("http://")})


class _Listener(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a browser that went away is no error
            super().handle_error(request, client_address)


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = SECONDS

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, dict(self.headers.items()), body)
            answer = proxy.answer(request, proxy.forward(proxy.ask(request)))
            if answer is None:
                return
            self.send_response_only(answer.status)
            for name, text in answer.headers:
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = pass_on  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: what passes here may hold a value."""

    return Handler
