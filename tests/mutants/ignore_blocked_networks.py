"""Blocked IPv6 networks are not blocked.

IPv4 stays blocked, so that no mutant fetches cloud metadata: a link-local address without its
interface leads nowhere.
"""

from ipaddress import IPv6Network, ip_address
from typing import Any, Final

SEAM: Final = "fetchbox.fetch.blocking:BlockedNetworks.blocks"
KILLED_BY: Final = "tests/integration/test_proxies.py"

_LINK_LOCAL: Final = IPv6Network("fe80::/10")


def mutate(original: Any) -> Any:
    def blocks(self: Any, address: str) -> bool:
        return ip_address(address) not in _LINK_LOCAL and original(self, address)

    return blocks
