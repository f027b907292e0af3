"""Topics, groups and buckets, made by the one process that owns them (contract 4.7)."""

import logging
from collections.abc import Sequence

from fetchbox.broker.port import Broker, TopicSpec
from fetchbox.model.failure import FetchBoxError
from fetchbox.storage.port import Storage

_log = logging.getLogger(__name__)


async def provision(
    *, broker: Broker, storage: Storage, topics: Sequence[TopicSpec], buckets: Sequence[str]
) -> None:
    """Create what is missing; what is there is reported where it differs, never altered.

    A bucket that cannot be had does not keep the others from being made; the first such failure
    is raised at the end. Repeating it all is harmless; no topics: the broker is not asked.
    """
    for warning in await broker.ensure(topics) if topics else ():
        _log.warning("topic differs from what is configured", extra={"reason": warning})
    failed: list[FetchBoxError] = []
    for bucket in dict.fromkeys(buckets):
        try:
            await storage.ensure_bucket(bucket)
        except FetchBoxError as error:
            facts = {"bucket": bucket, "code": error.failure.code, "reason": error.failure.message}
            _log.warning("bucket could not be made sure of", extra=facts)
            failed.append(error)
    if failed:
        raise failed[0]
