"""An IAM that misbehaves when it is told to, on a real socket of this machine; otherwise it answers like IBM's."""

import contextlib
import itertools
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.neighbours import InThread
from tests.recorded_iam import UNAUTHORIZED, Asked, RecordedIAM, Reply, kind_of, token_error, v1_error

LONG = 60.0  # seconds; nobody waits for it: leaving the server ends every wait
DRIP_SECONDS = 0.2  # between two bytes
NOT_IAMS = "The server's response is not a valid IAM response. Check the URL."  # what is said of such answers
HTML = b"<!doctype html><title>Bad gateway</title><h1>Bad gateway</h1>"
Change = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Fault:
    """What happens in place of an answer, in this order.

    `unread` resets the connection before the request is read. `done`: what was asked for is done first, and
    `change` is applied to the true answer; else `reply` is the answer. It waits `wait` seconds, then `resets` the
    connection, or sends: `drip` slowly from its first byte on ("head") or from that of its body ("body"), the body
    up to `cut`, garbage in place of TLS with `garbles`.
    """

    reply: Reply | None = None
    change: Change | None = None
    done: bool = False
    unread: bool = False
    wait: float = 0
    resets: bool = False
    garbles: bool = False
    drip: str = ""
    cut: int | None = None


def _key_change(**changes: object) -> Change:
    """Return what changes each key of an answer; None takes a field away."""

    def change(fields: dict[str, Any]) -> dict[str, Any]:
        if "apikeys" in fields:
            return fields | {"apikeys": [change(key) for key in fields["apikeys"]]}
        return {name: found for name, found in (fields | changes).items() if found is not None}

    return change


def _looping(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"next": "https://iam.test/v1/apikeys?pagetoken=0"}


_pages = itertools.count(1)


def _endless(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"next": f"https://iam.test/v1/apikeys?pagetoken={'0' * next(_pages)}"}


def too_many(retry_after: str) -> Fault:
    reply = v1_error(429, "too_many_requests", "BXNIM0429E", "Too many requests.")
    return Fault((reply[0], reply[1] | {"Retry-After": retry_after}, reply[2]))


def http_date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


SILENT = Fault(wait=LONG)
DRIP_HEAD = Fault(drip="head", done=True)
DRIP_BODY = Fault(drip="body", done=True)
RESET_UNREAD = Fault(unread=True)
RESET = Fault(resets=True)
LOST = Fault(resets=True, done=True)
GARBLED = Fault(garbles=True, done=True)
TOO_MANY = too_many("1")
TOO_MANY_FOR_HOURS = too_many("86400")
ERROR_500 = Fault(v1_error(500, "internal_error", "BXNIM0500E", "An internal error occurred."))
TOKEN_ERROR_500 = Fault(token_error(500, "BXNIM0500E", "An internal error occurred."))
ERROR_502 = Fault((502, {"Content-Type": "text/html"}, HTML))
ERROR_503 = Fault((503, {}, b""))
ERROR_504 = Fault((504, {"Content-Type": "text/html"}, HTML))
CUT_JSON = Fault((200, {}, b'{"apikeys": [{"id": "ApiKey-'))
CUT_BODY = Fault(done=True, cut=40)
A_LIST = Fault((200, {}, []))
NULL = Fault((200, {}, None))
EMPTY_OBJECT = Fault((200, {}, {}))
KEYS_NOT_A_LIST = Fault((200, {}, {"apikeys": {"0": {}}}))
NO_ID = Fault(done=True, change=_key_change(id=None))
BAD_DATE = Fault(done=True, change=_key_change(created_at="yesterday"))
NO_VALUE = Fault(done=True, change=_key_change(apikey=None))
HTML_200 = Fault((200, {"Content-Type": "text/html"}, HTML))
LOOP = Fault(done=True, change=_looping)
ENDLESS = Fault(done=True, change=_endless)
REDIRECT = Fault((302, {"Location": "/elsewhere"}, b""))
REDIRECT_JSON = Fault((307, {"Location": "/elsewhere"}, {"message": "Moved."}))
EXPIRED = Fault(UNAUTHORIZED)


class Hold(threading.Event):
    """What requests wait for; `answers` says whether they are answered when it is set."""

    answers = False


