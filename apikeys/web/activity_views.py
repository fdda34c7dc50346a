"""Manage > Security > Activity: what happened, page by page, and as a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from apikeys.audit.catalogue import EventKind
from apikeys.audit.search import EventQuery, read_cursor, write_cursor
from apikeys.domain import IAM_ID, is_printable
from apikeys.iam.exports import BYTE_ORDER_MARK, Format
from apikeys.identity.callers import caller_of
from apikeys.identity.request import Request
from apikeys.services import activity, activity_details
from apikeys.web.export_views import TYPES, InParts, format_of
from apikeys.web.listing import without_values
from apikeys.web.responses import see_other

MAX_SEARCH = 150
FILTERS = ("q", "kind", "result", "person", "since", "until")


@dataclass(frozen=True, slots=True)
class Shown:
    """An event as the page shows it."""

    event: Any
    words: str
    reason: str
    details: list[tuple[str, str]]


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("q")
def activity_page(request: Request) -> HttpResponseBase:
    """What the reader may see of what happened. The search is posted: a value that somebody pastes is in no address."""
    caller = caller_of(request)
    if request.method == "POST":
        return see_other(reverse("activity") + address(filters_of(request.POST)))
    filters = filters_of(request.GET)
    page = activity.find(caller, query_of(filters, request.GET.get("after", "")))
    context = {
        "shown": [shown(event) for event in page.events],
        "filters": filters,
        "kinds": activity.KINDS.items(),
        "results": activity.OUTCOMES.items(),
        "sees_everything": activity.sees_everything(caller),
        "is_first": "after" not in request.GET,
        "first_url": reverse("activity") + address(filters),
        "next_url": address(filters, after=write_cursor(page.next)) if page.next else "",
        "looked_until": page.looked_until,
        "exports": [(form, reverse("activity_export") + address(filters, format=form)) for form in Format],
    }
    return render(request, "apikeys/activity.html", context)


@require_GET
def activity_export(request: Request) -> HttpResponseBase:
    """All that the page of this URL shows, from its newest event, as a download."""
    form = format_of(request)
    before = BYTE_ORDER_MARK if form is Format.CSV else ""
    export = activity.ActivityExport(caller_of(request), query_of(filters_of(request.GET)), form, before)
    name = f"activity-{timezone.now():%Y-%m-%d}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return InParts(export, content_type=TYPES[form], headers=headers)


def filters_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the filters that are given and can be read, as they stand in an address."""
    given = {name: "".join(filter(is_printable, str(parameters.get(name, "")))).strip() for name in FILTERS}
    given["q"] = without_values(given["q"])[:MAX_SEARCH].strip()
    if given["kind"] not in {*EventKind}:
        given["kind"] = ""
    if given["result"] not in activity.OUTCOMES:
        given["result"] = ""
    if not IAM_ID.fullmatch(given["person"]):
        given["person"] = ""
    for name in ("since", "until"):
        if _day(given[name]) is None:
            given[name] = ""
    return {name: text for name, text in given.items() if text}


def query_of(filters: Mapping[str, str], after: str = "") -> EventQuery:
    """Return what filters ask for; days are those of the reader's clocks, the last one included."""
    until = _day(filters.get("until", ""))
    return EventQuery(
        kind=EventKind(filters["kind"]) if "kind" in filters else None,
        outcome=filters.get("result", ""),
        person=filters.get("person", ""),
        text=filters.get("q", ""),
        since=_begin(_day(filters.get("since", ""))),
        until=_begin(until + timedelta(days=1)) if until else None,
        after=read_cursor(after),
    )


def address(filters: Mapping[str, str], **more: str) -> str:
    """Return the query string of filters, "" without any."""
    given = {**filters, **{name: text for name, text in more.items() if text}}
    return f"?{urlencode(given)}" if given else ""


def _day(text: str) -> date | None:
    """Return the day of a text in the form that browsers send; None for any other, and for the ends of the calendar."""
    try:
        day = date.fromisoformat(text) if len(text) == len("2026-11-27") else None
    except ValueError:
        return None
    return day if day and 1970 <= day.year < 9999 else None


def _begin(day: date | None) -> datetime | None:
    return timezone.make_aware(datetime.combine(day, datetime.min.time())) if day else None


def shown(event: Any) -> Shown:
    """Return an event with its words, and what else is told of it, each by what it is called."""
    told = list(activity_details.details(event))
    return Shown(event, activity_details.what(event), activity_details.why(event), told)
