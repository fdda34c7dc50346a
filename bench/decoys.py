"""Whether a stranger can tell a decoy from a value that was never a key's, by the time that the refusal takes."""

import statistics
import tempfile
import time
from pathlib import Path

import requests

from apikeys import values
from bench.rows import Reach, Result
from bench.visits import GRANT
from tests.server import ConsoleServer

ROUNDS = 7
EACH = 200  # answers of either kind in a round, in turn
MAKE_DECOY = """
from apikeys.domain import ApiKeyDraft, Caller
from apikeys.identity.users import identity_of
from apikeys.services import creation
from console.models import User
caller = Caller(identity_of(User.objects.get()))
print(creation.create_api_key(caller, ApiKeyDraft("decoy", is_decoy=True)).value)
"""


def decoys() -> list[Result]:
    """Return how long the refusal of a decoy takes, as a multiple of that of an unknown value: medians."""
    with (
        tempfile.TemporaryDirectory(prefix="apikeys-bench-") as folder,
        ConsoleServer(Path(folder) / "data") as console,
    ):
        decoy = console.run_python(MAKE_DECOY).split()[-1]
        with requests.Session() as session:
            session.trust_env = False
            figures = [
                round_of(session, console.url, decoy, values.generate(values.DEFAULT_PREFIX)) for _ in range(ROUNDS)
            ]
    against = f"an unknown value, {EACH} answers of either in turn"
    return [Result("refusal of a decoy, median", figures, "× time", against, Reach(1.05))]


def round_of(session: requests.Session, url: str, *asked: str) -> float:
    """Return the median time of the first value's refusals, as a multiple of that of the second one's."""
    times: dict[str, list[float]] = {value: [] for value in asked}
    for _answer in range(EACH):
        for value in asked:
            began = time.perf_counter()
            answer = session.post(f"{url}/identity/token", {"grant_type": GRANT, "apikey": value}, timeout=30)
            times[value].append(time.perf_counter() - began)
            if answer.status_code != 400:
                raise AssertionError(f"status {answer.status_code} in place of a refusal")
    decoy, unknown = (statistics.median(times[value]) for value in asked)
    return decoy / unknown
