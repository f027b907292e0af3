"""IT-13: what a job type's configuration and its handler decide about bucket, key and headers."""

from tests.common.context import DEFAULT_BUCKET, TestContext
from tests.common.manifests import manifest, resource
from tests.common.objects import list_objects

OVERRIDE = "fetchbox-override"
GALLERY = "fetchbox-gallery"


def everything_of(context: TestContext, bucket: str, job_id: str) -> list[str]:
    keys = list_objects(context.minio_client, bucket, "")
    return sorted(key for key in keys if job_id in key and not key.startswith("manifests/"))


def test_a_configured_bucket_and_prefix_win(context: TestContext) -> None:
    url = context.serve("a", b"elsewhere", content_type="text/plain")
    job, _ = context.run({"a": url}, job_type="it_bucket")

    key = f"overridden/{job.job_id}/a"
    assert everything_of(context, OVERRIDE, job.job_id) == [key]
    assert everything_of(context, DEFAULT_BUCKET, job.job_id) == []
    stored = context.object(key, OVERRIDE)
    assert (stored.body, stored.content_type) == (b"elsewhere", "text/plain")


def test_the_manifest_stays_in_the_default_bucket(context: TestContext) -> None:
    job, _ = context.run({"a": context.serve("a")}, job_type="it_bucket")

    key = f"manifests/it_bucket/{job.job_id}/metadata.json"
    assert job.manifest_key == f"s3://{DEFAULT_BUCKET}/{key}"
    assert context.object(key).body


def test_the_gallery_handler_sorts_what_it_fetches(context: TestContext) -> None:
    document = manifest(
        resource("photo", context.serve("photo.jpg", b"jpeg", content_type="image/jpeg")),
        resource("drawn", context.serve("drawn", b"png"), tags={"content_type": "image/png"}),
        resource("sheet", context.serve("sheet.css", b"css", content_type="text/css")),
        resource("page", context.serve("page.html", b"html", content_type="text/html")),
    )
    job = context.submit_manifest(document, job_type="gallery")
    context.wait_for_job(job.job_id)

    assert everything_of(context, DEFAULT_BUCKET, job.job_id) == []
    assert everything_of(context, GALLERY, job.job_id) == [
        f"gallery/css/{job.job_id}/sheet",
        f"gallery/images/{job.job_id}/drawn",
        f"gallery/images/{job.job_id}/photo",
        f"gallery/other/{job.job_id}/page",
    ]
    assert context.object(f"gallery/images/{job.job_id}/photo", GALLERY).body == b"jpeg"


def test_the_gallery_handler_sends_a_referer(context: TestContext) -> None:
    origin = context.stack.upstream.base_url
    document = manifest(
        resource("plain", context.serve("plain.jpg")),
        resource("own", context.serve("own.jpg"), headers={"referer": "http://mine.invalid/"}),
    )
    job = context.submit_manifest(document, job_type="gallery")
    context.wait_for_job(job.job_id)

    (plain,), (own,) = context.requests_for("plain.jpg"), context.requests_for("own.jpg")
    assert plain.header("Referer") == f"{origin}/"
    assert own.header("Referer") == "http://mine.invalid/"


def test_the_gallery_handler_takes_the_referer_of_the_manifest(context: TestContext) -> None:
    document = manifest(
        resource("a", context.serve("a.jpg")), attributes={"referer": "http://album.invalid/7"}
    )
    job = context.submit_manifest(document, job_type="gallery")
    context.wait_for_job(job.job_id)

    (seen,) = context.requests_for("a.jpg")
    assert seen.header("Referer") == "http://album.invalid/7"


def test_default_headers_yield_to_those_of_the_manifest(context: TestContext) -> None:
    """`it_headers` sends X-Job-Type and Accept by default."""
    entry = resource("a", context.serve("a"), headers={"ACCEPT": "text/mine"})
    job = context.submit_manifest(manifest(entry), job_type="it_headers")
    context.wait_for_job(job.job_id)

    (seen,) = context.requests_for("a")
    assert seen.header("X-Job-Type") == "it_headers"
    assert seen.header("Accept") == "text/mine"
