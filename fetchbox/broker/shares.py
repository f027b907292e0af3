"""How many partitions each member of a group should hold. Pure; knows no lease and no offset."""

from collections.abc import Mapping


def fair_share(member: str, held: Mapping[str, int], partitions: int) -> int:
    """Return how many of `partitions` belong to `member`, given what every living member holds.

    Whoever holds most keeps the odd partition, so that as few as possible move; every member
    comes to the same answer from the same facts.
    """
    share, odd = divmod(partitions, len(held))
    ranking = sorted(held, key=lambda name: (-held[name], name))
    return share + (ranking.index(member) < odd)
