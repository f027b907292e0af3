"""A repeated idempotency key makes a second job."""

from typing import Any, Final

from fetchbox.ledger.port import Accepted, IdempotencyKey

SEAM: Final = "fetchbox.ledger.sqlite:SqliteLedger.find_accepted"
KILLED_BY: Final = "tests/integration/test_idempotency.py"


def mutate(_: Any) -> Any:
    async def find_accepted(
        self: Any,  # noqa: ARG001  # the parameters of what it replaces
        key: IdempotencyKey,  # noqa: ARG001  # likewise
    ) -> Accepted | None:
        return None

    return find_accepted
