"""The adapter between Granian's RSGI and Django's WSGI; docs/adr/0009-an-rsgi-adapter.md.

WSGI has one name for X-Forwarded-For and X_Forwarded_For, so Granian's own WSGI interface lets a client that sends the
second overwrite what a proxy said in the first. RSGI gives the names as they came.
"""

import asyncio
import io
import logging
import re
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from granian._granian import RSGIHTTPProtocol as HTTPProtocol
from granian.rsgi import Scope

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

NAME = re.compile(r"[a-z0-9-]+")  # no two such names are one in WSGI
SEPARATORS = {"cookie": "; "}
# Granian gives no value for a header that is not ASCII. A request without one of these would mean something else.
REFUSED = {
    "content-encoding", "content-length", "host", "origin", "sec-fetch-site", "sec-purpose", "transfer-encoding",
    "x-forwarded-for", "x-forwarded-proto",
}  # fmt: skip
# The application itself refuses these where they are blank. Any other header is treated as absent.
BLANKED = {
    "content-type", "entity-disable", "entity-lock", "github-public-key-identifier", "github-public-key-signature",
    "iam-apikey", "idempotency-key", "if-match",
}  # fmt: skip
UNPREFIXED = {"content-length": "CONTENT_LENGTH", "content-type": "CONTENT_TYPE"}
NO_CREDENTIALS = "unreadable"  # as the value of Authorization: no scheme has this name

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes = field(repr=False)


class Adapter:
    """An RSGI application that serves a WSGI application, `threads` requests at once.

    A request takes a thread once its body is there. A body larger than `largest_body` bytes is read no further
    than that; one that ends early is refused with 400, and one that takes longer than `body_seconds` with 408.
    `serving` names the clients, by address and port, whose request has a thread or waits for one.
    """

    def __init__(self, application: Application, *, threads: int, largest_body: int, body_seconds: float) -> None:
        self.application = application
        self.largest_body = largest_body
        self.body_seconds = body_seconds
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self.serving: set[str] = set()

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        unreadable = unreadable_headers(scope)
        if names := sorted(unreadable & REFUSED):
            refuse(protocol, 400, f"The header {names[0]} has characters other than ASCII.")
            return
        environ = environ_of(scope) | {wsgi_name(name): "" for name in unreadable & BLANKED}
        if "authorization" in unreadable:  # the API itself refuses it
            environ["HTTP_AUTHORIZATION"] = NO_CREDENTIALS
        try:
            async with asyncio.timeout(self.body_seconds):
                body = await self.body(environ, protocol)
        except TimeoutError:
            protocol.response_empty(408, [("connection", "close")])
            return
        if body is None:
            refuse(protocol, 400, "The body ended early.")
            return
        environ["wsgi.input"] = io.BytesIO(body)
        if "HTTP_TRANSFER_ENCODING" in environ:  # Django reads a body only where it has a length
            environ.setdefault("CONTENT_LENGTH", str(len(body)))
        self.serving.add(client := scope.client)
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self.pool, self.answer, environ)
        finally:
            self.serving.discard(client)
        # What was left of a body would be read as the next request: the server closes, and the client must know.
        close = [("connection", "close")] if self.is_too_large(environ, body) else []
        protocol.response_bytes(answer.status, answer.headers + close, answer.body)

    def is_too_large(self, environ: Environ, body: bytes = b"") -> bool:
        """Tell whether a body is not read to its end, by the length it announces and by what was read of it."""
        return max(int(environ.get("CONTENT_LENGTH") or 0), len(body)) > self.largest_body

    async def body(self, environ: Environ, protocol: HTTPProtocol) -> bytes | None:
        """Return the body, or None where the client left before its end."""
        length = environ.get("CONTENT_LENGTH", "")
        if not (length or "HTTP_TRANSFER_ENCODING" in environ) or self.is_too_large(environ):
            return b""
        body, ends = bytearray(), 0
        async for chunk in protocol:
            body += chunk
            ends += not chunk  # Granian gives one empty chunk for an end, and one before it for what broke off
            if len(body) > self.largest_body:
                break
        return bytes(body) if (len(body) == int(length) if length else ends < 2) else None

    def answer(self, environ: Environ) -> Answer:
        """Let the application answer, in a thread of the pool."""
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
            started[:] = [int(status.split(" ", 1)[0]), headers]

        try:
            parts = self.application(environ, start_response)
            try:
                body = b"".join(parts)
            finally:
                getattr(parts, "close", lambda: None)()  # Django's end of the request
        except Exception:  # Django answers errors of its own; this one was raised around it
            logger.exception("A request failed outside of Django.")
            return Answer(500, [], b"")
        return Answer(started[0], started[1], body)


def refuse(protocol: HTTPProtocol, status: int, reason: str) -> None:
    """Answer a request that the application does not get, and close its connection."""
    headers = [
        ("cache-control", "no-store"),
        ("connection", "close"),
        ("content-type", "text/plain; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
    ]
    protocol.response_bytes(status, headers, f"{reason}\n".encode())


def unreadable_headers(scope: Scope) -> set[str]:
    """Return the names of headers whose value Granian does not give."""
    return set(scope.headers.keys()) - {name for name, _text in scope.headers.items()}


def environ_of(scope: Scope) -> Environ:
    """Return WSGI's environ of a request, without its body."""
    server, _, port = scope.server.rpartition(":")
    return {
        "HTTP_HOST": "",
        **headers_of(scope),
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def headers_of(scope: Scope) -> Environ:
    """Return the headers under WSGI's names; lines of one name are joined, as one line would have them."""
    found: dict[str, list[str]] = {}
    for name, text in scope.headers.items():
        if NAME.fullmatch(name):
            found.setdefault(name, []).append(text)
    return {
        wsgi_name(name): (texts[0] if name in UNPREFIXED else SEPARATORS.get(name, ",").join(texts))
        for name, texts in found.items()
    }


def wsgi_name(name: str) -> str:
    return UNPREFIXED.get(name, f"HTTP_{name.upper().replace('-', '_')}")
