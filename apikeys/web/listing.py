"""The state of the list, read from its URL and written into one: whose keys, search, filters, order, size, cursor."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apikeys import domain, values
from apikeys.backends import store_traits
from apikeys.cursors import read_cursor, write_cursor
from apikeys.web.filters import OWNER, WHOSE, read_filters, written_filters

ALL = "all"
VIEWS = (("", gettext_lazy("My keys")), (ALL, gettext_lazy("All users' keys")))
# Beside the heads of columns: not every screen has these, and not all that can be sorted by is a column.
SORTS = (
    ("-created", gettext_lazy("Newest first")),
    ("created", gettext_lazy("Oldest first")),
    ("name", gettext_lazy("Name, A to Z")),
    ("-name", gettext_lazy("Name, Z to A")),
    ("description", gettext_lazy("Description, A to Z")),
    ("-description", gettext_lazy("Description, Z to A")),
    ("-last_used", gettext_lazy("Last used, latest first")),
    ("last_used", gettext_lazy("Last used, never first")),
    ("expires", gettext_lazy("Expires, soonest first")),
    ("-expires", gettext_lazy("Expires, never first")),
    ("created_by", gettext_lazy("Created by, ID ascending")),
    ("-created_by", gettext_lazy("Created by, ID descending")),
)
COLUMNS = {
    domain.Sort.NAME: gettext_lazy("Name"),
    domain.Sort.DESCRIPTION: gettext_lazy("Description"),
    domain.Sort.CREATED: gettext_lazy("Created"),
    domain.Sort.CREATED_BY: gettext_lazy("Created by"),
    domain.Sort.LAST_USED: gettext_lazy("Last used"),
    domain.Sort.EXPIRES: gettext_lazy("Expires"),
}
LATEST_FIRST = (domain.Sort.CREATED, domain.Sort.LAST_USED)  # where a column is first sorted by
SEARCH_MAX_LENGTH = 255


@dataclass(frozen=True, slots=True)
class ListState:
    """Which keys are listed, and how. What can't be read in a URL falls back to the default, never to an error.

    A key's value in what was typed is replaced by its hint here, so that no link and no page repeats it. `whose` was
    typed to name the owner of the keys, and is to be looked up. Beside the own keys there are those of a service ID,
    whose the reader may not be: the services tell.
    """

    query: domain.ApiKeyQuery
    whose: str = ""

    @classmethod
    def from_url(cls, parameters: QueryDict, *, may_see_all: bool) -> "ListState":
        sort, descending = _read_sort(parameters.get("sort", ""))
        raw_size = parameters.get("per_page", "")
        filters = read_filters(parameters, store_traits().filters)
        by_owner = may_see_all and store_traits().knows_values
        whose = _typed(parameters, WHOSE) if by_owner else ""
        whole_account = may_see_all and (parameters.get("view") == ALL or bool(whose))
        return cls(
            domain.ApiKeyQuery(
                search=_typed(parameters, "q"),
                filters=filters,
                iam_id="" if whose else _read_owner(parameters.get(OWNER, ""), anybody=by_owner and whole_account),
                whole_account=whole_account,
                sort=sort,
                descending=descending,
                page_size=int(raw_size) if raw_size in map(str, domain.PAGE_SIZES) else domain.DEFAULT_PAGE_SIZE,
                cursor=_read_cursor(parameters.get("at", "")),
            ),
            whose,
        )

    @property
    def sort(self) -> str:
        return f"{'-' if self.query.descending else ''}{self.query.sort}"

    @property
    def view(self) -> str:
        return ALL if self.query.whole_account else ""

    def url(self) -> str:
        """Return the query string, "" for the default list, else beginning with "?"."""
        query = self.query
        pairs = {
            "view": self.view,
            "q": query.search,
            **self.narrowing(),
            "sort": self.sort if (query.sort, query.descending) != (domain.Sort.CREATED, True) else "",
            "per_page": "" if query.page_size == domain.DEFAULT_PAGE_SIZE else str(query.page_size),
            "at": write_cursor(query.cursor) if query.cursor else "",
        }
        encoded = urlencode({name: value for name, value in pairs.items() if value})
        return f"?{encoded}" if encoded else ""

    def narrowing(self) -> dict[str, str]:
        """Return what narrows the list down beside the search, as it stands in a URL."""
        filters = written_filters(self.query.filters)
        if not (self.query.iam_id or self.whose):
            return filters
        whose = {OWNER: self.query.iam_id, WHOSE: self.whose}
        return {name: text for name, text in whose.items() if text} | filters

    def at(self, cursor: domain.Cursor | None) -> "ListState":
        return ListState(replace(self.query, cursor=cursor), self.whose)

    def of_owner(self, iam_id: str) -> "ListState":
        """Return the first page of one owner's keys, of everybody's where that is empty."""
        return ListState(replace(self.query, iam_id=iam_id, cursor=None))

    def of_same_owner(self) -> "ListState":
        """Return the default list of the same owner's keys; where there is no owner, of the reader's own."""
        query = self.query
        return ListState(
            domain.ApiKeyQuery(iam_id=query.iam_id, whole_account=query.whole_account and bool(query.iam_id))
        )

    def without_search(self) -> "ListState":
        return ListState(replace(self.query, search="", cursor=None), self.whose)

    def without_filters(self, *names: str) -> "ListState":
        """Return the first page without these filters, without any of them and of any owner where none is named."""
        if not names:
            return ListState(replace(self.query, filters=domain.NO_FILTERS, iam_id="", cursor=None))
        rest = replace(self.query.filters, **dict.fromkeys(names))
        return ListState(replace(self.query, filters=rest, cursor=None), self.whose)

    def sorted_by(self, sort: domain.Sort) -> "ListState":
        """Return the first page by `sort`; the same column again turns its direction round."""
        descending = not self.query.descending if sort is self.query.sort else sort in LATEST_FIRST
        return ListState(replace(self.query, sort=sort, descending=descending, cursor=None), self.whose)


class Row(NamedTuple):
    """One line of the list; `owner` is None where all keys are the reader's own, `url` leads to the key's details."""

    key: domain.ApiKey
    owner: domain.Owner | None
    url: str
    actions: tuple[str, ...]


def rows_of(
    keys: Iterable[domain.ApiKey], identity: domain.Identity, owners: Mapping[str, domain.Owner], base: str, query: str
) -> list[Row]:
    """Return the lines of these keys; the details of each are below `base`, with `query` for the way back."""
    rotates = store_traits().knows_values
    return [
        Row(key, owners.get(key.iam_id), f"{base}{key.id}/{query}", actions_of(key, identity, rotates=rotates))
        for key in keys
    ]


def actions_of(key: domain.ApiKey, identity: domain.Identity, *, rotates: bool) -> tuple[str, ...]:
    """Return what an identity that sees a key can do to it: the last parts of addresses below that of its details.

    `rotates` tells whether the store gives keys new values.
    """
    if key.locked:
        return ("unlock",) if key.can_be_unlocked_by(identity) else ()
    edit = ("edit",) if key.is_editable_by(identity) else ()
    rotate = ("rotate",) if rotates and edit and not key.is_decoy else ()
    enable = ("enable",) if key.can_be_enabled_by(identity) else ()
    return (*edit, *rotate, "lock", *(enable if key.disabled else ("disable",)), "delete")


def without_values(search: str) -> str:
    """Return a search with each key's value in it replaced by its hint."""
    return values.hinted(search, settings.APIKEYS_PREFIX)


