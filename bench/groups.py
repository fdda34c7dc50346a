"""Which lines belong together under a name of `--rows`, and what is asked for each."""

from collections.abc import Callable

from bench import keys, once
from bench.audit import audit
from bench.decoys import decoys
from bench.guesses import guesses
from bench.peer import DRF_API_KEY, KNOX
from bench.probes import Probe, Stopwatch
from bench.rows import ONE, SIXTEEN, Reach, Result, Row, Rows, cpu, latency, per_cpu_second, rate
from bench.store import Store
from bench.visits import GRANT, LIST, Visits
from bench.waiting import waiting
from bench.weight import weight

BLANK = "blank page"
CONSTANT = "constant"
FIRST_PAGE = "list of many keys"
ALL_KEYS = "all keys, newest first"
INTROSPECTION = "introspection"
EXCHANGE = "token exchange"
TIMES, OF_RATE = "× CPU", "× rate"


def blank_page(visits: Visits) -> Probe:
    return visits.probe(BLANK, visits.page(keys.MANY, "/bench/blank"))


def constant_view(visits: Visits) -> Probe:
    return visits.probe(CONSTANT, visits.plain("/bench/constant"))


def first_page(visits: Visits) -> Probe:
    return visits.probe(FIRST_PAGE, visits.page(keys.MANY, LIST))


def all_keys(visits: Visits) -> Probe:
    return visits.probe(ALL_KEYS, visits.page(keys.ADMINISTRATOR, f"{LIST}?view=all"))


def introspection(visits: Visits) -> Probe:
    return visits.probe(INTROSPECTION, *visits.introspections())


def rates(title: str, name: str, other: str, against: str, reach: Reach | None = None) -> list[Row]:
    """Return lines that compare how many requests are answered: each second, and each second of processor time.

    Where nothing else runs on the machine, the two say the same.
    """
    return [
        Row(f"{title}, {number} at a time{by}", figure(name, other, number), unit, against, reach)
        for number in (ONE, SIXTEEN)
        for figure, unit, by in ((rate, OF_RATE, ""), (per_cpu_second, "× per CPU", ", by CPU"))
    ]


def blank(visits: Visits) -> Rows:
    row = Row("blank page of somebody who is logged in", lambda each: each[BLANK, ONE].cpu, "ms CPU")
    return Rows([row], [blank_page(visits)])


def constant(visits: Visits) -> Rows:
    row = Row("JSON view that returns a constant", lambda each: each[CONSTANT, ONE].cpu, "ms CPU")
    return Rows([row], [constant_view(visits)])


def listing(visits: Visits) -> Rows:
    few = visits.probe("list of 100 keys", visits.page(keys.HUNDRED, LIST))
    last = visits.probe("last page of many keys", visits.page(keys.MANY, visits.last_page(keys.MANY)))
    rows = [
        Row("list page, 25 rows of many keys", cpu(FIRST_PAGE, BLANK), TIMES, "the blank page", Reach(3.0)),
        Row("list page, 25 rows of 100 keys", cpu(few.name, BLANK), TIMES, "the blank page", Reach(3.0)),
        Row("list page of many keys", cpu(FIRST_PAGE, few.name), TIMES, "that of 100 keys", Reach(1.1)),
        Row("last page of many keys", cpu(last.name, FIRST_PAGE), TIMES, "the first page", Reach(1.1)),
    ]
    return Rows(rows, [blank_page(visits), first_page(visits), few, last])


def menu(visits: Visits) -> Rows:
    bar = visits.probe("menu bar", visits.page(keys.MANY, "/bench/menu"))
    row = Row("empty page with menu bar", cpu(bar.name, BLANK), TIMES, "the blank page", Reach(1.4))
    return Rows([row], [blank_page(visits), bar])


def dashboard(visits: Visits) -> Rows:
    page = visits.probe("dashboard, many keys", visits.page(keys.MANY, "/"))
    row = Row("dashboard of the person with many keys", cpu(page.name, BLANK), TIMES, "the blank page", Reach(2.5))
    return Rows([row], [blank_page(visits), page])


def names(visits: Visits) -> Rows:
    by_name = visits.probe("all keys by name", visits.page(keys.ADMINISTRATOR, f"{LIST}?view=all&sort=name"))
    row = Row("all keys by name (administrator)", cpu(by_name.name, ALL_KEYS), TIMES, "by creation", Reach(1.1))
    return Rows([row], [all_keys(visits), by_name])


