"""Whole pages, drawn by patterns, for those that are asked for most: the list and the dashboard."""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from django import template
from django.template import Context, Engine
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from apikeys.domain import ApiKey, UseDay
from apikeys.services.activity import words
from apikeys.services.keys import Activity, Overview
from apikeys.web.charts import chart_of
from console.moments import Moments
from console.patterns import NOTHING, Facts, draw, draw_each, rendered
from console.templatetags.console_tags import header
from console.templatetags.list_tags import status, table, toolbar

register = template.Library()


@register.simple_tag(takes_context=True)
def list_page(context: Context) -> SafeString:
    """Return the whole page of the list."""
    if context["page"].keys and not context["unconfirmed"]:  # a copy less of all that is in the table
        return _page(context, "list_page", {"toolbar_drawn": toolbar(context), "table_drawn": table(context)})
    return _page(context, "list_page", {"list": _drawn(context, "apikeys/_list.html")})


@register.simple_tag(takes_context=True)
def dashboard(context: Context) -> SafeString:
    """Return the whole dashboard."""
    overview: Overview = context["overview"]
    problem, url = context["store_problem"], reverse("dashboard")
    texts = {
        "name": str(context["user"]),
        "problem": _drawn(context, "_store_problem.html", message=problem, retry_url=url) if problem else "",
        "count": context["count"],
        "newest": _newest(context, overview.newest),
        "activity": _activity(context, overview.activity),
        "attention": _drawn(context, "apikeys/_attention.html", items=overview.attention) if overview.attention else "",
        "chart": _chart(overview.use.days, get_language()) if overview.use else "",
    }
    return _page(context, "dashboard", texts, {"is_new": overview.count == 0})


def _newest(context: Context, keys: Sequence[ApiKey]) -> SafeString:
    moments, base = Moments(), reverse("api_key_list")
    return draw_each(
        context,
        "newest",
        [
            {
                "url": f"{base}{key.id}/",
                "name": key.name,
                "status": status(key.status, moments.language, key.is_decoy),
                "created": moments.written(key.created_at, clock=True),
            }
            for key in keys
        ],
    )


def _activity(context: Context, activity: Sequence[Activity]) -> SafeString:
    moments = Moments()
    return draw_each(
        context,
        "activity",
        [
            {
                "event": _event(each.action, each.outcome, moments.language),
                "key_name": each.key_name,
                "address": each.address,
                "time": moments.written(each.time, clock=True),
            }
            for each in activity
        ],
    )


@lru_cache(maxsize=100)
def _chart(days: tuple[UseDay, ...], language: str | None) -> SafeString:
    """Return the chart of these days in the active language, nothing for no use; dashboards are looked at again."""
    chart = chart_of(days)
    if not chart.peak:
        return SafeString("")
    return rendered("apikeys/_chart.html", {"chart": chart, "chart_id": "chart-of-all"})


def _page(context: Context, name: str, texts: dict[str, str], facts: Facts = NOTHING) -> SafeString:
    """Return a page with what every page has of its request: the bar above it, and what was done last.

    That is in its title, too: a screen reader begins with it, and reads no message that was there from the beginning.
    """
    said = list(context["messages"])
    shell = {
        "header": header(context),
        "csrf_token": str(context["csrf_token"]),
        "toasts": _drawn(context, "_toast_list.html", messages=said),
        "said": str(said[0]) if said else "",
    }
    return draw(context, name, shell | texts, facts)


def _drawn(context: Context, name: str, **more: Any) -> SafeString:
    """Return a template as `include` would draw it."""
    with context.push(**more):
        drawn = Engine.get_default().get_template(name).render(context).strip()
    return SafeString(drawn)  # nosec B703  # a template escaped it


@cache
def _event(action: str, outcome: str, language: str | None) -> SafeString:
    return escape(words(action, outcome))