def is_narrowed(query: domain.ApiKeyQuery) -> bool:
    """Tell whether a list may lack keys of its view: those that no search finds, or a filter leaves out."""
    return bool(query.search or has_filters(query))


def has_filters(query: domain.ApiKeyQuery) -> bool:
    """Tell whether a list is narrowed down by a filter, or to one owner's keys."""
    return bool(query.iam_id or query.filters.given())


def position(page: domain.ApiKeyPage, query: domain.ApiKeyQuery) -> str:
    """Return the position of a page in its list in words, such as "51-75 of 120"."""
    words = _position(page)
    return _("Found: %(position)s") % {"position": words} if is_narrowed(query) else words


def announcement(page: domain.ApiKeyPage, query: domain.ApiKeyQuery) -> str:
    """Return what a screen reader says of a new page: how many keys were found, else its position in the list."""
    total = page.extent.total
    if not page.keys:
        return nothing_found(query)
    if not is_narrowed(query) or query.cursor or total is None or total > page.extent.counted:
        return position(page, query)
    return ngettext("%(number)d key found", "%(number)d keys found", total) % {"number": total}


def nothing_found(query: domain.ApiKeyQuery) -> str:
    """Return what is said in place of a list without a key, "" where it has all there are."""
    if not has_filters(query):
        return _("No key matches your search") if query.search else ""
    if query.iam_id and not (query.whole_account or query.search or query.filters.given()):
        return _("This service ID has no API key yet")
    return _("No key matches your search and filters") if query.search else _("No key matches your filters")


