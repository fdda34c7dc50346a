"""A search for everything secret, byte by byte, through all that a console wrote in a day's work."""

import base64
import quopri
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from apikeys import values
from console.backup import container
from tests.cast import ADMIN, PASSWORD
from tests.programs import Site
from tests.prove.figures import Figure, Size, counted
from tests.prove.working_day import CONTROL, Day
from tests.receiver import Receiver
from tests.server import ConsoleServer
from tests.waiting import until

# What the sweeper and the outbox do within minutes.
SEND_MAILS = """
from django.utils import timezone
from apikeys.audit import chain
from console.mails import bundles, events, sending
from console.mails.models import MailBundle
from console.outbox import queue
chain.seal_events()
while events.fan_out():
    pass
MailBundle.objects.exclude(due_at=None).update(due_at=timezone.now())
bundles.post()
while claimed := queue.claim(["mail"]):
    for delivery in claimed:
        queue.succeed(delivery, sending.MailSender().send(delivery))
"""


LAST = "the last key of the day"


def traces(folder: Path, size: Size) -> list[Figure]:
    """Work as people and programs do, then look for everything secret in all that was written or sent."""
    secrets: set[str] = {PASSWORD, ADMIN[1]}
    found: dict[str, bytes] = {}
    exports: list[bytes] = []
    mails = folder / "mails"
    given = {
        "LOG_LEVEL": "DEBUG",
        "APIKEYS_PER_IDENTITY": "0",
        "EMAIL_URL": f"file://{mails}",
        "WEBHOOKS_HTTP": "true",
        "WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8 ::1",
    }
    with Receiver() as receiver, ConsoleServer(folder / "data", **given) as server:
        site = Site(server)
        server.sql("UPDATE console_user SET email = username || '@example.com'")
        for number in range(size.days):
            day = Day(site, receiver.url)
            day.work()
            secrets |= day.secrets
            exports += day.exports
            found |= {f"{number} {name}": content for name, content in server.kept().items()}
        site.log_in(site.next_person("alice")).create_key(LAST)
        server.run_python(SEND_MAILS)
        until(lambda: any(LAST in message.body for message in receiver.received))
        server.manage("backup", str(folder / "backup"))
        server.stop()
        found |= server.kept()
    by_mail = [quopri.decodestring(file.read_bytes()) for file in mails.iterdir()]
    sent = [f"{message.headers}\n{message.body}".encode() for message in receiver.received]
    with (folder / "backup").open("rb") as file:
        backup = "".join(container.read(file)).encode()
    everything = b"\n".join((*found.values(), *by_mail, *sent, *exports, backup))
    hits = sum(form.encode() in everything for secret in secrets for form in forms_of(secret))
    genuine = sum(
        values.is_genuine(everything[match.start() : match.start() + values.LENGTH].decode("latin-1"), "apk_")
        for match in re.finditer(b"apk_", everything)
    )
    places = {
        "files, rows or log": found.values(),
        "mails": by_mail,
        "webhooks": sent,
        "exports": exports,
        "the backup": [backup],
    }
    return [
        counted("secrets found in files, rows, log, mails, webhooks, exports, backup", hits,
                of=f"{len(secrets)} in {len(everything) / 1e6:.0f} MB"),
        counted("values of any key found there", genuine),
        *(is_found(place, CONTROL.encode() in b"\n".join(contents)) for place, contents in places.items()),
    ]  # fmt: skip


def is_found(place: str, found: bool) -> Figure:
    return Figure(f"the search finds a name that is there, in {place}", "yes", "yes" if found else "no", found)


def forms_of(secret: str) -> Iterator[str]:
    """Yield how a secret may stand somewhere: as it is shown, without what divides it, encoded, or in a URL."""
    bare = secret.replace("-", "").replace(" ", "")
    yield from {secret, bare, bare.upper(), bare.lower()}
    yield quote(secret)
    yield secret.encode().hex()
    yield base64.b64encode(secret.encode()).decode().rstrip("=")
    if secret.startswith("whsec_"):
        yield secret.removeprefix("whsec_")
