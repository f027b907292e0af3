"""Applying status events to rows (contract 6.4, 6.5), inside one transaction.

Effects are keyed: an outcome that was seen before changes nothing, whatever order events come in.
Foreign producers that send bare counters are believed, up to the total.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import apsw

from fetchbox.ledger.rows import JobRow, find_row, find_rows, insert_row, update_rows
from fetchbox.model.failure import VERDICTS
from fetchbox.model.job import JobState, LastError, Origin
from fetchbox.model.outcome import Outcome, StatusEvent

#: Ends that are told at once; the rest is told with the next batch.
DUE_JOBS: Final = 1000
#: What SQLite can hold; the wire has unsigned numbers.
MAX_INTEGER: Final = 2**63 - 1

_SOURCE_API: Final = "api"
_SOURCE_LEDGER: Final = "ledger"
_ENDS: Final = frozenset({JobState.COMPLETED, JobState.FAILED})

#: Codes of others count as final: nothing is known of them that would promise more.
_RETRYABLE: Final[frozenset[str]] = frozenset(code for code, may in VERDICTS.items() if may)

_FIND_RESOURCE: Final = (
    "SELECT resource_id, state, retryable FROM resource WHERE job = ? AND resource_id = ?"
)
_WRITE_RESOURCE: Final = "INSERT OR REPLACE INTO resource VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


def due_rows(connection: apsw.Connection) -> list[JobRow]:
    """Return jobs that have ended and whose end was not announced."""
    return find_rows(connection, "WHERE is_due = 1 ORDER BY id LIMIT ?", (DUE_JOBS,))


def applied_offsets(connection: apsw.Connection) -> dict[int, int]:
    """Return the last applied offset of each partition that has one."""
    return dict(connection.execute("SELECT partition, offset FROM applied"))


def apply_events(
    connection: apsw.Connection,
    partition: int,
    events: Sequence[tuple[int, StatusEvent]],
    now_ms: int,
) -> None:
    """Apply what is beyond the applied offset of `partition`; `events` are in offset order."""
    last = applied_offsets(connection).get(partition, -1)
    fresh = [(offset, event) for offset, event in events if offset > last]
    if not fresh:
        return
    changes: dict[str, JobChange] = {}
    for job_id, job_events in _by_job(fresh).items():
        row = find_row(connection, job_id) or _unknown_job(job_events[0], partition, now_ms)
        change = changes[job_id] = JobChange(row, now_ms)
        change.recall(connection, job_events)
        for event in job_events:
            change.take(event)
        row.rederive()
    _store(connection, list(changes.values()))
    connection.execute(
        "INSERT INTO applied VALUES (?, ?) ON CONFLICT DO UPDATE SET offset = excluded.offset",
        (partition, fresh[-1][0]),
    )


def _by_job(events: Sequence[tuple[int, StatusEvent]]) -> dict[str, list[StatusEvent]]:
    """Sort out by job what others than the ledger have said."""
    jobs: dict[str, list[StatusEvent]] = {}
    for _, event in events:
        if event.job_id and event.source != _SOURCE_LEDGER:
            jobs.setdefault(event.job_id, []).append(event)
    return jobs


def _unknown_job(event: StatusEvent, partition: int, now_ms: int) -> JobRow:
    """Make the row of a direct producer's job, or of one of the API that the ledger has lost."""
    at_ms = min(event.timestamp_ms, now_ms) or now_ms
    return JobRow(
        job_id=event.job_id,
        job_type=event.job_type,
        tenant=event.tenant,
        state=JobState.QUEUED,
        created_at=at_ms,
        updated_at=at_ms,
        total=0,
        is_counted=int(event.source != _SOURCE_API),
        log_partition=partition,  # same key and, by default, same number of partitions
        origin=Origin.API if event.source == _SOURCE_API else Origin.DIRECT,
    )


