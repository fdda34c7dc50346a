"""Each database call of each change fails in turn: what was answered holds, and the change can be repeated."""

import itertools
import os
from collections import Counter
from typing import Any, ClassVar

import pytest
from django.db import close_old_connections, connection
from django.http import HttpResponse
from django.test import Client

from apikeys import audit
from apikeys.domain import ApiKeyDraft, Origin
from apikeys.exceptions import ValueNotFound
from apikeys.iam import oauth
from apikeys.identity import tokens
from apikeys.models import ApiKeyRecord, AuditEvent, DeletedKeyRecord, Handover, HistoryRecord, PreviousValue
from apikeys.services import creation, deletion
from apikeys.storage import reserve
from apikeys.web.forms import new_nonce
from tests.addresses import CREATE, KEYS, RECEIPT, delete_address
from tests.conftest import caller_for, delivery_for, log_in, make_person, program_of
from tests.markup import page
from tests.sabotage import Fault, Saboteur

pytestmark = pytest.mark.django_db(transaction=True)

NOT_NOW = {503, 507}
MOST_CALLS = 100  # of one request; more would be a loop
EVENTS = {audit.CREATE: "create", audit.ROTATE: "rotate", audit.DELETE: "delete", audit.RESTORE: "restore"}
EXCHANGE = {"grant_type": oauth.GRANT_API_KEY}
numbers = itertools.count()


@pytest.fixture(autouse=True)
def whole_reserve(transactional_db):
    """Disk space kept for revocations, as a server has it."""
    reserve.fill()
    yield
    if path := reserve.path():
        path.unlink()


def works(value: str) -> bool:
    """Tell whether a program would get an access token for a value."""
    try:
        return tokens.authenticate(value, Origin()) is not None
    except ValueNotFound:
        return False


def client_of_cli(_person) -> Client:
    """Return a client that names itself as IBM's command line does, and keeps refresh tokens."""
    return Client(headers={"Authorization": "Basic Yng6Yng="})


class Change:
    """Something that somebody asks for: `send` does, and can do so again, and `holds` says what a good answer means.

    `good` are its good answers, `again` those to a repetition of what was done already. Everybody is somebody new.
    """

    good: ClassVar[set[int]]
    again: ClassVar[set[int]] = set()
    asked_by = staticmethod(log_in)

    def __init__(self) -> None:
        self.person = make_person(f"alice{next(numbers)}")
        self.nonce = new_nonce()
        self.client = self.asked_by(self.person)
        self.client.raise_request_exception = False
        self.prepare()

    def prepare(self) -> None:
        pass

    def send(self) -> HttpResponse:
        raise NotImplementedError

    def holds(self, answer: HttpResponse) -> None:
        """Fail unless what a good answer says is so."""
        raise NotImplementedError

    def new_key(self) -> None:
        """Make a key, whose form was sent with the nonce."""
        draft, handover = ApiKeyDraft("deploy", ""), delivery_for(self.person, self.nonce)
        issued = creation.create_api_key(caller_for(self.person), draft, handover)
        self.key_id, self.value = issued.key.id, issued.value

    def post_json(self, path: str, **body: Any) -> HttpResponse:
        headers = {"Idempotency-Key": self.nonce}
        return self.client.post(path, body, content_type="application/json", headers=headers)


class NewValue(Change):
    """A change that hands over a value, the same one as often as it is asked for with one nonce."""

    known: str | None = None

    def value_in(self, answer: HttpResponse) -> str:
        if answer.headers["Content-Type"].startswith("application/json"):
            return str(answer.json()["apikey"])
        return page(answer).find(id="value").raw

    def holds(self, answer: HttpResponse) -> None:
        value = self.value_in(answer)
        is_same = self.known in (None, value)
        self.known = value
        assert is_same
        assert works(value)
        assert ApiKeyRecord.objects.filter(iam_id=self.person.iam_id).count() == 1


class CreationByForm(NewValue):
    good: ClassVar = {200}

    def send(self) -> HttpResponse:
        return self.client.post(CREATE, {"name": "deploy", "description": "", "nonce": self.nonce})


