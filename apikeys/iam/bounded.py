"""Requests by other libraries to servers that are no IAM: held to one deadline and a size, as those to IAM are."""

import time
from typing import Any

import requests
import urllib3

from apikeys.iam.sockets import DeadlineAdapter
from apikeys.iam.timeouts import CONNECT_SECONDS

CHUNK_BYTES = 1 << 14


class BoundedAdapter(DeadlineAdapter):
    """All that is asked through it ends within `seconds` from now; an answer has at most `max_bytes`.

    What breaks a limit, or off, is an OSError, as all errors of `requests` are.
    """

    def __init__(self, *, seconds: float, max_bytes: int) -> None:
        super().__init__()
        self.ends = time.monotonic() + seconds
        self.max_bytes = max_bytes

    def send(self, request: requests.PreparedRequest, *_positional: Any, **options: Any) -> requests.Response:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise requests.Timeout
        timeout = urllib3.Timeout(left, min(CONNECT_SECONDS, left), left)
        response = super().send(request, **options | {"stream": True, "timeout": timeout})
        body = bytearray()
        try:
            while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
                body += chunk
                if len(body) > self.max_bytes:
                    raise requests.exceptions.ContentDecodingError
        except urllib3.exceptions.HTTPError:
            raise requests.ConnectionError from None  # its text may quote what was sent
        finally:
            response.close()
        response._content = bytes(body)
        response._content_consumed = True  # type: ignore[attr-defined]
        return response


def without_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave a request as it is. Without an `auth`, `requests` would send a password from ~/.netrc."""
    return request
