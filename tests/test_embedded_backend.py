"""The console's own store keeps the contract, and keeps of a value only its keyed hash."""

import itertools
import secrets
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.backends import backend_for, embedded
from apikeys.backends.embedded import EmbeddedBackend
from apikeys.domain import (
    ApiKeyChanges,
    ApiKeyDraft,
    ApiKeyQuery,
    Cursor,
    Filters,
    IssuedApiKey,
    ServiceIdDraft,
    Sort,
    Status,
)
from apikeys.exceptions import ApiKeyLimitReached
from apikeys.models import ApiKeyRecord
from apikeys.services.service_ids import create_service_id
from apikeys.values import Peppers
from tests.conftest import caller_for, delivery_for
from tests.contract import ApiKeyBackendContract, backward, forward
from tests.stores import index_for, tables_with
from tests.threads import at_once


def backend_of(person):
    return backend_for(caller_for(person))


class TestEmbeddedBackend(ApiKeyBackendContract):
    def backend(self, person):
        return backend_of(person)

    def lock(self, key_id):
        assert ApiKeyRecord.objects.filter(id=key_id).update(locked=True) == 1

    def allow(self, limit, settings):
        settings.APIKEYS_PER_IDENTITY = limit

    def test_it_is_the_store_that_people_get(self, alices):
        assert isinstance(alices, EmbeddedBackend)

    # What is kept of a value

    def test_the_value_is_in_no_table(self, alices):
        issued = alices.create_api_key(ApiKeyDraft("terraform", "Applies changes"))

        found = tables_with(issued.value)
        assert tables_with("terraform") == ["apikeys_apikeyrecord", "apikeys_historyrecord"]
        assert found == []

    def test_a_digest_is_under_the_newest_pepper_and_says_its_number(self, alices, settings):
        settings.APIKEYS_PEPPERS = Peppers.parse(f"3:{'03' * 32},7:{'07' * 32},5:{'05' * 32}")

        issued = alices.create_api_key(ApiKeyDraft("terraform", ""))

        record = ApiKeyRecord.objects.get(id=issued.key.id)
        digest = settings.APIKEYS_PEPPERS.digest(issued.value, 7)
        assert (record.pepper, record.digest) == (7, digest)

    def test_one_value_under_two_peppers_has_two_digests(self, settings):
        peppers = Peppers.parse(f"1:{'01' * 32},2:{'02' * 32}")

        assert peppers.digest("a value", 1) != peppers.digest("a value", 2)

    def test_a_disabled_key_says_so(self, alices):
        key = alices.create_api_key(ApiKeyDraft("terraform", "")).key

        ApiKeyRecord.objects.filter(id=key.id).update(disabled=True, locked=True)

        assert alices.get_api_key(key.id).status == "disabled"

    # Sorts and filters of what only this store knows

    def test_keys_sort_by_their_last_use_and_their_end_and_none_is_the_least_or_the_greatest(self, alices):
        _never, old, new = (alices.create_api_key(ApiKeyDraft(name)).key for name in ("never", "old", "new"))
        for key, days in ((old, 200), (new, 1)):
            moment = timezone.now() - timedelta(days=days)
            ApiKeyRecord.objects.filter(id=key.id).update(last_used_at=moment, expires_at=moment)

        def names(sort: Sort, descending: bool) -> list[str]:
            pages = forward(alices, ApiKeyQuery(sort=sort, descending=descending, page_size=1))
            return [key.name for page in pages for key in page.keys]

        assert names(Sort.LAST_USED, False) == names(Sort.LAST_USED, True)[::-1] == ["never", "old", "new"]
        assert names(Sort.EXPIRES, False) == names(Sort.EXPIRES, True)[::-1] == ["old", "new", "never"]

    def test_what_was_not_used_for_days_includes_what_never_was(self, alices):
        for name, days in (("old", 90), ("new", 89), ("never", None)):
            key = alices.create_api_key(ApiKeyDraft(name)).key
            used = None if days is None else timezone.now() - timedelta(days=days)
            ApiKeyRecord.objects.filter(id=key.id).update(last_used_at=used)

        found = alices.list_api_keys(ApiKeyQuery(filters=Filters(unused_for_days=90))).keys

        assert {key.name for key in found} == {"old", "never"}

    @pytest.mark.parametrize("pause", [None, -1, 1])
    @pytest.mark.parametrize("days", [None, -1, 1])
    @pytest.mark.parametrize("states", [*itertools.product([False, True], repeat=3)])
    def test_a_key_is_found_by_its_status_and_by_no_other(self, alices, states, days, pause):
        key = alices.create_api_key(ApiKeyDraft("terraform")).key
        expires_at = None if days is None else timezone.now() + timedelta(days=days)
        leaked, disabled, locked = states
        paused_until = None if pause is None else timezone.now() + timedelta(minutes=pause)
        ApiKeyRecord.objects.update(
            leaked=leaked, disabled=disabled, locked=locked, expires_at=expires_at, paused_until=paused_until
        )

        def is_found(filters: Filters) -> bool:
            return bool(alices.list_api_keys(ApiKeyQuery(filters=filters)).keys)

        is_now = alices.get_api_key(key.id).status
        assert [status for status in Status if is_found(Filters(status=status))] == [is_now]
        assert is_found(Filters(leaked=leaked))
        assert not is_found(Filters(leaked=not leaked))
        assert is_found(Filters(expires_within_days=1)) is (days == 1)

    def test_a_day_begins_at_midnight_in_utc(self, alices):
        key = alices.create_api_key(ApiKeyDraft("terraform")).key
        ApiKeyRecord.objects.filter(id=key.id).update(created_at=datetime(2030, 1, 31, tzinfo=UTC))

        def found(day: int) -> int:
            return len(alices.list_api_keys(ApiKeyQuery(filters=Filters(created_since=date(2030, 1, day)))).keys)

        assert (found(30), found(31)) == (1, 1)
        assert alices.list_api_keys(ApiKeyQuery(filters=Filters(created_since=date(2030, 2, 1)))).keys == ()

    # Pages

    @pytest.mark.parametrize("descending", [False, True])
    def test_keys_made_in_the_same_moment_are_each_shown_once_both_ways(self, alices, descending):
        made = [alices.create_api_key(ApiKeyDraft(f"key {index}", "")).key for index in range(8)]
        ApiKeyRecord.objects.update(created_at=timezone.now())
        query = ApiKeyQuery(sort=Sort.CREATED, descending=descending, page_size=3)

        there = forward(alices, query)
        back = backward(alices, query, there[-1])

        assert sorted(key.id for page in there for key in page.keys) == sorted(key.id for key in made)
        assert [page.keys for page in back] == [page.keys for page in reversed(there)]

    @pytest.mark.parametrize("backward_too", [False, True])
    @pytest.mark.parametrize(
        "position",
        ["", "yesterday", "2026-13-45", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "🔑", "\0"],
    )
    def test_a_place_that_was_never_handed_out_is_the_beginning(self, alices, position, backward_too):
        key = alices.create_api_key(ApiKeyDraft("terraform", "")).key

        page = alices.list_api_keys(ApiKeyQuery(cursor=Cursor(position, "ApiKey-x", backward_too)))

        assert page.keys == (key,)

    @pytest.mark.parametrize("sort", [Sort.NAME, Sort.CREATED])
    @pytest.mark.parametrize("descending", [False, True])
    def test_a_page_far_down_is_found_through_an_index(self, alices, sort, descending):
        for index in range(4):
            alices.create_api_key(ApiKeyDraft(f"key {index}", ""))
        query = ApiKeyQuery(sort=sort, descending=descending, page_size=2)
        cursor = alices.list_api_keys(query).next

        with CaptureQueriesContext(connection) as captured:
            alices.list_api_keys(replace(query, cursor=cursor))

        index, column = ("keys_by_name", "name_folded") if sort is Sort.NAME else ("keys_by_creation", "created_at")
        sign = "<" if descending else ">"
        assert index_for(captured[0]["sql"]) == (index, {"iam_id": "=", column: sign, "id": sign})


