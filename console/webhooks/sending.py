"""Sends one message to a receiver: to addresses that were checked, in ten seconds, and believing nothing it answers.

A name is looked up once, all of its addresses are checked, and it is these that are connected to, so that a name that
changes between check and use changes nothing. No redirect is followed, no proxy of the environment used, no cookie or
password sent, and of the answer only the status is kept.
"""

import socket
import threading
import time
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import urllib3
from django.conf import settings
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, SSLError

from apikeys import VERSION
from apikeys.iam import sockets
from apikeys.iam.sockets import DeadlineConnection, DeadlineTLSConnection
from apikeys.networks import address_of, admits
from apikeys.sealing import InvalidTag
from console.outbox.models import Delivery
from console.outbox.queue import DELIVERY_SECONDS
from console.outbox.senders import SENDERS, NotDelivered
from console.webhooks import receivers
from console.webhooks.messages import KIND
from console.webhooks.models import Webhook
from console.webhooks.signing import opened, secrets_of, signature

LOOKUP_SECONDS, CONNECT_SECONDS = 3.0, 3.0
ANSWER_SECONDS = DELIVERY_SECONDS - LOOKUP_SECONDS - CONNECT_SECONDS
ANSWER_BYTES = 4096  # of a body, which is read to end politely and kept nowhere
RETRY_AFTER_STATUSES = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

# Results, beside `http_` with a status.
GONE, DISABLED, UNREADABLE = "gone", "disabled", "unreadable"
REFUSED, NO_ADDRESS, NO_CONNECTION, NO_TLS = "refused_address", "no_address", "no_connection", "tls"
TIMEOUT, BROKEN = "timeout", "broken"


class RefusedAddress(HTTPError):
    """The name has an address that a webhook may not send to, or the connection ended at this machine itself."""


class _CheckedConnection(DeadlineConnection):
    def addresses(self, name: str) -> list[str]:
        """Return the addresses of a name. Raises RefusedAddress, NameResolutionError."""
        found = _looked_up(name, self.port)
        if not found:
            raise NameResolutionError(name, self, socket.gaierror())
        if not receivers.all_allowed(found):
            raise RefusedAddress
        return found

    def _new_conn(self) -> socket.socket:
        found = super()._new_conn()
        if _is_own(found):
            found.close()
            raise RefusedAddress
        return found


