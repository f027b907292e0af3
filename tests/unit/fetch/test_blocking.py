"""Every way to write an address of a blocked network is seen; no name is taken for one."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis.strategies import integers, ip_addresses

from fetchbox.fetch.blocking import BlockedNetworks

METADATA = BlockedNetworks(("169.254.0.0/16", "fe80::/10"))


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("169.254.169.254", id="dotted"),
        pytest.param("169.254.169.254.", id="trailing dot"),
        pytest.param("169%2E254.169.254", id="percent-encoded"),
        pytest.param("2852039166", id="decimal"),
        pytest.param("0xa9fea9fe", id="hexadecimal"),
        pytest.param("0xa9.254.43518", id="mixed"),
        pytest.param("0251.0376.0251.0376", id="octal"),
        pytest.param("::ffff:169.254.169.254", id="IPv4-mapped"),
        pytest.param("::ffff:a9fe:a9fe", id="IPv4-mapped, hexadecimal"),
        pytest.param("64:ff9b::a9fe:a9fe", id="NAT64"),
        pytest.param("2002:a9fe:a9fe::1", id="6to4"),
        pytest.param("fe80::1", id="link-local"),
        pytest.param("fe80::1%eth0", id="with a zone"),
    ],
)
def test_literal_of_a_blocked_address_is_seen(host: str) -> None:
    assert METADATA.blocks_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "origin.test",
        "169.254.169.254.nip.io",
        "a9fea9fe",
        "1.2.3.4",
        "2130706433",
        "300.1.1.1",
        "host.4294967296",
        "2001:db8::1",
        "::1",
        "",
    ],
)
def test_names_and_other_addresses_pass(host: str) -> None:
    assert not METADATA.blocks_host(host)


@given(integers(min_value=0, max_value=0xFFFF).map(lambda low: IPv4Address(0xA9FE0000 + low)))
def test_whole_network_is_blocked_in_every_form(address: IPv4Address) -> None:
    number = int(address)
    forms = [str(address), str(number), hex(number), f"::ffff:{address}"]

    assert all(METADATA.blocks_host(form) for form in forms)


@given(ip_addresses())
def test_nothing_is_blocked_without_networks(address: IPv4Address | IPv6Address) -> None:
    assert not BlockedNetworks(()).blocks(str(address))


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="300"):
        BlockedNetworks(("300.0.0.0/8",))
