"""Rules of the review: which step is taken when, by whom it is undone, and what is told before and after."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from apikeys import audit
from apikeys.domain import (
    NEVER_USED_AFTER,
    ApiKeyChanges,
    Hold,
    Name,
    ReviewKind,
    ReviewRule,
    ReviewStep,
    ServiceIdDraft,
)
from apikeys.exceptions import ApiKeyHeld, InvalidApiKey, NotAuthorized
from apikeys.models import ApiKeyRecord, AuditEvent, DeletedKeyRecord, HistoryRecord, ServiceIdRecord
from apikeys.models import ReviewStep as StepRecord
from apikeys.services import keys, review_rules, service_ids
from tests.addresses import KEYS, REVIEW, details_address
from tests.conftest import caller_for, log_in, make_person
from tests.markup import described_by, fields, page
from tests.rows import record_of
from tests.threads import at_once

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
RULES = f"{REVIEW}rules/"
NEVER_USED = ReviewRule(ReviewKind.NEVER_USED, warn_days=30, disable_days=14, delete_days=7)


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the test moves; it begins at the real time."""

    class Clock:
        def __init__(self) -> None:
            self.time = datetime.now(UTC)

        def advance(self, span: timedelta) -> None:
            self.time += span

    clock = Clock()
    monkeypatch.setattr(timezone, "now", lambda: clock.time)
    return clock


@pytest.fixture
def create_key(create_key):
    """Make keys that are as old as one has to be to be called never used."""

    def create(*whose, **fields):
        issued = create_key(*whose, **fields)
        ApiKeyRecord.objects.filter(id=issued.key.id).update(created_at=issued.key.created_at - NEVER_USED_AFTER)
        return issued

    return create


@pytest.fixture
def set_rule(dora):
    def change(*rules: ReviewRule) -> None:
        review_rules.change(caller_for(dora), rules)

    return change


def sweep() -> int:
    """Look at all keys, as far as they are a thousand; return how many steps were taken."""
    return review_rules.Sweep().run()


def steps() -> list[tuple[str, str]]:
    """Return the steps that were audited, each with the group."""
    events = AuditEvent.objects.filter(initiator_id=review_rules.ACTOR.iam_id).order_by("event_time")
    return [(event.request_data["step"], event.request_data["group"]) for event in events]


def state_of(issued) -> str:
    """Return what has become of a key, in one word."""
    if record := ApiKeyRecord.objects.filter(id=issued.key.id).first():
        return "disabled" if record.disabled else "works"
    return "deleted" if DeletedKeyRecord.objects.filter(id=issued.key.id).exists() else "gone"


# When


def test_a_key_is_warned_about_then_disabled_then_deleted_each_after_its_days(clock, set_rule, alices_key):
    set_rule(NEVER_USED)

    seen = []
    for days in (29, 1, 13, 1, 6, 1):
        clock.advance(days * DAY)
        seen.append((sweep(), state_of(alices_key)))

    assert seen == [(0, "works"), (1, "works"), (0, "works"), (1, "disabled"), (0, "disabled"), (1, "deleted")]
    assert steps() == [("warn", "never_used"), ("disable", "never_used"), ("delete", "never_used")]
    assert StepRecord.objects.count() == 0


def test_what_a_rule_disabled_only_an_administrator_enables_and_then_all_begins_anew(
    clock, set_rule, alice, dora, alices_key
):
    set_rule(ReviewRule(ReviewKind.NEVER_USED, disable_days=30, delete_days=7))
    clock.advance(30 * DAY)
    sweep()

    assert record_of(alices_key).disabled_hold == Hold.RULE
    with pytest.raises(ApiKeyHeld):
        keys.disable_api_key(caller_for(alice), alices_key.key.id, disabled=False)
    keys.disable_api_key(caller_for(dora), alices_key.key.id, disabled=False)
    clock.advance(29 * DAY)
    assert (sweep(), state_of(alices_key)) == (0, "works")

    clock.advance(DAY)
    assert (sweep(), state_of(alices_key)) == (1, "disabled")


def test_what_its_owner_had_disabled_the_owner_enables_as_before(clock, set_rule, alice, alices_key):
    keys.disable_api_key(caller_for(alice), alices_key.key.id, disabled=True)
    set_rule(ReviewRule(ReviewKind.NEVER_USED, disable_days=30, delete_days=7))
    clock.advance(30 * DAY)

    assert sweep() == 1
    assert keys.disable_api_key(caller_for(alice), alices_key.key.id, disabled=False).disabled is False


