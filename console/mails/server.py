"""Where mails go: Django's mailer from EMAIL_URL, and the address that they are from."""

from email.utils import parseaddr
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.mail.backends.base import BaseEmailBackend
from django.core.validators import validate_email
from django.utils.module_loading import import_string

from console.env import is_loopback

SMTP = "django.core.mail.backends.smtp.EmailBackend"
FILES = "django.core.mail.backends.filebased.EmailBackend"
CONSOLE = "django.core.mail.backends.console.EmailBackend"
NONE = "console.mails.server.NoMailServer"
SECONDS = 5  # that a server has for one answer; a mail takes some six
# How the connection is protected, and the port where the URL names none.
SCHEMES: dict[str, tuple[dict[str, bool], int]] = {
    "smtp": ({"use_tls": True}, 587),
    "smtps": ({"use_ssl": True}, 465),
    "smtp+plain": ({}, 25),
}
FORMS = (
    "smtp://user:password@host:587 for STARTTLS, smtps://user:password@host:465 for TLS from the first byte, "
    "smtp+plain://localhost:25 for a server on this machine, file:///folder or console:"
)


class NoMailServer(BaseEmailBackend):
    """What is there without EMAIL_URL: a mail that somebody sends all the same is refused with a sentence."""

    def send_messages(self, email_messages: Any) -> NoReturn:
        """Raise ImproperlyConfigured."""
        raise ImproperlyConfigured("EMAIL_URL is not set: there is no mail server.")


def mailer(url: str) -> dict[str, Any]:
    """Return a mailer as Django's MAILERS has it; for a blank URL one that refuses.

    Raises ImproperlyConfigured, in a sentence without the URL, which has a password in it.
    """
    if not url:
        return {"BACKEND": NONE}
    if url == "console:":
        return {"BACKEND": CONSOLE}
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _unreadable() from None
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/") and not parts.query:
        return {"BACKEND": FILES, "OPTIONS": {"file_path": unquote(parts.path)}}
    is_whole = parts.scheme in SCHEMES and host and parts.path in ("", "/") and not parts.query and not parts.fragment
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not is_whole or port == 0 or bool(user) != bool(password):
        raise _unreadable()
    protection, usual_port = SCHEMES[parts.scheme]
    if not protection and not is_loopback(host):
        raise ImproperlyConfigured("EMAIL_URL: smtp+plain:// is for a server on this machine only; use smtp://.")
    account = {"username": user, "password": password}
    return {
        "BACKEND": SMTP,
        "OPTIONS": {"host": host, "port": port or usual_port, "timeout": SECONDS} | account | protection,
    }


def _unreadable() -> ImproperlyConfigured:
    return ImproperlyConfigured(f"EMAIL_URL: use {FORMS}.")


def sender(text: str, url: str, host: str) -> str:
    """Return whom mails are from: an address, or a name and an address; by default one of `host`.

    Raises ImproperlyConfigured for any other text, and where mails are sent by SMTP and there is none.
    """
    if not text:
        if url.startswith("smtp"):
            raise ImproperlyConfigured("EMAIL_URL needs EMAIL_FROM, the address that mails are from.")
        return f"apikeys@{host}"
    name, address = parseaddr(text)
    try:
        validate_email(address)
    except ValidationError:
        address = ""
    if not address or not text.isprintable() or text not in (address, f"{name} <{address}>", f"<{address}>"):
        raise ImproperlyConfigured(
            f"EMAIL_FROM={text!r}: use an address such as apikeys@example.com, or API keys <apikeys@example.com>."
        )
    return text


def backend(**options: Any) -> BaseEmailBackend:
    """Return the mailer of the settings as Django before 6.1 makes one."""
    made: BaseEmailBackend = import_string(settings.MAILER["BACKEND"])(**settings.MAILER.get("OPTIONS", {}), **options)
    return made
