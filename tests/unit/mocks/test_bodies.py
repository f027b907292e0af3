"""A body is a function of seed and size, and nothing else."""

import pytest

from mocks.bodies import BLOCK, blocks_of, body_of


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_body_has_exactly_the_size(size: int) -> None:
    assert len(body_of("seed", size)) == size
    assert b"".join(blocks_of("seed", size)) == body_of("seed", size)


def test_body_begins_like_a_longer_one_of_its_seed() -> None:
    assert body_of("seed", 1000) == body_of("seed", 2 * BLOCK)[:1000]


def test_other_seed_is_another_body() -> None:
    assert body_of("one", 100) != body_of("two", 100)


def test_first_bytes_are_what_they_always_were() -> None:
    """Recorded evidence stays comparable."""
    assert body_of("seed", 8).hex() == "8ee8563630a60bb4"
