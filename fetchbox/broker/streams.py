"""The four topics, their groups, and which partition a key belongs to (contract 4.1-4.4)."""

from typing import Final

import xxhash

from fetchbox.broker.port import TopicSpec

TASKS: Final = "jobs.tasks"
STATUS: Final = "jobs.status"
LOGS: Final = "jobs.logs"
DLQ: Final = "jobs.dlq"

WORKERS: Final = "workers"
OPERATORS: Final = "operators"

PARTITIONS: Final = {TASKS: 8, STATUS: 4, LOGS: 4, DLQ: 2}
DAY_MS: Final = 86_400_000


def partition_of(key: str, partitions: int) -> int:
    """Map a key to its partition: XXH32 of its UTF-8 bytes, seed 0, modulo the partition count."""
    return xxhash.xxh32_intdigest(key.encode(), seed=0) % partitions


def topic_specs(
    *, tasks_days: int, status_days: int, logs_days: int, dlq_days: int
) -> tuple[TopicSpec, ...]:
    """Return what provisioning creates, with retention in days per topic."""
    days = {TASKS: tasks_days, STATUS: status_days, LOGS: logs_days, DLQ: dlq_days}
    groups = {TASKS: (WORKERS,), STATUS: (OPERATORS,)}
    return tuple(
        TopicSpec(
            name=name,
            partitions=PARTITIONS[name],
            retention_ms=days[name] * DAY_MS,
            groups=groups.get(name, ()),
        )
        for name in PARTITIONS
    )