class CreationByProgram(NewValue):
    good: ClassVar = {201}
    asked_by = staticmethod(program_of)

    def send(self) -> HttpResponse:
        return self.post_json("/v1/apikeys", name="deploy", iam_id=self.person.iam_id)


class Rotation(NewValue):
    def prepare(self) -> None:
        self.new_key()
        self.nonce = new_nonce()

    def holds(self, answer: HttpResponse) -> None:
        super().holds(answer)
        assert self.known != self.value
        assert works(self.value)  # its overlap is a day


class RotationByForm(Rotation):
    good: ClassVar = {200}

    def send(self) -> HttpResponse:
        return self.client.post(f"{KEYS}{self.key_id}/rotate/", {"overlap": "86400", "nonce": self.nonce})


class RotationByProgram(Rotation):
    good: ClassVar = {201}
    asked_by = staticmethod(program_of)

    def send(self) -> HttpResponse:
        return self.post_json(f"/v1/apikeys/{self.key_id}/rotate")


class DeletionByForm(Change):
    good: ClassVar = {303}

    def prepare(self) -> None:
        self.new_key()

    def send(self) -> HttpResponse:
        return self.client.post(delete_address(self.key_id))

    def holds(self, answer: HttpResponse) -> None:
        assert not works(self.value)
        assert DeletedKeyRecord.objects.filter(id=self.key_id).exists()


class DeletionByProgram(DeletionByForm):
    good: ClassVar = {204}
    again: ClassVar = {404}
    asked_by = staticmethod(program_of)

    def send(self) -> HttpResponse:
        return self.client.delete(f"/v1/apikeys/{self.key_id}")


class RestorationByForm(Change):
    good: ClassVar = {303}

    def prepare(self) -> None:
        self.new_key()
        deletion.delete_api_key(caller_for(self.person), self.key_id)

    def send(self) -> HttpResponse:
        return self.client.post(f"{KEYS}{self.key_id}/restore/")

    def holds(self, answer: HttpResponse) -> None:
        assert works(self.value)


class RestorationByProgram(RestorationByForm):
    good: ClassVar = {200}
    asked_by = staticmethod(program_of)

    def send(self) -> HttpResponse:
        return self.client.post(f"/v1/apikeys/{self.key_id}/restore")


class Exchange(Change):
    good: ClassVar = {200}
    asked_by = staticmethod(client_of_cli)

    def prepare(self) -> None:
        self.new_key()

    def send(self) -> HttpResponse:
        return self.client.post("/identity/token", EXCHANGE | {"apikey": self.value})

    def holds(self, answer: HttpResponse) -> None:
        token, refresh_token = answer.json()["access_token"], answer.json()["refresh_token"]
        bearer = Client(headers={"Authorization": f"Bearer {token}"})
        assert bearer.get("/v1/apikeys").status_code == 200
        if refresh_token != "not_supported":
            form = {"grant_type": oauth.GRANT_REFRESH, "refresh_token": refresh_token}
            assert self.client.post("/identity/token", form).status_code == 200


class Receipt(Change):
    good: ClassVar = {303}

    def prepare(self) -> None:
        self.new_key()

    def send(self) -> HttpResponse:
        return self.client.post(RECEIPT, {"nonce": self.nonce})

    def holds(self, answer: HttpResponse) -> None:
        form = {"name": "deploy", "description": "", "nonce": self.nonce}
        assert self.client.post(CREATE, form).status_code == 409
        assert works(self.value)


class RevocationOfAllKeys(Change):
    good: ClassVar = {200}
    asked_by = staticmethod(program_of)

    def prepare(self) -> None:
        self.new_key()
        deletion.delete_api_key(caller_for(self.person), self.key_id)
        self.deleted, self.deleted_value, self.nonce = self.key_id, self.value, new_nonce()
        self.new_key()

    def send(self) -> HttpResponse:
        return self.post_json("/v1/apikeys/revoke", owner=self.person.iam_id)

    def holds(self, answer: HttpResponse) -> None:
        assert not works(self.value)
        assert DeletedKeyRecord.objects.get(id=self.deleted).disabled
        told = AuditEvent.objects.filter(action=audit.REVOKE, initiator_id=self.person.iam_id)
        assert sum(event.request_data.get("keys", 0) for event in told) == 1
        assert sum(event.request_data.get("deleted_keys", 0) for event in told) == 1


