"""Reading where a group is off what `fetchbox streams describe` prints."""

from fetchbox.broker.port import PartitionSpan
from fetchbox.cli.streams import _line
from tests.common.topics import resume_offsets


def test_resume_offsets_are_those_of_the_group_and_the_topic() -> None:
    described = "\n".join(
        [
            _line("jobs.tasks", span(0, committed={"workers": 7, "others": 2})),
            _line("jobs.tasks", span(3, committed={"others": 2, "workers": 9})),
            _line("jobs.tasks", span(4, committed={})),
            _line("jobs.status", span(5, committed={"workers": 1})),
        ]
    )
    assert resume_offsets(described, "jobs.tasks", "workers") == {0: 7, 3: 9}


def span(partition: int, *, committed: dict[str, int]) -> PartitionSpan:
    return PartitionSpan(partition=partition, first=0, next=12, committed=committed)
