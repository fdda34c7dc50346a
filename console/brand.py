"""What the console is called where its pages are not: in mails, and in apps and devices that hold second factors."""

from urllib.parse import urlsplit

from django.conf import settings


def console_name() -> str:
    """Return the brand, without it the name of the host, as one line."""
    named = settings.CONSOLE_BRAND or urlsplit(settings.PUBLIC_URL).hostname or "API keys"
    return " ".join(named.split())
