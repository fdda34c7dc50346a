"""The adapter between Granian's RSGI and Django's WSGI; docs/adr/0009-an-rsgi-adapter.md.

WSGI has one name for X-Forwarded-For and X_Forwarded_For, so Granian's own WSGI interface lets a client that sends the
second overwrite what a proxy said in the first. RSGI gives the names as they came.
"""

import asyncio
import io
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from granian._granian import RSGIHTTPProtocol as HTTPProtocol
from granian._granian import RSGIProtocolClosed as ProtocolClosed
from granian.rsgi import Scope

from console import stopping
from console.turns import Turns

Environ = dict[str, Any]
Answer = tuple[int, list[tuple[str, str]], bytes]  # status, headers, body
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


class Adapter:
    """An RSGI application that serves a WSGI application, `threads` requests at once, those of each `asker` in turn.

    `direct` is asked first, for answers without WSGI's detour; it returns None for a request that it leaves to the
    application.

    A request takes a thread once its body is there. A body larger than `largest_body` bytes is read no further
    than that; one that ends early is refused with 400, and one that takes longer than `body_seconds` with 408.
    `serving` names the clients, by address and port, whose request has a thread or waits for one.
    """

    def __init__(
        self,
        application: Application,
        *,
        direct: Callable[[Environ], Answer | None] = lambda _environ: None,
        threads: int,
        asker: Callable[[Environ], str],
        largest_body: int,
        body_seconds: float,
    ) -> None:
        self.application, self.direct = application, direct
        self.asker = asker
        self.largest_body = largest_body
        self.body_seconds = body_seconds
        self.serving: set[str] = set()
        self.ends_connections = False
        # A pool of the standard library makes two futures of each request, and wakes the loop before the client.
        self.requests: Turns[Callable[[], None]] = Turns()
        for number in range(threads):
            threading.Thread(target=self._work, name=f"request_{number}", daemon=True).start()

    def _work(self) -> None:
        while True:
            self.requests.get()()

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen for the signal that comes before a stop; Granian calls this before the first request."""
        loop.add_signal_handler(stopping.SIGNAL, self.end_connections)

    def end_connections(self) -> None:
        """End each connection with its next answer."""
        self.ends_connections = True

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        headers, unreadable = headers_of(scope)
        if unreadable:
            if names := sorted(unreadable & REFUSED):
                refuse(protocol, 400, f"The header {names[0]} has characters other than ASCII.")
                return
            headers |= {wsgi_name(name): "" for name in unreadable & BLANKED}
            if "authorization" in unreadable:  # the API itself refuses it
                headers["HTTP_AUTHORIZATION"] = NO_CREDENTIALS
        environ = environ_of(scope, headers)
        body = b""
        if self.has_body(environ):
            try:
                async with asyncio.timeout(self.body_seconds):
                    whole = await self.body(environ, protocol)
            except TimeoutError:
                protocol.response_empty(408, [("connection", "close")])
                return
            if whole is None:
                refuse(protocol, 400, "The body ended early.")
                return
            body = whole
        environ["wsgi.input"] = io.BytesIO(body)
        if "HTTP_TRANSFER_ENCODING" in environ:  # Django reads a body only where it has a length
            environ.setdefault("CONTENT_LENGTH", str(len(body)))
        # What was left of a body would be read as the next request: the server closes, and the client must know.
        ends = self.ends_connections or self.is_too_large(environ, body)
        close = [("connection", "close")] if ends else []
        await self.answered(environ, protocol, scope.client, close)

    async def answered(
        self, environ: Environ, protocol: HTTPProtocol, client: str, more: list[tuple[str, str]]
    ) -> None:
        """Return when a thread has answered the request, with `more` headers. Raises what the server can't send."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def request() -> None:
            refusal = None
            try:
                status, headers, body = self.answer(environ)
                self.serving.discard(client)  # before it can send its next request
                protocol.response_bytes(status, headers + more, body)
            except Exception as exc:  # noqa: BLE001  (it goes to who waits)
                refusal = exc
            with suppress(RuntimeError):  # the loop is closed: the process ends
                loop.call_soon_threadsafe(finish, done, refusal)

        self.serving.add(client)
        self.requests.put(self.asker(environ), request)
        await done

    def is_too_large(self, environ: Environ, body: bytes = b"") -> bool:
        """Tell whether a body is not read to its end, by the length it announces and by what was read of it."""
        return max(int(environ.get("CONTENT_LENGTH") or 0), len(body)) > self.largest_body

    def has_body(self, environ: Environ) -> bool:
        """Tell whether there is a body that is to be read."""
        return ("CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ) and not self.is_too_large(environ)

    async def body(self, environ: Environ, protocol: HTTPProtocol) -> bytes | None:
        """Return the body, or None where the client left before its end."""
        if length := environ.get("CONTENT_LENGTH", ""):
            try:
                whole: bytes = await protocol()
            except ProtocolClosed:
                return None
            return whole if len(whole) == int(length) else None
        body, ends = bytearray(), 0
        async for chunk in protocol:
            body += chunk
            ends += not chunk  # Granian gives one empty chunk for an end, and one before it for what broke off
            if len(body) > self.largest_body:
                break
        return bytes(body) if ends < 2 else None

    def answer(self, environ: Environ) -> Answer:
        """Let the application answer; raise nothing."""
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
            started[:] = [int(status.split(" ", 1)[0]), headers]

        try:
            if (answer := self.direct(environ)) is not None:
                return answer
            parts = self.application(environ, start_response)
            try:
                body = b"".join(parts)
            finally:
                getattr(parts, "close", lambda: None)()  # Django's end of the request
        except Exception:  # Django answers errors of its own; this one was raised around it
            logger.exception("A request failed outside of Django.")
            return 500, [], b""
        return started[0], started[1], body


def finish(done: "asyncio.Future[None]", error: Exception | None) -> None:
    if done.cancelled():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def refuse(protocol: HTTPProtocol, status: int, reason: str) -> None:
    """Answer a request that the application does not get, and close its connection."""
    headers = [
        ("cache-control", "no-store"),
        ("connection", "close"),
        ("content-type", "text/plain; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
    ]
    protocol.response_bytes(status, headers, f"{reason}\n".encode())


def environ_of(scope: Scope, headers: Environ) -> Environ:
    """Return WSGI's environ of a request with these headers, without its body."""
    server, _, port = scope.server.rpartition(":")
    return {
        "HTTP_HOST": "",
        **headers,
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


def headers_of(scope: Scope) -> tuple[Environ, set[str]]:
    """Return the headers under WSGI's names, and the names of those whose value Granian does not give.

    Lines of one name are joined, as one line would have them.
    """
    found: dict[str, list[str]] = {}
    for name, text in scope.headers.items():
        found.setdefault(name, []).append(text)
    environ = {
        COMMON.get(name) or wsgi_name(name): texts[0] if len(texts) == 1 else joined(name, texts)
        for name, texts in found.items()
        if name in COMMON or NAME.fullmatch(name)
    }
    return environ, {*scope.headers.keys()} - found.keys()


def joined(name: str, texts: list[str]) -> str:
    return texts[0] if name in UNPREFIXED else SEPARATORS.get(name, ",").join(texts)


def wsgi_name(name: str) -> str:
    return UNPREFIXED.get(name, f"HTTP_{name.upper().replace('-', '_')}")


# The names that most requests have; any other name is put together anew.
COMMON = {
    name: wsgi_name(name)
    for name in (
        "accept", "accept-encoding", "accept-language", "authorization", "connection", "content-length", "content-type",
        "cookie", "host", "iam-apikey", "origin", "referer", "user-agent", "x-forwarded-for", "x-forwarded-host",
        "x-forwarded-port", "x-forwarded-proto", "x-real-ip",
    )
}  # fmt: skip