class _CheckedTLSConnection(_CheckedConnection, DeadlineTLSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _CheckedConnection


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _CheckedTLSConnection


def _looked_up(name: str, port: int) -> list[str]:
    """Return the addresses of a name, [] for none in LOOKUP_SECONDS: the system has no limit for that."""
    found: list[str] = []
    looking = threading.Thread(
        target=lambda: found.extend(sockets.addresses_of(name, port)), name="look-up", daemon=True
    )
    looking.start()
    looking.join(LOOKUP_SECONDS)
    return [] if looking.is_alive() else [*found]


def _is_own(connected: socket.socket) -> bool:
    """Tell whether the other end is this machine: another program of it, unless a setting names it, or this console."""
    (own, *_own_rest), (other, port, *_other_rest) = connected.getsockname(), connected.getpeername()
    found = address_of(other)
    is_here = own == other or (found is not None and found.is_loopback)
    named = settings.WEBHOOKS_ALLOWED_NETWORKS
    return is_here and (port == settings.PORT or not (named and admits(named, other)))


class WebhookSender:
    """Sends the deliveries of webhooks; each receiver has its own lane."""

    shares_lane = False

    def send(self, delivery: Delivery) -> str:
        """Send one message and note how the receiver does. Raises NotDelivered."""
        webhook = Webhook.objects.filter(pk=delivery.recipient).first()
        if webhook is None:
            raise NotDelivered(GONE, is_final=True)
        if not webhook.enabled:
            raise NotDelivered(DISABLED, is_final=True)
        rows = Webhook.objects.filter(pk=webhook.pk)
        try:
            result = _sent(webhook, delivery)
        except NotDelivered:
            if webhook.failing_since is None:
                rows.filter(failing_since=None).update(failing_since=timezone.now())
            raise
        if webhook.failing_since is not None:
            rows.update(failing_since=None)
        return result


@sensitive_variables("url", "parts", "path", "signing", "headers")
def _sent(webhook: Webhook, delivery: Delivery) -> str:
    """Make one attempt; return its result. Raises NotDelivered."""
    try:
        url, signing = opened(webhook.sealed_url, webhook), secrets_of(webhook)
    except (InvalidTag, ValueError):
        raise NotDelivered(UNREADABLE) from None
    timestamp = int(timezone.now().timestamp())
    headers = {
        "User-Agent": f"apikeys/{VERSION}",
        "Accept": "*/*",
        "Content-Type": "application/json",
        "Connection": "close",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(signing, delivery.message_id, timestamp, delivery.payload),
    }
    try:
        status, retry_after = post(url, delivery.payload.encode(), headers)
    except (OSError, HTTPError, ValueError) as exc:
        raise NotDelivered(_result_of(exc)) from None
    if 200 <= status < 300:
        return f"http_{status}"
    pause = _pause(retry_after) if status in RETRY_AFTER_STATUSES else None
    # 410 says that the receiver is gone for good, as Standard Webhooks has it.
    raise NotDelivered(f"http_{status}", pause=pause, is_final=status == HTTPStatus.GONE)


@sensitive_variables()
def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    """Return the status of an answer and its Retry-After. Raises OSError, ValueError, urllib3's HTTPError."""
    if receivers.is_own(urlsplit(url).hostname or "") or not (url.startswith("https:") or settings.WEBHOOKS_HTTP):
        raise RefusedAddress  # settings are others than when the address was typed
    parts = urlsplit(url)
    timeout = urllib3.Timeout(DELIVERY_SECONDS, LOOKUP_SECONDS + CONNECT_SECONDS, ANSWER_SECONDS)
    options: dict[str, Any] = {"timeout": timeout, "maxsize": 1, "retries": False}
    host = parts.hostname or ""
    if parts.scheme == "https":
        trusted = settings.WEBHOOKS_CA_FILE or DEFAULT_CA_BUNDLE_PATH
        pool: urllib3.HTTPConnectionPool = _TLSPool(host, parts.port, ca_certs=trusted, **options)
    else:
        pool = _Pool(host, parts.port, **options)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with pool:
        answer = pool.urlopen("POST", path, body, headers, redirect=False, preload_content=False)
        try:
            return answer.status, _after(answer)
        finally:
            answer.close()


def _after(answer: "urllib3.BaseHTTPResponse") -> str:
    ends = time.monotonic() + 1
    read = 0
    while read < ANSWER_BYTES and time.monotonic() < ends:
        try:
            chunk = answer.read1(ANSWER_BYTES - read, decode_content=False)
        except (OSError, HTTPError):  # the status is there, and the rest does not count
            break
        if not chunk:
            break
        read += len(chunk)
    return str(answer.headers.get("Retry-After", ""))


def _pause(retry_after: str) -> timedelta | None:
    """Return the pause that a number of seconds says; dates are not read, so that no clock has to agree."""
    is_number = retry_after.isascii() and retry_after.isdigit() and len(retry_after) <= 7
    return timedelta(seconds=int(retry_after)) if is_number else None


def _result_of(exc: Exception) -> str:
    """Return the code of a failure, without the library's text: that may quote what was sent."""
    if isinstance(exc, RefusedAddress):
        return REFUSED
    if isinstance(exc, NameResolutionError):
        return NO_ADDRESS
    if isinstance(exc, SSLError):
        return NO_TLS
    if isinstance(exc, NewConnectionError):
        return NO_CONNECTION
    return TIMEOUT if isinstance(exc, (TimeoutError, urllib3.exceptions.TimeoutError)) else BROKEN


def register() -> None:
    """Have the outbox of this process send webhooks."""
    SENDERS[KIND] = WebhookSender()
