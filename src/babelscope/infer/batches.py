"""Which sequences go through a model together."""

from __future__ import annotations

from collections.abc import Sequence

from babelscope.errors import SettingError
from babelscope.infer.prefixes import PrefixTree, prefix_tree


def plan_batches(
    lengths: Sequence[int], tokens_per_batch: int, kinds: Sequence[int] | None = None
) -> list[tuple[int, ...]]:
    """Return batches of indices, longest first, each within a budget of padded tokens.

    A sequence longer than the budget is a batch of its own. Given `kinds`, a number for each
    sequence, a batch holds one kind. The order depends on lengths and places alone.

    Raises:
        SettingError: the budget is below 1.
    """
    if tokens_per_batch < 1:
        raise SettingError("tokens_per_batch", expected=">= 1", found=str(tokens_per_batch))
    apart: dict[int, list[int]] = {}
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        apart.setdefault(kinds[i] if kinds else 0, []).append(i)
    batches: list[tuple[int, ...]] = []
    for order in apart.values():
        while order:
            size = max(tokens_per_batch // max(lengths[order[0]], 1), 1)
            batches.append(tuple(order[:size]))
            del order[:size]
    return batches


def plan_rounds(
    sequences: Sequence[Sequence[int]], spare: int, room_tokens: int
) -> list[tuple[int, ...]]:
    """Return rounds of indices: sequences that are held together while all are continued.

    A round takes `room_tokens` columns at most, its rows times the longest of them with `spare`
    tokens behind it; a longer sequence is a round of its own. What begins alike stays together;
    the order is longest first otherwise, and depends on the sequences alone.
    """
    rounds: list[tuple[int, ...]] = []
    held: list[int] = []
    longest = 0
    for i in _order(sequences, prefix_tree(sequences)):
        longest = max(longest, len(sequences[i]))
        if held and (len(held) + 1) * (longest + spare) > room_tokens:
            rounds.append(tuple(held))
            held, longest = [], len(sequences[i])
        held.append(i)
    return [*rounds, tuple(held)] if held else rounds


def _order(sequences: Sequence[Sequence[int]], tree: PrefixTree) -> list[int]:
    """Return the sequences branch by branch, at each fork the one with the longest first."""
    lineage: list[list[int]] = []
    longest = [0] * len(tree.shared)
    for own in tree.own:
        nodes: list[int] = []
        node = own.parent
        while node >= 0:
            nodes.insert(0, node)
            longest[node] = max(longest[node], own.end)
            node = tree.shared[node].parent
        lineage.append(nodes)
    keys = [
        [*((-longest[node], node) for node in nodes), (-own.end, own.member)]
        for nodes, own in zip(lineage, tree.own, strict=True)
    ]
    return sorted(range(len(sequences)), key=lambda i: keys[i])
