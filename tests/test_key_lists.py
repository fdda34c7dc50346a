"""The list of keys that a program asks for: filters and sorts by query parameters, held on every page."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.backends.embedded import EmbeddedBackend
from apikeys.domain import ALL_FILTERS, MAX_DAYS, Sort
from apikeys.models import ApiKeyRecord
from tests.conftest import program_of

pytestmark = pytest.mark.django_db

LIST = "/v1/apikeys"


@pytest.fixture
def alices(alice) -> Client:
    return program_of(alice)


@pytest.fixture
def six_keys(alice, create_key) -> None:
    now = timezone.now()
    for name, columns in {
        "plain": {"created_at": now - timedelta(days=7)},
        "disabled": {"disabled": True},
        "leaked": {"leaked": True, "disabled": True},
        "expired": {"expires_at": now - timedelta(days=1)},
        "soon": {"expires_at": now + timedelta(days=10), "last_used_at": now},
        "old": {"created_at": datetime(2020, 2, 3, tzinfo=UTC), "last_used_at": now - timedelta(days=100)},
    }.items():
        ApiKeyRecord.objects.filter(id=create_key(alice, name).key.id).update(**columns)


def listed(program: Client, query: str) -> dict[str, Any]:
    answer = program.get(f"{LIST}?{query}")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def names(page: dict[str, Any]) -> list[str]:
    return [key["name"] for key in page["apikeys"]]


def pages(program: Client, query: str, way: str = "next") -> Iterator[dict[str, Any]]:
    """Yield the page of a query and those that its answers lead to."""
    while True:
        page = listed(program, query)
        yield page
        if way not in page:
            return
        query = urlsplit(page[way]).query


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=active", {"plain", "soon", "old"}),
        ("status=disabled", {"disabled"}),
        ("status=leaked", {"leaked"}),
        ("status=expired", {"expired"}),
        ("status=locked", set()),
        ("expires_within_days=14", {"soon"}),
        ("expires_within_days=9", set()),
        (f"expires_within_days={MAX_DAYS}", {"soon"}),
        ("unused_for_days=90", {"plain", "disabled", "leaked", "expired", "old"}),
        ("unused_for_days=101", {"plain", "disabled", "leaked", "expired"}),
        ("never_used=true", {"plain"}),
        ("never_used=false", {"soon", "old"}),
        ("never_used=false&unused_for_days=90", {"old"}),
        ("never_used=true&unused_for_days=90&status=active", {"plain"}),
        ("created_since=2020-02-03", {"plain", "disabled", "leaked", "expired", "soon", "old"}),
        ("created_since=2020-02-04", {"plain", "disabled", "leaked", "expired", "soon"}),
        ("created_since=0001-01-01&status=disabled", {"disabled"}),
        ("created_since=9999-12-31", set()),
        ("leaked=true", {"leaked"}),
        ("leaked=FALSE", {"plain", "disabled", "expired", "soon", "old"}),
        ("unused_for_days=90&status=active&created_since=2021-01-01", {"plain"}),
        ('leaked=false&filter=name+co+"d"', {"disabled", "expired", "old"}),
    ],
)
def test_a_list_has_the_keys_that_meet_every_filter(alices, six_keys, query, found):
    assert set(names(listed(alices, query))) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("sort=last_authn&order=desc", ["soon", "old"]),
        ("sort=expires_at", ["expired", "soon"]),
        ("sort=created_at", ["old", "plain", "disabled", "leaked", "expired", "soon"]),
        ("sort=name", ["disabled", "expired", "leaked", "old", "plain", "soon"]),
    ],
)
def test_a_list_is_sorted_by_what_was_asked_for(alices, six_keys, query, found):
    assert names(listed(alices, query))[: len(found)] == found


def test_a_key_that_was_never_used_is_before_all_others_and_one_that_never_expires_behind_them(alices, six_keys):
    assert names(listed(alices, "sort=last_authn"))[-2:] == ["old", "soon"]
    assert names(listed(alices, "sort=expires_at&order=desc"))[-2:] == ["soon", "expired"]


@pytest.mark.parametrize("sort", ["name", "description", "created_at", "created_by", "last_authn", "expires_at"])
def test_filters_and_sort_hold_on_every_page_there_and_back(alices, six_keys, sort):
    asked = {"unused_for_days": "90", "leaked": "false", "sort": sort, "pagesize": "2"}
    query = "&".join(f"{name}={text}" for name, text in asked.items())

    there = list(pages(alices, query))
    back = list(pages(alices, urlsplit(there[-1]["previous"]).query, "previous"))

    found = [name for page in there for name in names(page)]
    assert sorted(found) == ["disabled", "expired", "old", "plain"]
    assert [names(page) for page in back] == [names(page) for page in reversed(there[:-1])]
    for page in there:
        for way in {"first", "next", "previous"} & page.keys():
            kept = dict(parse_qsl(urlsplit(page[way]).query))
            assert asked == {name: text for name, text in kept.items() if name != "pagetoken"}


def test_a_page_names_what_it_obeys_beyond_iam(alices, six_keys):
    both = listed(alices, "created_since=2020-01-01&leaked=false&sort=last_authn")
    iams = listed(alices, 'sort=name&order=desc&pagesize=10&filter=name+co+"a"')

    assert both["applied"] == ["created_since", "leaked", "sort"]
    assert "applied" not in iams


def test_an_administrator_filters_everybodys_keys(bob, dora, create_key, six_keys):
    ApiKeyRecord.objects.filter(id=create_key(bob, "bobs").key.id).update(leaked=True)

    found = names(listed(program_of(dora), "scope=account&leaked=true&sort=expires_at"))

    assert sorted(found) == ["bobs", "leaked"]


@pytest.mark.parametrize(("query", "named"), [("leaked=true", "leaked"), ("sort=last_authn", "sort")])
def test_what_a_store_cannot_do_is_refused_by_name(alices, six_keys, monkeypatch, query, named):
    less = replace(EmbeddedBackend.traits, sorts=frozenset({Sort.CREATED}), filters=ALL_FILTERS - {"leaked"})
    monkeypatch.setattr(EmbeddedBackend, "traits", less)

    answer = alices.get(f"{LIST}?{query}")

    [error] = answer.json()["errors"]
    assert (answer.status_code, error["message_code"], error["details"]) == (400, "BXNIM0113E", named)


def test_filters_show_nobody_the_keys_of_somebody_else(alices, bob, create_key):
    create_key(bob, "bobs")

    assert names(listed(alices, "status=active")) == []
    assert alices.get(f"{LIST}?scope=account&status=active").status_code == 403
