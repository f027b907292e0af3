"""Nothing is lost: planted losses, each with the line that names it."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.load.account import SHOWN, Auditor, updated_ms
from tests.load.plan import Order, Wanted
from tests.load.tally import Answer, Tally

BODY = b"twelve bytes"


@dataclass(kw_only=True)
class FakeBucket:
    """Objects by key."""

    objects: dict[str, bytes] = field(default_factory=dict)

    def sizes(self, prefix: str) -> Mapping[str, int]:
        """See `Bucket`."""
        return {
            key.removeprefix(prefix): len(body)
            for key, body in self.objects.items()
            if key.startswith(prefix)
        }

    def digest(self, key: str) -> str:
        """See `Bucket`."""
        return hashlib.sha256(self.objects[key]).hexdigest()


@dataclass(kw_only=True)
class Books:
    """Two jobs of three resources, one of them planned to fail, and all in order."""

    tally: Tally = field(default_factory=lambda: Tally(late_s=1))
    bucket: FakeBucket = field(default_factory=FakeBucket)
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Write them."""
        wanted = [Wanted(size=len(BODY)), Wanted(size=len(BODY)), Wanted(size=1, fault=404)]
        for job_id, is_proxied in (("plain", False), ("proxied", True)):
            order = Order(number=0, at_s=0, is_proxied=is_proxied, wanted=wanted)
            self.tally.arrived(order, 0, 0.1, Answer(job_id=job_id))
            job_type = "tunnel" if is_proxied else "default"
            for number in range(2):
                self.bucket.objects[f"resources/{job_type}/{job_id}/{number}"] = BODY
            self.snapshots[job_id] = {
                "status": "failed",
                "resource_total": 3,
                "resource_completed": 2,
                "resource_failed": 1,
                "updated_at": "1970-01-01T00:00:02.500Z",
            }

    def audit(self, sample: int = 100) -> Auditor:
        """Look at them."""
        auditor = Auditor(
            bucket=self.bucket,
            job_types=("default", "tunnel"),
            digests={len(BODY): hashlib.sha256(BODY).hexdigest()},
            sample=sample,
        )
        auditor.audit(self.tally, self.snapshots)
        return auditor


@pytest.fixture
def books() -> Books:
    return Books()


def test_books_in_order_have_no_breach(books: Books) -> None:
    audit = books.audit()
    assert (audit.breaches, audit.objects, audit.digested, audit.unexpected) == ([], 4, 4, 0)


def test_a_sample_is_no_larger_than_asked(books: Books) -> None:
    assert books.audit(sample=3).digested == 3


def lose_a_job(books: Books) -> None:
    del books.snapshots["plain"]


def leave_a_job_open(books: Books) -> None:
    books.snapshots["plain"] |= {"status": "in_progress", "resource_completed": 1}


def lose_a_resource(books: Books) -> None:
    books.snapshots["plain"] |= {"resource_total": 2, "resource_failed": 0}


def lose_an_object(books: Books) -> None:
    del books.bucket.objects["resources/default/plain/1"]


def leave_a_stray(books: Books) -> None:
    books.bucket.objects["resources/tunnel/proxied/9"] = b"?"


def cut_an_object(books: Books) -> None:
    books.bucket.objects["resources/tunnel/proxied/0"] = BODY[:5]


def change_an_object(books: Books) -> None:
    books.bucket.objects["resources/default/plain/0"] = BODY.upper()


def invent_a_job(books: Books) -> None:
    books.snapshots["unasked"] = books.snapshots["plain"]


@pytest.mark.parametrize(
    ("plant", "breach"),
    [
        pytest.param(lose_a_job, "the ledger does not know it", id="lost job"),
        pytest.param(leave_a_job_open, "has not ended: in_progress", id="open job"),
        pytest.param(lose_a_resource, "3 accepted, but 2 stored", id="lost resource"),
        pytest.param(lose_an_object, "2 stored by the ledger, 1 objects", id="lost object"),
        pytest.param(leave_a_stray, "stray object 9", id="stray object"),
        pytest.param(cut_an_object, "has 5 bytes, not 12", id="cut object"),
        pytest.param(change_an_object, "does not have the bytes", id="changed object"),
        pytest.param(invent_a_job, "no answer ever named it", id="unasked job"),
    ],
)
def test_losses_are_named(books: Books, plant: Callable[[Books], None], breach: str) -> None:
    plant(books)
    breaches = books.audit().breaches
    assert any(breach in each for each in breaches), breaches


def test_a_job_nobody_named_may_belong_to_a_lost_answer(books: Books) -> None:
    invent_a_job(books)
    books.tally.problems["no answer in 30 s"] += 1
    assert books.audit().breaches == []


def test_a_resource_that_failed_unplanned_is_counted_and_no_loss(books: Books) -> None:
    lose_an_object(books)
    books.snapshots["plain"] |= {"resource_completed": 1, "resource_failed": 2}
    audit = books.audit()
    assert (audit.breaches, audit.unexpected) == ([], 1)


def test_many_breaches_are_counted(books: Books) -> None:
    for number in range(3, SHOWN + 13):
        books.bucket.objects[f"resources/default/plain/{number}"] = BODY
    auditor = Auditor(bucket=books.bucket, job_types=("default", "tunnel"), digests={}, sample=0)
    breaches = auditor.audit(books.tally, books.snapshots).breaches
    assert (len(breaches), breaches[-1]) == (SHOWN + 1, "and 11 more")


def test_the_last_report_is_what_the_ledger_tells(books: Books) -> None:
    leave_a_job_open(books)
    assert updated_ms(books.snapshots, books.tally) == {"proxied": 2500.0}
