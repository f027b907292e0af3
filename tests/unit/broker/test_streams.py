"""The topics and the key's partition, which other producers must compute the same way."""

import pytest

from fetchbox.broker.streams import DAY_MS, PARTITIONS, TASKS, partition_of, topic_specs


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        pytest.param("", 0x02CC5D05, id="empty"),
        pytest.param("a", 0x550D7456, id="a"),
        pytest.param("abc", 0x32D153FF, id="abc"),
    ],
)
def test_partition_is_the_published_xxh32(key: str, hashed: int) -> None:
    """Values from the xxHash test vectors."""
    assert partition_of(key, 8) == hashed % 8
    assert partition_of(key, 1_000_003) == hashed % 1_000_003


def test_topic_specs_cover_every_topic() -> None:
    specs = {
        spec.name: spec
        for spec in topic_specs(tasks_days=7, status_days=14, logs_days=30, dlq_days=90)
    }

    assert {name: spec.partitions for name, spec in specs.items()} == PARTITIONS
    assert [spec.retention_ms // DAY_MS for spec in specs.values()] == [7, 14, 30, 90]
    assert specs[TASKS].groups == ("workers",)
