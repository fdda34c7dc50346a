"""The list of keys, drawn by patterns: what stands above it, its filters, its rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache, lru_cache
from html import escape
from typing import Any

from django import template
from django.conf import settings
from django.template import Context
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from apikeys import scopes, values
from apikeys.backends.base import StoreTraits
from apikeys.domain import HINT_LENGTH, PAGE_SIZES, ApiKey, Owner, Status
from apikeys.web.filters import OFFERS, OWNER, OWNER_LABEL, written, written_filters
from apikeys.web.listing import SORTS, VIEWS, Row
from console.moments import Moments, day
from console.patterns import draw, draw_each, joined, rendered

OWNER_CHOICE = '<li><a href="{}"><bdi>{}</bdi></a></li>'
TYPED = "<bdi>{}</bdi>"
LIMIT = '<p class="small expiry">{}</p>'
EXPIRY = '<p class="small expiry">{words} <span class="exact">{exact}</span></p>'
MOST_OWNERS = 1024  # who are kept as HTML
PAGE_SIZE_CHOICES = tuple((size, size) for size in PAGE_SIZES)

register = template.Library()


@register.simple_tag(takes_context=True)
def toolbar(context: Context) -> SafeString:
    """Return what stands above a list: search, view, Create."""
    facts = {name: context["list_facts"][name] for name in ("view", "offers_all")}
    texts = {name: context["list_texts"][name] for name in ("search", "state_url")}
    texts |= {
        "csrf_token": str(context["csrf_token"]),
        "value_like": values.VALUE_LIKE.pattern,
        "value_prefix": settings.APIKEYS_PREFIX,
        "hint_length": str(HINT_LENGTH),
    }
    return draw(context, "toolbar", texts, facts | {"views": VIEWS})


@register.simple_tag(takes_context=True)
def no_keys(context: Context) -> SafeString:
    """Return what stands in place of a list without a key."""
    return draw(context, "empty", {"state_url": context["state_url"]}, context["list_facts"])


@register.simple_tag(takes_context=True)
def table(context: Context) -> SafeString:
    """Return all of a list that a search changes: its rows, or that there are none, and what leads to other pages."""
    facts = context["list_facts"] | {"sorts": _sorts(context["store"], get_language()), "page_sizes": PAGE_SIZE_CHOICES}
    given = context["state"].narrowing()
    choices = format_html_join("", OWNER_CHOICE, ((url, words) for words, url in context["owner_choices"]))
    texts = {
        "owner_choices": choices,
        "rows": _rows(context),
        "filters": _filters(context),
        "filters_told": format_html_join(
            SafeString("<br>"), "{}", ((_filter_words(name, value),) for name, value, _url in context["list_filters"])
        ),
        "filters_kept": _hidden(given),
        "filters_of_search": _hidden(given, form="search"),
    }
    return draw(context, "table", context["list_texts"] | texts, facts)


@cache
def _sorts(store: StoreTraits, language: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((value, str(words)) for value, words in SORTS if value.removeprefix("-") in store.sorts)


def _filters(context: Context) -> SafeString:
    """Return what narrows a list down: a form, and each filter that is given with a link that takes it away."""
    if not context["store"].filters:
        return SafeString("")
    state, texts = context["state"], context["list_texts"]
    given = written_filters(state.query.filters)
    language = get_language()
    options = {name: _options(name, given.get(name, ""), language) for name, offer in OFFERS.items() if offer.choices}
    chips = [
        draw(context, "chip", {"words": _filter_words(name, value), "url": url})
        for name, value, url in context["list_filters"]
    ]
    shown = {
        **options,
        "search": texts["search"],
        "view": state.view,
        "sort": state.sort,
        "page_size": str(state.query.page_size),
        "unfiltered_url": texts["unfiltered_url"],
        "created_since": given.get("created_since", ""),
        "offers_owner": "yes" if context["offers_all"] and context["store"].knows_values else "",
        "whose": texts["whose"],
        "chips": joined("", chips),
    }
    return draw(context, "filters", shown)


@cache
def _options(name: str, chosen: str, language: str | None) -> SafeString:
    options = [(written(value), words) for value, words in OFFERS[name].choices.items()]
    return rendered("apikeys/_options.html", {"options": options, "chosen": chosen})


def _filter_words(name: str, value: Any) -> SafeString:
    """Return a filter that is given in words, such as "Status: Active", as HTML."""
    label, choices = (OWNER_LABEL, {}) if name == OWNER else OFFERS[name]
    if isinstance(value, date):
        choice = day(value, get_language())
    else:
        choice = str(choices[value]) if value in choices else format_html(TYPED, value)
    words = {"filter": escape(str(label)), "choice": conditional_escape(choice)}
    # Translators: a filter of the list, and what is chosen of it.
    return SafeString(_("%(filter)s: %(choice)s") % words)  # nosec B703  # both words are escaped


def _hidden(texts: Mapping[str, str], form: str = "") -> SafeString:
    """Return hidden inputs, of the form with this id where they stand elsewhere."""
    of_form = format_html(' form="{}"', form) if form else ""
    fields: Iterable[tuple[str, str, str]] = ((name, text, of_form) for name, text in texts.items())
    return format_html_join("", '<input type="hidden" name="{}" value="{}"{}>', fields)


def _rows(context: Context) -> SafeString:
    rows: Sequence[Row] = context["rows"]
    moments = Moments()
    return draw_each(context, "row", [_texts(row, moments) for row in rows])


def _texts(row: Row, moments: Moments) -> dict[str, str]:
    """Return what a row says."""
    key, owner = row.key, row.owner
    texts = {
        "id": key.id,
        "url": row.url,
        "name": key.name,
        "hint": key.hint,
        "description": key.description or "–",
        "status": status(key.status, moments.language, key.is_decoy),
        "limits": _limits(key, moments) if key.expires_at or key.scope or key.networks else "",
        "created": moments.when(key.created_at),
        "used": moments.when(key.last_used_at),
        "actions": " ".join(row.actions),
    }
    if owner is not None:
        texts["owner"] = _owner(owner, moments.language)
    return texts


@cache
def status(word: Status, language: str | None, is_decoy: bool) -> SafeString:
    """Return the state of a key as HTML."""
    return rendered("apikeys/_status.html", {"key": {"status": word, "is_decoy": is_decoy}})


@lru_cache(maxsize=MOST_OWNERS)
def _owner(owner: Owner, language: str | None) -> SafeString:
    return rendered("apikeys/_owner.html", {"owner": owner})


def _limits(key: ApiKey, moments: Moments) -> SafeString:
    """Return until when a key works, and that it can't do everything, or not from everywhere."""
    told = [_expiry(key.expires_at, moments)] if key.expires_at else []
    if key.scope:
        told.append(_scope(key.scope == scopes.READ, moments.language))
    if key.networks:
        told.append(_networks(moments.language))
    return joined(" ", told)


@cache
def _networks(language: str | None) -> SafeString:
    """Return that a key can't be used from everywhere; its details tell from where."""
    return format_html(LIMIT, _("Some networks only"))


@cache
def _scope(is_read_only: bool, language: str | None) -> SafeString:
    """Return that a key can't do everything that its owner may; its details tell what it may do."""
    return format_html(LIMIT, _("Read only") if is_read_only else _("Some scopes only"))


def _expiry(end: datetime, moments: Moments) -> SafeString:
    """Return how far away the expiration of a key is, with the moment itself in a line below."""
    words = (_("Expired %(far)s") if end <= moments.now else _("Expires %(far)s")) % {"far": moments.far(end)}
    return format_html(EXPIRY, words=words, exact=moments.brief(end))
