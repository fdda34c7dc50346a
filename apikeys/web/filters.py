"""The filters of the list as the page offers them: what can be chosen, how a URL has it, and what is read there."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from apikeys.domain import Filters, Status
from apikeys.services.words import STATUSES

CREATED_SINCE = "created_since"  # of the filters the one that is typed
OWNER = "owner"  # in all users' keys, an IAM ID
WHOSE = "whose"  # what was typed to say who that is
OWNER_LABEL = gettext_lazy("Owner")


class Offer(NamedTuple):
    """One filter: what it is called, and what can be chosen, with its words; nothing where a date is typed."""

    label: Promise
    choices: Mapping[Any, Promise]


OFFERS = {
    "status": Offer(gettext_lazy("Status"), STATUSES),
    "expires_within_days": Offer(
        gettext_lazy("Expires"),
        {
            7: gettext_lazy("Within 7 days"),
            14: gettext_lazy("Within 14 days"),
            30: gettext_lazy("Within 30 days"),
            90: gettext_lazy("Within 90 days"),
        },
    ),
    "unused_for_days": Offer(
        gettext_lazy("Not used for"),
        {90: gettext_lazy("90 days, or ever")},
    ),
    "never_used": Offer(
        gettext_lazy("Never used"), {True: gettext_lazy("Yes, and 7 days old or older"), False: gettext_lazy("No")}
    ),
    "leaked": Offer(gettext_lazy("Leaked"), {True: gettext_lazy("Yes"), False: gettext_lazy("No")}),
    CREATED_SINCE: Offer(gettext_lazy("Created since (UTC)"), {}),
}


def read_filters(parameters: Mapping[str, Any], names: frozenset[str]) -> Filters:
    """Return what a URL says of the filters of these names; what can't be read, or is not offered, is not given."""
    return Filters(**{name: _read(name, parameters.get(name, "")) for name in OFFERS if name in names})


def written_filters(filters: Filters) -> dict[str, str]:
    """Return the filters that are given as they stand in a URL, in the order of OFFERS."""
    return {name: written(value) for name, value in given_filters(filters)}


def given_filters(filters: Filters) -> Iterator[tuple[str, Any]]:
    """Yield name and value of each filter that is given, in the order of OFFERS."""
    for name in OFFERS:
        if (value := getattr(filters, name)) is not None:
            yield name, value


def written(value: Status | bool | int | date) -> str:
    """Return the value of a filter as it stands in a URL."""
    return str(value).lower()


def _read(name: str, text: str) -> Any:
    if name == CREATED_SINCE:
        return _read_day(text)
    return next((value for value in OFFERS[name].choices if written(value) == text), None)


def _read_day(text: str) -> date | None:
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):  # of the forms of ISO 8601 the one that a browser sends
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
