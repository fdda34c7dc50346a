"""From where a key may be used: networks as text, whether an address is in them, and what one customer has; no Django.

The text has CIDRs with a space between them, IPv4 or IPv6; `!` before one excludes it. Where only excluded ones are
named, every other address is admitted; an empty text admits every address.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from apikeys.domain import NETWORKS_MAX_LENGTH
from apikeys.exceptions import InvalidApiKey
from apikeys.exceptions import gettext_noop as _
from apikeys.values import mask_sent

FIELD = "networks"
EXCLUDED = "!"
MOST = 100
REMEMBERED = 1000  # texts that were read: keys share few
BITS = {4: 32, 6: 128}
OF_ONE_CUSTOMER = 64  # bits of an IPv6 address
MAPPED = IPv6Network("::ffff:0:0/96")  # IPv4 addresses, as IPv6 sockets give them

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Range = tuple[int, int]  # first and last address, as numbers


def clean(entries: Iterable[str]) -> str:
    """Return networks as their text: each once, a single address without its prefix length.

    Raises InvalidApiKey for what is no network, has bits beyond its prefix, or is more than is kept.
    """
    given = [entry.strip() for entry in entries if entry.strip()]
    if len(given) > MOST:  # before each of them is read
        raise InvalidApiKey(FIELD, _("Use at most %(limit)d networks."), limit=MOST)
    text = " ".join(dict.fromkeys(map(_clean, given)))
    if len(text) > NETWORKS_MAX_LENGTH:
        told = _("This has %(length)d characters. Use at most %(limit)d.")
        raise InvalidApiKey(FIELD, told, length=len(text), limit=NETWORKS_MAX_LENGTH)
    return text


def _clean(entry: str) -> str:
    sign = EXCLUDED if entry.startswith(EXCLUDED) else ""
    written = entry.removeprefix(EXCLUDED).strip()
    try:
        network = ip_network(written, strict=False)
    except ValueError:
        raise InvalidApiKey(
            FIELD, _("%(entry)s is not a network. Write it like 192.0.2.0/24 or 2001:db8::/32."), entry=_told(entry)
        ) from None
    address = written.partition("/")[0]
    if "%" in address or ip_address(address) != network.network_address:
        raise InvalidApiKey(
            FIELD,
            _("%(entry)s has bits beyond its prefix. The network is %(network)s."),
            entry=_told(entry),
            network=str(network).partition("%")[0],
        )
    return sign + _written(_unmapped(network))


def _told(entry: str) -> str:
    """Return what was typed as an error repeats it: not a key's value, and not all of it where it is long."""
    return mask_sent(entry)[:60]


def _unmapped(network: Network) -> Network:
    """Return a network of IPv4 addresses as IPv6 has them in IPv4's own form."""
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        first = int(network.network_address) & 0xFFFFFFFF
        return IPv4Network((first, network.prefixlen - MAPPED.prefixlen))
    return network


def _written(network: Network) -> str:
    is_single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if is_single else str(network)


def listed(text: str) -> list[str]:
    """Return the networks of a text, one by one."""
    return text.split()


def parted(text: str) -> tuple[list[str], list[str]]:
    """Return the networks of a text that are named, and those that are excluded, without their sign."""
    entries = listed(text)
    excluded = [entry.removeprefix(EXCLUDED) for entry in entries if entry.startswith(EXCLUDED)]
    return [entry for entry in entries if not entry.startswith(EXCLUDED)], excluded


def admits(text: str, address: str) -> bool:
    """Tell whether networks admit an address; where they limit anything, what is no address is not admitted."""
    if not text:
        return True
    found = address_of(address)
    return found is not None and any(first <= int(found) <= last for first, last in _admitted(text)[found.version])


def address_of(text: str) -> Address | None:
    """Return the address that a text is, an IPv4 one also where IPv6 maps it; None for what is none."""
    try:
        found = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def network_of(address: str) -> str:
    """Return what one customer is given, and so is counted as one: an IPv4 address, or the /64 of an IPv6 address."""
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or ip_network((parsed, OF_ONE_CUSTOMER), strict=False))


def is_within(inner: str, outer: str) -> bool:
    """Tell whether every address that `inner` admits is one that `outer` admits."""
    return all(not _without(_admitted(inner)[version], _admitted(outer)[version]) for version in BITS)


@lru_cache(REMEMBERED)
def _admitted(text: str) -> dict[int, Sequence[Range]]:
    """Return the ranges of addresses that networks admit, for IPv4 and IPv6, in order and apart from each other."""
    entries = text.split()
    allowed = [ip_network(entry) for entry in entries if not entry.startswith(EXCLUDED)]
    excluded = [ip_network(entry[1:]) for entry in entries if entry.startswith(EXCLUDED)]
    if not allowed:
        allowed = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    return {version: _without(_ranges(allowed, version), _ranges(excluded, version)) for version in BITS}


def _ranges(networks: Iterable[Network], version: int) -> list[Range]:
    found: list[Range] = []
    for first, last in sorted(
        (int(network.network_address), int(network.broadcast_address))
        for network in networks
        if network.version == version
    ):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return found


def _without(ranges: Iterable[Range], excluded: Iterable[Range]) -> list[Range]:
    """Return what is left of ranges; the excluded ones are in order and apart from each other."""
    found = []
    for first, last in ranges:
        begin = first
        for out_first, out_last in excluded:
            if out_last < begin or out_first > last:
                continue
            if out_first > begin:
                found.append((begin, out_first - 1))
            begin = out_last + 1
        if begin <= last:
            found.append((begin, last))
    return found
