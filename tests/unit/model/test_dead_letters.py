import pytest

from fetchbox.model.dead_letters import DeadLetterEntry, WantedDeadLetters
from fetchbox.model.job import Pointer
from fetchbox.model.outcome import DeadLetter
from fetchbox.model.task import DownloadTask

PLACE = Pointer(partition=1, offset=7)


def entry(code: str = "DOWNLOAD_HTTP_5XX", **changes: str) -> DeadLetterEntry:
    fields = {"job_id": "j", "job_type": "t", "resource_id": "r", "url": "https://x/"} | changes
    letter = DeadLetter(
        task=DownloadTask(**fields),  # type: ignore[arg-type]  # strings only
        failure_code=code,
        failure_message="m",
        attempts=1,
        failed_at_ms=1,
    )
    return DeadLetterEntry(pointer=PLACE, letter=letter)


@pytest.mark.parametrize(
    ("wanted", "is_meant"),
    [
        pytest.param(WantedDeadLetters(), True, id="all"),
        pytest.param(WantedDeadLetters(job_id="j"), True, id="job"),
        pytest.param(WantedDeadLetters(job_id="other"), False, id="other-job"),
        pytest.param(WantedDeadLetters(code="DOWNLOAD_HTTP_5XX"), True, id="code"),
        pytest.param(WantedDeadLetters(code="X"), False, id="other-code"),
        pytest.param(WantedDeadLetters(pointer=PLACE), True, id="place"),
        pytest.param(
            WantedDeadLetters(pointer=Pointer(partition=0, offset=7)), False, id="other-place"
        ),
        pytest.param(WantedDeadLetters(job_id="j", code="X"), False, id="all-must-fit"),
    ],
)
def test_an_entry_is_meant_when_every_filter_fits(
    wanted: WantedDeadLetters, *, is_meant: bool
) -> None:
    assert wanted.matches(entry()) is is_meant


def test_an_entry_names_its_resource() -> None:
    assert entry().resource == ("j", "r")


@pytest.mark.parametrize(
    ("found", "can"),
    [
        pytest.param(entry(), True, id="whole"),
        pytest.param(entry(job_id=""), False, id="no-job"),
        pytest.param(entry(resource_id=""), False, id="no-resource"),
        pytest.param(entry(url=""), False, id="no-url"),
        pytest.param(entry("SYSTEM_DECODE_ERROR"), False, id="undecodable"),
    ],
)
def test_only_a_whole_task_can_be_replayed(found: DeadLetterEntry, *, can: bool) -> None:
    assert found.can_be_replayed is can
