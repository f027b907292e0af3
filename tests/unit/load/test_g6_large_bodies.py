"""The score of large bodies: the slower end counts, and so does memory that follows them."""

from collections.abc import Mapping

from tests.load.bench.g6_large_bodies import Passage, memory_score, speed_score

MIB = 1 << 20


def passage(per_s: float, peak: float = 0) -> Passage:
    return Passage(seconds=1, cpu_s={}, count=round(per_s), peak=round(peak * MIB))


def a_round(
    *, ours: float, origin: float, s3: float, peaks: tuple[float, float]
) -> Mapping[str, Passage]:
    small, large = peaks
    return {
        "origin": passage(origin),
        "S3": passage(s3),
        "both": passage(min(origin, s3)),
        "known 16": passage(ours, small),
        "known 256": passage(ours, large),
    }


def test_speed_is_that_of_the_slower_end_of_each_round() -> None:
    rounds = [
        a_round(ours=90, origin=1000, s3=100, peaks=(1, 1)),
        a_round(ours=190, origin=200, s3=2000, peaks=(1, 1)),
        a_round(ours=46, origin=50, s3=50, peaks=(1, 1)),
    ]

    score = speed_score(rounds, "N", "known", 256)

    assert score.ratio == 0.92
    assert score.low95 == 0.90
    assert score.met


def test_memory_that_follows_the_bodies_misses_the_target() -> None:
    rounds = [a_round(ours=1, origin=1, s3=1, peaks=(100, 112))] * 3

    score = memory_score(rounds, "N", "known", 256)

    assert (score.ours, score.reference, score.ratio) == (112, 100, 1.12)
    assert score.met is False


def test_memory_that_stays_meets_it() -> None:
    rounds = [a_round(ours=1, origin=1, s3=1, peaks=(100, 109))] * 3

    assert memory_score(rounds, "N", "known", 256).met
