"""What workers say about a job never reaches its log."""

from collections.abc import Sequence
from typing import Any, Final

from fetchbox.broker.port import Published
from fetchbox.broker.streams import LOGS

SEAM: Final = "fetchbox.broker.sqlite:SqliteBroker.publish"
KILLED_BY: Final = "tests/integration/test_log_stream.py"


def mutate(original: Any) -> Any:
    async def publish(self: Any, topic: str, key: str, payloads: Sequence[bytes]) -> Published:
        if topic == LOGS:
            return Published(0, None)
        published: Published = await original(self, topic, key, payloads)
        return published

    return publish
