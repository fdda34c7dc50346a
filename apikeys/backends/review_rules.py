"""What rules of the review do to keys by themselves: how far each key is, which step is due, and taking it.

Whether somebody has acted on a key since a step is told by its revision, which no clock changes.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from apikeys import domain
from apikeys.backends import deletion, holding, records, review
from apikeys.backends.attention import LONG, SOON
from apikeys.domain import NEVER_USED_AFTER, ReviewKind, ReviewStep
from apikeys.models import ApiKeyRecord
from apikeys.models import ReviewRule as RuleRecord
from apikeys.models import ReviewStep as StepRecord

FOUND = "found"  # the step before all others, where nothing else tells since when a key is in its group
# Since when a key is in a group, where it tells that itself.
SINCE: dict[ReviewKind, Callable[[ApiKeyRecord], datetime | None]] = {
    ReviewKind.LEAKED: lambda key: key.modified_at,
    ReviewKind.EXPIRING: lambda key: key.expires_at - SOON if key.expires_at else None,
    ReviewKind.EXPIRED: lambda key: key.expires_at,
    ReviewKind.UNUSED: lambda key: key.last_used_at + LONG if key.last_used_at else None,
    ReviewKind.NEVER_USED: lambda key: key.created_at + NEVER_USED_AFTER,
}
RulesByKind = dict[ReviewKind, domain.ReviewRule]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a rule has got with a key: its last step, None for none, and since when the days to the next count."""

    taken: ReviewStep | None
    since: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken, and the key as it was left, or as it was where it is deleted."""

    kind: ReviewKind
    step: ReviewStep
    key: domain.ApiKey


def stored() -> RulesByKind:
    """Return the rules that take any step."""
    rows = RuleRecord.objects.values_list("kind", "warn_days", "disable_days", "delete_days")
    rules = [domain.ReviewRule(ReviewKind(kind), *days) for kind, *days in rows]
    return {rule.kind: rule for rule in rules if rule.next_step(None)}


def store(rule: domain.ReviewRule, modified_by: str) -> None:
    """Keep a rule in place of the one that its group has; of one that takes no step, how far it got is forgotten."""
    columns = asdict(rule) | {"modified_by": modified_by, "modified_at": timezone.now()}
    RuleRecord.objects.update_or_create(kind=rule.kind, defaults=columns)
    if rule.next_step(None) is None:
        StepRecord.objects.filter(kind=rule.kind).delete()


def standing_of(kind: ReviewKind, record: ApiKeyRecord, step: StepRecord | None) -> Standing | None:
    """Return how far a rule has got with a key of its group; None where the key has to be noted as found first."""
    if step is not None and step.revision == record.revision:
        return Standing(None if step.step == FOUND else ReviewStep(step.step), step.taken_at)
    since = SINCE[kind](record) if kind in SINCE else None
    return None if since is None else Standing(None, max(since, record.modified_at))


def next_of(rule: domain.ReviewRule, standing: Standing) -> tuple[ReviewStep, datetime] | None:
    """Return the next step of a rule and when it is due, None for none."""
    step = rule.next_step(standing.taken)
    return None if step is None else (step, standing.since + timedelta(days=rule.days_until(step) or 0))


def due_step(rule: domain.ReviewRule, record: ApiKeyRecord, standing: Standing, now: datetime) -> ReviewStep | None:
    """Return the step that is due for a key; what is locked is neither disabled nor deleted."""
    found = next_of(rule, standing)
    if found is None or found[1] > now or (record.locked and found[0] is not ReviewStep.WARN):
        return None
    return found[0]


def place_after(place: str, number: int) -> str | None:
    """Return the id of the key that has `number` - 1 others between a place and itself, None where there is no such."""
    ids = ApiKeyRecord.objects.filter(id__gt=place).order_by("id").values_list("id", flat=True)
    return ids[number - 1 : number].first()


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do for some keys: of each step the key and group, and what is kept of old ones."""

    due: list[tuple[str, ReviewKind]]
    outdated: list[StepRecord]


