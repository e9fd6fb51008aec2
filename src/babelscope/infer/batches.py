"""Which sequences go through a model together."""

from __future__ import annotations

from collections.abc import Sequence

from babelscope.errors import SettingError


def plan_batches(lengths: Sequence[int], tokens_per_batch: int) -> list[tuple[int, ...]]:
    """Return batches of indices, longest first, each within a budget of padded tokens.

    A sequence longer than the budget is a batch of its own. The order depends on lengths and
    places alone.

    Raises:
        SettingError: the budget is below 1.
    """
    if tokens_per_batch < 1:
        raise SettingError("tokens_per_batch", expected=">= 1", found=str(tokens_per_batch))
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    batches: list[tuple[int, ...]] = []
    while order:
        size = max(tokens_per_batch // max(lengths[order[0]], 1), 1)
        batches.append(tuple(order[:size]))
        order = order[size:]
    return batches