def who_is_meant(number: int) -> str:
    """Return what is said in place of a list where so many owners are meant by what was typed, and not one."""
    return _("Whose keys do you mean?") if number else _("Nobody is called like this")


def number_of(total: int, counted: int = domain.COUNTED) -> str:
    """Return how many keys there are, such as "1,000+" for more than are counted."""
    return f"{total:,}" if total <= counted else f"{counted:,}+"


def _position(page: domain.ApiKeyPage) -> str:
    number, before, total = len(page.keys), page.extent.before, page.extent.total
    if before is None:
        if total is None:
            return ngettext("%(number)d key on this page", "%(number)d keys on this page", number) % {"number": number}
        if page.next is None:
            return _("the last %(number)d of more than %(counted)s") % {
                "number": number,
                "counted": f"{page.extent.counted:,}",
            }
        return _("after the first %(counted)s") % {"counted": f"{page.extent.counted:,}"}
    rows = {"first": f"{before + 1:,}", "last": f"{before + number:,}"}
    if total is None:
        return _("%(first)s–%(last)s of more than %(last)s") % rows
    rows["total"] = number_of(total, page.extent.counted)
    return _("%(first)s–%(last)s of %(total)s") % rows


def order(query: domain.ApiKeyQuery) -> str:
    """Return how a list is sorted, as a sentence."""
    words = _("Sorted by %(column)s, descending.") if query.descending else _("Sorted by %(column)s, ascending.")
    return words % {"column": COLUMNS[query.sort]}


def _typed(parameters: Mapping[str, str], name: str) -> str:
    return _printable(without_values(parameters.get(name, "")))[:SEARCH_MAX_LENGTH].strip()


def _read_owner(text: str, *, anybody: bool) -> str:
    """Return the IAM ID of whose keys are asked for: anybody's where that is allowed, else a service ID's."""
    allowed = anybody or (text.startswith(domain.SERVICE_ID_PREFIX) and store_traits().knows_values)
    return text if allowed and domain.IAM_ID.fullmatch(text) else ""


def _read_cursor(text: str) -> domain.Cursor | None:
    try:
        return read_cursor(text)
    except ValueError:
        return None


def _read_sort(text: str) -> tuple[domain.Sort, bool]:
    name = text.removeprefix("-")
    return (domain.Sort(name), text.startswith("-")) if name in store_traits().sorts else (domain.Sort.CREATED, True)


def _printable(text: str) -> str:
    """Return `text` without what a database refuses: NUL, other control characters, halves of characters."""
    return "".join(filter(domain.is_printable, text))
