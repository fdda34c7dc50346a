"""What audit costs: the event of a creation, and its place in the chain, beside all else that the creation does."""

from bench.rows import Result
from bench.servers import Console
from bench.store import Store

CREATIONS, ROUNDS = 100, 7  # of each round
MEASURE = f"""
import time
from django.contrib.auth import get_user_model
from apikeys import audit
from apikeys.audit import chain, recording
from apikeys.domain import ApiKeyDraft, Caller
from apikeys.identity.users import identity_of
from apikeys.services import creation
caller = Caller(identity_of(get_user_model().objects.create(username="audrey")))
spent, write = 0.0, recording.record
def timed(*arguments, **keywords):
    global spent
    began = time.thread_time()
    write(*arguments, **keywords)
    spent += time.thread_time() - began
recording.record = timed
chain.seal_events()
for each in range({ROUNDS} + 1):
    spent, began = 0.0, time.thread_time()
    for number in range({CREATIONS}):
        creation.create_api_key(caller, ApiKeyDraft(f"key {{each}} {{number}}"))
    rest = time.thread_time() - began - spent
    began = time.thread_time()
    chain.seal_events()
    if each:  # the first round warms up
        print(spent / rest, (time.thread_time() - began) / rest)
"""


def audit(store: Store, _stopwatch: object) -> list[Result]:
    """Create keys in one process, with timers around the writing and the sealing of events; processor time there."""
    lines = Console(store).run_python(MEASURE).splitlines()[-ROUNDS:]
    written, sealed = zip(*((float(word) for word in line.split()) for line in lines), strict=True)
    against = f"the rest of the creation; {CREATIONS} creations"
    return [
        Result("audit event of a creation, written", written, "× CPU", against),
        Result("audit event of a creation, sealed into the chain", sealed, "× CPU", against),
    ]