def find_work(rules: RulesByKind, place: str, end: str | None, now: datetime) -> Work:
    """Return what there is to do for the keys beyond a place, up to an end."""
    keys, steps = {"id__gt": place}, {"key_id__gt": place}
    if end is not None:
        keys["id__lte"] = steps["key_id__lte"] = end
    kept = {(step.key_id, step.kind): step for step in StepRecord.objects.filter(**steps)}
    due: list[tuple[str, ReviewKind]] = []
    for kind, rule in rules.items():
        columns = "revision", "created_at", "modified_at", "last_used_at", "expires_at", "locked"
        for record in review.members(kind, now).filter(**keys).only(*columns):
            step = kept.get((record.id, kind))
            standing = standing_of(kind, record, step)
            if step and step.revision == record.revision:
                del kept[record.id, kind]
            if standing is None or due_step(rule, record, standing, now):
                due.append((record.id, kind))
    return Work(sorted(due), list(kept.values()))


def forget(steps: Iterable[StepRecord]) -> None:
    """Forget steps, save those that another process has written anew meanwhile. Needs a transaction."""
    for step in steps:
        StepRecord.objects.filter(pk=step.pk, revision=step.revision, step=step.step, taken_at=step.taken_at).delete()


def take(
    rules: RulesByKind, due: Collection[tuple[str, ReviewKind]], identity: domain.Identity, now: datetime
) -> list[Taken]:
    """Take what is still due of these, and return it. Needs a transaction.

    Keys that another process holds are left to it.
    """
    taken: list[Taken] = []
    for kind in dict.fromkeys(kind for _key_id, kind in due):
        ids = [key_id for key_id, of_kind in due if of_kind is kind]
        rows = review.members(kind, now).filter(id__in=ids).select_for_update(skip_locked=True)
        locked = list(rows.order_by("id"))
        steps = {step.key_id: step for step in StepRecord.objects.filter(kind=kind, key_id__in=ids)}
        for record in locked:
            standing = standing_of(kind, record, steps.get(record.id))
            if standing is None:
                _note(kind, record, FOUND, now)
            elif step := due_step(rules[kind], record, standing, now):
                taken.append(Taken(kind, step, _take(kind, record, step, identity, now)))
    return taken


def _take(
    kind: ReviewKind, record: ApiKeyRecord, step: ReviewStep, identity: domain.Identity, now: datetime
) -> domain.ApiKey:
    if step is ReviewStep.DELETE:
        StepRecord.objects.filter(key_id=record.id).delete()
        return deletion.delete(record, identity)
    if step is ReviewStep.WARN:
        records.add_history(identity, record.id, "warn", [kind], "API key: warning")
    elif not record.disabled:  # else whoever disabled it may enable it as before
        holding.disable(record, identity, domain.Hold.RULE)
        records.save_revision(record, identity, "disable", "API key: disable", [kind])
    _note(kind, record, step, now)
    return records.to_domain(record)


def _note(kind: ReviewKind, record: ApiKeyRecord, step: str, now: datetime) -> None:
    columns = {"step": step, "taken_at": now, "revision": record.revision, "iam_id": record.iam_id}
    StepRecord.objects.update_or_create(key_id=record.id, kind=kind, defaults=columns)


def steps_of(key_ids: Collection[str]) -> list[StepRecord]:
    """Return the steps that were taken with these keys and that still count, as far as the keys are in their groups."""
    return list(_current().filter(key_id__in=key_ids).exclude(step=FOUND))


def is_member(key_id: str, kind: ReviewKind) -> bool:
    """Tell whether a key is in a group now."""
    return review.members(kind, timezone.now()).filter(id=key_id).exists()


def warned_of(iam_id: str) -> "models.QuerySet[StepRecord]":
    """Return the warnings about an owner's keys that still count, the latest first."""
    return _current().filter(iam_id=iam_id, step=ReviewStep.WARN).order_by("-taken_at", "id")


def _current() -> "models.QuerySet[StepRecord]":
    """Return the steps since which nobody has changed their key."""
    same = ApiKeyRecord.objects.filter(id=models.OuterRef("key_id"), revision=models.OuterRef("revision"))
    return StepRecord.objects.filter(models.Exists(same))
