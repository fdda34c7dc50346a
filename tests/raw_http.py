"""Plain HTTP/1.1 as a hostile program speaks it: nothing is tidied up on the way, no address, header or body."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """What came back; its printed form is its status, for a body may hold a value."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(url: str, method: str, target: str, headers: Mapping[str, str | bytes], body: bytes | None) -> Answer:
    """Send one request with exactly these headers, to which Host and the body's length come where absent."""
    server = urlsplit(url)
    connection = http.client.HTTPConnection(server.hostname or "", server.port, timeout=SECONDS)
    try:
        connection.putrequest(method, target, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, text in headers.items():
            connection.putheader(name, text)
        if body is not None and not {"Content-Length", "Transfer-Encoding"} & headers.keys():
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()
