"""Secrets of webhooks, and signatures as Standard Webhooks has them: HMAC-SHA256 over id, time and body."""

import base64
import hmac
import secrets
from collections.abc import Iterable

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from apikeys.sealing import InvalidTag, seal_lasting, unseal_lasting
from console.webhooks.models import Webhook

PREFIX = "whsec_"
SECRET_BYTES = 32
PURPOSE = "console webhook"
SEALED = ("sealed_secret", "sealed_previous", "sealed_url")


def new_secret() -> str:
    """Return 256 random bits as receivers take them."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sealed(text: str, webhook: Webhook) -> bytes:
    """Return a secret or an address sealed for one webhook."""
    return seal_lasting(text.encode(), PURPOSE, webhook.id.hex)


def opened(kept: bytes | memoryview, webhook: Webhook) -> str:
    """Return what `sealed` sealed. Raises InvalidTag or ValueError where no key that is known did."""
    return unseal_lasting(bytes(kept), PURPOSE, webhook.id.hex).decode()


@sensitive_variables("signing")
def secrets_of(webhook: Webhook) -> list[str]:
    """Return what signs now: the secret, and in an overlap the one before. Raises as `opened` does."""
    signing = [opened(webhook.sealed_secret, webhook)]
    if webhook.sealed_previous is not None and webhook.has_previous(timezone.now()):
        signing.append(opened(webhook.sealed_previous, webhook))
    return signing


@sensitive_variables("signing", "secret", "key")
def signature(signing: Iterable[str], message_id: str, timestamp: int, body: str) -> str:
    """Return the header of signatures, one by each secret."""
    signed = f"{message_id}.{timestamp}.{body}".encode()
    found = []
    for secret in signing:
        key = base64.b64decode(secret.removeprefix(PREFIX))
        found.append("v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode())
    return " ".join(found)


def unreadable() -> int:
    """Return of how many webhooks no SECRET_KEY that is known has sealed the secret."""
    return sum(not _is_readable(webhook) for webhook in Webhook.objects.iterator())


def _is_readable(webhook: Webhook) -> bool:
    try:
        opened(webhook.sealed_secret, webhook)
    except (InvalidTag, ValueError):
        return False
    return True


@sensitive_variables("text")
def seal_again() -> int:
    """Seal again under the present SECRET_KEY what webhooks have; return how many of them that were."""
    number = 0
    for webhook in Webhook.objects.iterator():
        for name in SEALED:
            before = getattr(webhook, name)
            if before is None:
                continue
            try:
                text = opened(before, webhook)
            except (InvalidTag, ValueError):
                continue
            # Unless somebody has changed it meanwhile.
            rows = Webhook.objects.filter(pk=webhook.pk, **{name: bytes(before)})
            number += rows.update(**{name: sealed(text, webhook)})
    return number
