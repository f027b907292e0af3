"""Routes as methods of what they use."""

from typing import Any, Self


class RouteGroup:
    """Keeps its services shared: Litestar deep-copies handlers, and a method's self with them."""

    __slots__ = ()

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Be the same group in every copy of a handler."""
        return self
