"""Where a webhook may send: to public addresses, or to networks that a setting names, and never to this console."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from apikeys.exceptions import InvalidApiKey
from apikeys.exceptions import gettext_noop as _
from apikeys.networks import Address, address_of, admits

URL_LENGTH = 2000
PORTS = {"https": 443, "http": 80}
# Answers questions about the machine at one of the large clouds, from an address that is public by its number.
METADATA = frozenset({IPv4Address("168.63.129.16")})
SPECIAL = IPv4Network("192.0.0.0/24")  # of protocols; one large cloud has its metadata there, too
TRANSLATED = IPv6Network("64:ff9b::/96")  # IPv4 behind a gateway (RFC 6052)
SIX_TO_FOUR = IPv6Network("2002::/16")  # IPv4 behind relays that are gone (RFC 7526); only old Pythons call it global


def clean_url(text: str) -> str:
    """Return an address that a webhook may have. Raises InvalidApiKey."""
    text = text.strip()
    parts = _parts(text)
    if parts is None:
        raise InvalidApiKey("url", _("Use an address such as https://example.com/hooks."))
    if parts.scheme == "http" and not settings.WEBHOOKS_HTTP:
        raise InvalidApiKey(
            "url", _("Use https://. Without TLS this console sends only if its operator sets WEBHOOKS_HTTP=true.")
        )
    if "@" in parts.netloc:
        raise InvalidApiKey("url", _("Leave out the user name and password: messages are signed instead."))
    if len(text) > URL_LENGTH:
        told = _("This has %(length)d characters. Use at most %(limit)d.")
        raise InvalidApiKey("url", told, length=len(text), limit=URL_LENGTH)
    host = parts.hostname or ""
    found = address_of(host)
    if is_own(host):
        raise InvalidApiKey("url", _("This console does not send to itself."))
    if found is not None and not is_allowed(found):
        told = _("This address is not public. The operator allows networks of your own with WEBHOOKS_ALLOWED_NETWORKS.")
        raise InvalidApiKey("url", told)
    return text


def _parts(text: str) -> SplitResult | None:
    """Return the parts of an absolute address that HTTP can be sent to, None for any other text."""
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    is_plain = text.isascii() and text.isprintable() and not {*' \\<>"^`{|}'} & {*text}
    return parts if is_one and is_plain and "%" not in parts.netloc and "#" not in text else None


def host_of(url: str) -> str:
    """Return the host of an address, with a port that is not the usual one."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else str(parts.hostname)
    return host if parts.port in (None, PORTS[parts.scheme]) else f"{host}:{parts.port}"


def is_own(host: str) -> bool:
    """Tell whether a name is one that this console answers to."""
    name = host.lower().rstrip(".")
    own = {(urlsplit(settings.PUBLIC_URL).hostname or "").lower()} | {*map(str.lower, settings.ALLOWED_HOSTS)}
    is_loopback_allowed = bool(settings.WEBHOOKS_ALLOWED_NETWORKS)  # then the port tells another program from this one
    if is_loopback_allowed:
        own -= {"localhost", "127.0.0.1", "[::1]"}
    return name in own or f"[{name}]" in own


def is_allowed(address: Address) -> bool:
    """Tell whether a webhook may send to an address."""
    named = settings.WEBHOOKS_ALLOWED_NETWORKS
    return is_public(address) or (bool(named) and admits(named, str(address)))


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the internet, and so is the IPv4 address that an IPv6 one may stand for."""
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if address.is_site_local or address in SIX_TO_FOUR or (inner is not None and not is_public(inner)):
            return False
        if inner is not None and address in TRANSLATED:
            return True
    refused = (
        address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or address in METADATA
        or address in SPECIAL
    )
    return address.is_global and not refused


def _inner(address: IPv6Address) -> IPv4Address | None:
    if address in TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or (teredo[1] if teredo else None)


def all_allowed(addresses: Iterable[str]) -> bool:
    """Tell whether a webhook may send to every address of a name; one that is not makes the name suspect."""
    return all(found is not None and is_allowed(found) for found in map(address_of, addresses))