class RevocationOfAToken(Change):
    good: ClassVar = {200}
    asked_by = staticmethod(client_of_cli)

    def prepare(self) -> None:
        self.new_key()
        subject = tokens.authenticate(self.value, Origin())
        self.token = tokens.issue(subject, client_id="default", with_refresh=False).access_token

    def send(self) -> HttpResponse:
        return self.client.post("/identity/revoke", {"token": self.token})

    def holds(self, answer: HttpResponse) -> None:
        bearer = Client(headers={"Authorization": f"Bearer {self.token}"})
        assert bearer.get("/v1/apikeys").status_code == 401
        assert works(self.value)


def assert_whole(person) -> None:
    """Fail where something of a change is there and something is not."""
    keys = {key.id: key for key in ApiKeyRecord.objects.filter(iam_id=person.iam_id)}
    deleted = {key.id: key for key in DeletedKeyRecord.objects.filter(iam_id=person.iam_id)}
    assert not keys.keys() & deleted.keys()

    everything = keys | deleted
    told = HistoryRecord.objects.filter(object_id__in=everything, action__in=EVENTS.values())
    events = AuditEvent.objects.filter(initiator_id=person.iam_id, outcome=audit.SUCCESS, action__in=EVENTS)
    assert Counter(event.target_id.rpartition(":")[2] + EVENTS[event.action] for event in events) == Counter(
        entry.object_id + entry.action for entry in told
    )
    assert {entry.object_id for entry in told} == everything.keys()

    for handover in Handover.objects.filter(iam_id=person.iam_id):
        assert handover.key_id in everything
        assert handover.sealed is None or handover.key_id in keys
    for key in everything.values():
        before = PreviousValue.objects.filter(key_id=key.id).order_by("number")
        assert [value.number for value in before] == list(range(1, key.value_number))


def assert_nothing_is_open() -> None:
    """Fail where a request left its transaction to the next one."""
    assert not connection.in_atomic_block
    assert connection.get_autocommit()
    if connection.vendor == "sqlite" and connection.connection is not None:
        assert not connection.connection.in_transaction
        assert not connection.has_turn


CHANGES = [
    CreationByForm, CreationByProgram, RotationByForm, RotationByProgram, DeletionByForm, DeletionByProgram,
    RestorationByForm, RestorationByProgram, Exchange, Receipt, RevocationOfAllKeys, RevocationOfAToken,
]  # fmt: skip
# By turns from call to call, and from change to change; `make prove` has each of them at each call.
BY_TURNS = {"refused": (Fault.BUSY, Fault.FULL), "lost": (Fault.GONE, Fault.UNANSWERED)}
EACH = {fault.name.lower(): (fault,) for fault in Fault}
HOW = EACH if os.environ.get("PROVE") else BY_TURNS


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", CHANGES)
def test_whichever_call_fails_the_answer_is_honest_and_the_change_can_be_repeated(kind: type[Change], how: str):
    for number in range(1, MOST_CALLS):
        fault = HOW[how][(number + CHANGES.index(kind)) % len(HOW[how])]
        change, saboteur = kind(), Saboteur(fault, number)

        close_old_connections()  # as a server does before each request
        with saboteur.at_work():
            answer = change.send()
        close_old_connections()

        assert_nothing_is_open()
        assert answer.status_code in change.good | NOT_NOW, number
        if answer.status_code in change.good:
            change.holds(answer)
        assert_whole(change.person)
        repeated = change.send()
        assert repeated.status_code in change.good | change.again, number
        change.holds(repeated)
        assert_whole(change.person)
        if not saboteur.has_struck:
            break
    assert number > 2, "the saboteur found calls"
