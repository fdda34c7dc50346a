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
import time
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from granian._granian import RSGIHTTPProtocol as HTTPProtocol
from granian._granian import RSGIHTTPStreamTransport as HTTPStreamTransport
from granian._granian import RSGIProtocolClosed as ProtocolClosed
from granian.rsgi import Scope

from console.policies import DATA_POLICY, HEADERS, strict_transport
from console.server import stopping
from console.server.turns import Room, Turns

Environ = dict[str, Any]
Answer = tuple[int, list[tuple[str, str]], bytes]  # status, headers, body
Parts = tuple[int, list[tuple[str, str]], Iterable[bytes]]  # the same, of a body that is sent in parts
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
    "iam-apikey", "iam-client-address", "idempotency-key", "if-match",
}  # fmt: skip
UNPREFIXED = {"content-length": "CONTENT_LENGTH", "content-type": "CONTENT_TYPE"}
ENDED_EARLY = "The body ended early."
TOO_MANY_CHUNKS = "The body has too many chunks."
MOST_CHUNKS = 2048  # of a body: each costs the event loop as much as a small request
AVERAGE_SIZE = 32 * 1024  # bytes of head and body of a request, where there are as many as may be
NO_CREDENTIALS = "unreadable"  # as the value of Authorization: no scheme has this name

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Request:
    """One that waits for a thread, or has one."""

    environ: Environ
    protocol: HTTPProtocol
    client: str
    more: list[tuple[str, str]]  # headers of its answer
    done: "asyncio.Future[None]"
    since: float = field(default_factory=time.monotonic)

    def stream(self, status: int, headers: list[tuple[str, str]], parts: Iterable[bytes], seconds: float) -> None:
        """Send a body in parts: the next one when there is room for it, which the client has so many seconds to make.

        Raises TimeoutError, and what the server raises about a client that has left.
        """
        transport, loop = self.protocol.response_stream(status, headers), self.done.get_loop()
        for part in parts:
            asyncio.run_coroutine_threadsafe(send(transport, part), loop).result(seconds)

    def end(self, error: Exception | None = None) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self.done.get_loop().call_soon_threadsafe(finish, self.done, error)


class UnreadableBody(Exception):
    """A sentence about a body that is not served."""


