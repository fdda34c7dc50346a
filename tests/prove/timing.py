"""What a log-in takes and says, whoever is asked for: nobody learns from it which people there are."""

import random
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tests.cast import PASSWORD
from tests.http_person import HttpPerson
from tests.programs import CLIENT, Program, Site
from tests.prove.figures import Figure, Size, counted
from tests.server import ConsoleServer

LEAST_DIFFERENCE, SHARE = 0.003, 0.05  # of medians: seconds, and of the one of a wrong password
MOST_ROUNDS = 100
WRONG = "not the password of anybody"
GIVE_FACTOR = """
import pyotp
from console.factors import totp
from console.models import User
secret = totp.new_secret()
assert totp.keep(User.objects.get(username={name!r}), secret, pyotp.TOTP(secret).now())
"""
FACTOR = "wrong, with a second factor"
# Asks to log in, and returns status and text of the answer.
Ask = Callable[[], tuple[int, str]]


def timing(folder: Path, size: Size) -> list[Figure]:
    """Log in as nobody, with a wrong password, deactivated, with a second factor, and beyond the limit, in turns."""
    rounds = min(size.races, MOST_ROUNDS)
    with ConsoleServer(folder / "data") as server:
        asks = refusals(server)
        found = [figure for door in ("page", "program") for figure in compared(door, asks[door], rounds)]
    with ConsoleServer(folder / "limited", LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS="1") as server:
        asks = refusals(server)
        for ask in (*asks["page"].values(), *asks["program"].values()):
            ask()
        limited = [
            figure
            for door in ("page", "program")
            for figure in compared(f"{door}, beyond the limit", asks[door], rounds)
        ]
    return [*found, *limited]


def refusals(server: ConsoleServer) -> dict[str, dict[str, Ask]]:
    """Return, by door, what is asked as whom."""
    site = Site(server)
    wrong, gone, factor = (site.next_person("alice").username for _ in range(3))
    server.manage("deactivate", gone)
    server.run_python(GIVE_FACTOR.format(name=factor))
    people = {
        "wrong": (wrong, WRONG),
        "unknown": ("nobody.of.this.name", WRONG),
        "deactivated": (gone, PASSWORD),
        "wrong, deactivated": (gone, WRONG),
        FACTOR: (factor, WRONG),
    }
    return {
        "page": {kind: by_page(server.url, *who) for kind, who in people.items()},
        "program": {kind: by_program(server.url, *who) for kind, who in people.items()},
    }


def by_program(url: str, username: str, password: str) -> Ask:
    program, form = Program(url), {"grant_type": "password", "username": username, "password": password}

    def ask() -> tuple[int, str]:
        answer = program.post("/identity/token", data=form, auth=CLIENT)
        return answer.status_code, f"{answer.json()['errorCode']} {answer.json()['errorMessage']}"

    return ask


def by_page(url: str, username: str, password: str) -> Ask:
    visitor = HttpPerson(url)
    drawn = visitor.get("/login/")

    def ask() -> tuple[int, str]:
        answer = visitor.submit(drawn, "/login/", username=username, password=password)
        return answer.status_code, re.sub(r'value="[^"]*"', "", answer.text)

    return ask


def compared(door: str, asks: dict[str, Ask], rounds: int) -> list[Figure]:
    """Return how far the medians lie from that of a wrong password, and how many answers say something else."""
    took: dict[str, list[float]] = defaultdict(list)
    said: dict[str, set[tuple[int, str]]] = defaultdict(set)
    order = list(asks)
    for _round in range(rounds):
        random.shuffle(order)
        for kind in order:
            began = time.perf_counter()
            answer = asks[kind]()
            took[kind].append(time.perf_counter() - began)
            said[kind].add(plain(answer))
    medians = {kind: statistics.median(times) for kind, times in took.items()}
    usual = medians["wrong"]
    kind, worst = max(((kind, abs(median - usual)) for kind, median in medians.items()), key=lambda pair: pair[1])
    most = max(LEAST_DIFFERENCE, SHARE * usual)
    measured = f"{worst * 1000:.1f} ms ({kind}) beside {usual * 1000:.1f} ms"
    return [
        Figure(f"medians of refused log-ins apart, {door}", "5 %, or 3 ms", measured, worst <= most, is_time=True),
        counted(f"answers that say which people there are, {door}", sum(one != said["wrong"] for one in said.values())),
    ]


def plain(answer: tuple[int, str]) -> tuple[int, str]:
    """Return an answer without how long to wait, which differs for everybody."""
    return answer[0], re.sub(r"\d+ (seconds?|minutes?)", "", answer[1])
