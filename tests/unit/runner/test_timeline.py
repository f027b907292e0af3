"""The merged story of a job, and the first hop at which it leaves the way."""

import pytest

from runner.timeline import Hop, Sighting, Timeline, merge

RESOURCES = frozenset({"a", "b"})


def sighting(hop: Hop | None, at_ms: float, resource_id: str = "") -> Sighting:
    return Sighting(at_ms=at_ms, source="test", text="seen", hop=hop, resource_id=resource_id)


def whole(*, without: tuple[Hop, str] | None = None) -> list[Sighting]:
    """Every hop of both resources, 10 ms apart."""
    found = [sighting(Hop.ACCEPTED, 0), sighting(Hop.PUBLISHED, 10)]
    for number, hop in enumerate(list(Hop)[2:], start=2):
        found += [sighting(hop, number * 10, each) for each in ("a", "b") if (hop, each) != without]
    return found


def timeline(sightings: list[Sighting], failed: frozenset[str] = frozenset()) -> Timeline:
    return Timeline(job_id="j", sightings=sightings, resources=RESOURCES, failed=failed)


def test_timeline_without_a_gap_has_no_divergence() -> None:
    assert timeline(whole()).divergence is None


@pytest.mark.parametrize("hop", list(Hop)[2:])
def test_timeline_names_the_first_hop_that_a_resource_lacks(hop: Hop) -> None:
    found = timeline(whole(without=(hop, "b"))).divergence
    assert found == f"{hop}: never seen for b of 2"


def test_timeline_names_the_hop_that_the_job_lacks() -> None:
    found = [each for each in whole() if each.hop is not Hop.PUBLISHED]
    assert timeline(found).divergence == "published: never seen"


def test_failed_resource_need_not_be_stored() -> None:
    found = whole(without=(Hop.STORED, "b"))
    assert timeline(found, failed=frozenset({"b"})).divergence is None


def test_timeline_names_a_hop_that_came_too_early() -> None:
    found = [
        each if each.hop is not Hop.SETTLED else sighting(Hop.SETTLED, -5_000, each.resource_id)
        for each in whole()
    ]
    assert timeline(found).divergence == "settled: first seen 5050 ms before reported"


def test_timeline_forgives_what_clocks_do_to_order() -> None:
    found = [*whole(), sighting(Hop.SETTLED, 20, "a")]
    assert timeline(found).divergence is None


def test_lines_tell_time_delta_and_verdict() -> None:
    lines = timeline([sighting(Hop.ACCEPTED, 1_000), sighting(None, 1_250)]).lines()
    assert lines[0].startswith("00:00:01.000       +0 ms  accepted")
    assert lines[1].startswith("00:00:01.250     +250 ms")
    assert lines[-1] == "first divergence: published: never seen"


def test_merge_brings_witnesses_on_one_clock() -> None:
    merged = merge([sighting(None, 3)], [sighting(None, 1), sighting(None, 2)])
    assert [each.at_ms for each in merged] == [1, 2, 3]
