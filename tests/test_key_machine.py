"""Whatever owner, administrator and stranger do with keys, in whatever order: the store agrees with a small model."""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as console
from django.db.models import F
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apikeys import audit
from apikeys.domain import ApiKeyChanges, ApiKeyDraft, ApiKeyQuery, Hold, Origin, Overlap
from apikeys.exceptions import (
    ApiKeyConflict,
    ApiKeyError,
    ApiKeyHeld,
    ApiKeyLocked,
    ApiKeyNotFound,
    NotAuthorized,
    PreviousValueNotFound,
    RotationUnderWay,
    ValueNotFound,
)
from apikeys.identity import tokens
from apikeys.models import ApiKeyRecord, AuditEvent, DeletedKeyRecord, PreviousValue
from apikeys.services import creation, deletion, keys, rotation
from tests.conftest import caller_for, make_person

pytestmark = pytest.mark.django_db

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RESTORABLE = HOUR * console.APIKEYS_RESTORE_HOURS
MOMENTS = {
    ApiKeyRecord: ("expires_at", "paused_until"),
    DeletedKeyRecord: ("expires_at", "paused_until", "deleted_at", "gone_at"),
    PreviousValue: ("replaced_at", "ends_at"),
}
EXAMPLES, STEPS = 300 if os.environ.get("PROVE") else 20, 40  # many for `make prove`
ALICE, BOB, DORA = "alice", "bob", "dora"
numbers = itertools.count()


@dataclass
class Modelled:
    """A key as it should be. Moments are counted from the beginning of the machine; a hold is whose it is, or ""."""

    owner: str
    id: str
    name: str
    values: list[str] = field(repr=False)
    expires: timedelta = timedelta.max
    paused: timedelta = timedelta.min
    previous_ends: timedelta = timedelta.min
    locked: str = ""
    disabled: str = ""
    deleted_by: str = ""
    gone: timedelta = timedelta.max

    def refusal(self, actor: str, *, edits: bool = False) -> type[ApiKeyError] | None:
        """Return how a change by somebody is refused, None where it is made; an administrator edits nobody's key."""
        if self.deleted_by or actor not in (self.owner, DORA):
            return ApiKeyNotFound
        if edits and actor != self.owner:
            return NotAuthorized
        if self.locked:
            return ApiKeyHeld if self.is_held(self.locked, actor) else ApiKeyLocked
        return None

    def is_held(self, hold: str, actor: str) -> bool:
        """Tell whether what was done as `hold` can't be undone by the actor."""
        return hold == Hold.ADMINISTRATOR and actor != DORA

    def hold_of(self, actor: str, held: str) -> str:
        """Return as whom something counts that the actor does, too: an administrator's word stands."""
        is_firmer = actor != self.owner and held != Hold.ADMINISTRATOR
        return (Hold.ADMINISTRATOR if actor != self.owner else Hold.OWNER) if not held or is_firmer else held

    def working(self, now: timedelta) -> list[bool]:
        """Tell of each value, from the first, whether it works."""
        is_usable = not self.deleted_by and not self.disabled and self.paused <= now < self.expires
        current = len(self.values) - 1
        return [
            is_usable and (number == current or (number == current - 1 and now < self.previous_ends))
            for number in range(len(self.values))
        ]


actors = st.sampled_from([ALICE, BOB, DORA])
owners = st.sampled_from([ALICE, BOB])