@pytest.mark.parametrize("act", ["use", "edit", "lock"])
def test_an_owner_who_acts_on_a_key_that_was_warned_about_ends_the_warning(clock, set_rule, alice, alices_key, act):
    set_rule(NEVER_USED)
    clock.advance(30 * DAY)
    sweep()
    assert [note.step for note in review_rules.notes_of(alices_key.key)] == [ReviewStep.WARN]

    caller, key = caller_for(alice), alices_key.key
    if act == "use":
        ApiKeyRecord.objects.update(last_used_at=timezone.now())
    elif act == "edit":
        keys.update_api_key(caller, key.id, ApiKeyChanges(name=Name("kept")), entity_tag=key.entity_tag)
    else:
        keys.lock_api_key(caller, key.id, locked=True)

    assert review_rules.notes_of(key) == []
    clock.advance(14 * DAY)
    assert (sweep(), state_of(alices_key)) == (0, "works")
    assert StepRecord.objects.count() == 0


def test_a_locked_key_is_warned_about_and_neither_disabled_nor_deleted(clock, set_rule, alice, alices_key):
    keys.lock_api_key(caller_for(alice), alices_key.key.id, locked=True)
    set_rule(NEVER_USED)

    taken = []
    for _month in range(5):
        clock.advance(30 * DAY)
        taken.append(sweep())

    assert taken == [1, 0, 0, 0, 0]
    assert state_of(alices_key) == "works"


def test_a_clock_that_is_set_back_takes_no_step_and_undoes_none(clock, set_rule, alices_key):
    set_rule(NEVER_USED)
    clock.advance(30 * DAY)
    sweep()
    clock.advance(14 * DAY)
    sweep()

    clock.advance(-40 * DAY)
    assert (sweep(), state_of(alices_key)) == (0, "disabled")

    clock.advance(40 * DAY)
    assert (sweep(), state_of(alices_key)) == (0, "disabled")
    clock.advance(7 * DAY)
    assert (sweep(), state_of(alices_key)) == (1, "deleted")


@pytest.mark.parametrize(
    ("kind", "columns", "first_after"),
    [
        (ReviewKind.LEAKED, {"leaked": True}, 0),
        (ReviewKind.EXPIRING, {"expires_at": 20 * DAY}, 6),
        (ReviewKind.EXPIRED, {"expires_at": 2 * DAY}, 2),
        (ReviewKind.UNUSED, {"last_used_at": 0 * DAY}, 90),
        (ReviewKind.NEVER_USED, {}, 7),
    ],
)
def test_the_days_to_the_first_step_count_from_when_the_key_came_into_its_group(
    clock, set_rule, alices_key, kind, columns, first_after
):
    moments = {name: clock.time + value if isinstance(value, timedelta) else value for name, value in columns.items()}
    ApiKeyRecord.objects.update(modified_at=clock.time, created_at=clock.time, **moments)
    set_rule(ReviewRule(kind, warn_days=3))

    clock.advance((first_after + 3) * DAY - timedelta(seconds=1))
    before = sweep()
    clock.advance(timedelta(seconds=1))

    assert (before, sweep()) == (0, 1)
    assert steps() == [("warn", kind)]


def test_keys_of_somebody_inactive_count_from_when_they_were_first_found(clock, set_rule, bob, create_key):
    issued = create_key(bob, "of bob")
    set_rule(ReviewRule(ReviewKind.INACTIVE, disable_days=3))
    clock.advance(30 * DAY)
    bob.is_active = False
    bob.save()

    found = sweep()
    clock.advance(3 * DAY - timedelta(seconds=1))
    before = sweep()
    clock.advance(timedelta(seconds=1))

    assert (found, before, sweep(), state_of(issued)) == (0, 0, 1, "disabled")


def test_keys_of_a_service_id_that_nobody_owns_are_disabled_and_those_of_others_are_not(clock, set_rule, alice, bob):
    made = [
        service_ids.create_service_id(caller_for(owner), ServiceIdDraft("robot"), key=key_of("first"))[1]
        for owner in (alice, bob)
    ]
    set_rule(ReviewRule(ReviewKind.ORPHANED, disable_days=0))
    bob.is_active = False
    bob.save()

    sweep()
    sweep()

    assert [state_of(issued) for issued in made] == ["works", "disabled"]


def key_of(name: str):
    return keys.domain.ApiKeyDraft(Name(name))


def test_no_rule_touches_a_decoy_that_nobody_uses(clock, set_rule, alice, create_key):
    create_key(alice, "bait", is_decoy=True)
    set_rule(NEVER_USED)
    clock.advance(100 * DAY)

    assert sweep() == 0


def test_steps_of_a_rule_that_is_gone_are_forgotten(clock, set_rule, alices_key):
    set_rule(NEVER_USED)
    clock.advance(30 * DAY)
    sweep()

    set_rule(ReviewRule(ReviewKind.NEVER_USED))

    assert (StepRecord.objects.count(), sweep()) == (0, 0)


