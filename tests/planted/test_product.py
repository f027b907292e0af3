"""A product that reports what it has not stored."""

from tests.common.context import DEFAULT_BUCKET, TestContext


def test_everything_reported_is_stored(context: TestContext) -> None:
    """The fault: an object is taken out of the bucket, as if it had never been put there."""
    urls = {name: context.serve(name) for name in ("cover", "page-1", "page-2")}
    job, shown = context.run(urls)
    context.minio_client.delete_object(Bucket=DEFAULT_BUCKET, Key=job.key("page-1"))

    assert shown["resource_completed"] == len(urls)
    stored = context.object(job.key("page-1"))
    assert stored.body == context.served[urls["page-1"]]


def test_account_is_balanced(context: TestContext) -> None:
    """The same fault in a test that looks at nothing: only the account notices."""
    job, _ = context.run({"cover": context.serve("cover")})
    context.minio_client.delete_object(Bucket=DEFAULT_BUCKET, Key=job.key("cover"))
