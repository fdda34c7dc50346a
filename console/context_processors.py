"""What every page knows: brand, store, theme, languages."""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext as _

from apikeys.backends import store_traits

THEMES = ("system", "light", "dark")


def shell(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get(settings.THEME_COOKIE_NAME, "")
    return shell_of(theme if theme in THEMES else "system")


def shell_of(theme: str) -> dict[str, Any]:
    """Return what a page knows in the reader's language, whoever asks for it."""
    keys = _("%(brand)s API keys") % {"brand": settings.CONSOLE_BRAND} if settings.CONSOLE_BRAND else _("API keys")
    store = store_traits()
    return {
        "brand": settings.CONSOLE_BRAND,
        "keys_title": keys,
        "store": store,
        "chooses_account": store.is_upstream and bool(settings.ACCOUNTS_URL),
        "theme": theme,
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
