"""Figures that no probe gives: each is taken once, and takes the time that it takes."""

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import islice

import requests

from apikeys.domain import Sort
from apikeys.iam.exports import Format
from bench import keys
from bench.load import Job
from bench.probes import Stopwatch
from bench.rows import Reach, Result
from bench.servers import CORES, Console, peak_bytes, pin, resident_bytes
from bench.store import ROOT, Store, say
from bench.visits import GRANT, LIST, Visits
from tests.markup import fields, page

TEXTS = 60  # that are searched for
TIMES = 5  # that each list is asked for
FEWEST, MOST = 1_000, 100_000  # requests before a worker's memory is looked at
EARLY = 10_000  # keys of an export: what comes once has come
CREATIONS_EACH = 25
REVOKED = 10_000  # keys of a person
REFUSED = 400
START_LIMIT = 60  # seconds
MEMORY_SECONDS = 3600


def sampled_texts(count: int) -> list[str]:
    """Return texts of three characters and more: pieces of names and descriptions, and some that no key has."""
    chosen = random.Random("texts")  # noqa: S311
    words = [text for key in islice(keys.keys(count), 2000) for text in (key.name, key.description) if len(text) > 12]
    found: list[str] = []
    while len(found) < TEXTS:
        text = chosen.choice(words)
        length, start = chosen.randint(3, 12), chosen.randrange(len(text) - 3)
        piece = text[start : start + length].strip()
        if len(found) % 6 == 5:
            piece = "".join(chosen.choices("bcdfghjkqvwxyz", k=chosen.randint(3, 6)))
        if len(piece) >= 3:
            found.append(piece)
    return found


def searches(visits: Visits, stopwatch: Stopwatch) -> list[Result]:
    """Search for each of many texts."""
    texts = {text: {"q": text} for text in sampled_texts(sum(visits.store.held.values()))}
    return worst_and_median(f"search for any of {TEXTS} texts", texts, visits, stopwatch)


def sorts(visits: Visits, stopwatch: Stopwatch) -> list[Result]:
    """Sort by each column in either direction."""
    orders = {order: {"sort": order} for sort in Sort for order in (str(sort), f"-{sort}")}
    return worst_and_median("list sorted by any column", orders, visits, stopwatch)


def worst_and_median(
    title: str, lists: Mapping[str, dict[str, str]], visits: Visits, stopwatch: Stopwatch
) -> list[Result]:
    """Ask for lists by their parameters, own keys and all keys, each in turn with the first page of the same view."""
    found = []
    for person, whose, view in ((keys.MANY, "own", {}), (keys.ADMINISTRATOR, "all", {"view": "all"})):
        first = visits.probe("first", visits.page(person, visits.list_at(**view)))
        usual, took = [], {}
        for name, parameters in lists.items():
            asked = visits.probe(name, visits.page(person, visits.list_at(**parameters, **view)))
            usual.append(stopwatch.measure(first, count=1).cpu)
            took[name] = statistics.median(stopwatch.measure(asked, count=1).cpu for _time in range(TIMES))
        ratios = {name: milliseconds / statistics.median(usual) for name, milliseconds in took.items()}
        worst = max(ratios, key=lambda name: ratios[name])
        for which, ratio in ((f"worst: {worst!r}", ratios[worst]), ("median", statistics.median(ratios.values()))):
            against = "the first page"
            found.append(Result(f"{title} ({whose} keys), {which}", [ratio], "× CPU", against, Reach(1.5)))
    return found


def creation(visits: Visits, stopwatch: Stopwatch) -> list[Result]:
    """Have eight people create keys through the page at once, each sending one form after the other."""
    sent = []
    for number in range(CREATIONS_EACH):
        for person in keys.MAKERS:
            cookie = {"Cookie": visits.cookie(person)}
            form = page(requests.get(f"{visits.console.url}{LIST}create/", headers=cookie, timeout=30))
            filled = fields(form.find_all("form", action=f"{LIST}create/")[0]) | {"name": f"made-{person}-{number}"}
            sent.append(visits.posted(person, f"{LIST}create/", filled))
    figures = stopwatch.load.run(Job(visits.console.port, sent, len(keys.MAKERS), count=len(sent)))
    against = f"{len(sent)} keys, {figures.count / figures.seconds:.0f} a second"
    return [
        Result("creation through the page, 8 at once: p50", [figures.p50], "ms", against),
        Result("creation through the page, 8 at once: p99", [figures.p99], "ms", against),
    ]


def memory(store: Store, stopwatch: Stopwatch) -> list[Result]:
    """Look at the memory of a new worker after few and after many requests of all kinds."""
    with Console(store) as console:
        job = Job(console.port, mixed(Visits(console, store)), 16, seconds=MEMORY_SECONDS)
        sizes = []
        for count in (FEWEST, MOST - FEWEST):
            say(f"{count:,} requests of all kinds")
            stopwatch.load.run(Job(**vars(job) | {"count": count}))
            sizes.append(resident_bytes(console.process.pid))
    few, many = sizes
    title = f"memory of a worker after {MOST:,} requests of all kinds"
    return [Result(title, [many / few], "× memory", f"after {FEWEST:,}: {few / 1e6:.0f} MB", Reach(1.05))]


def export(store: Store, _stopwatch: Stopwatch) -> list[Result]:
    """Look at the memory of a new worker while the person with many keys exports them all."""
    with Console(store) as console:
        visits = Visits(console, store)
        return [memory_of_export(visits, console.process.pid, form) for form in Format]


