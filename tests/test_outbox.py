"""The outbox: a delivery goes to one process at a time, and again after a failure; nobody waits for the dead."""

import threading
from datetime import datetime, timedelta

import pytest
from django.db import Error, transaction
from django.utils import timezone

from console.outbox import dispatcher, queue
from console.outbox.dispatcher import Dispatcher
from console.outbox.models import Delivery, State
from console.outbox.senders import SENDERS, NotDelivered
from tests.threads import at_once
from tests.waiting import until

KIND = "parcel"


class Carrier:
    """Carries what it is given, and fails for those who are away."""

    shares_lane = False

    def __init__(self) -> None:
        self.carried: list[str] = []
        self.away: dict[str, Exception] = {}
        self.holds: dict[str, threading.Event] = {}

    def send(self, delivery: Delivery) -> str:
        if delivery.recipient in self.holds:
            assert self.holds[delivery.recipient].wait(20)
        if delivery.recipient in self.away:
            raise self.away[delivery.recipient]
        self.carried.append(delivery.message_id)
        return "ok"


@pytest.fixture
def carrier(db, monkeypatch) -> Carrier:
    carrier = Carrier()
    monkeypatch.setitem(SENDERS, KIND, carrier)
    return carrier


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test puts on."""

    class Clock:
        now = datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.get_default_timezone())

        def put_on(self, span: timedelta) -> None:
            self.now += span

    clock = Clock()
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    return clock


def put_in(recipient: str = "bob", number: int = 1) -> list[Delivery]:
    now = timezone.now()
    told = {"topic": "greeting", "payload": "{}", "created_at": now, "next_attempt_at": now}
    letters = [
        Delivery(kind=KIND, recipient=recipient, message_id=f"{recipient}-{index}", **told) for index in range(number)
    ]
    queue.enqueue(letters)
    return letters


def deliver(worker: Dispatcher) -> None:
    """Send all that a process would send now."""
    while claimed := worker.claim():
        lane = dispatcher.lane_of(claimed[0])
        worker.send(lane, claimed)
        worker.busy.discard(lane)


def only() -> Delivery:
    return Delivery.objects.get()


def test_what_is_put_in_is_sent_once_and_wakes_the_process_when_it_is_committed(
    carrier, django_capture_on_commit_callbacks
):
    dispatcher.woken.clear()
    with django_capture_on_commit_callbacks(execute=True):
        put_in(number=3)
        assert not dispatcher.woken.is_set()

    deliver(Dispatcher())
    deliver(Dispatcher())

    assert dispatcher.woken.is_set()
    assert sorted(carrier.carried) == ["bob-0", "bob-1", "bob-2"]
    assert {*Delivery.objects.values_list("state", "attempts", "result")} == {(State.DELIVERED, 1, "ok")}


def test_what_is_rolled_back_is_never_sent(carrier):
    with pytest.raises(Error), transaction.atomic():
        put_in()
        raise Error

    deliver(Dispatcher())

    assert carrier.carried == []


def test_a_failure_is_tried_again_ten_times_in_a_little_more_than_three_days_then_given_up(carrier, clock):
    put_in()
    carrier.away["bob"] = NotDelivered("http_503")
    began, pauses = clock.now, []

    while only().state == State.WAITING:
        clock.now = max(clock.now, only().next_attempt_at)
        before = clock.now
        deliver(Dispatcher())
        pauses.append(only().next_attempt_at - before)

    assert only().state == State.GIVEN_UP
    assert (only().attempts, only().result) == (10, "http_503")
    assert timedelta(days=3) < clock.now - began < queue.GIVEN_UP_AFTER
    for planned, taken in zip(queue.PAUSES, pauses, strict=False):
        assert planned <= taken <= planned * (1 + queue.JITTER)


def test_a_pause_that_the_recipient_asks_for_is_kept_up_to_a_day(carrier, clock):
    put_in()
    carrier.away["bob"] = NotDelivered("http_429", pause=timedelta(hours=3))

    deliver(Dispatcher())
    asked = only().next_attempt_at - clock.now
    clock.put_on(asked)
    carrier.away["bob"] = NotDelivered("http_429", pause=timedelta(days=300))
    deliver(Dispatcher())

    assert asked == timedelta(hours=3)
    assert only().next_attempt_at - clock.now == timedelta(days=1)


def test_what_another_attempt_can_not_help_is_given_up_at_once(carrier):
    put_in()
    carrier.away["bob"] = NotDelivered("http_410", is_final=True)

    deliver(Dispatcher())

    assert (only().state, only().attempts, only().result) == (State.GIVEN_UP, 1, "http_410")
    assert only().finished_at is not None


def test_a_fault_of_the_sender_itself_is_a_failure_as_any_other(carrier, caplog):
    put_in()
    carrier.away["bob"] = ZeroDivisionError()

    deliver(Dispatcher())

    assert (only().state, only().result) == (State.WAITING, "error")
    assert "its sender does not know" in caplog.text


def test_what_a_killed_process_had_is_sent_by_another_once_its_lease_is_over(carrier, clock):
    put_in()
    dead = queue.claim([KIND])

    deliver(Dispatcher())
    assert carrier.carried == []
    clock.put_on(queue.LEASE)
    deliver(Dispatcher())

    assert carrier.carried == ["bob-0"]
    queue.fail(dead[0], "timeout")  # it was not dead, but slow: its lease is over, and it changes nothing
    assert (only().state, only().attempts) == (State.DELIVERED, 1)


def test_a_lease_from_before_the_clock_was_set_back_holds_nobody_up(carrier, clock):
    clock.put_on(timedelta(hours=2))
    put_in()
    queue.claim([KIND])
    clock.put_on(timedelta(hours=-2))
    Delivery.objects.update(next_attempt_at=clock.now)

    deliver(Dispatcher())

    assert carrier.carried == ["bob-0"]


def test_behind_a_failure_the_others_of_a_recipient_wait_while_their_lane_rests(carrier, monkeypatch):
    seconds = 1000.0
    monkeypatch.setattr(dispatcher, "monotonic", lambda: seconds)
    put_in("bob", 3)
    put_in("carol", 2)
    carrier.away["bob"] = NotDelivered("timeout")
    worker = Dispatcher()

    deliver(worker)
    tried = Delivery.objects.filter(attempts__gt=0, recipient="bob").count()
    assert (tried, sorted(carrier.carried)) == (1, ["carol-0", "carol-1"])
    assert not Delivery.objects.exclude(leased_until=None).exists()
    assert 0 < worker.seconds_to_next() <= dispatcher.REST_SECONDS
    del carrier.away["bob"]
    seconds += dispatcher.REST_SECONDS
    deliver(worker)

    assert Delivery.objects.filter(state=State.DELIVERED).count() == 4  # the fifth waits for its next attempt


def test_a_slow_lane_leaves_its_place_to_others_after_a_turn(carrier, monkeypatch):
    seconds = 0.0
    monkeypatch.setattr(dispatcher, "monotonic", lambda: seconds)
    monkeypatch.setattr(dispatcher, "LANES", 1)
    put_in("slow", 20)
    put_in("bob")
    worker = Dispatcher()

    def slowly(delivery: Delivery) -> str:
        nonlocal seconds
        seconds += 2
        return Carrier.send(carrier, delivery)

    monkeypatch.setattr(carrier, "send", slowly)
    claimed = worker.claim()
    worker.send((KIND, "slow"), claimed)
    worker.busy.clear()

    assert len(carrier.carried) == 3
    assert [delivery.recipient for delivery in worker.claim()] == ["bob"]
    assert Delivery.objects.filter(state=State.WAITING, leased_until=None).count() == 17


def test_a_lane_rests_for_longer_after_each_failure_and_five_minutes_at_most(carrier, monkeypatch):
    monkeypatch.setattr(dispatcher, "monotonic", lambda: 0.0)  # so that an end is how long it is to
    carrier.away["bob"] = NotDelivered("timeout")
    worker, rests = Dispatcher(), []

    for _attempt in range(9):
        worker.send((KIND, "bob"), put_in())
        rests.append(worker.resting[KIND, "bob"])

    assert rests == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_nothing_is_due_so_a_process_sleeps_until_something_is(carrier, clock):
    worker = Dispatcher()
    assert dispatcher.POLL_SECONDS - 1 < worker.seconds_to_next() <= dispatcher.POLL_SECONDS

    put_in()
    Delivery.objects.update(next_attempt_at=clock.now + timedelta(seconds=7))

    assert worker.claim() == []
    assert worker.seconds_to_next() == 7


def test_what_waited_for_four_days_is_given_up_and_what_ended_a_week_ago_is_forgotten(carrier, clock):
    put_in()
    clock.put_on(queue.GIVEN_UP_AFTER)
    assert queue.give_up_old() == 0
    clock.put_on(timedelta(seconds=1))

    assert queue.give_up_old() == 1
    assert (only().state, only().result) == (State.GIVEN_UP, queue.TOO_OLD)
    clock.put_on(queue.KEPT)
    assert queue.forget_old() == 0
    clock.put_on(timedelta(seconds=1))
    assert queue.forget_old() == 1


def test_a_kind_that_shares_its_lane_is_sent_one_after_another(carrier):
    carrier.shares_lane = True
    put_in("bob")
    put_in("carol")
    worker = Dispatcher()

    first, second = worker.claim(), worker.claim()

    assert (len(first), second) == (1, [])


def test_a_kind_that_nobody_sends_stays_where_it_is(carrier, monkeypatch):
    put_in()
    monkeypatch.delitem(SENDERS, KIND)

    deliver(Dispatcher())

    assert only().state == State.WAITING


@pytest.mark.django_db(transaction=True)
def test_of_many_that_claim_at_once_each_delivery_goes_to_one(carrier):
    put_in("bob", 70)

    claimed = at_once(6, lambda: queue.claim([KIND]))

    found = [delivery.pk for some in claimed for delivery in some]
    assert len(found) == len({*found}) > 0


@pytest.mark.django_db(transaction=True)
def test_a_recipient_who_does_not_answer_holds_up_nobody_else(carrier):
    slow = carrier.holds["slow"] = threading.Event()
    put_in("slow", 5)
    put_in("bob", 3)
    worker = Dispatcher()

    try:
        while worker.begin_lane():
            pass
        until(lambda: len(carrier.carried) == 3)
        assert {*carrier.carried} == {"bob-0", "bob-1", "bob-2"}
    finally:
        slow.set()

    until(lambda: not worker.busy)
    assert len(carrier.carried) == 8
