"""What became of a delivery, in words."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apikeys.services.activity import words
from console.outbox.models import Delivery
from console.outbox.queue import TOO_OLD
from console.webhooks import sending
from console.webhooks.messages import TEST

WORDS: dict[str, str | Promise] = {
    sending.DISABLED: gettext_lazy("The webhook was disabled."),
    sending.GONE: gettext_lazy("The webhook was deleted."),
    sending.UNREADABLE: gettext_lazy("SECRET_KEY was changed: type the address again, and make a new secret."),
    sending.REFUSED: gettext_lazy(
        "The address, or one that the name leads to, is not public, or has no TLS. WEBHOOKS_ALLOWED_NETWORKS and "
        "WEBHOOKS_HTTP decide what is allowed."
    ),
    sending.NO_ADDRESS: gettext_lazy("The name has no address."),
    sending.NO_CONNECTION: gettext_lazy("There is no connection to the receiver."),
    sending.NO_TLS: gettext_lazy(
        "The certificate of the receiver is not trusted, or TLS failed. WEBHOOKS_CA_FILE names authorities of your own."
    ),
    sending.TIMEOUT: gettext_lazy("The receiver did not answer in time."),
    sending.BROKEN: gettext_lazy("The receiver closed the connection, or did not answer in HTTP."),
    TOO_OLD: gettext_lazy("It was never sent: messages before it failed for days."),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A delivery as the page shows it."""

    delivery: Delivery
    what: str
    result: str


def shown(delivery: Delivery) -> Shown:
    """Return a delivery with words for what it tells and what its last attempt came to, "" before the first."""
    what = _("Test") if delivery.topic == TEST else words(delivery.topic, "success")
    return Shown(delivery, what, _result(delivery.result))


def _result(code: str) -> str:
    kind, _line, status = code.partition("_")
    if kind == "http" and status.isdigit():
        return _("The receiver answered with status %(status)s.") % {"status": status}
    return str(WORDS.get(code, _("It could not be sent."))) if code else ""
