"""What was revoked in one process is refused by the next call in another, however often both race."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.cast import ADMIN
from tests.programs import CLIENT, Console, Program
from tests.prove.figures import Figure, Size, counted
from tests.server import ConsoleServer

RACERS = 2  # that use a token while it is revoked


@contextmanager
def two_consoles(folder: Path) -> Iterator[tuple[ConsoleServer, ConsoleServer]]:
    """Two processes on one database, as behind a balancer."""
    with ConsoleServer(folder, APIKEYS_PER_IDENTITY="0") as first:
        shared = {"DATABASE_URL": first.environment["DATABASE_URL"]} if first.environment["DATABASE_URL"] else {}
        with ConsoleServer(folder, PUBLIC_URL=first.url, APIKEYS_PER_IDENTITY="0", **shared) as second:
            yield first, second


def races(folder: Path, size: Size) -> list[Figure]:
    """Revoke tokens and delete keys at one process, and use them at the other meanwhile and at once afterwards."""
    slipped = unexpected = uses = 0
    with two_consoles(folder / "data") as servers, ThreadPoolExecutor(RACERS) as pool:
        first, second = map(Console, servers)
        owner = first.with_token(
            first.token_request(client=True, grant_type="password", username=ADMIN[0], password=ADMIN[1]).json()[
                "access_token"
            ]
        )
        for number in range(size.races):
            key = owner.create_key("raced")
            token = first.exchange(key["apikey"]).json()["access_token"]
            over = threading.Event()
            racing = [pool.submit(_use, Program(second.url, token), over) for _racer in range(RACERS)]
            if number % 2:
                owner.delete(f"/v1/apikeys/{key['id']}")
            else:
                first.with_token("").post("/identity/revoke", data={"token": token}, auth=CLIENT)
            over.set()  # acknowledged: what is asked from now on is refused
            slipped += second.with_token(token).get("/v1/apikeys").status_code != 401
            if number % 2:
                slipped += second.exchange(key["apikey"]).status_code != 400
            else:
                owner.delete(f"/v1/apikeys/{key['id']}")
            for racer in racing:
                late, strange, done = racer.result()
                slipped, unexpected, uses = slipped + late, unexpected + strange, uses + done
    return [
        counted("uses after a revocation in another process that were accepted", slipped, of=f"{size.races:,} races"),
        counted("other answers than 200 and 401 in these races", unexpected, of=f"{uses:,}"),
    ]


def _use(program: Program, over: threading.Event) -> tuple[int, int, int]:
    """Use a token until it is refused; return accepted uses that began too late, other answers, and all uses."""
    late = strange = uses = 0
    while True:
        was_over, status = over.is_set(), program.get("/v1/apikeys").status_code
        uses += 1
        strange += status not in (200, 401)
        if was_over:
            return late + (status == 200), strange, uses
