"""Networks as text mean what Python's `ipaddress` says of them, one by one and in and out of each other."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apikeys import networks, values
from apikeys.exceptions import InvalidApiKey

pytestmark = pytest.mark.once

thoroughly = settings(deadline=None, database=None, max_examples=300)

# Few bits differ, so that networks often lie in each other and addresses in networks.
FOUR = st.builds(lambda low: IPv4Address(0xC0000200 | low), st.integers(0, 255)) | st.ip_addresses(v=4)
# What IPv6 maps of IPv4 is IPv4's, of which there is a test below.
SIX = (st.builds(lambda low: IPv6Address((0x20010DB8 << 96) | low), st.integers(0, 255)) | st.ip_addresses(v=6)).filter(
    lambda address: address.ipv4_mapped is None
)
ADDRESSES = FOUR | SIX
NETWORKS = st.one_of(
    st.builds(lambda address, prefix: ip_network((address, prefix), strict=False), FOUR, st.integers(22, 32)),
    st.builds(lambda address, prefix: ip_network((address, prefix), strict=False), SIX, st.integers(118, 128)),
    st.sampled_from([ip_network("0.0.0.0/0"), ip_network("::/0"), ip_network("10.0.0.0/8")]),
)
ENTRIES = st.lists(st.tuples(st.sampled_from(["", "!"]), NETWORKS), max_size=6)


def expected(entries, address) -> bool:
    """Tell whether `ipaddress` admits an address: it is in one that is named, if any is, and in none excluded."""
    allowed = [network for sign, network in entries if not sign]
    excluded = [network for sign, network in entries if sign]
    return (not allowed or any(address in network for network in allowed)) and not any(
        address in network for network in excluded
    )


def text_of(entries) -> str:
    return networks.clean(f"{sign}{network}" for sign, network in entries)


@thoroughly
@given(ENTRIES, ADDRESSES)
def test_an_address_is_admitted_where_ipaddress_says_so(entries, address):
    assert networks.admits(text_of(entries), str(address)) is expected(entries, address)


@thoroughly
@given(ENTRIES, FOUR)
def test_an_ipv4_address_is_the_same_where_ipv6_maps_it(entries, address):
    assert networks.admits(text_of(entries), f"::ffff:{address}") is expected(entries, address)


@thoroughly
@given(ENTRIES)
def test_what_was_cleaned_stays_the_same(entries):
    text = text_of(entries)

    assert networks.clean(networks.listed(text)) == text


@thoroughly
@given(ENTRIES, ENTRIES)
def test_networks_within_others_admit_no_address_that_those_do_not(inner, outer):
    everything = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    # Between two neighbouring edges nothing changes: with all edges every kind of address is tried.
    edges = [
        type(edge)(int(edge) + step)
        for network in [*everything, *(network for _sign, network in inner + outer)]
        for edge in (network.network_address, network.broadcast_address)
        for step in (-1, 0, 1)
        if 0 <= int(edge) + step < 2**network.max_prefixlen
    ]

    assert networks.is_within(text_of(inner), text_of(outer)) is all(
        expected(outer, address) for address in edges if expected(inner, address)
    )


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ([], ""),
        ([" 192.0.2.0/24 ", ""], "192.0.2.0/24"),
        (["192.0.2.7", "192.0.2.7/32"], "192.0.2.7"),
        (["! 2001:DB8:0::/32"], "!2001:db8::/32"),
        (["192.0.2.0/255.255.255.0"], "192.0.2.0/24"),
        (["::ffff:192.0.2.0/120", "::ffff:192.0.2.7"], "192.0.2.0/24 192.0.2.7"),
    ],
)
def test_networks_are_kept_in_one_form(entries, text):
    assert networks.clean(entries) == text


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("fe80::1%eth0", "fe80::1"),
        ("office", "not a network"),
        ("192.0.2.0/33", "not a network"),
        ("!", "not a network"),
        ("192.0.2.0 /24", "not a network"),
        ("10.0.0", "not a network"),
    ],
)
def test_what_is_no_network_is_refused_with_what_it_may_be(entry, told):
    with pytest.raises(InvalidApiKey, match=told) as refused:
        networks.clean([entry])

    assert refused.value.field == "networks"


def test_a_value_that_is_no_network_is_in_no_error():
    value = values.generate("apk_")

    with pytest.raises(InvalidApiKey) as refused:
        networks.clean([f"!{value}"])

    assert value[-8:] not in f"{refused.value}{refused.value!r}{refused.value.params}"


def test_more_networks_than_are_kept_are_refused():
    assert networks.clean(f"192.0.2.{number}" for number in range(networks.MOST))
    with pytest.raises(InvalidApiKey):
        networks.clean(f"192.0.2.{number}" for number in range(networks.MOST + 1))
    with pytest.raises(InvalidApiKey):
        networks.clean(f"2001:db8:{number:x}:ffff:ffff:ffff::/96" for number in range(networks.MOST))


@given(st.text())
@example("")
@example("192.0.2.1:8000")
@example("[::1]")
def test_what_is_no_address_is_admitted_only_where_nothing_is_limited(text):
    is_address = networks.address_of(text) is not None

    assert networks.admits("", text)
    assert networks.admits("0.0.0.0/0 ::/0", text) is is_address
