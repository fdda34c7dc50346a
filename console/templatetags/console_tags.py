"""What every page may use: icons, scripts with integrity, moments, code in running text, the bar with menus."""

from collections.abc import Hashable
from datetime import datetime
from functools import cache

from django import template
from django.conf import settings
from django.template import Context
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apikeys.domain import ReviewKind
from apikeys.services.words import REVIEW_GROUPS
from console import static_files
from console.moments import Moments
from console.navigation import Menu, Page, menus_for, page_above, place_of, way_to
from console.patterns import draw

register = template.Library()


@register.simple_tag
def icon(name: str, css_class: str = "") -> SafeString:
    """Return an icon of static/icons.svg; it says nothing to a screen reader, the text beside it does."""
    sprite = _sprite_url()
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}#{}"/></svg>', css_class, sprite, name)


@cache
def _sprite_url() -> str:
    return static("icons.svg")


@register.simple_tag
@cache
def scripts() -> SafeString:
    """Return the deferred scripts of a page, with the hash that their content must have."""
    return format_html(
        '<script src="{}" integrity="sha384-{}" defer></script>',
        static(static_files.SCRIPTS),
        static_files.digest_of_scripts(),
    )


@register.filter
def prose(text: str) -> SafeString:
    """Return text whose words between backticks are code."""
    parts = enumerate(text.split("`"))
    return format_html_join("", "{}", ((format_html("<code>{}</code>", part) if n % 2 else part,) for n, part in parts))


@register.filter
def breakable(text: str) -> SafeString:
    """Return text that may go on in the next line after each "_": names of settings are wider than small screens."""
    *firsts, last = str(text).split("_")
    return format_html("{}{}", format_html_join("", "{}_<wbr>", ((part,) for part in firsts)), last)


@register.filter
def review_group(kind: str) -> str:
    """Return what a group of the review is called."""
    return str(REVIEW_GROUPS[ReviewKind(kind)])


@register.simple_tag
def moment(value: datetime | None, *, clock: bool = False) -> str:
    """Return `14 Nov 2026`, or "Never"; `clock` adds hours and minutes, and the same in UTC."""
    return Moments().written_twice(value) if clock else Moments().written(value)


@register.simple_tag
def time_of_day(value: datetime) -> str:
    """Return `14:05:30 UTC+1 (13:05:30 UTC)`."""
    return Moments().time_of_day(value)


@register.simple_tag
def when(value: datetime | None) -> str:
    """Return how far away a moment is, with the moment itself in a line below, or "Never"."""
    return Moments().when(value)


@register.filter
def far(value: datetime) -> str:
    """Return "in 3 days" or "3 days ago"."""
    return Moments().far(value)


@register.simple_tag(takes_context=True)
def part(context: Context, name: str, **texts: str) -> SafeString:
    """Return a pattern that no facts decide on, filled."""
    return draw(context, name, {name: str(text) for name, text in texts.items()})


@register.simple_tag(takes_context=True)
def header(context: Context, *, alone: bool = False) -> SafeString:
    """Return the bar above a page; `alone` for one that knows neither session nor database, thus no account."""
    request = context["request"]
    place, is_own = place_of(request.path, is_upstream=context["store"].is_upstream)
    facts: dict[str, Hashable] = {"place": place, "is_own": is_own, "alone": alone, "is_administrator": False}
    facts["sends_mails"] = settings.MAILS_ARE_SENT
    texts = {"csrf_token": str(context["csrf_token"])}
    if not alone:
        user = context["user"]
        facts["is_administrator"] = user.is_superuser
        texts |= {"name": str(user), "username": user.get_username(), "next": request.get_full_path()}
        texts["email"] = getattr(user, "email", "")  # nobody has none
    return draw(context, "header", texts, facts)


@register.inclusion_tag("_crumbs.html", takes_context=True)
def crumbs(context: Context, name: str = "", url: str = "") -> dict[str, object]:
    """Return the way to a page below Manage; `name` and `url` are of what the page is about, if that has a page."""
    menu, page = way_to(context["request"].path, is_upstream=context["store"].is_upstream)
    return {"menu": menu, "page": page, "name": name, "url": url}


@register.simple_tag(takes_context=True)
def list_above(context: Context) -> Page:
    """Return the page under Manage to go on from; the list of keys where this one is forbidden, for it may be, too."""
    path = "" if context.get("is_forbidden") else context["request"].path
    return page_above(path, is_upstream=context["store"].is_upstream)


@register.simple_tag(takes_context=True)
def menus(context: Context) -> list[Menu]:
    """Return what stands under Manage, in a bar that is drawn."""
    return menus_for(is_administrator=context["is_administrator"], is_upstream=context["store"].is_upstream)
