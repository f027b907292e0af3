"""Which addresses must not be fetched from: `worker.blocked_networks`, in every way to write one.

A name cannot be judged here: its address is checked when the socket is made (dial.py), so
that a name which resolves differently the second time gains nothing.
"""

import socket
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import unquote

Address = IPv4Address | IPv6Address

#: NAT64: the last 32 bits are an IPv4 address.
_NAT64: Final = IPv6Network("64:ff9b::/96")


class BlockedNetworks:
    """A set of networks, and whether an address is in one of them."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Raise ValueError for what is no network in CIDR notation."""
        self._networks = tuple(ip_network(text) for text in networks)
        #: Tells whether a host is the literal of a blocked address; False for any name.
        self.blocks_host = lru_cache(maxsize=4096)(self._blocks_host)

    def blocks(self, address: str) -> bool:
        """Tell whether an address, written the usual way, is blocked."""
        forms = _forms(ip_address(address))
        return any(form in network for form in forms for network in self._networks)

    def _blocks_host(self, host: str) -> bool:
        if ":" not in host and not host.rstrip(".").rpartition(".")[2][:1].isdigit():
            return False  # nearly every host; no top-level domain begins with a digit
        address = _address_of(unquote(host).rstrip("."))
        return address is not None and self.blocks(str(address))


def _address_of(host: str) -> Address | None:
    """Read an address as a resolver does, decimal, octal and hexadecimal forms of IPv4 included."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _forms(address: Address) -> tuple[Address, ...]:
    """Return the address and the IPv4 address that an IPv6 one carries."""
    if isinstance(address, IPv4Address):
        return (address,)
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return (address,) if inner is None else (address, inner)