class KeyMachine(RuleBasedStateMachine):
    """Alice and Bob have keys and are strangers to each other's, Dora administers."""

    known = Bundle("known")

    def __init__(self) -> None:
        super().__init__()
        number, self.now = next(numbers), timedelta()
        people = {name: make_person(f"{name}{number}", is_superuser=name == DORA) for name in (ALICE, BOB, DORA)}
        self.callers = {name: caller_for(person) for name, person in people.items()}
        self.modelled: list[Modelled] = []

    def act(self, actor: str, expected: type[ApiKeyError] | None, change: Callable, *arguments: object, **how) -> bool:
        """Tell whether a change is made; it must be made or refused as expected, and leave the one event of that."""
        before = AuditEvent.objects.count()
        try:
            change(self.callers[actor], *arguments, **how)
        except ApiKeyError as exc:
            assert type(exc) is expected
        else:
            assert expected is None
        told = list(AuditEvent.objects.order_by("-event_time")[: AuditEvent.objects.count() - before])
        assert [event.outcome for event in told] == [audit.FAILURE if expected else audit.SUCCESS]
        return expected is None

    @rule(target=known, owner=owners, lasts=st.sampled_from([None, 2 * HOUR, 3 * DAY]))
    def create(self, owner: str, lasts: timedelta | None) -> Modelled:
        draft = ApiKeyDraft("deploy", expires_at=None if lasts is None else datetime.now(UTC) + lasts)
        issued = creation.create_api_key(self.callers[owner], draft)
        key = Modelled(owner, issued.key.id, "deploy", [issued.value])
        if lasts is not None:
            key.expires = self.now + lasts
        self.modelled.append(key)
        return key

    @rule(key=known, actor=actors, name=st.sampled_from(["deploy", "backup"]), is_stale=st.booleans())
    def edit(self, key: Modelled, actor: str, name: str, is_stale: bool) -> None:
        tag = ApiKeyRecord.objects.filter(id=key.id).values_list("entity_tag", flat=True).first()
        expected = key.refusal(actor, edits=True) or (ApiKeyConflict if is_stale else None)
        stated = "1-" + "0" * 32 if is_stale or tag is None else tag
        if self.act(actor, expected, keys.update_api_key, key.id, ApiKeyChanges(name=name), entity_tag=stated):
            key.name = name

    @rule(key=known, actor=actors)
    def lock(self, key: Modelled, actor: str) -> None:
        unseen = key.refusal(actor) if key.refusal(actor) is ApiKeyNotFound else None
        if self.act(actor, unseen, keys.lock_api_key, key.id, locked=True):
            key.locked = key.hold_of(actor, key.locked)

    @rule(key=known, actor=actors)
    def unlock(self, key: Modelled, actor: str) -> None:
        refusal = key.refusal(actor)
        if self.act(actor, None if refusal is ApiKeyLocked else refusal, keys.lock_api_key, key.id, locked=False):
            key.locked = ""

    @rule(key=known, actor=actors)
    def disable(self, key: Modelled, actor: str) -> None:
        if self.act(actor, key.refusal(actor), keys.disable_api_key, key.id, disabled=True):
            key.disabled = key.hold_of(actor, key.disabled)

    @rule(key=known, actor=actors)
    def enable(self, key: Modelled, actor: str) -> None:
        expected = key.refusal(actor) or (ApiKeyHeld if key.is_held(key.disabled, actor) else None)
        if self.act(actor, expected, keys.disable_api_key, key.id, disabled=False):
            key.disabled = ""

    @rule(key=known, actor=actors, lasts=st.sampled_from([10 * MINUTE, 30 * MINUTE]))
    def pause(self, key: Modelled, actor: str, lasts: timedelta) -> None:
        if self.act(actor, key.refusal(actor), deletion.pause_api_key, key.id, lasts):
            key.paused = self.now + lasts

    @rule(key=known, actor=actors)
    def resume(self, key: Modelled, actor: str) -> None:
        if self.act(actor, key.refusal(actor), deletion.resume_api_key, key.id):
            key.paused = timedelta.min

    @rule(key=known, actor=actors, lasts=st.sampled_from([timedelta(), HOUR, None]), ends_previous=st.booleans())
    def rotate(self, key: Modelled, actor: str, lasts: timedelta | None, ends_previous: bool) -> None:
        is_under_way = self.now < key.previous_ends and not ends_previous
        expected = key.refusal(actor, edits=True) or (RotationUnderWay if is_under_way else None)
        new_values: list[str] = []

        def change(*arguments: object) -> None:
            new_values.append(rotation.rotate_api_key(*arguments).value)

        if self.act(actor, expected, change, key.id, Overlap(lasts, ends_previous=ends_previous)):
            key.values += new_values
            key.previous_ends = timedelta.max if lasts is None else self.now + lasts

    @rule(key=known, actor=actors)
    def end_previous(self, key: Modelled, actor: str) -> None:
        is_over = key.previous_ends <= self.now
        expected = key.refusal(actor, edits=True) or (PreviousValueNotFound if is_over else None)
        if self.act(actor, expected, rotation.end_previous_value, key.id):
            key.previous_ends = self.now

    @rule(key=known, actor=actors)
    def delete(self, key: Modelled, actor: str) -> None:
        if self.act(actor, key.refusal(actor), deletion.delete_api_key, key.id):
            key.deleted_by, key.gone = actor, self.now + RESTORABLE

    @rule(key=known, actor=actors)
    def restore(self, key: Modelled, actor: str) -> None:
        if not key.deleted_by and actor in (key.owner, DORA):
            found = deletion.restore_api_key(self.callers[actor], key.id)
            assert not found.is_new
            return
        is_possible = key.deleted_by == actor and self.now < key.gone
        if self.act(actor, None if is_possible else ApiKeyNotFound, deletion.restore_api_key, key.id):
            key.deleted_by = ""

    @rule(passed=st.sampled_from([20 * MINUTE, 90 * MINUTE, RESTORABLE + MINUTE]))
    def let_pass(self, passed: timedelta) -> None:
        """Let everything be that much older."""
        for model, names in MOMENTS.items():
            model.objects.update(**{name: F(name) - passed for name in names})
        self.now += passed

    @rule()
    def purge(self) -> None:
        gone = [key for key in self.modelled if key.deleted_by and key.gone <= self.now]
        found = {*DeletedKeyRecord.objects.values_list("id", flat=True)} & {key.id for key in gone}

        deletion.purge()

        assert not DeletedKeyRecord.objects.filter(id__in=found).exists()
        assert not PreviousValue.objects.filter(key_id__in=found).exists()

    @rule(key=known, actor=actors)
    def look_up(self, key: Modelled, actor: str) -> None:
        if key.deleted_by or actor not in (key.owner, DORA):
            with pytest.raises(ApiKeyNotFound):
                keys.get_api_key(self.callers[actor], key.id)
            return
        found = keys.get_api_key(self.callers[actor], key.id)
        assert (found.name, found.value_number) == (key.name, len(key.values))
        assert (found.disabled_hold, found.locked_hold) == (key.disabled, key.locked)
        assert (found.disabled, found.locked) == (bool(key.disabled), bool(key.locked))
        assert (found.is_paused, found.is_expired) == (key.paused > self.now, key.expires <= self.now)

    @rule(owner=owners)
    def list_own(self, owner: str) -> None:
        found = keys.list_api_keys(self.callers[owner], ApiKeyQuery(page_size=100)).keys

        assert {key.id for key in found} == {
            key.id for key in self.modelled if key.owner == owner and not key.deleted_by
        }

    @invariant()
    def exactly_the_values_work_that_should(self) -> None:
        for key in self.modelled:
            assert [works(value) for value in key.values] == key.working(self.now)


def works(value: str) -> bool:
    try:
        return tokens.authenticate(value, Origin()).identity.iam_id != ""
    except ValueNotFound:
        return False


def test_keys_are_always_as_the_model_says():
    """The same steps at each run, so that a failure is no accident."""
    run_state_machine_as_test(
        KeyMachine,
        settings=settings(
            derandomize=True,
            database=None,
            deadline=None,
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            suppress_health_check=list(HealthCheck),
        ),
    )
