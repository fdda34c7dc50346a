"""Icons, scripts with integrity, moments in the reader's language, and code in running text."""

import base64
import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from django import template
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils import formats
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from console.relative_times import distance

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
    text = format_html('{} <span class="exact">{}</span>', distance(value), _written(value, clock=True))
    return _time(value, text)


@register.filter
def far(value: datetime) -> str:
    """Return "in 3 days" or "3 days ago"."""
    return distance(value)


def _time(value: datetime, text: str) -> SafeString:
    return format_html('<time datetime="{}">{}</time>', value.astimezone(UTC).isoformat(timespec="seconds"), text)


def _written(value: datetime, *, clock: bool) -> str:
    day = _day(value.astimezone(UTC).date(), get_language())
    if not clock:
        return day
    # Translators: a date and a time of day.
    return _("%(date)s, %(time)s UTC") % {"date": day, "time": f"{value.astimezone(UTC):%H:%M}"}


@cache
def _format(language: str | None) -> str:
    # Translators: how a date is written in a table, in Django's format letters.
    return _("j M Y")


def _day(day: object, language: str | None) -> str:
    return formats.date_format(day, _format(language))  # type: ignore[arg-type]
