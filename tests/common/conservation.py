"""What must hold after every test: accepted = stored + failed, and no stray thing anywhere.

Looks only at the jobs of one test, so that tests may run side by side.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from tests.common.context import DEFAULT_BUCKET, SubmittedJob, TestContext
from tests.common.objects import Listed, etags_of, list_objects, object_digest

#: Where job types with hints put their objects: bucket and the prefixes below which to look.
_PLACES: Final = {
    "it_bucket": ("fetchbox-override", ("overridden/{job_id}/",)),
    "gallery": (
        "fetchbox-gallery",
        tuple(f"gallery/{folder}/{{job_id}}/" for folder in ("images", "css", "other")),
    ),
}
_ERRORS: Final = frozenset({"error", "critical"})


def check_conservation(context: TestContext) -> None:
    """Raise AssertionError with every breach found."""
    breaches = [breach for job in context.jobs for breach in _job_breaches(context, job)]
    breaches += _unmatched(context)
    breaches += error_lines(context)
    breaches += secret_lines(context)
    assert not breaches, "conservation is broken:\n- " + "\n- ".join(breaches)


def _job_breaches(context: TestContext, job: SubmittedJob) -> Iterator[str]:
    shown = context.snapshot(job.job_id)
    if shown["status"] not in {"completed", "failed"}:
        shown = _ended(context, job)
    ended = shown["resource_completed"] + shown["resource_failed"]
    if ended != shown["resource_total"]:
        yield (
            f"job {job.job_id}: {shown['resource_total']} accepted, but"
            f" {shown['resource_completed']} stored + {shown['resource_failed']} failed"
        )
    stored = stored_objects(context, job)
    if len(stored) != shown["resource_completed"]:
        yield (
            f"job {job.job_id}: {shown['resource_completed']} resources completed, but"
            f" {len(stored)} objects stored; {_difference(job, stored)}"
        )
    yield from _object_breaches(context, job, stored)
    yield from _unfinished_uploads(context, job)


def _difference(job: SubmittedJob, stored: dict[tuple[str, str, str], Listed]) -> str:
    """Name what may be missing; of a job with failures, those may be among them."""
    found = {resource_id for _, _, resource_id in stored}
    absent = sorted(set(job.urls) - found)
    return f"absent: {absent[:10]}" if absent else f"stored: {sorted(found)[:10]}"


def _ended(context: TestContext, job: SubmittedJob) -> dict[str, Any]:
    """Wait for whatever end a job has that its test did not wait for."""
    try:
        return context.wait_for_job(job.job_id, "completed", within_s=15)
    except AssertionError:
        return context.snapshot(job.job_id)


def stored_objects(context: TestContext, job: SubmittedJob) -> dict[tuple[str, str, str], Listed]:
    """Return every object of a job by bucket, key and resource id."""
    plain = f"resources/{job.job_type}/{job.job_id}/"
    bucket, prefixes = _PLACES.get(job.job_type, (DEFAULT_BUCKET, ()))
    where = [(DEFAULT_BUCKET, plain)]
    where += [(bucket, prefix.format(job_id=job.job_id)) for prefix in prefixes]
    return {
        (bucket, key, key.removeprefix(prefix)): listed
        for bucket, prefix in where
        for key, listed in list_objects(context.minio_client, bucket, prefix).items()
    }


def _object_breaches(
    context: TestContext, job: SubmittedJob, stored: dict[tuple[str, str, str], Listed]
) -> Iterator[str]:
    for (bucket, key, resource_id), listed in stored.items():
        url = job.urls.get(resource_id)
        if url is None:
            yield f"job {job.job_id}: stray object {bucket}/{key}"
            continue
        body = context.served.get(url)
        if body is not None and not _is_same(context, bucket, key, listed, body):
            yield (
                f"job {job.job_id}: {bucket}/{key} has {listed.size_bytes} bytes that are not the"
                f" {len(body)} bytes {url} served"
            )


def _unfinished_uploads(context: TestContext, job: SubmittedJob) -> Iterator[str]:
    """Parts that nobody will ever complete cost money and are seen by nobody."""
    prefix = f"resources/{job.job_type}/{job.job_id}/"
    found = context.minio_client.list_multipart_uploads(Bucket=DEFAULT_BUCKET, Prefix=prefix)
    for upload in found.get("Uploads", []):
        if upload["Key"].startswith(prefix):
            yield f"job {job.job_id}: unfinished multipart upload of {upload['Key']}"


def _is_same(context: TestContext, bucket: str, key: str, listed: Listed, body: bytes) -> bool:
    if listed.size_bytes != len(body):
        return False
    if listed.etag in etags_of(body):
        return True
    size, digest = object_digest(context.minio_client, bucket, key)
    return (size, digest) == (len(body), hashlib.sha256(body).hexdigest())


def _unmatched(context: TestContext) -> list[str]:
    if context.may_miss_stubs:
        return []
    servers = (context.stack.upstream, context.stack.hidden_upstream)
    return [
        f"{server.name}: no stub matched {request}"
        for server in servers
        for request in server.unmatched(context.case)
    ]


def error_lines(context: TestContext) -> list[str]:
    """Return the errors that the services logged about this test, but for those it expects."""
    needles = [context.case, *(job.job_id for job in context.jobs)]
    events = context.stack.logs.events(context.mark, needles)
    return [
        f"unexpected error in the log: {str(event)[:800]}"
        for event in events
        if str(event.get("level", "")).lower() in _ERRORS
        and not _is_expected(str(event), context.expected_errors)
    ]


def secret_lines(context: TestContext) -> list[str]:
    """Return where the services logged a credential of theirs while this test ran."""
    secrets = context.stack.addresses.secrets
    lines = context.stack.logs.lines(context.mark, secrets)
    return [f"a credential in the log: {line[:800]}" for line in lines]


def _is_expected(line: str, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, line) for pattern in patterns)
