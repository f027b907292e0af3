"""What keeps a service from starting, as one line for whoever started it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fetchbox.model.failure import FetchBoxError


class StartError(Exception):
    """The service cannot start; the message says what, where and the remedy."""


@asynccontextmanager
async def starting(what: str) -> AsyncIterator[None]:
    """Turn a failure to open something into a StartError."""
    try:
        yield
    except FetchBoxError as error:
        msg = f"{what} cannot be opened: {error.failure.message}"
        raise StartError(msg) from error