def test_a_walk_goes_on_where_it_stopped_and_rests_at_its_end(clock, set_rule, alice, create_key, monkeypatch):
    monkeypatch.setattr(review_rules, "PIECE", 3)
    monkeypatch.setattr(review_rules, "BATCH", 2)
    for number in range(7):
        create_key(alice, f"robot {number}")
    set_rule(ReviewRule(ReviewKind.NEVER_USED, warn_days=0))
    walk = review_rules.Sweep()

    assert [walk.run() for _sweep in range(6)] == [2, 2, 2, 1, 0, 0]
    assert len(steps()) == 7


# Many at once


@pytest.mark.django_db(transaction=True)
def test_of_processes_that_find_a_step_due_one_takes_it(alice, dora, create_key):
    for number in range(5):
        create_key(alice, f"robot {number}")
    review_rules.change(caller_for(dora), [ReviewRule(ReviewKind.NEVER_USED, disable_days=0)])

    taken = at_once(4, sweep)

    assert all(isinstance(number, int) for number in taken), taken
    while sweep():
        pass
    assert steps() == [("disable", "never_used")] * 5
    assert HistoryRecord.objects.filter(action="disable").count() == 5


# Setting them


def test_only_administrators_see_and_set_rules_and_each_change_is_audited(alice, dora, set_rule):
    with pytest.raises(NotAuthorized):
        review_rules.rules_of(caller_for(alice))
    with pytest.raises(NotAuthorized):
        review_rules.change(caller_for(alice), [NEVER_USED])

    set_rule(NEVER_USED, ReviewRule(ReviewKind.LEAKED))
    set_rule(NEVER_USED)

    assert review_rules.rules_of(caller_for(dora))[ReviewKind.NEVER_USED] == NEVER_USED
    events = AuditEvent.objects.filter(action=audit.REVIEW_RULE_UPDATE).order_by("event_time")
    assert [(event.outcome, event.initiator_id, event.request_data) for event in events] == [
        ("failure", alice.iam_id, {}),
        (
            "success",
            dora.iam_id,
            {"group": "never_used", "warn_days": 30, "disable_days": 14, "delete_days": 7},
        ),
    ]


def test_nothing_is_deleted_without_a_step_before_that(set_rule):
    with pytest.raises(InvalidApiKey, match="before API keys are deleted"):
        set_rule(ReviewRule(ReviewKind.UNUSED, delete_days=90))


def test_what_a_rule_would_do_until_tomorrow_is_told_before_it_is_set(clock, alice, dora, create_key):
    for number, age in enumerate((35, 36, 37, 300)):
        issued = create_key(alice, f"robot {number}")
        moment = clock.time - age * DAY
        ApiKeyRecord.objects.filter(id=issued.key.id).update(created_at=moment, modified_at=moment)

    foreseen = review_rules.foresee(caller_for(dora), NEVER_USED)

    assert foreseen == review_rules.Foresight({ReviewStep.WARN: 3})
    assert StepRecord.objects.count() == 0
    review_rules.change(caller_for(dora), [NEVER_USED])
    clock.advance(DAY)
    assert sweep() == 3


def test_of_a_group_that_is_too_large_only_the_first_keys_are_foreseen(alice, dora, create_key, monkeypatch):
    monkeypatch.setattr(review_rules, "FORESEEN", 2)
    for number in range(3):
        create_key(alice, f"robot {number}")

    foreseen = review_rules.foresee(caller_for(dora), ReviewRule(ReviewKind.NEVER_USED, warn_days=0))

    assert foreseen == review_rules.Foresight({ReviewStep.WARN: 2}, is_whole=False)


def test_keys_of_service_ids_that_nobody_owns_are_foreseen(alice, dora):
    erin = make_person("erin", is_active=False)
    service_ids.create_service_id(caller_for(alice), ServiceIdDraft("robot"), key=key_of("first"))
    ServiceIdRecord.objects.update(managed_by=erin.iam_id)

    rule = ReviewRule(ReviewKind.ORPHANED, disable_days=1)
    assert review_rules.foresee(caller_for(dora), rule) == review_rules.Foresight({ReviewStep.DISABLE: 1})


# Pages


def fields_with(**days: str) -> dict[str, str]:
    return {name.replace("__", "-"): value for name, value in days.items()}


def test_the_page_shows_what_would_happen_and_saves_it_from_there(dora_client, alices_key):
    sent = fields_with(never_used__warn="0", leaked__warn="")
    page_of = lambda answer: page(answer).find("form", class_="form")  # noqa: E731

    shown = page_of(dora_client.post(RULES, sent))

    assert "Until tomorrow it would: warn about 1 key." in shown.text
    assert review_rules.rows.stored() == {}
    buttons = [button.text for button in shown.find_all("button")]
    assert buttons == ["Show what would happen", "Save"]

    answer = dora_client.post(RULES, sent | {"save": "yes"}, follow=True)
    assert "The rules were saved." in page(answer).text
    assert review_rules.rows.stored() == {ReviewKind.NEVER_USED: ReviewRule(ReviewKind.NEVER_USED, warn_days=0)}
    assert [button.text for button in page_of(answer).find_all("button")] == ["Show what would happen"]


