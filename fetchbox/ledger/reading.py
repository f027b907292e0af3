"""What can be asked of the ledger. Each function runs inside a read transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import apsw

from fetchbox.ledger.port import Accepted, IdempotencyKey, JobFilter, ResourceRow
from fetchbox.ledger.rows import JobRow, find_rows, to_job
from fetchbox.model.clock import rfc3339
from fetchbox.model.job import Job, JobState, shown_status

#: An export reads so many jobs at a time, or so many resources: others get in between.
EXPORT_PAGE: Final = 100
EXPORT_RESOURCES: Final = 5000

_ACCEPTED: Final = """
    SELECT j.job_id, j.manifest_key, j.manifest_sha256, j.resource_count, j.state,
           j.published_at IS NOT NULL, j.created_at
    FROM idempotency AS i JOIN job AS j USING (job_id)
    WHERE i.tenant = ? AND i.job_type = ? AND i.key = ?
"""
_RESOURCES: Final = """
    SELECT resource_id, state, failure_code, retryable, attempts, storage_key, size_bytes,
           updated_at
    FROM resource WHERE job = ? ORDER BY resource_id
"""
_COMPLETED: Final = """
    SELECT resource_id FROM resource
    WHERE job = (SELECT id FROM job WHERE job_id = ?) AND state = 'completed'
"""


def find_accepted(connection: apsw.Connection, key: IdempotencyKey) -> Accepted | None:
    """Return the job behind a key; None when the job was pruned."""
    found = connection.execute(_ACCEPTED, (key.tenant, key.job_type, key.key)).fetchone()
    if found is None:
        return None
    job_id, manifest_key, manifest_sha256, resource_count, state, is_published, created_at = found
    return Accepted(
        job_id=job_id,
        manifest_key=manifest_key,
        manifest_sha256=manifest_sha256,
        resource_count=resource_count,
        state=JobState(state),
        is_published=bool(is_published),
        created_at_ms=created_at,
    )


def list_jobs(
    connection: apsw.Connection, wanted: JobFilter, limit: int, before: str | None
) -> list[Job]:
    """Return a page, newest first; an index serves each filter in this order."""
    filters = {"status": wanted.status, "job_type": wanted.job_type, "tenant": wanted.tenant}
    asked = {name: value for name, value in filters.items() if value is not None}
    terms, values = [f"{name} = ?" for name in asked], list[Any](asked.values())
    if before is not None:
        terms.append("(created_at, id) < (SELECT created_at, id FROM job WHERE job_id = ?)")
        values.append(before)
    where = f"WHERE {' AND '.join(terms)}" if terms else ""
    clause = f"{where} ORDER BY created_at DESC, id DESC LIMIT ?"
    return [to_job(row) for row in find_rows(connection, clause, (*values, limit))]


def list_failures(connection: apsw.Connection, limit: int) -> list[Job]:
    """Return failed and partial jobs, the last to change first."""
    clause = "WHERE status = 'failed' ORDER BY updated_at DESC, id DESC LIMIT ?"
    return [to_job(row) for row in find_rows(connection, clause, (limit,))]


def resources_of(connection: apsw.Connection, row: JobRow) -> list[ResourceRow]:
    """Return what was reported of a job."""
    return [
        ResourceRow(
            resource_id=resource_id,
            state=JobState(state),
            failure_code=failure_code,
            retryable=bool(retryable),
            attempts=attempts,
            storage_key=storage_key,
            size_bytes=size_bytes,
            updated_at_ms=updated_at,
        )
        for (
            resource_id,
            state,
            failure_code,
            retryable,
            attempts,
            storage_key,
            size_bytes,
            updated_at,
        ) in connection.execute(_RESOURCES, (row.id,))
    ]


def completed_resources(connection: apsw.Connection, job_id: str) -> frozenset[str]:
    """Return the ids of what is stored."""
    return frozenset(resource_id for (resource_id,) in connection.execute(_COMPLETED, (job_id,)))


def export_page(
    connection: apsw.Connection, after: tuple[int, int]
) -> tuple[list[Mapping[str, object]], tuple[int, int]]:
    """Return jobs behind `after`, oldest first, and where the next page begins."""
    clause = "WHERE (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?"
    rows = find_rows(connection, clause, (*after, EXPORT_PAGE))
    documents: list[Mapping[str, object]] = []
    resources = 0
    for row in rows:
        found = resources_of(connection, row)
        documents.append(_document(row, found))
        after = (row.created_at, row.id or 0)
        resources += len(found)
        if resources >= EXPORT_RESOURCES:
            break
    return documents, after


def _document(row: JobRow, resources: Sequence[ResourceRow]) -> Mapping[str, object]:
    job = to_job(row)
    error, dlq = job.last_error, job.dlq
    return {
        "job_id": job.job_id,
        "job_type": job.job_type,
        "tenant": job.tenant,
        "status": str(shown_status(job.state)),
        "state": str(job.state),
        "created_at": rfc3339(job.created_at_ms),
        "updated_at": rfc3339(job.updated_at_ms),
        "published_at": _moment(row.published_at),
        "finalized_at": _moment(row.finalized_at),
        "resource_total": job.resource_total,
        "resource_completed": job.resource_completed,
        "resource_failed": job.resource_failed,
        "manifest_key": job.manifest_key,
        "log_cursor": {"partition": job.log_cursor.partition, "offset": job.log_cursor.offset},
        "log_last_offset": job.log_last_offset,
        "last_error": error
        and {"code": error.code, "message": error.message, "context": dict(error.context)},
        "dlq": dlq and {"partition": dlq.partition, "offset": dlq.offset},
        "trace_id": job.trace_id,
        "origin": str(job.origin),
        "resources": [_resource(each) for each in resources],
    }


def _resource(row: ResourceRow) -> Mapping[str, object]:
    return {
        "resource_id": row.resource_id,
        "state": str(row.state),
        "failure_code": row.failure_code,
        "retryable": row.retryable,
        "attempts": row.attempts,
        "storage_key": row.storage_key,
        "size_bytes": row.size_bytes,
        "updated_at": rfc3339(row.updated_at_ms),
    }


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)
