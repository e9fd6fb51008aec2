"""Which sequences begin alike, so that a model reads what they share only once.

Sequences form a tree: demonstrations that all share, then a context that a few share, then each
one's own end. A stretch becomes a node if it is long enough to be worth a pass of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SHORTEST_SHARED = 8
"""Tokens that sequences must share to be read apart: fewer cost more in a pass than they save."""

DEEPEST = 8
"""Levels of shared stretches at most: each is a pass that waits for the one before it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tokens `start` to `end` of the sequence `member`, read after the stretch `parent`.

    `parent` is the place of another stretch, or -1 where nothing is read before.
    """

    member: int
    start: int
    end: int
    parent: int


@dataclass(frozen=True, slots=True)
class PrefixTree:
    """What sequences share, parents first, and what each has of its own, in their order."""

    shared: tuple[Stretch, ...]
    own: tuple[Stretch, ...]


def prefix_tree(
    sequences: Sequence[Sequence[int]],
    kept: Sequence[int] | None = None,
    *,
    shortest: int = SHORTEST_SHARED,
) -> PrefixTree:
    """Find what sequences of tokens share at their beginnings.

    Each keeps its last `kept` tokens for itself; at least one, the default, from which its
    continuation is predicted.
    """
    heads = [
        ids[: len(ids) - n + 1]
        for ids, n in zip(sequences, kept or [1] * len(sequences), strict=True)
    ]
    order = sorted(range(len(heads)), key=lambda i: (tuple(heads[i]), i))
    shared: list[Stretch] = []
    own = [Stretch(i, 0, len(ids), -1) for i, ids in enumerate(sequences)]

    def grow(members: Sequence[int], parent: int, depth: int) -> None:
        start = shared[parent].end if parent >= 0 else 0
        for run, end in _runs(heads, members, start + shortest):
            node = len(shared)
            shared.append(Stretch(run[0], start, end, parent))
            for i in run:
                own[i] = Stretch(i, end, len(sequences[i]), node)
            if depth < DEEPEST:
                grow(run, node, depth + 1)

    grow(order, -1, 1)
    return PrefixTree(tuple(shared), tuple(own))


def _runs(
    sequences: Sequence[Sequence[int]], members: Sequence[int], least: int
) -> Iterator[tuple[Sequence[int], int]]:
    """Yield runs of sorted sequences that share `least` tokens or more, and how many."""
    first = 0
    while first < len(members):
        head = sequences[members[first]]
        last = first + 1
        # sorted: what the first and the last share, all between them share
        while (
            len(head) > least
            and last < len(members)
            and sequences[members[last]][:least] == head[:least]
        ):
            last += 1
        tail = sequences[members[last - 1]]
        if last - first > 1:
            yield members[first:last], _common(head, tail, min(len(head), len(tail)) - 1)
        first = last


def _common(a: Sequence[int], b: Sequence[int], most: int) -> int:
    """Return how many tokens two sequences share at their beginnings, `most` at most."""
    if a[:most] == b[:most]:
        return most
    return next(i for i in range(most) if a[i] != b[i])