def test_a_form_that_is_older_than_another_rule_leaves_that_as_it_is(dora_client, set_rule):
    set_rule(ReviewRule(ReviewKind.UNUSED, warn_days=5), ReviewRule(ReviewKind.EXPIRED, warn_days=5))
    opened = fields(page(dora_client.get(RULES)).find("form", class_="form"))
    set_rule(ReviewRule(ReviewKind.UNUSED, disable_days=1))

    sent = opened | fields_with(never_used__warn="3", expired__warn="")
    shown = fields(page(dora_client.post(RULES, sent)).find("form", class_="form"))
    dora_client.post(RULES, shown | {"save": "yes"})

    assert review_rules.rows.stored() == {
        ReviewKind.UNUSED: ReviewRule(ReviewKind.UNUSED, disable_days=1),
        ReviewKind.NEVER_USED: ReviewRule(ReviewKind.NEVER_USED, warn_days=3),
    }


def test_the_page_says_what_is_wrong_with_a_rule_beside_its_field(dora_client):
    answer = dora_client.post(RULES, fields_with(unused__delete="5", leaked__warn="-1", save="yes"))

    tree = page(answer)
    assert answer.status_code == 422
    wrong = tree.find_all("input", aria_invalid="true")
    assert [each["name"] for each in wrong] == ["leaked-warn", "unused-delete"]
    assert all("autofocus" in each for each in wrong)  # the first of them has the focus
    assert "Choose what happens before API keys are deleted" in described_by(tree, wrong[1])
    assert review_rules.rows.stored() == {}


def test_the_page_of_the_rules_is_for_administrators(alice_client, dora_client):
    assert alice_client.get(RULES).status_code == 403
    assert alice_client.post(RULES, fields_with(never_used__warn="0", save="yes")).status_code == 403
    assert RULES in [link["href"] for link in page(dora_client.get(REVIEW)).find_all("a")]
    assert RULES not in [link["href"] for link in page(alice_client.get(REVIEW)).find_all("a")]


def test_a_warning_stands_on_the_owners_dashboard_and_in_the_details(clock, set_rule, alice, bob, alices_key):
    set_rule(NEVER_USED)
    clock.advance(30 * DAY)
    sweep()

    section = page(log_in(alice).get("/")).find("section", aria_labelledby="attention")
    told = page(log_in(alice).get(details_address(alices_key.key.id))).text

    assert "A rule of the administrators asks you to look at 1 key terraform" in section.text
    assert "Needs attention" not in page(log_in(bob).get("/")).text
    for words in (
        "The key was never used since it was created, 7 days ago or earlier. Warned:",
        "Will be disabled:",
        "Unless the key is used, edited or locked before that.",
        "Warned about by a rule",
    ):
        assert words in told


def test_the_details_of_what_a_rule_disabled_say_when_it_is_deleted_and_who_can_undo_it(
    clock, set_rule, alice, alices_key
):
    set_rule(ReviewRule(ReviewKind.NEVER_USED, disable_days=1, delete_days=7))
    clock.advance(DAY)
    sweep()

    told = page(log_in(alice).get(details_address(alices_key.key.id))).text

    assert "Will be deleted:" in told
    assert "Unless an administrator enables the key before that." in told
    assert "Only an administrator can enable it." in told
    assert "asks you to look at" not in page(log_in(alice).get("/")).text


def test_the_review_says_of_each_key_in_its_group_what_a_rule_does_next(clock, set_rule, alice, alices_key, create_key):
    set_rule(NEVER_USED)
    clock.advance(30 * DAY)
    sweep()
    create_key(alice, "young")

    lines = page(log_in(alice).get(REVIEW)).find("section", aria_labelledby="never_used").find_all("li")

    told = {line.find_all("a")[0].text: "Will be disabled:" in line.text for line in lines}
    assert told == {"terraform": True, "young": False}


def test_the_owner_is_told_that_a_rule_deleted_the_key_and_that_it_stays_so(clock, set_rule, alice, alices_key):
    set_rule(ReviewRule(ReviewKind.NEVER_USED, warn_days=0, delete_days=1))
    sweep()
    clock.advance(DAY)
    sweep()

    told = page(log_in(alice).get(f"{KEYS}deleted/")).text

    assert alices_key.key.name in told
    assert "A rule of the administrators deleted it: it can't be restored." in told
