"""What upstream offers for logging in, asked in a thread of its own so that no page waits for it."""

import logging
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from apikeys.exceptions import ApiKeyError
from apikeys.iam.client import IAMClient
from apikeys.upstream.timeouts import DISCOVER_AGAIN_SECONDS, DISCOVER_SECONDS, REQUEST_SECONDS

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Offer:
    """`passcode_url` is None until upstream has answered, and "" where it gives no one-time passcodes."""

    passcode_url: str | None = None


offer = Offer()


def discover() -> None:
    """Ask IAM where one-time passcodes are to be had. Raises ApiKeyError."""
    client = IAMClient(settings.IAM_URL, deadline=time.monotonic() + REQUEST_SECONDS)
    found = str(client.discover().get("passcode_endpoint") or "")
    try:
        parts = urlsplit(found)
        # Whoever answers must not put another kind of link into the page.
        is_link = parts.scheme in ("https", urlsplit(settings.IAM_URL).scheme) and bool(parts.netloc)
    except ValueError:
        is_link = False
    offer.passcode_url = found if is_link else ""


def keep_discovering() -> None:
    """Run in a thread of its own: ask each hour, and each minute until there is an answer."""
    pause = threading.Event()
    while True:
        try:
            discover()
        except ApiKeyError as exc:
            logger.warning("What %s offers can't be found out: %s", settings.IAM_HOST, exc)
        pause.wait(DISCOVER_SECONDS if offer.passcode_url is not None else DISCOVER_AGAIN_SECONDS)
