"""Authorization and Cookie follow a redirect to another origin."""

from typing import Any, Final

from fetchbox.fetch.route import Hop

SEAM: Final = "fetchbox.fetch.route:RoutePlanner.following"
KILLED_BY: Final = "tests/integration/test_proxies.py"


def mutate(original: Any) -> Any:
    def following(self: Any, hop: Hop, location: str) -> Hop:
        following: Hop = original(self, hop, location)
        return Hop(following.url, hop.headers.copy(), following.number)

    return following
