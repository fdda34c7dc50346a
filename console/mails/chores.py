"""What each process does about mails, where there is a mail server."""

from collections.abc import Callable

from django.conf import settings

from console.mails import bundles, events, everybody, expiring, sending

Chore = Callable[[], object]


def begin() -> list[Chore]:
    """Have this process send mails, and return the chores that find out what is to be told; none without a server."""
    if not settings.MAILS_ARE_SENT:
        return []
    sending.register()
    return [events.fan_out, everybody.walk, expiring.Walk().run, bundles.post, bundles.forget_old]