@dataclass(slots=True)
class JobChange:
    """One job while a batch is applied to it.

    `known` maps its resources to whether they are stored, and whether a retry may help.
    """

    row: JobRow
    now_ms: int
    known: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    written: dict[str, tuple[Outcome, int]] = field(default_factory=dict)

    def recall(self, connection: apsw.Connection, events: Sequence[StatusEvent]) -> None:
        """Look up the resources that `events` are about."""
        row = self.row
        if row.id is None or not row.completed + row.failed:
            return
        wanted = {outcome.resource_id for event in events for outcome in event.outcomes}
        keys = [(row.id, resource_id) for resource_id in wanted]
        for resource_id, state, retryable in connection.executemany(_FIND_RESOURCE, keys):
            self.known[resource_id] = (state == JobState.COMPLETED, bool(retryable))

    def take(self, event: StatusEvent) -> None:
        """Apply one event to the row."""
        row = self.row
        row.job_type = row.job_type or event.job_type
        row.tenant = row.tenant or event.tenant
        row.manifest_key = row.manifest_key or event.manifest_key
        self._take_total(event)
        if event.source == _SOURCE_API:
            return
        row.is_reported = 1
        row.log_last_offset = max(row.log_last_offset, min(event.log_offset, MAX_INTEGER))
        # A clock that is ahead of ours must not keep a job from ever growing old.
        at_ms = min(event.timestamp_ms, self.now_ms)
        row.updated_at = max(row.updated_at, at_ms)
        for outcome in event.outcomes:
            self._take_outcome(outcome, at_ms)
        if not event.outcomes:
            self._take_counters(event)

    def _take_total(self, event: StatusEvent) -> None:
        """The API says once how many tasks it made; direct producers may say it again."""
        row, total = self.row, event.resources_total
        if total == 0:
            return
        if event.source == _SOURCE_API:
            if not row.is_counted:
                row.total, row.is_counted, row.is_capped = total, 1, 1
        elif row.origin == Origin.DIRECT:
            row.total, row.is_capped = max(row.total, total), 1

    def _take_outcome(self, outcome: Outcome, at_ms: int) -> None:
        row = self.row
        is_stored, was_retryable = self.known.get(outcome.resource_id, (False, True))
        if is_stored or outcome.state not in _ENDS:
            return
        if outcome.resource_id in self.known:
            row.failed -= 1
            row.nonretryable -= not was_retryable
        if outcome.state is JobState.COMPLETED:
            row.completed += 1
        else:
            row.failed += 1
            row.nonretryable += not outcome.retryable
            self._blame(outcome)
        is_stored = outcome.state is JobState.COMPLETED
        self.known[outcome.resource_id] = (is_stored, outcome.retryable)
        self.written[outcome.resource_id] = (outcome, at_ms)

    def _blame(self, outcome: Outcome) -> None:
        context = {"attempt": str(outcome.attempts), **outcome.context}
        context["resource_id"] = outcome.resource_id
        self.row.blame(
            LastError(code=outcome.failure_code, message=outcome.failure_message, context=context)
        )
        if outcome.dlq is not None:
            self.row.dlq_partition = outcome.dlq.partition
            self.row.dlq_offset = min(outcome.dlq.offset, MAX_INTEGER)

    def _take_counters(self, event: StatusEvent) -> None:
        """Believe bare counters, up to the total; without one they are the total."""
        row = self.row
        room = row.total - row.completed - row.failed if row.is_capped else MAX_INTEGER
        completed = min(event.resources_completed, max(room, 0))
        failed = min(event.resources_failed, max(room - completed, 0))
        row.completed += completed
        row.failed += failed
        if event.last_error_code not in _RETRYABLE:
            row.nonretryable += failed
        if event.last_error_code:
            row.blame(LastError(code=event.last_error_code, message=event.last_error_message))

    def resources(self) -> Iterator[tuple[Any, ...]]:
        """Return the rows of the resources that have changed."""
        for resource_id, (outcome, at_ms) in self.written.items():
            yield (
                self.row.id,
                resource_id,
                outcome.state,
                outcome.failure_code,
                int(outcome.retryable),
                outcome.attempts,
                outcome.storage_key,
                min(outcome.size_bytes, MAX_INTEGER),
                at_ms,
            )


def _store(connection: apsw.Connection, changes: Sequence[JobChange]) -> None:
    known = [change.row for change in changes if change.row.id is not None]
    for change in changes:
        if change.row.id is None:
            insert_row(connection, change.row)
    update_rows(connection, known)
    connection.executemany(
        _WRITE_RESOURCE, [row for change in changes for row in change.resources()]
    )
