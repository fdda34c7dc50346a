"""Icons, scripts with integrity, moments in the reader's language, and code in running text."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from django import template
from django.contrib.staticfiles import finders
from django.template import Context
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import formats
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from apikeys.domain import Status
from apikeys.web.listing import Row
from console.context_processors import shell_of
from console.patterns import BLANKS, fill, pattern
from console.relative_times import distance

TIME_FAR_AWAY = '<time datetime="{at}">{far} <span class="exact">{exact}</span></time>'
MOST_DAYS = 4096  # whose words are kept: those of ten years
MOST_PATTERNS = 256  # of one kind that are kept: more than languages, themes and places make

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
def script(path: str) -> SafeString:
    """Return a deferred script with the hash that its content must have."""
    return format_html('<script src="{}" integrity="sha384-{}" defer></script>', static(path), _sha384(path))


@cache
def _sha384(path: str) -> str:
    found = finders.find(path)
    if not isinstance(found, str):
        raise FileNotFoundError(path)
    return base64.b64encode(hashlib.sha384(Path(found).read_bytes()).digest()).decode()


@register.filter
def prose(text: str) -> SafeString:
    """Return text whose words between backticks are code."""
    parts = enumerate(text.split("`"))
    return format_html_join("", "{}", ((format_html("<code>{}</code>", part) if n % 2 else part,) for n, part in parts))


@register.simple_tag
def moment(value: datetime | None, *, clock: bool = False) -> str | SafeString:
    """Return `14 Nov 2026` in the reader's language, in UTC, or "Never"; `clock` adds hours and minutes."""
    if value is None:
        return _("Never")
    return _time(value, _written(value, clock=clock))


@register.simple_tag
def when(value: datetime | None) -> str | SafeString:
    """Return how far away a moment is, with the moment itself in a line below, or "Never"."""
    if value is None:
        return _("Never")
    exact = _written(value, clock=True)
    return fill(TIME_FAR_AWAY, at=_machine(value), far=distance(value), exact=exact)


@register.simple_tag(takes_context=True)
def header(context: Context, *, alone: bool = False) -> SafeString:
    """Return the bar above a page; `alone` for one that knows neither session nor database, thus no account."""
    request = context["request"]
    facts = {name: context[name] for name in ("theme", "brand", "store", "chooses_account")}
    facts |= {"place": _place(request.path, context["store"].is_upstream), "alone": alone}
    blanks = {"csrf_token": str(context["csrf_token"])}
    if not alone:
        user = context["user"]
        email = getattr(user, "email", "")  # nobody has none
        facts |= {"is_staff": user.is_staff, "has_email": bool(email)}
        blanks |= {"name": str(user), "email": email, "username": user.get_username(), "next": request.get_full_path()}
    return fill(_header(get_language(), **facts), **blanks)


@lru_cache(maxsize=MOST_PATTERNS)
def _header(language: str | None, *, theme: str, **facts: Any) -> str:
    context = shell_of(theme) | facts | {"person": BLANKS, "csrf_token": BLANKS["csrf_token"]}
    return pattern("_header.html", context)


def _place(path: str, is_upstream: bool) -> str:
    """Return the name of a URL that the bar leads to; "key" for what is below the list's, "" for all others."""
    places = _places(is_upstream)
    return places.get(path, "key" if path.startswith(reverse("api_key_list")) else "")


@cache
def _places(is_upstream: bool) -> dict[str, str]:
    names = ("dashboard", "api_key_list", *(() if is_upstream else ("api_reference",)))
    return {reverse(name): name for name in names}


@register.simple_tag(takes_context=True)
def rows(context: Context) -> SafeString:
    """Return the rows of the list in `rows`, each by the pattern of templates/apikeys/_row.html."""
    listed: Sequence[Row] = context["rows"]
    names_owner = bool(listed) and listed[0].owner is not None
    row_pattern = _row_pattern(get_language(), names_owner=names_owner, store=context["store"])
    return SafeString("".join(_row(row_pattern, row) for row in listed))


def _row(row_pattern: str, row: Row) -> SafeString:
    key, owner = row.key, row.owner
    blanks: dict[str, str] = {}
    if owner is not None:
        name = owner.name or owner.iam_id
        blanks["owner"] = f"{name} ({owner.user_id})" if owner.user_id else name
        blanks["owner_cell"] = render_to_string("apikeys/_owner.html", {"owner": owner})
    return fill(
        row_pattern,
        id=key.id,
        url=row.url,
        name=key.name,
        hint=key.hint,
        description=key.description,
        described=key.description or "–",
        status=_status(key.status, get_language()),
        expiry=_expiry(key.expires_at, is_over=key.is_expired) if key.expires_at else "",
        created=when(key.created_at),
        used=when(key.last_used_at),
        actions=" ".join(row.actions),
        **blanks,
    )


@lru_cache(maxsize=MOST_PATTERNS)
def _row_pattern(language: str | None, **facts: Any) -> str:
    return pattern("apikeys/_row.html", facts | {"row": BLANKS})


@cache
def _status(word: Status, language: str | None) -> SafeString:
    return SafeString(render_to_string("apikeys/_status.html", {"key": {"status": word}}).strip())


def _expiry(end: datetime, *, is_over: bool) -> SafeString:
    """Return how far away the expiration of a key is, with the moment itself in a line below."""
    words = (_("Expired %(far)s") if is_over else _("Expires %(far)s")) % {"far": distance(end)}
    exact = moment(end, clock=True)
    return format_html('<p class="small expiry">{} <span class="exact">{}</span></p>', words, exact)


@register.filter
def far(value: datetime) -> str:
    """Return "in 3 days" or "3 days ago"."""
    return distance(value)


def _time(value: datetime, text: str) -> SafeString:
    return format_html('<time datetime="{}">{}</time>', _machine(value), text)


def _machine(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds")


def _written(value: datetime, *, clock: bool) -> str:
    moment, language = value.astimezone(UTC), get_language()
    day = _day(moment.date(), language)
    return _with_clock(language).format(date=day, time=f"{moment:%H:%M}") if clock else day


@cache
def _with_clock(language: str | None) -> str:
    # Translators: a date and a time of day.
    return _("%(date)s, %(time)s UTC") % {"date": "{date}", "time": "{time}"}


@cache
def _format(language: str | None) -> str:
    # Translators: how a date is written in a table, in Django's format letters.
    return _("j M Y")


@lru_cache(maxsize=MOST_DAYS)
def _day(day: date, language: str | None) -> str:
    return formats.date_format(day, _format(language))
