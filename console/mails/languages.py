"""The language of somebody's mails: that of the pages they saw last, as far as the console can know.

It is kept at each log-in and whenever a language is chosen, and changes no page: those follow the browser.
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language

from console.models import User


def keep(person: User, language: str) -> None:
    """Keep the language of a person's mails; nothing happens for one that the console does not speak."""
    if language in dict(settings.LANGUAGES) and language != person.language:
        User.objects.filter(pk=person.pk).update(language=language)
        person.language = language


def keep_at_log_in(sender: Any, request: HttpRequest | None, user: User, **_kwargs: Any) -> None:
    """Receive Django's signal that somebody has logged in with a browser."""
    if request is not None:
        keep(user, get_language() or "")
