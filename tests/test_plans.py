"""What lists, searches, filters and look-ups of keys cost where there are a million: the plans of all their statements.

SQLite plans a table without statistics as one of 1,048,576 rows, however many it has; a console makes no statistics.
PostgreSQL plans by what it knows of a table: here of one with 100,000 rows, said to be a million. It then tells how
many rows it read.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import product

import pytest
from django.db import connection
from django.utils import timezone

from apikeys import domain
from apikeys.backends import limits, review
from apikeys.backends.embedded import EmbeddedBackend
from apikeys.backends.service_ids import EmbeddedServiceIds
from apikeys.domain import END, ApiKeyQuery, Condition, Filters, Match, ServiceIdDraft, Sort, Status
from apikeys.services import delivery, retention, review_rules
from apikeys.services.service_ids import create_service_id
from apikeys.usage import counting
from console.mails import expiring
from console.mails.models import MailCursor
from tests.addresses import KEYS
from tests.conftest import caller_for, log_in, program_of
from tests.plans import ROWS, faults_of, fill_keys, statements_of

FILTERS = [
    *(Filters(status=status) for status in Status),
    Filters(leaked=True),
    Filters(leaked=False),
    Filters(expires_within_days=30),
    Filters(unused_for_days=90),
    Filters(never_used=True),
    Filters(never_used=False, unused_for_days=90),
    Filters(created_since=timezone.now().date() - timedelta(days=1)),
    Filters(created_since=date(2020, 1, 1)),
    Filters(status=Status.ACTIVE, unused_for_days=90, created_since=date(2020, 1, 1)),
]
SEARCHES = ["prod", "zanzibar", "no-such-key", "team 99", "9-prod", "0042", "…0042"]
CONDITIONS = [
    *(Condition("name", match, "deploy-77-prod") for match in Match),
    *(Condition("description", match, "Used by team 7") for match in Match if match is not Match.EQUALS),
]
Asked = tuple[str, Callable[[], object]]


def lists(view: str, backend: EmbeddedBackend, **whose: object) -> Iterator[Asked]:
    """Yield each list of a view: in each order the first page, a later one, the last ones, and the page before."""
    for sort, descending, counted in product(Sort, [False, True], [False, True]):
        query = ApiKeyQuery(sort=sort, descending=descending, counted=counted, **whose)
        name = f"{view} by {sort}, {'descending' if descending else 'ascending'}{', counted' * counted}"
        first = backend.list_api_keys(query)
        last = backend.list_api_keys(replace(query, cursor=END))
        second = backend.list_api_keys(replace(query, cursor=first.next))
        for page, cursor in {
            "first": None, "second": first.next, "third": second.next, "before": second.previous, "last": END,
            "before the last": last.previous,
        }.items():  # fmt: skip
            there = replace(query, cursor=cursor)
            yield f"{name}: {page}", lambda there=there: backend.list_api_keys(there)
    for filters, sort, descending in product(FILTERS, Sort, [False, True]):
        query = ApiKeyQuery(filters=filters, sort=sort, descending=descending, counted=True, **whose)
        yield f"{view}, {filters} by {sort} {descending}", lambda query=query: backend.list_api_keys(query)
    for filters, descending in product(FILTERS, [False, True]):  # most keys have one creator
        query = ApiKeyQuery(filters=filters, sort=Sort.CREATED_BY, descending=descending, page_size=100, **whose)
        if cursor := backend.list_api_keys(query).next:
            query = replace(query, cursor=cursor)
            yield f"{view}, {filters} by creator {descending}: second", lambda query=query: backend.list_api_keys(query)
    for search, sort, descending in product(SEARCHES, Sort, [False, True]):
        query = ApiKeyQuery(search=search, sort=sort, descending=descending, counted=True, **whose)
        yield f"{view}, {search} by {sort} {descending}", lambda query=query: backend.list_api_keys(query)
    for condition in CONDITIONS:
        query = ApiKeyQuery(conditions=(condition,), **whose)
        yield f"{view}, {condition}", lambda query=query: backend.list_api_keys(query)


@pytest.mark.django_db
def test_no_statement_reads_more_than_it_needs_of_a_million_keys(alice, dora, monkeypatch):
    monkeypatch.setattr(limits, "SEARCH_SECONDS", 600.0)  # what is asked here is how much, not how long
    service, _key = create_service_id(caller_for(alice), ServiceIdDraft("robot"))
    fill_keys(alice.account_id, alice.iam_id, service.iam_id)
    own, every = EmbeddedBackend(caller_for(alice)), EmbeddedBackend(caller_for(dora))
    key = own.list_api_keys(ApiKeyQuery()).keys[0]
    page, program = log_in(alice), program_of(alice)
    review_rules.change(caller_for(dora), [domain.ReviewRule(kind, 1, 1) for kind in domain.ReviewKind])

    for days in expiring.STEPS:  # a day behind: as many keys as a walk ever passes
        MailCursor.objects.create(name=f"expires in {days}", at=timezone.now() + timedelta(days=days - 0.9))

    asked: list[Asked] = [
        *lists("own", own),
        *lists("all", every, whole_account=True),
        *lists("one owner's of all", every, whole_account=True, iam_id=alice.iam_id),
        *(
            (f"keys of {kind}", lambda kind=kind: every.list_api_keys(ApiKeyQuery(whole_account=True, kind=kind)))
            for kind in ("user", "serviceid")
        ),
        ("keys of a service ID", lambda: own.list_api_keys(ApiKeyQuery(iam_id=service.iam_id))),
        ("one of all", lambda: every.list_api_keys(ApiKeyQuery(iam_id=service.iam_id, whole_account=True))),
        *(
            (f"{kind} of {store.identity.name}", lambda kind=kind, store=store: review.first_of(kind, store.identity))
            for store, kinds in ((own, review.OF_OWNERS), (every, domain.ReviewKind))
            for kind in kinds
        ),
        ("dashboard", lambda: page.get("/")),
        ("details", lambda: page.get(f"{KEYS}{key.id}/")),
        ("by id", lambda: program.get(f"/v1/apikeys/{key.id}?include_history=true")),
        ("by value", lambda: program.get("/v1/apikeys/details", headers={"IAM-ApiKey": "apk_unknown"})),
        ("introspection", lambda: program.post("/identity/introspect", {"apikey": "apk_unknown"})),
        ("limit and names alike", lambda: every.create_api_key(domain.ApiKeyDraft("deploy"))),
        ("expired", retention.remove_expired),
        ("rules of the review", review_rules.Sweep().run),
        ("about to expire", lambda: expiring.Walk().run()),
        ("hand-overs", delivery.Sweep().run),
        ("uses", counting.flush),
        ("service IDs", lambda: EmbeddedServiceIds(caller_for(alice)).get(service.id)),
    ]
    faults = {f"{name}: {sql}": found for name, act in asked for sql in statements_of(act) if (found := faults_of(sql))}

    assert faults == {}
    assert "sqlite_stat1" not in connection.introspection.table_names()
    assert len(asked) > 500
    assert own.count_api_keys() > ROWS[connection.vendor] * 0.9