# Whoever asks, and however many keys the account has besides.
OF_ONE_OWNER = {
    "a service ID of one's own": lambda alice, dora, service: (alice, ApiKeyQuery(iam_id=service.iam_id)),
    "an administrator's look at one": lambda alice, dora, service: (dora, ApiKeyQuery(iam_id=service.iam_id)),
    "a person in the list of all": lambda alice, dora, service: (
        dora, ApiKeyQuery(iam_id=alice.iam_id, whole_account=True),
    ),
}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("who", OF_ONE_OWNER)
@pytest.mark.parametrize(
    ("sort", "index"),
    [
        (Sort.NAME, "keys_by_name"),
        (Sort.DESCRIPTION, "keys_by_description"),
        (Sort.CREATED, "keys_by_creation"),
        (Sort.CREATED_BY, "keys_by_creator"),
        (Sort.LAST_USED, "keys_by_last_use"),
        (Sort.EXPIRES, "keys_by_expiration"),
    ],
)
def test_a_list_of_one_owners_keys_is_read_in_an_index_of_owners(alice, dora, who, sort, index):
    service, _key = create_service_id(caller_for(alice), ServiceIdDraft("robot"))
    asker, query = OF_ONE_OWNER[who](alice, dora, service)

    with CaptureQueriesContext(connection) as captured:
        backend_of(asker).list_api_keys(replace(query, sort=sort))

    assert index_for(captured[-1]["sql"]) == (index, {"iam_id": "="})


