"""Manage > Security > Review: the keys that need a decision, in groups, each with what can be done about it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from apikeys import domain
from apikeys.domain import ApiKeyQuery, BulkAction, Filters, ReviewKind, Sort
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import keys, review, review_rules
from apikeys.services.review import FILTERS, Group
from apikeys.services.review_rules import Note
from apikeys.web.listing import ListState, Row, rows_of

# The order of the list that has a group, and whether it descends, where that is not the newest key first.
ORDERS = {
    ReviewKind.EXPIRING: (Sort.EXPIRES, False),
    ReviewKind.EXPIRED: (Sort.EXPIRES, False),
    ReviewKind.UNUSED: (Sort.LAST_USED, False),
}
# What is offered for each key of a group, where it can be done: the last part of its address.
ACTIONS = dict.fromkeys(ReviewKind, "delete") | {ReviewKind.EXPIRING: "edit"}
UNLOCKED = "delete"  # who sees a key can do this unless it is locked
# What is offered for all keys of a group that are shown and ticked.
FOR_ALL: dict[ReviewKind, tuple[BulkAction, ...]] = dict.fromkeys(
    ReviewKind, (BulkAction.DISABLE, BulkAction.DELETE)
) | {ReviewKind.EXPIRING: (), ReviewKind.EXPIRED: (BulkAction.DELETE,)}


class Shown(NamedTuple):
    """A group as the page shows it; `list_url` leads to the list of its keys, "" where there is none."""

    group: Group
    action: str
    for_all: Sequence[BulkAction]
    rows: Sequence[tuple[Row, Note | None]]  # with what a rule has done
    list_url: str


@require_GET
def review_page(request: Request) -> HttpResponse:
    """The groups that have a key."""
    caller = caller_of(request)
    shown = list(_shown(caller, [group for group in review.groups(caller) if group.count != 0]))
    sees_all = caller.identity.is_administrator
    context = {"shown": shown, "is_administrator": sees_all, "way_back": _list_of(sees_all)}
    return render(request, "apikeys/review.html", context)


def _shown(caller: domain.Caller, groups: Sequence[Group]) -> Iterator[Shown]:
    base, sees_all = reverse("api_key_list"), caller.identity.is_administrator
    found = [key for group in groups for key in group.keys]
    owners = keys.owners_of(found) if sees_all else {}
    way_back, notes = _list_of(sees_all), review_rules.notes_on(found)
    for group in groups:
        lines = rows_of(group.keys, caller.identity, owners, base, way_back)
        rows = [(line, notes.get((line.key.id, group.kind))) for line in lines]
        list_url = base + _list_of(sees_all, group.kind) if group.kind in FILTERS else ""
        for_all = FOR_ALL[group.kind] if any(UNLOCKED in line.actions for line in lines) else ()
        yield Shown(group, ACTIONS[group.kind], for_all, rows, list_url)


def _list_of(sees_all: bool, kind: ReviewKind | None = None) -> str:
    """Return the query of the list that has a group, or all keys."""
    filters = FILTERS[kind] if kind else Filters()
    sort, descending = ORDERS.get(kind, (Sort.CREATED, True)) if kind else (Sort.CREATED, True)
    query = ApiKeyQuery(whole_account=sees_all, filters=filters, sort=sort, descending=descending)
    return ListState(query).url()