def search(visits: Visits) -> Rows:
    words = {"rare": keys.RARE_WORD, "absent": keys.ABSENT_WORD, "common": keys.COMMON_WORD}
    rows, probes = [], [first_page(visits), all_keys(visits)]
    for kind, word in words.items():
        for person, first, whose, view in (
            (keys.MANY, FIRST_PAGE, "own", ""), (keys.ADMINISTRATOR, ALL_KEYS, "all", "&view=all"),
        ):  # fmt: skip
            found = visits.probe(f"search, {kind} word, {whose}", visits.page(person, f"{LIST}?q={word}{view}"))
            title = f"search for {'an' if kind == 'absent' else 'a'} {kind} word ({whose} keys)"
            rows.append(Row(title, cpu(found.name, first), TIMES, "the first page", Reach(1.5)))
            probes.append(found)
    return Rows(rows, probes)


def introspect(visits: Visits) -> Rows:
    """All checks of this console are made, those of the caller's token too; the peers check no caller."""
    at_least = Reach(2.5, at_least=True)
    rows = rates("introspection", INTROSPECTION, DRF_API_KEY, "djangorestframework-api-key", at_least)
    rows += rates("introspection", INTROSPECTION, KNOX, "django-rest-knox", Reach(40, at_least=True))
    rows += rates("introspection", INTROSPECTION, CONSTANT, "the constant view")
    rows += [
        Row(f"introspection, 16 at a time: {name}", latency(INTROSPECTION, name), "ms", "on one core", Reach(limit))
        for name, limit in (("p50", 5.0), ("p99", 15.0))
    ]
    probes = [constant_view(visits), visits.peer(DRF_API_KEY), introspection(visits), visits.peer(KNOX)]
    return Rows(rows, probes)


def details(visits: Visits) -> Rows:
    tokens = visits.tokens(keys.MANY)
    asked = [
        visits.call("/v1/apikeys/details", tokens[place % len(tokens)], f"IAM-ApiKey: {value}")
        for place, value in enumerate(visits.values(keys.MANY, 1000))
    ]
    probe = visits.probe("details by value", *asked)
    rows = rates(probe.name, probe.name, DRF_API_KEY, "djangorestframework-api-key", Reach(2.0, at_least=True))
    return Rows(rows, [visits.peer(DRF_API_KEY), probe])


def exchange(visits: Visits) -> Rows:
    """The rate that a view would have which does nothing but what the constant view does, and sign."""
    signature = visits.probe("constant and signature", visits.plain("/bench/signature"))
    requests = [
        visits.form("/identity/token", {"grant_type": GRANT, "apikey": value})
        for value in visits.values(keys.MANY, 1000)
    ]
    against = "a constant and one signature"
    rows = rates("token exchange", EXCHANGE, signature.name, against, Reach(0.85, at_least=True))
    return Rows(rows, [signature, visits.probe(EXCHANGE, *requests)])


def rest(visits: Visits) -> Rows:
    token = visits.token(visits.values(keys.MANY, 1)[0])
    listed = visits.probe("REST list of 25", visits.call("/v1/apikeys?pagesize=25&sort=created_at&order=desc", token))
    row = Row("REST list of 25", cpu(listed.name, BLANK), TIMES, "the blank page", Reach(1.5))
    return Rows([row], [blank_page(visits), listed])


GROUPS: dict[str, Callable[[Visits], Rows]] = {
    "blank": blank,
    "constant": constant,
    "list": listing,
    "menu": menu,
    "dashboard": dashboard,
    "names": names,
    "search": search,
    "introspect": introspect,
    "details": details,
    "exchange": exchange,
    "rest": rest,
}

# Figures that no probe gives; each is taken once.
ONCE: dict[str, Callable[[Visits, Stopwatch], list[Result]]] = {
    "sorts": once.sorts,
    "texts": once.searches,
    "weight": lambda visits, _stopwatch: weight(visits),
    "creation": once.creation,
    "waiting": lambda _visits, _stopwatch: waiting(),
    "decoys": lambda _visits, _stopwatch: decoys(),
}
# Likewise, while no other server of the console runs.
ALONE: dict[str, Callable[[Store, Stopwatch], list[Result]]] = {
    "memory": once.memory,
    "export": once.export,
    "start": once.start,
    "revocation": once.revocation,
    "guesses": guesses,
    "audit": audit,
}
NAMES = (*GROUPS, *ONCE, *ALONE)
WITH_PEERS = {"introspect", "details"}
