"""A search for everything secret, byte by byte, through all that a console wrote in a day's work."""

import quopri
import re
from pathlib import Path

from apikeys import values
from tests.addresses import CREATE, KEYS
from tests.cast import ADMIN, PASSWORD
from tests.http_person import HttpPerson
from tests.markup import page
from tests.programs import Site
from tests.prove.figures import Figure, Size, counted
from tests.server import ConsoleServer

CONTROL = "a name that is searched for"
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


def traces(folder: Path, size: Size) -> list[Figure]:
    """Work as people and programs do, then look for values, tokens and passwords in files, rows, mails and log."""
    secrets: set[str] = {PASSWORD, ADMIN[1]}
    found: dict[str, bytes] = {}
    mails = folder / "mails"
    given = {"LOG_LEVEL": "DEBUG", "APIKEYS_PER_IDENTITY": "0", "EMAIL_URL": f"file://{mails}"}
    with ConsoleServer(folder / "data", **given) as server:
        site = Site(server)
        server.sql("UPDATE console_user SET email = username || '@example.com'")
        for _day in range(size.days):
            secrets |= day(site)
            found |= {f"{number} {name}": content for number, (name, content) in enumerate(server.kept().items())}
        server.run_python(SEND_MAILS)
        server.stop()
        found |= server.kept()
    found |= {file.name: quopri.decodestring(file.read_bytes()) for file in mails.iterdir()}
    told = CONTROL.encode() in b"".join(found[file.name] for file in mails.iterdir())
    everything = b"\n".join(found.values())
    hits = sum(secret.encode() in everything for secret in secrets)
    genuine = sum(
        values.is_genuine(everything[match.start() : match.start() + values.LENGTH].decode("latin-1"), "apk_")
        for match in re.finditer(b"apk_", everything)
    )
    megabytes = len(everything) / 1e6
    return [
        counted("secrets found in files, rows, mails and log", hits, of=f"{len(secrets)} in {megabytes:.0f} MB"),
        counted("values of any key found there", genuine),
        Figure("the search finds a name that is there", "yes", "yes" if CONTROL.encode() in everything else "no",
               CONTROL.encode() in everything),
        Figure("and in mails", "yes", "yes" if told else "no", told),
    ]  # fmt: skip


def day(site: Site) -> set[str]:
    """Do what is done in a day; return all secrets of it."""
    person = site.next_person("alice")
    program = site.log_in(person)
    secrets = {program.token}
    made = [program.create_key(f"{CONTROL} {number}") for number in range(3)]
    secrets |= {key["apikey"] for key in made}
    rotated = program.post(f"/v1/apikeys/{made[0]['id']}/rotate", json={}).json()
    secrets.add(rotated["apikey"])
    answer = site.token_request(
        client=True, grant_type="urn:ibm:params:oauth:grant-type:apikey", apikey=made[1]["apikey"]
    )
    secrets |= {answer.json()["access_token"], answer.json()["refresh_token"]}
    program.get("/v1/apikeys/details", headers={"IAM-ApiKey": made[1]["apikey"]})
    program.get(f"/v1/apikeys/{made[1]['apikey']}")
    program.post("/identity/introspect", data={"apikey": made[1]["apikey"]})
    program.delete(f"/v1/apikeys/{made[2]['id']}")
    site.exchange(made[2]["apikey"])
    program.post(f"/v1/apikeys/{made[2]['id']}/restore")
    with HttpPerson(site.url) as visitor:
        visitor.log_in(person.username, PASSWORD)
        form = visitor.get(CREATE)
        nonce = page(form).find("input", name="nonce")["value"]
        created = visitor.submit(form, CREATE, name=CONTROL)
        value = page(created).find(id="value").raw
        secrets |= {nonce, value, *(cookie.value for cookie in visitor.cookies if "session" in cookie.name)}
        for path in (KEYS, f"{KEYS}?q={value}", f"/{value}", f"{KEYS}export/?format=csv", f"{KEYS}deleted/"):
            visitor.get(path)
        visitor.submit(created, f"{CREATE}receipt/")
    return secrets
