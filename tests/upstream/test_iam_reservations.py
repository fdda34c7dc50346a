"""Creating a key upstream, in one process: the same form finds what became of the first one, and asks once."""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import OperationalError
from django.db.models.signals import pre_save

from apikeys import exceptions
from apikeys.audit.recording import PENDING, SUCCESS, UNKNOWN
from apikeys.domain import ApiKeyDraft, Caller, Identity, IssuedApiKey
from apikeys.iam.client import IAMClient
from apikeys.models import AuditEvent, Handover
from apikeys.services import creation
from apikeys.services.delivery import Delivery
from apikeys.web.forms import new_nonce
from tests import fault_server as faults
from tests.cast import PASSWORD
from tests.fault_server import LONG, Fault
from tests.recorded_iam import ACCOUNT, iam_id_of
from tests.threads import at_once
from tests.upstream import LastingToken

DRAFT = ApiKeyDraft("terraform")
SECONDS = 30.0
Create = Callable[..., IssuedApiKey]


@pytest.fixture
def anna(transactional_db, iam, settings) -> Callable[[float], Caller]:
    """Return Anna in a request that has so many seconds left."""
    settings.APIKEYS_BACKEND = "ibm-cloud"
    token = IAMClient(iam.url).log_in_with_password("anna", PASSWORD).access_token
    identity = Identity(iam_id_of("anna"), ACCOUNT, "anna", "anna@example.com")

    def caller(seconds: float = SECONDS) -> Caller:
        access = LastingToken(token, deadline=time.monotonic() + seconds)
        return Caller(identity, "192.0.2.7", "pytest", correlation_id="0" * 32, access=access)

    return caller


@pytest.fixture
def form() -> Callable[[], Delivery]:
    """Return what makes the hand-over of one form, anew for each request that sends it."""
    nonce = new_nonce()
    return lambda: Delivery(iam_id_of("anna"), nonce)


def create(caller: Caller, delivery: Delivery | None, draft: ApiKeyDraft = DRAFT, **more: bool) -> IssuedApiKey:
    return creation.create_api_key(caller, draft, delivery, **more)


def outcomes() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("event_time").values_list("outcome", "target_name"))


def test_the_same_form_gets_the_same_value_and_asks_once(iam, anna, form):
    first, delivery = create(anna(), form()), form()
    again = create(anna(), delivery)

    assert (again.value, again.key.id) == (first.value, first.key.id)
    assert (iam.count("create"), Handover.objects.get().key_id) == (1, first.key.id)
    assert delivery.wait is not None
    assert outcomes() == [(PENDING, "terraform"), (SUCCESS, "terraform")]


def test_without_a_form_each_request_makes_a_key(iam, anna):
    first, second = create(anna(), None), create(anna(), None)

    assert first.key.id != second.key.id
    assert not Handover.objects.exists()


def test_the_form_of_another_key_is_refused_where_it_must_be_the_same(iam, anna, form):
    create(anna(), form())

    with pytest.raises(exceptions.IdempotencyKeyReused):
        create(anna(), form(), ApiKeyDraft("ansible"), same_only=True)
    assert iam.count("create") == 1


@pytest.mark.parametrize("more", [{"is_decoy": True}, {"scope": "apikeys:read"}, {"networks": "192.0.2.0/24"}])
def test_what_the_store_upstream_does_not_offer_is_not_asked_for(iam, anna, form, more):
    with pytest.raises(exceptions.NotOffered):
        create(anna(), form(), ApiKeyDraft("terraform", **more))

    assert iam.count("create") == 0
    assert not Handover.objects.exists()


def test_a_lost_answer_is_noted_and_the_form_asks_no_more(iam, anna, form):
    iam.fail("create", faults.LOST)
    with pytest.raises(exceptions.CreationUnconfirmed):
        create(anna(), form())

    assert not form().is_reserved()
    with pytest.raises(exceptions.CreationUnconfirmed) as told:
        create(anna(), form())

    assert outcomes() == [(PENDING, "terraform"), (UNKNOWN, "terraform")]
    row = Handover.objects.get()
    assert (row.unconfirmed, row.key_id, row.key_name) == (True, "", "terraform")
    assert told.value.params == {"host": iam.url.removeprefix("http://"), "name": "terraform"}
    assert iam.count("create") == 1


@pytest.mark.parametrize("has_form", [True, False])
def test_a_refusal_leaves_nothing_and_the_form_asks_again(iam, anna, form, has_form):
    iam.fail("create", faults.REDIRECT)
    with pytest.raises(exceptions.StoreError):
        create(anna(), form() if has_form else None)
    assert not Handover.objects.exists()

    assert create(anna(), form()).value
    assert iam.count("create") == 2


def test_a_form_that_is_sent_while_its_key_is_asked_for_waits_for_the_value(iam, anna, form):
    slow = Fault(wait=LONG, done=True)

    with iam.holding("create", slow, lambda: at_once(1, lambda: create(anna(), form()))) as first:
        threading.Timer(0.3, lambda: iam.heal(answers=True)).start()
        again = create(anna(), form())

    [made] = first.result()
    assert (again.value, iam.count("create")) == (made.value, 1)


def test_a_request_without_time_is_told_that_the_key_is_being_created(iam, anna, form):
    slow = Fault(wait=LONG, done=True)

    with iam.holding("create", slow, lambda: at_once(1, lambda: create(anna(), form()))) as first:
        began = time.monotonic()
        with pytest.raises(exceptions.BeingCreated):
            create(anna(creation.MARGIN_SECONDS + 0.3), form())
        waited = time.monotonic() - began

    [made] = first.result()
    assert made.value
    assert 0.3 <= waited < creation.MARGIN_SECONDS


@pytest.fixture
def unrecordable(request) -> None:
    """That something was done can't be audited."""

    def refuse(instance: AuditEvent, **_signal: object) -> None:
        if instance.outcome == SUCCESS:
            raise OperationalError("the disk is full")

    pre_save.connect(refuse, sender=AuditEvent)
    request.addfinalizer(lambda: pre_save.disconnect(refuse, sender=AuditEvent))


@pytest.mark.parametrize("has_form", [True, False])
def test_a_key_that_cannot_be_recorded_is_handed_over_all_the_same_and_waits_nowhere(
    iam, anna, form, unrecordable, caplog, has_form
):
    delivery = form() if has_form else None

    made = create(anna(), delivery)

    assert made.value in iam.values
    rows = [(row.key_id, row.sealed, row.unconfirmed) for row in Handover.objects.all()]
    assert rows == [("", None, False)] * has_form
    assert outcomes() == [(PENDING, "terraform")]
    assert delivery is None or delivery.wait is None
    said = [record.getMessage() for record in caplog.records if record.name == creation.__name__]
    assert said == [f"API key {made.key.id} was created, and this can't be recorded. (the disk is full)"]
