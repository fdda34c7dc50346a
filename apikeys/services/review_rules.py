"""Rules of the review: an administrator says after how many days keys of a group are warned about, disabled, deleted.

Each step leaves an audit event, and until the last one each can be undone: a key that somebody changes, or that leaves
its group, begins anew.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.db import transaction
from django.utils import timezone

from apikeys import audit, domain
from apikeys.backends import review as groups
from apikeys.backends import review_rules as rows
from apikeys.domain import REVIEW_STEPS, ReviewKind, ReviewRule, ReviewStep
from apikeys.exceptions import InvalidApiKey, SearchTooSlow
from apikeys.exceptions import gettext_noop as _
from apikeys.identity.callers import check_administrator
from apikeys.models import ReviewStep as StepRecord
from apikeys.services import deletion

PIECE = 1000  # keys that one sweep looks at
BATCH = 50  # steps of one sweep: a transaction that takes the write lock must be short
REST_SECONDS = 600  # between two walks over all keys
NO_RULES_SECONDS = 60  # between two looks whether there is a rule
FORESEEN = 1000  # keys of a group
ACTOR = domain.Identity(iam_id="review-rules", account_id="", name="Rules of the review", email="")


@dataclass(frozen=True, slots=True)
class Foresight:
    """How many keys a rule takes each step with until tomorrow.

    `is_whole` tells whether the whole group was looked at, or only its first FORESEEN keys.
    """

    steps: Mapping[ReviewStep, int]
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Note:
    """What a rule has done with a key, and what it does next, and when; `next_step` is None for nothing."""

    kind: ReviewKind
    step: ReviewStep
    taken_at: datetime
    next_step: ReviewStep | None = None
    next_at: datetime | None = None


def rules_of(caller: domain.Caller) -> dict[ReviewKind, ReviewRule]:
    """Return the rule of each group. Raises NotAuthorized, NotOffered."""
    check_administrator(caller)
    stored = rows.stored()
    return {kind: stored.get(kind, ReviewRule(kind)) for kind in ReviewKind}


def check(rule: ReviewRule) -> None:
    """Raise InvalidApiKey for a rule that deletes keys without a step before that."""
    if rule.next_step(None) is ReviewStep.DELETE:
        raise InvalidApiKey(
            "delete_days", _("Choose what happens before API keys are deleted: a warning, or that they are disabled.")
        )


def foresee(caller: domain.Caller, rule: ReviewRule) -> Foresight | None:
    """Return what a rule would do until tomorrow, were it set now; None where that takes too long to tell.

    Raises NotAuthorized, NotOffered.
    """
    check_administrator(caller)
    if rule.next_step(None) is None:
        return Foresight({})
    now = timezone.now()
    try:
        found = groups.keys_of(rule.kind, caller.identity, FORESEEN + 1)
    except SearchTooSlow:
        return None
    steps = StepRecord.objects.filter(kind=rule.kind, key_id__in=[record.id for record in found])
    kept = {step.key_id: step for step in steps}
    counts: Counter[ReviewStep] = Counter()
    for record in found[:FORESEEN]:
        standing = rows.standing_of(rule.kind, record, kept.get(record.id)) or rows.Standing(None, now)
        if step := rows.due_step(rule, record, standing, now + timedelta(days=1)):
            counts[step] += 1
    return Foresight(counts, is_whole=len(found) <= FORESEEN)


def change(caller: domain.Caller, rules: Iterable[ReviewRule]) -> None:
    """Set these rules; the others stay. Raises NotAuthorized, InvalidApiKey, NotOffered."""
    with audit.change(caller, audit.REVIEW_RULE_UPDATE) as step:
        before = rules_of(caller)
        for rule in rules:
            check(rule)
            if rule != before[rule.kind]:
                rows.store(rule, caller.identity.iam_id)
                days: dict[str, Any] = {f"{each}_days": rule.days_until(each) for each in REVIEW_STEPS[rule.kind]}
                audit.record(caller, audit.REVIEW_RULE_UPDATE, group=rule.kind.value, **days)
        step.record_nothing()


def notes_of(key: domain.ApiKey) -> list[Note]:
    """Return what rules have done with a key that the caller has seen, and are going to do; the most urgent first."""
    notes = notes_on([key])
    return [notes[key.id, kind] for kind in ReviewKind if (key.id, kind) in notes and rows.is_member(key.id, kind)]


def notes_on(keys: Iterable[domain.ApiKey]) -> dict[tuple[str, ReviewKind], Note]:
    """Return the same for many keys by their id and group, as far as they are in this group; a few queries for all."""
    steps = rows.steps_of({key.id for key in keys})
    rules = rows.stored() if steps else {}
    notes = (_note(step, rules.get(ReviewKind(step.kind))) for step in steps)
    return {(step.key_id, note.kind): note for step, note in zip(steps, notes, strict=True)}


def _note(step: StepRecord, rule: ReviewRule | None) -> Note:
    kind, taken = ReviewKind(step.kind), ReviewStep(step.step)
    following = rows.next_of(rule, rows.Standing(taken, step.taken_at)) if rule else None
    return Note(kind, taken, step.taken_at, *(following or ()))


class Sweep:
    """A walk over all keys, again and again, a piece at each call; it takes the steps that are due.

    Each process walks, and of several that find a step due one takes it.
    """

    def __init__(self) -> None:
        self.place = ""
        self.rests_until = 0.0  # of time.monotonic

    def run(self) -> int:
        """Look at the next keys; return how many steps were taken, at most BATCH."""
        if monotonic() < self.rests_until:
            return 0
        rules, now = rows.stored(), timezone.now()
        if not rules and not StepRecord.objects.exists():
            return self._rest(NO_RULES_SECONDS)
        end = rows.place_after(self.place, PIECE)
        work = rows.find_work(rules, self.place, end, now)
        taken = self._do(rules, work, now) if work.due or work.outdated else 0
        if len(work.due) > BATCH:
            self.place = work.due[BATCH - 1][0]  # of a key in two groups the other one waits for the next walk
        elif end is None:
            self._rest(REST_SECONDS)
        else:
            self.place = end
        return taken

    def _rest(self, seconds: float) -> int:
        self.place, self.rests_until = "", monotonic() + seconds
        return 0

    def _do(self, rules: rows.RulesByKind, work: rows.Work, now: datetime) -> int:
        with transaction.atomic():
            rows.forget(work.outdated[:BATCH])
            taken = rows.take(rules, work.due[:BATCH], ACTOR, now)
            for each in taken:
                _record(each)
        return len(taken)


def _record(taken: rows.Taken) -> None:
    caller = domain.Caller(ACTOR)
    said: dict[str, Any] = {"group": taken.kind.value, "step": taken.step.value}
    if taken.step is ReviewStep.DELETE:
        deletion.record_deletion(caller, taken.key, cause="review rule", **said)
    else:
        audit.record(caller, audit.UPDATE, target=taken.key, **said)
