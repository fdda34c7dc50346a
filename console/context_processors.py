"""What every page knows: brand, store, theme, languages."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext as _

from apikeys.backends import store_traits

THEMES = ("system", "light", "dark")


def shell(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get(settings.THEME_COOKIE_NAME, "")
    keys = _("%(brand)s API keys") % {"brand": settings.CONSOLE_BRAND} if settings.CONSOLE_BRAND else _("API keys")
    store = store_traits()
    return {
        "brand": settings.CONSOLE_BRAND,
        "keys_title": keys,
        "store": store,
        "chooses_account": store.is_upstream and bool(settings.ACCOUNTS_URL),
        "theme": theme if theme in THEMES else "system",
        "languages": [(code, translation.get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES],
        "html_lang": html_lang(translation.get_language() or settings.LANGUAGE_CODE),
    }


def html_lang(code: str) -> str:
    """Return the code as HTML writes it: zh-Hant, not zh-hant."""
    language, dash, variant = code.partition("-")
    return f"{language}-{variant.title() if len(variant) == 4 else variant.upper()}" if dash else language
