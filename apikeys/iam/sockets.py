"""Connections with a deadline: for connecting to a name, for TLS, and for the whole of an answer, head and body.

`requests` and urllib3 apply a time-out to each address of a name and to each read of a socket, so that a server which
sends a byte now and then keeps a call waiting without end. Here one time-out holds for all of it.
"""

import http.client
import io
import socket
import ssl
import time
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from apikeys.iam.timeouts import CONNECT_SECONDS, READ_SECONDS


class _DeadlineReader(io.RawIOBase):
    """Reads a socket with its time-out as the limit for everything; by itself a socket applies it to each read."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self.raw, self.sock = raw, sock
        self.ends = time.monotonic() + (sock.gettimeout() or READ_SECONDS)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)
        return self.raw.readinto(buffer)

    def close(self) -> None:
        self.raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_DeadlineReader(self.fp.detach(), sock))


def addresses_of(name: str, port: int) -> list[str]:
    """Return the addresses of a name, [] for none."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(address[0]) for *_rest, address in found))


class DeadlineConnection(HTTPConnection):
    """Connects to the first address of a name that answers, all within one time-out; urllib3 has one for each."""

    response_class = _DeadlineResponse

    def addresses(self, name: str) -> list[str]:
        """Return what to connect to for a name."""
        return addresses_of(name, self.port) or [name]  # a name without addresses fails in urllib3, with its error

    def _new_conn(self) -> socket.socket:
        name, seconds = self._dns_host, self.timeout or CONNECT_SECONDS
        ends = time.monotonic() + seconds
        addresses = self.addresses(name)
        try:
            for number, address in enumerate(addresses, 1):
                share = (ends - time.monotonic()) / (len(addresses) - number + 1)
                self._dns_host, self.timeout = address, max(share, 0.01)
                try:
                    sock = super()._new_conn()
                except (ConnectTimeoutError, NewConnectionError):
                    if number == len(addresses):
                        raise
                else:
                    sock.settimeout(max(ends - time.monotonic(), 0.01))  # for TLS, or a proxy's answer
                    return sock
        finally:
            self._dns_host, self.timeout = name, seconds
        raise AssertionError("unreachable")


class DeadlineTLSConnection(DeadlineConnection, HTTPSConnection):
    def connect(self) -> None:
        """Connect. A fault of TLS is raised as one of connecting: the request was not sent yet."""
        try:
            super().connect()
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError as exc:
            raise NewConnectionError(self, "no TLS") from exc
        except TimeoutError as exc:
            raise ConnectTimeoutError(self, "no TLS in time") from exc


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = DeadlineConnection


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = DeadlineTLSConnection


class DeadlineAdapter(HTTPAdapter):
    pools = {"http": _Pool, "https": _TLSPool}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self.pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self.pools
        return manager
