"""What sequences share: the tree gives each back whole, and rounds keep branches together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from babelscope.infer.batches import plan_rounds
from babelscope.infer.prefixes import PrefixTree, Stretch, prefix_tree

SEQUENCES = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=14), max_size=24)


def _read(tree: PrefixTree, sequences: list[list[int]], stretch: Stretch) -> list[int]:
    before = _read(tree, sequences, tree.shared[stretch.parent]) if stretch.parent >= 0 else []
    assert len(before) == stretch.start
    return before + sequences[stretch.member][stretch.start : stretch.end]


@given(SEQUENCES, st.integers(1, 4))
def test_the_tree_gives_each_sequence_back(sequences: list[list[int]], shortest: int) -> None:
    tree = prefix_tree(sequences, shortest=shortest)
    assert [_read(tree, sequences, own) for own in tree.own] == sequences
    assert [own.member for own in tree.own] == list(range(len(sequences)))
    assert all(own.end > own.start for own in tree.own)
    assert all(s.end - s.start >= shortest for s in tree.shared)
    for node, stretch in enumerate(tree.shared):
        assert stretch.parent < node
        users = [s for s in (*tree.shared, *tree.own) if s.parent == node]
        assert len(users) >= 2 or any(s in tree.shared for s in users)


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=8), max_size=24))
def test_what_two_share_is_read_once(sequences: list[list[int]]) -> None:
    tree = prefix_tree(sequences, shortest=1)
    read = sum(s.end - s.start for s in (*tree.shared, *tree.own))
    # a trie has a token for each beginning; every sequence has its last token for itself
    beginnings = {tuple(ids[:n]) for ids in sequences for n in range(1, len(ids))}
    assert read == len(beginnings) + len(sequences)


def test_demonstrations_contexts_and_questions() -> None:
    demonstrations, first, second = [1] * 10, [2] * 20, [3] * 15
    sequences = [
        [*demonstrations, *first, 4, 5],
        [*demonstrations, *second, 6],
        [7] * 30,
        [*demonstrations, *first, 8],
        [*demonstrations, *second, 9, 9, 9],
    ]
    tree = prefix_tree(sequences)
    assert tree.shared == (Stretch(0, 0, 10, -1), Stretch(0, 10, 30, 0), Stretch(1, 10, 25, 0))
    assert tree.own == (
        Stretch(0, 30, 32, 1),
        Stretch(1, 25, 26, 2),
        Stretch(2, 0, 30, -1),
        Stretch(3, 30, 31, 1),
        Stretch(4, 25, 28, 2),
    )


@given(SEQUENCES, st.integers(0, 5), st.integers(1, 120))
def test_rounds_hold_every_sequence_once_within_the_room(
    sequences: list[list[int]], spare: int, room: int
) -> None:
    rounds = plan_rounds(sequences, spare, room)
    assert sorted(i for places in rounds for i in places) == list(range(len(sequences)))
    for places in rounds:
        longest = max(len(sequences[i]) for i in places)
        assert len(places) == 1 or len(places) * (longest + spare) <= room
        # planned again, a round is one round
        assert len(plan_rounds([sequences[i] for i in places], spare, room)) == 1


def test_branches_stay_together_longest_first() -> None:
    long, short = [1] * 20, [2] * 10
    sequences = [[*short, 3], [*long, 4], [*short, 5, 5], [9] * 15, [*long, 6, 6]]
    assert plan_rounds(sequences, 0, 1000) == [(4, 1, 3, 2, 0)]
    assert plan_rounds(sequences, 0, 44) == [(4, 1), (3, 2), (0,)]
