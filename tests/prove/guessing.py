"""Strangers who guess a password from many addresses at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.programs import CLIENT, Program, Site
from tests.prove.figures import Figure, Size, counted
from tests.server import ConsoleServer

GUESSES, ADDRESSES, AT_ONCE = 200, 40, 40
MOST_JUDGED = 5
JUDGED = 401
# What ConsoleServer sets for tests that log in often is what a console has by itself here.
LIMITS = {"LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS": "5", "LOGIN_ATTEMPTS_PER_ADDRESS": "50", "TRUSTED_PROXIES": "1"}


def guesses(folder: Path, _size: Size) -> list[Figure]:
    """Guess one person's password in parallel, from addresses that a trusted proxy tells."""
    with ConsoleServer(folder / "data", **LIMITS) as server:
        stranger, person = Program(server.url), Site(server).next_person("alice")

        def guess(number: int) -> int:
            form = {"grant_type": "password", "username": person.username, "password": f"guess number {number:,}"}
            headers = {"X-Forwarded-For": f"198.51.100.{number % ADDRESSES + 1}"}
            return stranger.post("/identity/token", data=form, auth=CLIENT, headers=headers).status_code

        with ThreadPoolExecutor(AT_ONCE) as pool:
            statuses = list(pool.map(guess, range(GUESSES)))
    judged = statuses.count(JUDGED)
    return [
        counted(f"guesses judged, {GUESSES} at once from {ADDRESSES} addresses", judged, MOST_JUDGED, f"{GUESSES}"),
        counted("guesses with another answer than 401 or 429", GUESSES - judged - statuses.count(429)),
    ]
