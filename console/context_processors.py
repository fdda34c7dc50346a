"""What every page knows: brand, store, theme, languages."""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext as _

from apikeys.backends import store_traits
from apikeys.backends.base import StoreTraits

THEMES = ("system", "light", "dark")
SHELL = ("brand", "store", "chooses_account", "theme")  # what follows from no other of them, nor from the language


def shell(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get(settings.THEME_COOKIE_NAME, "")
    store = store_traits()
    return shell_of(
        brand=settings.CONSOLE_BRAND,
        store=store,
        chooses_account=store.is_upstream and bool(settings.ACCOUNTS_URL),
        theme=theme if theme in THEMES else "system",
    )


def shell_of(*, brand: str, store: StoreTraits, chooses_account: bool, theme: str) -> dict[str, Any]:
    """Return what a page knows that is drawn with this, in the reader's language."""
    return {
        "brand": brand,
        "store": store,
        "chooses_account": chooses_account,
        "theme": theme,
        "keys_title": _("%(brand)s API keys") % {"brand": brand} if brand else _("API keys"),
        "languages": _languages(),
        "html_lang": html_lang(translation.get_language() or settings.LANGUAGE_CODE),
    }


@cache
def _languages() -> list[tuple[str, str]]:
    return [(code, translation.get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES]


@cache
def html_lang(code: str) -> str:
    """Return the code as HTML writes it: zh-Hant, not zh-hant."""
    language, dash, variant = code.partition("-")
    return f"{language}-{variant.title() if len(variant) == 4 else variant.upper()}" if dash else language
