"""Connections whose every wait has an end: that of a name, of TLS, of an answer's head, and of each byte of its body.

`requests` and urllib3 grant their time-outs to each address and to each read of a socket, so that a server which
sends a byte now and then is waited for without end. Here one time holds for all of it.
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


class _InTime(io.RawIOBase):
    """What a socket says, within the socket's time for all of it; by itself a socket grants that time to each byte."""

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


class _AnswerInTime(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_InTime(self.fp.detach(), sock))


def addresses_of(name: str, port: int) -> list[str]:
    """Return the addresses of a name, [] for none."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(place[0]) for *_rest, place in found))


class _Connection(HTTPConnection):
    """Connects within one time to whichever address of a name answers; urllib3 grants that time to each address."""

    response_class = _AnswerInTime

    def _new_conn(self) -> socket.socket:
        name, seconds = self._dns_host, self.timeout or CONNECT_SECONDS
        ends = time.monotonic() + seconds
        addresses = addresses_of(name, self.port) or [name]  # what has no address fails in urllib3's own words
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


class _TLSConnection(_Connection, HTTPSConnection):
    def connect(self) -> None:
        """Connect; what goes wrong here is told from what goes wrong after the request was sent."""
        try:
            super().connect()
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError as exc:
            raise NewConnectionError(self, "no TLS") from exc
        except TimeoutError as exc:
            raise ConnectTimeoutError(self, "no TLS in time") from exc


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class AdapterInTime(HTTPAdapter):
    pools = {"http": _Pool, "https": _TLSPool}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self.pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self.pools
        return manager
