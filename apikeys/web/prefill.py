"""Links that fill in the create form, `create/?name=…&description=…&expires=…&scope=…`: they never send it."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from apikeys import scopes
from apikeys.web.drafts import MAX_LENGTH
from apikeys.web.forms import CHOSEN, EXPIRIES, ON_DATE, CreateForm

NAMES = ("name", "description", "expires", "scope", "networks")
_DAYS = re.compile("[0-9]{1,5}")
_DATE = re.compile(
    "(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ](?P<clock>[0-9]{2}:[0-9]{2})(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?"
)


def read(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return what the query of a link says of the fields of the form, cut where it is too long for any of them."""
    given = {name: parameters[name][:MAX_LENGTH] for name in NAMES if parameters.get(name)}
    if "expires" in given:
        given |= expiration(given["expires"])
    return given | chosen(given.pop("scope")) if "scope" in given else given


def chosen(scope: str) -> dict[str, str]:
    """Return the fields for a scope, names with white space between them."""
    return {"allowed": scope if scope == scopes.READ else CHOSEN, "scopes": scope}


def expiration(text: str) -> dict[str, str]:
    """Return the fields for an expiration: a number of days, a date, or a date with a time.

    A time is one of the reader's zone unless it names its distance from UTC. What is none of these becomes a choice
    that the form refuses.
    """
    unread = {"expires": text}
    if text in dict(EXPIRIES):
        return unread
    if _DAYS.fullmatch(text):
        return _on((datetime.now(UTC) + timedelta(days=int(text))).date().isoformat())
    found = _DATE.fullmatch(text)
    if found is None:
        return unread
    if found["zone"] is None:
        return _on(found["day"], found["clock"] or "")
    try:
        here = datetime.fromisoformat(text).astimezone(timezone.get_current_timezone())
    except (ValueError, OverflowError):
        return unread
    return _on(here.date().isoformat(), f"{here:%H:%M}")


def _on(day: str, clock: str = "") -> dict[str, str]:
    return {"expires": ON_DATE, "expires_on": day, "expires_time": clock}


def form_with(given: Mapping[str, str], initial: Mapping[str, Any], form_of: Callable[..., CreateForm]) -> CreateForm:
    """Return the form with what a link gives, and beside those fields what is wrong there; the rest is yet to come.

    `form_of` makes a form for its reader.
    """
    blank = form_of(initial=initial)
    filled = {name: blank[name].value() or "" for name in blank.fields} | dict(given)
    form = form_of(filled)
    form.full_clean()
    form.check_rules()
    for name in set(form.errors) - set(given):
        del form.errors[name]
    return form
