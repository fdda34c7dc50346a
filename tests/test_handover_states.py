"""The states of a hand-over, as the table in docs/adr/0003-handover.md has them, and the rows of the release before."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from apikeys.exceptions import AlreadyReceived, BeingCreated, CreationUnconfirmed, HandoverError, HandoverExpired
from apikeys.models import Handover, HandoverState
from apikeys.sealing import cipher, seal
from apikeys.services.delivery import PURPOSE, Delivery
from tests.conftest import delivery_for
from tests.stores import upgrade

pytestmark = pytest.mark.django_db(transaction=True)

KEY_ID, VALUE = "ApiKey-00000000-0000-4000-8000-000000000000", "a value of a key"
OPENED = (KEY_ID, VALUE)
# What a process of the release before wrote, by what it means, and what the same form gets.
BEFORE = {
    HandoverState.RESERVED: ({"key_id": ""}, BeingCreated),
    HandoverState.UNCONFIRMED: ({"key_id": "", "uncertain": True}, CreationUnconfirmed),
    HandoverState.DISMISSED: ({"key_id": "", "uncertain": True, "is_received": True}, CreationUnconfirmed),
    HandoverState.SEALED: ({"is_sealed": True}, OPENED),
    HandoverState.SHOWN: ({"is_sealed": True, "is_received": True}, AlreadyReceived),
    HandoverState.RECEIVED: ({"is_received": True}, AlreadyReceived),
    HandoverState.EXPIRED: ({}, HandoverExpired),
}


@pytest.fixture
def release_before():
    """Return the table as the release before knows it; `upgrade()` brings the database to this one."""
    old = MigrationExecutor(connection).migrate([("apikeys", "0007_handover_extensions")]).apps
    yield old.get_model("apikeys", "Handover")
    upgrade()


def write(release, delivery: Delivery, *, key_id=KEY_ID, is_sealed=False, is_received=False, uncertain=False):
    """Write a row of now as a process of that release does, and return it."""
    now = timezone.now()
    return release.objects.create(
        iam_id=delivery.iam_id,
        nonce_digest=delivery.nonce_digest,
        key_id=key_id,
        uncertain=uncertain,
        created_at=now,
        sealed=sealed_for(delivery) if is_sealed else None,
        received_at=now if is_received else None,
    )


def sealed_for(delivery: Delivery) -> bytes:
    return seal(cipher(delivery.nonce, PURPOSE), VALUE.encode(), f"{delivery.iam_id} {KEY_ID}")


def outcome(open_it) -> object:
    """Return what comes of opening a hand-over: the key and its value, or the kind of the refusal."""
    try:
        with transaction.atomic():
            return open_it()
    except HandoverError as exc:
        return type(exc)


def test_rows_of_the_release_before_go_on_as_what_they_were(alice, release_before):
    deliveries = {state: delivery_for(alice) for state in BEFORE}
    old = {state: write(release_before, deliveries[state], **columns) for state, (columns, _outcome) in BEFORE.items()}

    upgrade()

    rows = {state: Handover.objects.get(pk=row.pk) for state, row in old.items()}
    wrong = [state for state, delivery in deliveries.items() if outcome(delivery.open) != BEFORE[state][1]]
    is_downloaded = outcome(deliveries[HandoverState.SHOWN].open_for_download) == OPENED
    assert {state: row.state for state, row in rows.items()} == {state: state for state in HandoverState}
    assert wrong == []
    assert is_downloaded
    assert {state for state, row in rows.items() if row.received_at} == {HandoverState.SHOWN, HandoverState.RECEIVED}
    assert [state for state, row in rows.items() if row.dismissed_at] == [HandoverState.DISMISSED]
    begun = old[HandoverState.SEALED].created_at
    assert deliveries[HandoverState.SEALED].extend().until == begun + timedelta(seconds=595), "its time goes on"


def test_what_a_process_of_the_release_before_still_writes_is_opened(alice, release_before):
    """It may answer requests until it is stopped: what it reserved before the upgrade, it seals after it."""
    before, after, at_once = (delivery_for(alice) for _ in range(3))
    reserved = [(before, write(release_before, before, key_id=""))]
    upgrade()
    reserved += [(after, write(release_before, after, key_id=""))]

    for delivery, row in reserved:
        row.key_id, row.sealed, row.created_at = KEY_ID, sealed_for(delivery), timezone.now()
        row.save()
    write(release_before, at_once, is_sealed=True)

    are_opened = [outcome(delivery.open) == OPENED for delivery in (before, after, at_once)]
    assert are_opened == [True] * 3