def memory_of_export(visits: Visits, pid: int, form: Format) -> Result:
    """Compare the most memory a server ever had at the end of an export with that near its beginning.

    Raises RuntimeError where the export was not whole.
    """
    url = f"{visits.console.url}{LIST}export/?format={form}"
    began, lines, early = time.monotonic(), 0, 0
    with requests.get(url, headers={"Cookie": visits.cookie(keys.MANY)}, stream=True, timeout=30) as answer:
        answer.raise_for_status()
        for part in answer.iter_content(1 << 16):
            lines += part.count(b"\n")
            if lines >= EARLY and not early:
                early = peak_bytes(pid)
    late, seconds = peak_bytes(pid), time.monotonic() - began
    count, held = lines - (1 if form is Format.CSV else 2), visits.store.held[keys.MANY]  # head; brackets
    if count != held:
        raise RuntimeError(f"{count} of {held} keys were exported")
    title = f"most memory of a worker that exports {count:,} keys as {form}"
    against = f"at {EARLY:,}: {early / 1e6:.0f} MB; {count / seconds:,.0f} keys a second"
    return Result(title, [late / (early or late)], "× memory", against, Reach(1.05))


MAKE_REVOCABLE = f"""
from django.contrib.auth import get_user_model
from apikeys.domain import ApiKeyDraft, Caller
from apikeys.identity.users import identity_of
from apikeys.models import ApiKeyRecord
from apikeys.services import creation
person = get_user_model().objects.create(username="rosa")
names = [f"revocable {{n}}" for n in range({REVOKED - 1})]
ApiKeyRecord.objects.bulk_create((
    ApiKeyRecord(
        iam_id=person.iam_id, account_id=person.account_id, created_by=person.iam_id, name=name, name_folded=name,
        pepper=1, digest=name, hint="",
    )
    for name in names
), batch_size=1000)
print(creation.create_api_key(Caller(identity_of(person)), ApiKeyDraft("works")).value)
"""


def revocation(store: Store, _stopwatch: Stopwatch) -> list[Result]:
    """Revoke all keys of a person in one process, and call with one of them in another until that is refused.

    Raises RuntimeError where it was not all of them.
    """
    with Console(store) as console, Console(store) as other:
        value = console.run_python(MAKE_REVOCABLE).split()[-1]
        token = Visits(console, store).token_of(keys.ADMINISTRATOR)
        bearer, grant = {"Authorization": f"Bearer {token}"}, {"grant_type": GRANT, "apikey": value}
        began = time.monotonic()
        answer = requests.post(
            f"{console.url}/v1/apikeys/revoke", json={"owner": "rosa"}, headers=bearer, timeout=MEMORY_SECONDS
        )
        seconds = time.monotonic() - began
        refused = requests.post(f"{other.url}/identity/token", data=grant, timeout=30).status_code == REFUSED
        until_refused = time.monotonic() - began
    if answer.json() != {"revoked": REVOKED} or not refused:
        raise RuntimeError(f"Not all keys were revoked: {answer.text}")
    against = f"the next call in another process was refused after {until_refused:.2f} s"
    return [Result(f"{REVOKED:,} keys of a person revoked", [seconds], "s", against, Reach(5.0))]


def mixed(visits: Visits) -> list[str]:
    """Return requests of all kinds."""
    found = []
    token = visits.token(visits.values(keys.MANY, 1)[0])
    for value, caller in zip(visits.values(keys.MANY, 100), visits.values(keys.HUNDRED, 100), strict=True):
        bearer = f"Authorization: Bearer {token}"
        found += [
            visits.form("/identity/introspect", {"apikey": value}, bearer),
            visits.form("/identity/token", {"grant_type": GRANT, "apikey": caller}),
            visits.call("/v1/apikeys/details", token, f"IAM-ApiKey: {value}"),
            visits.call("/v1/apikeys?pagesize=25", token),
            visits.page(keys.HUNDRED, "/"),
            visits.page(keys.HUNDRED, LIST),
            visits.page(keys.HUNDRED, visits.list_at(q=value[-4:], sort="name")),
            visits.page(keys.NONE, LIST),
            visits.page(keys.HUNDRED, f"{LIST}create/"),
            visits.plain("/login/"),
            visits.plain("/identity/keys"),
        ]
    return found


def start(store: Store, _stopwatch: Stopwatch) -> list[Result]:
    """Start the console twice with `make run`, as somebody does who has used it; the second start counts.

    SQLite's journal, which stays behind what was written, is part of what the second start finds.
    """
    command = ["make", "--no-print-directory", f"VENV={sys.prefix}", "run"]
    seconds = 0.0
    for number in range(2):
        console = Console(store)  # at a port of its own, where nobody answers yet
        began = time.monotonic()
        process = subprocess.Popen(
            command, cwd=ROOT, env=console.environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        pin(process.pid, set(CORES))
        try:
            wait_for(f"{console.url}/readyz", process)
            seconds = time.monotonic() - began
            if number == 0:
                Visits(console, store).log_in(keys.MANY)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(START_LIMIT)
    return [Result("second start of make run, until it answers", [seconds], "s", reach=Reach(2.0))]


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return once there is an answer. Raises RuntimeError when the process has ended."""
    while True:
        try:
            if requests.get(url, timeout=START_LIMIT).ok:
                return
        except requests.ConnectionError:
            if process.poll() is not None:
                raise RuntimeError("make run ended before it answered") from None
            time.sleep(0.01)
