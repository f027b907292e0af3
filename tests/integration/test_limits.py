"""What a job type may do at once."""

from tests.common.context import TestContext


def test_a_capped_job_type_downloads_two_at_a_time(context: TestContext) -> None:
    """A job is one partition, so one worker, so the upstream never sees more than the cap."""
    urls = {f"r{n}": context.peer_bytes(4, verb="drip", every=40) for n in range(8)}
    context.run(urls, job_type="it_capped")

    traffic = context.stack.peers.traffic(context.case)
    assert len(traffic.seen) == 8
    assert traffic.peak == 2


def test_a_job_type_without_a_cap_downloads_more_at_a_time(context: TestContext) -> None:
    """The counterproof: the same job, and more than two at once."""
    urls = {f"r{n}": context.peer_bytes(4, verb="drip", every=40) for n in range(8)}
    context.run(urls)

    assert context.stack.peers.traffic(context.case).peak > 2


def test_a_capped_job_type_does_not_hold_up_others(context: TestContext) -> None:
    """Slots are for tasks that run, not for those that wait for their job type's turn."""
    held = {f"h{n}": context.peer_bytes(1, verb="hold") for n in range(6)}
    document = {
        "manifest_version": "v1",
        "metadata": {},
        "resources": [{"id": name, "url": url} for name, url in held.items()],
    }
    capped = [context.submit_manifest(document, job_type="it_capped") for _ in range(3)]
    quick = [context.run({"q": context.serve(f"q{n}")})[0] for n in range(4)]
    context.stack.peers.release(context.case)
    for job in capped:
        context.wait_for_job(job.job_id)

    assert len(quick) == 4
