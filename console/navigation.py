"""What the menu bar leads to: the pages under Manage, in their order."""

from functools import cache
from typing import NamedTuple

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

LIST = "api_key_list"


class Page(NamedTuple):
    """A page, by the name of its URL. One without a title is the list of keys, whose title has the brand in it."""

    name: str
    title: str | Promise = ""
    is_for_administrators: bool = False
    is_upstream: bool = False  # it is there with an upstream store, too

    @property
    def url(self) -> str:
        return reverse(self.name)


class Menu(NamedTuple):
    """Pages under a common title."""

    title: str | Promise
    pages: tuple[Page, ...]


MENUS = (
    Menu(
        _("Security"),
        (
            Page(LIST, is_upstream=True),
            Page("service_id_list", _("Service IDs")),
            Page("review", _("Review")),
            Page("activity", _("Activity"), is_upstream=True),
            Page("webhooks", _("Webhooks"), is_for_administrators=True),
        ),
    ),
    Menu(
        _("Access"),
        (
            Page("people", _("Users"), is_for_administrators=True),
            Page("rules", _("Rules"), is_for_administrators=True),
            Page("scope_list", _("Scopes"), is_for_administrators=True),
        ),
    ),
)
# Beside Manage.
DASHBOARD, REFERENCE = Page("dashboard", is_upstream=True), Page("api_reference")


def menus_for(*, is_administrator: bool, is_upstream: bool) -> list[Menu]:
    """Return the menus under Manage with the pages that are there for such a person; none is empty."""
    menus = [
        Menu(menu.title, tuple(page for page in menu.pages if _is_there(page, is_upstream, is_administrator)))
        for menu in MENUS
    ]
    return [menu for menu in menus if menu.pages]


def way_to(path: str, *, is_upstream: bool) -> tuple[Menu, Page | None]:
    """Return the menu under Manage that a path is in, and the page that it is below, None for that page's own path.

    Raises LookupError for a path that is in no menu.
    """
    name, is_own = place_of(path, is_upstream=is_upstream)
    for menu in MENUS:
        for page in menu.pages:
            if page.name == name:
                return menu, None if is_own else page
    raise LookupError(path)


def page_above(path: str, *, is_upstream: bool) -> Page:
    """Return the page under Manage that a path is, or is below, and leads back to; for any other the list of keys."""
    name, _is_own = place_of(path, is_upstream=is_upstream)
    pages = [page for menu in MENUS for page in menu.pages]
    return next((page for page in pages if page.name == name), pages[0])


def place_of(path: str, *, is_upstream: bool) -> tuple[str, bool]:
    """Return the page of the bar that a path is in, "" for none, and whether the path is the page's own."""
    for name, url in _places(is_upstream):
        if path == url or (path.startswith(url) and url != "/"):
            return name, path == url
    return "", False


@cache
def _places(is_upstream: bool) -> tuple[tuple[str, str], ...]:
    pages = [DASHBOARD, REFERENCE, *(page for menu in MENUS for page in menu.pages)]
    found = [(page.name, page.url) for page in pages if _is_there(page, is_upstream)]
    return tuple(sorted(found, key=lambda place: -len(place[1])))  # of two that fit, the longer one


def _is_there(page: Page, is_upstream: bool, is_administrator: bool = True) -> bool:
    return (page.is_upstream or not is_upstream) and (is_administrator or not page.is_for_administrators)