class FaultServer(InThread, RecordedIAM):
    """Started by `with`. `asked` are the requests it has read, in their order; `fail` says what goes wrong next."""

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__()
        self.asked: list[Asked] = []
        self.faults: dict[str, list[Fault]] = {}
        self.unread = 0
        self.over = Hold()
        self.entered = threading.Semaphore(0)  # released once for each request that waits
        iam = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = LONG

            def handle_one_request(self) -> None:
                with contextlib.suppress(OSError):
                    if iam.takes_unread(self.connection):
                        iam.reset(self)
                    else:
                        super().handle_one_request()

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                kind = kind_of(self.command, self.path, body)
                iam.serve(self, Asked(kind, self.command, self.path, dict(self.headers), body))

            do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # of a client that went away

        self.is_tls = certificate is not None
        self.serve_with(Server(("127.0.0.1", 0), Handler), certificate)

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        super().__exit__(*exc)

    # What a test says and asks

    def fail(self, kind: str, *faults: Fault, times: int = 1) -> None:
        """Do this for the next requests of a kind, one after the other; the earlier ones are forgotten."""
        with self.lock:
            self.faults[kind] = list(faults) * times

    def heal(self, *, answers: bool = False) -> None:
        """Answer well from now on; requests that wait are answered at once, or not any more."""
        with self.lock:
            self.faults.clear()
            over, self.over = self.over, Hold()
        over.answers = answers
        over.set()

    @contextlib.contextmanager
    def holding(self, kind: str, fault: Fault, act: Callable[[], Any], *, answers: bool = True) -> Iterator[Future]:
        """Have an act wait for this server, in a thread, while the block runs; then it is answered, or it is not."""
        self.fail(kind, fault)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(act)
            assert self.entered.acquire(timeout=30), "nothing waits"
            try:
                yield future
            finally:
                self.heal(answers=answers)

    def requests(self, kind: str) -> list[Asked]:
        with self.lock:
            return [asked for asked in self.asked if asked.kind == kind]

    def count(self, kind: str) -> int:
        return len(self.requests(kind))

    def forget_requests(self) -> None:
        with self.lock:
            self.asked.clear()
            self.unread = 0
            self.entered = threading.Semaphore(0)

    # How it is done

    def takes_unread(self, connection: socket.socket) -> bool:
        """Tell whether the request that has arrived is to be left unread."""
        if self.is_tls:
            return False
        method, _space, rest = connection.recv(1 << 12, socket.MSG_PEEK).decode("latin-1").partition(" ")
        with self.lock:
            faults = self.faults.get(kind_of(method, rest.partition(" ")[0]), [])
            if not faults or not faults[0].unread:
                return False
            del faults[0]
            self.unread += 1
            return True

    def serve(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        with self.lock:
            self.asked.append(asked)
            waiting = self.faults.get(asked.kind)
            fault = waiting.pop(0) if waiting else Fault(done=True)
            over = self.over
            status, headers, body = self.answer(asked) if fault.done else (fault.reply or (500, {}, b""))
            if fault.change and status < 300:
                body = fault.change(body)
        if fault.wait:
            self.entered.release()
            if over.wait(fault.wait) and not over.answers:
                return self.reset(handler)
            if not fault.done and not fault.reply:
                status, headers, body = self.answer(asked)
        if fault.resets:
            return self.reset(handler)
        if fault.garbles:
            handler.close_connection = True
            plain = socket.socket(fileno=handler.connection.detach())  # what is sent now is no TLS
            plain.sendall(b"this is no record of TLS, and long enough to be read as one")
            plain.close()
            return None
        return self._send(handler, fault, over, status, headers, body)

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        fault: Fault,
        over: threading.Event,
        status: int,
        headers: dict[str, str],
        body: Any,
    ) -> None:
        sent = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        if status == 204:
            sent = b""
        lines = {"Content-Type": "application/json", "Cache-Control": "no-cache, no-store, must-revalidate", **headers}
        if status != 204:
            lines["Content-Length"] = str(len(sent))
        head = f"HTTP/1.1 {status} Recorded\r\n" + "".join(f"{name}: {text}\r\n" for name, text in lines.items())
        start, end = (head + "\r\n").encode(), sent[: fault.cut]
        fast, slow = {"head": (b"", start + end), "body": (start, end)}.get(fault.drip, (start + end, b""))
        handler.wfile.write(fast)
        for byte in slow:
            handler.wfile.write(bytes([byte]))
            if over.wait(DRIP_SECONDS):
                handler.close_connection = True
                return
        if fault.cut is not None:
            handler.close_connection = True

    def reset(self, handler: BaseHTTPRequestHandler) -> None:
        """End the connection with a reset instead of a farewell."""
        handler.close_connection = True
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()
