"""Who a client is, by its address: behind proxies, and for what is counted for each customer."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings

from apikeys.networks import network_of

_WITH_PORT = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[^:]*))(?::[0-9]+)?")


def client_address(environ: Mapping[str, Any]) -> str:
    """Return the peer's address, or what the outermost trusted proxy says in X-Forwarded-For."""
    peer = str(environ.get("REMOTE_ADDR", ""))
    forwarded = ""
    if settings.TRUSTED_PROXIES:
        hops = [hop for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        forwarded = hops[-min(settings.TRUSTED_PROXIES, len(hops))] if hops else ""
    return (forwarded and ip_address(forwarded)) or ip_address(peer) or peer


@lru_cache(1000)
def ip_address(hop: str) -> str:
    """Return the address in 192.0.2.7, 192.0.2.7:4711, [2001:db8::7]:4711 and their like; "" in no other.

    It may stand in quotation marks. An IPv4 address comes out as one, also where IPv6 carried it.
    """
    text = hop.strip().strip('"')
    with_port = _WITH_PORT.fullmatch(text)
    try:
        found = ipaddress.ip_address(with_port["v6"] or with_port["v4"] if with_port else text)
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)


def networks_around(address: str) -> Iterator[tuple[str, int]]:
    """Yield what an address may be one of many in, the narrowest first, and how many times what one is allowed.

    Providers give a /64, a /56 or a /48 of IPv6 addresses to one customer, and servers are rented with as many.
    """
    yield network_of(address), 1
    if ":" not in address:
        return
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return
    if not parsed.ipv4_mapped:
        for length, times in ((56, 4), (48, 16)):
            yield str(ipaddress.ip_network((parsed, length), strict=False)), times