class Adapter:
    """An RSGI application that serves a WSGI application, `threads` requests at once, those of each `asker` in turn.

    `direct` is asked first, for answers without WSGI's detour; it returns None for a request that it leaves to the
    application.

    A request takes a thread once its body is there. A body larger than `largest_body` bytes is read no further
    than that; one that ends early is refused with 400, and one that takes longer than `body_seconds` with 408.
    `serving` names the clients, by address and port, whose request has a thread or waits for one.

    A response that `is_sent_in_parts` is sent as it is made; `streaming` names the clients of those. One that does not
    take a part for `part_seconds` is in `stalled`: its connection is to be aborted, or what it has would look whole.

    There are at most `most` requests, from their heads to their answers, with 32 KiB of head and body on average, and
    nobody has more of them than others could still send; one that finds no room is refused with 503. A request without
    a body for a path that is `apart` has room and a thread that serve no others.
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
        part_seconds: float = 60,
        most: int,
        apart: Container[str] = (),
    ) -> None:
        self.application, self.direct = application, direct
        self.asker = asker
        self.largest_body = largest_body
        self.body_seconds = body_seconds
        self.part_seconds = part_seconds
        self.serving: set[str] = set()
        self.streaming: set[str] = set()
        self.stalled: set[str] = set()
        self.ends_connections = False
        self.apart = apart
        # A pool of the standard library makes two futures of each request, and wakes the loop before the client.
        self.requests: Turns[Request] = Turns()
        self.requests_apart: Turns[Request] = Turns()
        self.room, self.room_apart = Room(most, most * AVERAGE_SIZE), Room(most, most * AVERAGE_SIZE // 8)
        for number in range(threads):
            threading.Thread(target=self._work, args=(self.requests,), name=f"request_{number}", daemon=True).start()
        threading.Thread(target=self._work, args=(self.requests_apart,), name="request_apart", daemon=True).start()

    def _work(self, turns: Turns[Request]) -> None:
        while True:
            self._serve(turns.get())

    def _serve(self, request: Request) -> None:
        refusal = None
        try:
            try:
                status, headers, body = self.answer(request.environ)
                if not isinstance(body, bytes):
                    self._stream(request, (status, headers + request.more, body))
            finally:
                self.serving.discard(request.client)  # before it can send its next request
            if isinstance(body, bytes):
                request.protocol.response_bytes(status, headers + request.more, body)
        except Exception as exc:  # noqa: BLE001  (it goes to who waits)
            refusal = exc
        request.end(refusal)

    def _stream(self, request: Request, answer: Parts) -> None:
        status, headers, parts = answer
        self.streaming.add(request.client)
        try:
            request.stream(status, headers, parts, self.part_seconds)
        except (TimeoutError, ProtocolClosed):
            self.stalled.add(request.client)
            logger.info("A client did not take all of an answer.")
        except Exception:
            self.stalled.add(request.client)
            raise
        finally:
            self.streaming.discard(request.client)
            getattr(parts, "close", lambda: None)()  # Django's end of the request

    def drop_left(self, present: Container[str], before: float) -> None:
        """Serve no request any more that came `before` a look at connections, and whose client is not `present`."""
        self.stalled = {client for client in self.stalled if client in present}

        def has_left(request: Request) -> bool:
            return request.since < before and request.client not in present

        for requests in (self.requests, self.requests_apart):
            for request in requests.take_out(has_left):
                self.serving.discard(request.client)
                with suppress(Exception):  # nobody is there to hear it
                    refuse_for_now(request.protocol)
                request.end()

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
        asker, size = self.asker(environ), self.size(environ)
        is_apart = self.is_apart(environ)
        room = self.room_apart if is_apart else self.room
        if not room.enter(asker, size):
            refuse_for_now(protocol)
            return
        try:
            turns = self.requests_apart if is_apart else self.requests
            await self.admitted(environ, protocol, scope.client, turns, asker)
        finally:
            room.leave(asker, size)

    async def admitted(
        self, environ: Environ, protocol: HTTPProtocol, client: str, turns: Turns[Request], asker: str
    ) -> None:
        """Read the body, and return when a thread has answered the request. Raises what the server can't send."""
        body = b""
        if self.has_body(environ):
            try:
                async with asyncio.timeout(self.body_seconds):
                    body = await self.body(environ, protocol)
            except TimeoutError:
                refuse(protocol, 408, "The body took too long.")
                return
            except UnreadableBody as exc:
                refuse(protocol, 400, str(exc))
                return
        environ["wsgi.input"] = io.BytesIO(body)
        if "HTTP_TRANSFER_ENCODING" in environ:  # Django reads a body only where it has a length
            environ.setdefault("CONTENT_LENGTH", str(len(body)))
        # What was left of a body would be read as the next request: the server closes, and the client must know.
        ends = self.ends_connections or self.is_too_large(environ, body)
        more = [("connection", "close")] if ends else []
        request = Request(environ, protocol, client, more, asyncio.get_running_loop().create_future())
        self.serving.add(client)
        turns.put(asker, request)
        await request.done

    def size(self, environ: Environ) -> int:
        """Return how much memory the texts of a head and the body that it announces take at most."""
        size = sum([len(text) for text in environ.values() if text.__class__ is str])
        if self.has_body(environ):
            size += int(environ.get("CONTENT_LENGTH") or self.largest_body)
        return size

    def is_apart(self, environ: Environ) -> bool:
        return (
            environ["PATH_INFO"] in self.apart
            and environ["REQUEST_METHOD"] in ("GET", "HEAD")
            and not self.has_body(environ)
        )

    def is_too_large(self, environ: Environ, body: bytes = b"") -> bool:
        """Tell whether a body is not read to its end, by the length it announces and by what was read of it."""
        return max(int(environ.get("CONTENT_LENGTH") or 0), len(body)) > self.largest_body

    def has_body(self, environ: Environ) -> bool:
        """Tell whether there is a body that is to be read."""
        return ("CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ) and not self.is_too_large(environ)

    async def body(self, environ: Environ, protocol: HTTPProtocol) -> bytes:
        """Return the body. Raises UnreadableBody."""
        if length := environ.get("CONTENT_LENGTH", ""):
            try:
                whole: bytes = await protocol()
            except ProtocolClosed:
                raise UnreadableBody(ENDED_EARLY) from None
            if len(whole) != int(length):
                raise UnreadableBody(ENDED_EARLY)
            return whole
        body, chunks, ends = bytearray(), 0, 0
        async for chunk in protocol:
            body += chunk
            chunks += 1
            if chunks > MOST_CHUNKS:
                raise UnreadableBody(TOO_MANY_CHUNKS)
            ends += not chunk  # Granian gives one empty chunk for an end, and one before it for what broke off
            if len(body) > self.largest_body:
                break
        if ends > 1:
            raise UnreadableBody(ENDED_EARLY)
        return bytes(body)

    def answer(self, environ: Environ) -> Answer | Parts:
        """Let the application answer, whole or, unread, in parts; raise nothing."""
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
            started[:] = [int(status.split(" ", 1)[0]), headers]

        try:
            if (answer := self.direct(environ)) is not None:
                return answer
            parts = self.application(environ, start_response)
            if getattr(parts, "is_sent_in_parts", False):
                return started[0], started[1], parts
            try:
                body = b"".join(parts)
            finally:
                getattr(parts, "close", lambda: None)()  # Django's end of the request
            return started[0], started[1], body
        except Exception:  # Django answers errors of its own; this one was raised around it
            logger.exception("A request failed outside of Django.")
            return 500, plain_headers(), b""


async def send(transport: HTTPStreamTransport, part: bytes) -> None:
    await transport.send_bytes(part)


def finish(done: "asyncio.Future[None]", error: Exception | None) -> None:
    if done.cancelled():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def refuse(protocol: HTTPProtocol, status: int, reason: str, *more: tuple[str, str]) -> None:
    """Answer a request that the application does not get, and close its connection."""
    headers = [*plain_headers(), ("connection", "close"), ("content-type", "text/plain; charset=utf-8"), *more]
    protocol.response_bytes(status, headers, f"{reason}\n".encode())


def plain_headers() -> list[tuple[str, str]]:
    """Return the headers that all other answers have, too, for one that no view and no middleware has made."""
    found = HEADERS | {"Content-Security-Policy": DATA_POLICY, "Cache-Control": "no-store", "X-Frame-Options": "DENY"}
    if remembered := strict_transport():  # browsers heed it over TLS alone
        found["Strict-Transport-Security"] = remembered
    return list(found.items())


def refuse_for_now(protocol: HTTPProtocol) -> None:
    refuse(protocol, 503, "Too many requests are waiting.", ("retry-after", "1"))


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
