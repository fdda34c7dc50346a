"""The list of people: search, pages, and what each of them has."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.utils.translation import gettext as _

from apikeys.domain import Caller, is_printable
from apikeys.identity.callers import check_administrator
from apikeys.identity.users import has_word
from apikeys.services.owners import Holdings, holdings
from apikeys.web.listing import without_values
from console.models import User

PAGE_SIZE = 25
MAX_SEARCH = 150


def searched(text: str) -> str:
    """Return what somebody typed as it is searched for, and stands in addresses: with a key's value as its hint."""
    return without_values("".join(filter(is_printable, text)))[:MAX_SEARCH].strip()


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of people with what each has; URLs are query strings, "" for a page that is not there."""

    people: list[tuple[User, Holdings]]
    search: str
    total: int
    first: int
    previous_url: str
    next_url: str

    @property
    def position(self) -> str:
        """Return which of all who were found these are, such as "26-50 of 60"."""
        rows = {"first": self.first, "last": self.first + len(self.people) - 1, "total": self.total}
        return _("%(first)s–%(last)s of %(total)s") % rows


def people_of(caller: Caller, search: str, page_number: str) -> Listing:
    """Return a page of the people of the caller's account, by user ID. Raises NotAuthorized.

    Each word of the search, which is as `searched` returns it, is in the user ID, a name or the e-mail address.
    """
    check_administrator(caller)
    rows = User.objects.filter(account_id=caller.identity.account_id).order_by("username")
    for word in search.split():
        rows = rows.filter(has_word(word))
    page: Page[User] = Paginator(rows, PAGE_SIZE).get_page(page_number)
    held = holdings([person.iam_id for person in page])
    return Listing(
        [(person, held[person.iam_id]) for person in page],
        search,
        page.paginator.count,
        page.start_index(),
        url_of(search, page.previous_page_number()) if page.has_previous() else "",
        url_of(search, page.next_page_number()) if page.has_next() else "",
    )


def heirs_of(person: User) -> list[tuple[str, str]]:
    """Return the administrators who can be given what a person managed, as IAM ID and words."""
    others = User.objects.filter(account_id=person.account_id, is_superuser=True, is_active=True).exclude(pk=person.pk)
    return [(other.iam_id, f"{other} ({other.username})") for other in others.order_by("username")]


def url_of(search: str, number: int = 0) -> str:
    """Return the query string of a page of the list, the first one without a number."""
    return "?" + urlencode({name: value for name, value in (("q", search), ("page", number)) if value})
