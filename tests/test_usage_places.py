"""What uses of a key add up to: its places, its days, and what is kept of them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apikeys.domain import DAYS_OF_USE, MOST_PLACES, KeyUse, Origin, Place, Reason, UsedKey
from apikeys.models import ApiKeyRecord, RefusalRecord, UsageRecord
from apikeys.usage import counting, records
from apikeys.usage.places import Spot, Tally, client_of, days_after, places_after, read_days, read_place

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOST, CLIENT = "192.0.2.7", "python-requests"


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def used(minute: int, *, number: int = 1, count: int = 1, client: str = CLIENT, reason: Reason | None = None):
    return {Spot(at(minute).date(), HOST, client, number, reason): Tally(count, at(minute), at(minute))}


def place_after(*steps) -> Place:
    stored: list[dict] = []
    for step in steps:
        stored = places_after(stored, step)
    [place] = map(read_place, stored)
    return place


def test_a_place_has_its_first_and_its_last_use_and_their_number():
    place = place_after(used(1, count=2), used(5, count=3))

    assert (place.address, place.client) == (HOST, CLIENT)
    assert (place.uses, place.first_used_at, place.last_used_at, place.last_at) == (5, at(1), at(5), at(5))
    assert (place.refusals, place.reason) == (0, None)


def test_a_place_that_has_moved_to_a_new_value_tells_since_when_and_until_when_it_used_the_old_one():
    place = place_after(used(1), used(2), used(3, number=2), used(4, number=2))

    assert (place.value_number, place.value_since, place.older_used_at) == (2, at(3), at(2))


def test_a_place_that_uses_both_values_tells_when_the_old_one_was_used_last():
    together = used(3, number=2) | used(4, number=1)

    assert place_after(used(1), together).older_used_at == at(4)
    assert place_after(used(1), used(3, number=2), used(4, number=1)).older_used_at == at(4)


def test_a_refusal_is_counted_with_its_last_reason_and_is_no_use():
    place = place_after(
        used(1, reason=Reason.DISABLED), used(3, reason=Reason.EXPIRED), used(2, reason=Reason.DISABLED, count=4)
    )

    assert (place.uses, place.last_used_at, place.value_since) == (0, None, None)
    assert (place.refusals, place.refused_at, place.reason) == (6, at(3), Reason.EXPIRED)


def test_the_latest_places_are_kept():
    stored: list[dict] = []
    for number in range(MOST_PLACES + 5):
        stored = places_after(stored, used(number, client=f"client-{number}"))

    clients = [place["client"] for place in stored]
    assert clients == [f"client-{number}" for number in reversed(range(5, MOST_PLACES + 5))]


def test_thirty_days_are_kept_and_told_each_even_where_nothing_happened():
    days: dict = {}
    for day in range(40):
        days = days_after(days, used(day * 24 * 60, count=day), at(day * 24 * 60).date())

    told = read_days(days, at(39 * 24 * 60).date())
    assert len(days) == DAYS_OF_USE
    assert [day.uses for day in told] == list(range(10, 40))
    assert [day.uses for day in read_days({}, NOON.date())] == [0] * DAYS_OF_USE


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 3), st.sampled_from([None, *Reason])), min_size=1))
@settings(deadline=None)
def test_what_is_written_in_parts_adds_up_to_what_is_written_at_once(uses):
    ordered = sorted(uses, key=lambda use: use[0])
    at_once: dict = {}
    in_parts: list[dict] = []
    days_in_parts: dict = {}
    for minute, number, reason in ordered:
        for spot, tally in used(minute, number=number, reason=reason).items():
            if spot in at_once:
                at_once[spot].merge(tally)
            else:
                at_once[spot] = Tally(tally.count, tally.first, tally.last)
        in_parts = places_after(in_parts, used(minute, number=number, reason=reason))
        days_in_parts = days_after(days_in_parts, used(minute, number=number, reason=reason), NOON.date())

    [whole], [part] = map(read_place, places_after([], at_once)), map(read_place, in_parts)
    assert days_after({}, at_once, NOON.date()) == days_in_parts
    for name in ("uses", "refusals", "first_used_at", "last_used_at", "refused_at", "value_number"):
        assert getattr(whole, name) == getattr(part, name)


@pytest.mark.parametrize(
    "agent, client",
    [
        ("python-requests/2.32.3", "python-requests"),
        ("curl/8.1 (linux)", "curl"),
        ("Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/140.0", "Mozilla"),
        ("", ""),
        ("deploy", "deploy"),
        ("x" * 500 + "/1", "[masked]"),
    ],
)
def test_a_client_is_called_by_its_product_without_the_version(agent, client):
    assert client_of(agent) == client


# Counted in memory, and written.


@pytest.fixture
def nothing_counted(monkeypatch, db):
    monkeypatch.setattr(counting, "_counters", {})
    for number in (1, 2):
        ApiKeyRecord.objects.create(
            id=f"ApiKey-{number}", iam_id="IBMid-OWNER", name="deploy", pepper=1, digest=str(number), hint=""
        )


KEY = UsedKey("ApiKey-1", "deploy", "IBMid-OWNER", disabled=False, expires_at=None)


def use_from(address: str, agent: str = "curl/8", times: int = 1) -> None:
    for _time in range(times):
        counting.note(KEY, 1, Origin(address, agent, "request"))


def told() -> KeyUse:
    counting.flush(everything=True)
    return records.use_of(KEY.id)


@pytest.mark.django_db
@pytest.mark.usefixtures("nothing_counted")
class TestCounting:
    def test_three_places_are_three_lines_whose_uses_add_up(self):
        for address, times in (("192.0.2.1", 3), ("192.0.2.2", 2), ("2001:db8::1", 4)):
            use_from(address, times=times)

        use = told()
        assert {place.address: place.uses for place in use.places} == {
            "192.0.2.1": 3,
            "192.0.2.2": 2,
            "2001:db8::1": 4,
        }
        assert use.days[-1].uses == 9

    def test_an_owner_has_the_uses_of_all_their_keys_and_no_places(self):
        use_from("192.0.2.1", times=2)
        counting.note_refusal(KEY, 1, Origin("192.0.2.1"), Reason.PAUSED)
        other = UsedKey("ApiKey-2", "report", KEY.iam_id, disabled=False, expires_at=None)
        counting.note(other, 1, Origin("192.0.2.9"))

        told()
        of_owner = records.use_of(KEY.iam_id)
        assert (of_owner.days[-1].uses, of_owner.days[-1].refusals, of_owner.places) == (3, 1, ())

    def test_uses_from_more_places_than_are_counted_apart_are_counted_all_the_same(self):
        for number in range(counting.MOST_SPOTS + 30):
            use_from(f"192.0.2.{number}")

        use = told()
        assert len(use.places) == MOST_PLACES
        assert use.days[-1].uses == counting.MOST_SPOTS + 30
        assert next(place.uses for place in use.places if not place.address) == 30

    def test_of_many_refusals_the_latest_are_kept_one_by_one(self):
        for part in range(3):
            for number in range(60):
                counting.note_refusal(KEY, 1, Origin("192.0.2.1", "curl/8", f"{part}-{number}"), Reason.EXPIRED)
            counting.flush(everything=True)

        kept = records.refusals_of(KEY.id)
        assert len(kept) == records.MOST_REFUSALS == RefusalRecord.objects.count()
        assert kept[0].request_id == "2-59"
        assert told().days[-1].refusals == 180
        assert [found.reason for found in records.refusals_by_request("2-59")] == [Reason.EXPIRED]

    def test_the_alarm_of_a_decoy_comes_with_what_is_written(self):
        heard: list = []
        counting.note_refusal(KEY, 1, Origin("192.0.2.1"), Reason.EXPIRED)
        counting.flush(heard.extend, everything=True)
        assert heard == []

        counting.note_refusal(KEY, 1, Origin("192.0.2.6", "curl/8", "stolen"), Reason.DECOY)
        counting.flush(heard.extend, everything=True)
        assert [(refusal.address, refusal.request_id) for refusal in heard] == [("192.0.2.6", "stolen")]

    def test_what_is_gone_for_good_leaves_neither_uses_nor_refusals(self):
        use_from("192.0.2.1")
        counting.note_refusal(KEY, 1, Origin("192.0.2.1"), Reason.EXPIRED)
        counting.flush(everything=True)

        records.forget([KEY.id])

        assert not UsageRecord.objects.filter(subject=KEY.id).exists()
        assert not RefusalRecord.objects.exists()
