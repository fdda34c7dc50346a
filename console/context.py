"""What every page knows: brand, theme, languages."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext as _

THEMES = ("system", "light", "dark")


def shell(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get(settings.THEME_COOKIE_NAME, "")
    keys = _("%(brand)s API keys") % {"brand": settings.CONSOLE_BRAND} if settings.CONSOLE_BRAND else _("API keys")
    return {
        "brand": settings.CONSOLE_BRAND,
        "keys_title": keys,
        "is_embedded": settings.IS_EMBEDDED,
        "chooses_account": bool(settings.ACCOUNTS_URL) and not settings.IS_EMBEDDED,
        "theme": theme if theme in THEMES else "system",
        "languages": [(code, translation.get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES],
        "html_lang": html_lang(translation.get_language() or settings.LANGUAGE_CODE),
    }


def html_lang(code: str) -> str:
    """Return the code as HTML writes it: zh-Hant, not zh-hant."""
    language, dash, variant = code.partition("-")
    return f"{language}-{variant.title() if len(variant) == 4 else variant.upper()}" if dash else language
