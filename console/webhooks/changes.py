"""What administrators can do with webhooks; each change with its audit event, which names no address and no secret."""

import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from apikeys import audit
from apikeys.audit.catalogue import EventKind
from apikeys.audit.walk import end_of_chain, place_before
from apikeys.domain import Caller
from apikeys.exceptions import (
    DeliveryNotFound,
    InvalidApiKey,
    NotAuthorized,
    TooManyWebhooks,
    WebhookDisabled,
    WebhookNotFound,
)
from apikeys.exceptions import gettext_noop as _
from apikeys.sealing import InvalidTag
from apikeys.services.validation import clean_name
from console.outbox import queue
from console.outbox.models import Delivery
from console.webhooks import messages, signing
from console.webhooks.models import Webhook
from console.webhooks.receivers import clean_url, host_of

MOST = 20  # webhooks
NAME_LENGTH = Webhook._meta.get_field("name").max_length
OVERLAP = timedelta(days=1)  # in which the secret before a rotation signs, too
SHOWN = 25  # deliveries
SAID_IF_SO = ("url_changed", "at_once")  # in events; what else is False or "" is what a webhook became
SHORT = 8  # digits of an id in events: a whole one would be masked, as what may be a value


@dataclass(frozen=True, slots=True)
class Signing:
    """A webhook, and the secret that its receiver is to be given; it is told once."""

    webhook: Webhook
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a webhook is to be; `kinds` of events, none for all."""

    name: str
    url: str = field(repr=False)
    kinds: tuple[EventKind, ...] = ()
    enabled: bool = True


def listed(caller: Caller) -> list[Webhook]:
    """Return every webhook, by name. Raises NotAuthorized."""
    _check(caller)
    return list(Webhook.objects.order_by("name", "id"))


def get(caller: Caller, webhook_id: uuid.UUID) -> Webhook:
    """Return a webhook. Raises NotAuthorized, WebhookNotFound."""
    _check(caller)
    return _found(Webhook.objects.filter(pk=webhook_id).first())


def url_of(webhook: Webhook) -> str:
    """Return the address of a webhook, "" where no SECRET_KEY that is known opens it."""
    try:
        return signing.opened(webhook.sealed_url, webhook)
    except (InvalidTag, ValueError):
        return ""


def deliveries_of(webhook: Webhook) -> list[Delivery]:
    """Return the newest deliveries to a webhook."""
    rows = Delivery.objects.filter(recipient=webhook.id.hex, kind=messages.KIND)
    return list(rows.order_by("-created_at", "-id")[:SHOWN])


@sensitive_variables("secret")
def create(caller: Caller, draft: Draft) -> Signing:
    """Make a webhook, which is told of what happens from now on.

    Raises NotAuthorized, TooManyWebhooks; InvalidApiKey, whose field is one of the draft.
    """
    _check(caller)
    webhook = Webhook(kinds=[*map(str, draft.kinds)], created_by=caller.identity.iam_id)
    with _change(caller, audit.WEBHOOK_CREATE, webhook.id) as step:
        webhook.name, url = _clean(draft)
        if Webhook.objects.count() >= MOST:
            raise TooManyWebhooks(limit=MOST)
        secret = signing.new_secret()
        webhook.host, webhook.sealed_url = host_of(url), signing.sealed(url, webhook)
        webhook.sealed_secret, webhook.after_place = signing.sealed(secret, webhook), end_of_chain()
        webhook.save(force_insert=True)
        _record(step, webhook, host=webhook.host, kinds=_told(webhook))
    return Signing(webhook, secret)


def change(caller: Caller, webhook_id: uuid.UUID, draft: Draft) -> Webhook:
    """Change a webhook. One that is enabled again is not told of what happened meanwhile, unless it is sent again.

    Raises NotAuthorized, WebhookNotFound; InvalidApiKey.
    """
    _check(caller)
    with _change(caller, audit.WEBHOOK_UPDATE, webhook_id) as step:
        name, url = _clean(draft)
        webhook = _locked(webhook_id)
        before = {"host": webhook.host, "kinds": _told(webhook), "enabled": webhook.enabled}
        has_new_url = url != url_of(webhook)
        webhook.name, webhook.kinds = name, [*map(str, draft.kinds)]
        if has_new_url:
            webhook.host, webhook.sealed_url = host_of(url), signing.sealed(url, webhook)
        if has_new_url or (draft.enabled and not webhook.enabled):
            webhook.failing_since = None
        if draft.enabled and not webhook.enabled:
            webhook.after_place = end_of_chain()
        webhook.enabled = draft.enabled
        webhook.save()
        now = {"host": webhook.host, "kinds": _told(webhook), "enabled": webhook.enabled}
        told = {name: value for name, value in now.items() if value != before[name]}
        _record(step, webhook, **told, url_changed=has_new_url)
    return webhook


def set_enabled(caller: Caller, webhook_id: uuid.UUID, *, enabled: bool) -> Webhook:
    """Enable or disable a webhook, as `change` does. Raises NotAuthorized, WebhookNotFound, InvalidApiKey."""
    webhook = get(caller, webhook_id)
    kinds = tuple(map(EventKind, webhook.kinds))
    return change(caller, webhook_id, Draft(webhook.name, url_of(webhook), kinds, enabled))


@sensitive_variables("secret")
def new_secret(caller: Caller, webhook_id: uuid.UUID, *, at_once: bool = False) -> Signing:
    """Give a webhook another secret; the one before signs beside it for OVERLAP, unless it is to end at once.

    Raises NotAuthorized, WebhookNotFound.
    """
    _check(caller)
    with _change(caller, audit.WEBHOOK_SECRET, webhook_id) as step:
        webhook = _locked(webhook_id)
        secret = signing.new_secret()
        webhook.sealed_previous = None if at_once else bytes(webhook.sealed_secret)
        webhook.previous_until = None if at_once else timezone.now() + OVERLAP
        webhook.sealed_secret = signing.sealed(secret, webhook)
        webhook.save(update_fields=["sealed_secret", "sealed_previous", "previous_until"])
        _record(step, webhook, at_once=at_once)
    return Signing(webhook, secret)


def delete(caller: Caller, webhook_id: uuid.UUID) -> Webhook:
    """Delete a webhook, and what waits for it. Raises NotAuthorized, WebhookNotFound."""
    _check(caller)
    with _change(caller, audit.WEBHOOK_DELETE, webhook_id) as step:
        webhook = _locked(webhook_id)
        queue.forget(messages.KIND, webhook.id.hex)
        _record(step, webhook, host=webhook.host)
        Webhook.objects.filter(pk=webhook.pk).delete()
    return webhook


def send_test(caller: Caller, webhook_id: uuid.UUID) -> Webhook:
    """Send a message that tells of nothing. Raises NotAuthorized, WebhookNotFound, WebhookDisabled."""
    _check(caller)
    with _change(caller, audit.WEBHOOK_TEST, webhook_id) as step:
        webhook = _locked(webhook_id)
        _check_enabled(webhook)
        queue.enqueue([messages.test_message(webhook)])
        _record(step, webhook)
    return webhook


def send_again(caller: Caller, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> Webhook:
    """Send a message once more. Raises as `send_test` does, and DeliveryNotFound."""
    _check(caller)
    with _change(caller, audit.WEBHOOK_REPLAY, webhook_id) as step:
        webhook = _locked(webhook_id)
        _check_enabled(webhook)
        rows = Delivery.objects.filter(pk=delivery_id, kind=messages.KIND, recipient=webhook.id.hex)
        delivery = rows.first()
        if delivery is None:
            raise DeliveryNotFound
        queue.enqueue([messages.again(delivery)])
        _record(step, webhook, type=delivery.topic, message=messages.short_id(delivery))
    return webhook


def send_again_since(caller: Caller, webhook_id: uuid.UUID, moment: datetime) -> Webhook:
    """Send everything once more that happened since a moment, as far as it is kept. Raises as `send_test` does."""
    _check(caller)
    with _change(caller, audit.WEBHOOK_REPLAY, webhook_id) as step:
        webhook = _locked(webhook_id)
        _check_enabled(webhook)
        webhook.after_place = min(webhook.after_place, place_before(moment))
        webhook.save(update_fields=["after_place"])
        _record(step, webhook, since=moment.isoformat(timespec="seconds"))
    return webhook


def _check(caller: Caller) -> None:
    """Raise NotAuthorized for who is no administrator; with keys upstream that are operators alone."""
    if not caller.identity.is_administrator:
        raise NotAuthorized


def _clean(draft: Draft) -> tuple[str, str]:
    name = clean_name(draft.name)
    if NAME_LENGTH and len(name) > NAME_LENGTH:
        told = _("This has %(length)d characters. Use at most %(limit)d.")
        raise InvalidApiKey("name", told, length=len(name), limit=NAME_LENGTH)
    return name, clean_url(draft.url)


def _told(webhook: Webhook) -> str:
    return ", ".join(webhook.kinds)


def _change(caller: Caller, action: str, webhook_id: uuid.UUID) -> AbstractContextManager[audit.Step]:
    return audit.change(caller, action, is_here=True, webhook=webhook_id.hex[:SHORT])


def _locked(webhook_id: uuid.UUID) -> Webhook:
    """Return a webhook whose row is locked until the transaction ends. Raises WebhookNotFound."""
    return _found(Webhook.objects.select_for_update().filter(pk=webhook_id).first())


def _found(webhook: Webhook | None) -> Webhook:
    if webhook is None:
        raise WebhookNotFound
    return webhook


def _check_enabled(webhook: Webhook) -> None:
    if not webhook.enabled:
        raise WebhookDisabled


def _record(step: audit.Step, webhook: Webhook, **data: Any) -> None:
    told = {name: value for name, value in data.items() if name not in SAID_IF_SO or value}
    step.record(None, target_name=webhook.name, **told)