@pytest.mark.django_db
def test_an_administrator_filters_and_searches_the_keys_of_all(alice, dora, alices_key):
    draft, key = ServiceIdDraft("robot"), ApiKeyDraft("nightly")
    create_service_id(caller_for(alice), draft, key=key, delivery=delivery_for(alice))

    def found(**asked: object) -> list[str]:
        return [key.name for key in backend_of(dora).list_api_keys(ApiKeyQuery(whole_account=True, **asked)).keys]

    assert found(filters=Filters(status=Status.ACTIVE), sort=Sort.NAME) == ["terraform", "nightly"]
    assert found(kind="serviceid") == ["nightly"]
    assert found(search="terra") == ["terraform"]


@pytest.mark.django_db
def test_a_search_has_a_limit_of_time_and_a_list_in_the_order_of_an_index_needs_none(alice, alices_key, monkeypatch):
    limited = []
    monkeypatch.setattr(embedded, "search_limit", lambda **limit: limited.append(limit) or nullcontext())

    backend_of(alice).list_api_keys(ApiKeyQuery())
    assert limited == []
    backend_of(alice).list_api_keys(ApiKeyQuery(filters=Filters(leaked=False)))

    assert limited == [{"by_index": False}]


@pytest.mark.django_db
@pytest.mark.parametrize("who", OF_ONE_OWNER)
def test_keys_of_one_owner_are_counted_in_an_index_of_owners(alice, dora, who):
    service, _key = create_service_id(caller_for(alice), ServiceIdDraft("robot"))
    asker, query = OF_ONE_OWNER[who](alice, dora, service)

    with CaptureQueriesContext(connection) as captured:
        backend_of(asker).count_api_keys(query.iam_id)

    assert index_for(captured[-1]["sql"])[1] == {"iam_id": "="}


@pytest.mark.django_db(transaction=True)
def test_twenty_creations_at_once_never_pass_the_limit(alice, settings):
    settings.APIKEYS_PER_IDENTITY = 3

    outcomes = at_once(20, lambda: backend_of(alice).create_api_key(ApiKeyDraft(secrets.token_hex(4), "")))

    assert sum(isinstance(outcome, IssuedApiKey) for outcome in outcomes) == 3
    assert sum(isinstance(outcome, ApiKeyLimitReached) for outcome in outcomes) == 17
    assert backend_of(alice).count_api_keys() == 3


@pytest.mark.django_db(transaction=True)
def test_of_twenty_deletions_at_once_one_deletes(alice):
    key = backend_of(alice).create_api_key(ApiKeyDraft("terraform", "")).key

    outcomes = at_once(20, lambda: backend_of(alice).delete_api_key(key.id))

    assert outcomes.count(key) == 1
    assert [type(outcome).__name__ for outcome in outcomes if outcome != key] == ["ApiKeyNotFound"] * 19


@pytest.mark.django_db(transaction=True)
def test_of_twenty_edits_at_once_one_is_saved(alice):
    key = backend_of(alice).create_api_key(ApiKeyDraft("terraform", "")).key

    def edit():
        return backend_of(alice).update_api_key(
            key.id, ApiKeyChanges(name=secrets.token_hex(4), description=""), entity_tag=key.entity_tag
        )

    outcomes = at_once(20, edit)

    saved = backend_of(alice).get_api_key(key.id)
    assert outcomes.count(saved) == 1
    assert [type(outcome).__name__ for outcome in outcomes if outcome != saved] == ["ApiKeyConflict"] * 19
