"""Batches hold every sequence once, within the budget, as full as they can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.errors import SettingError
from babelscope.infer.batches import plan_batches


@given(st.lists(st.integers(1, 300), max_size=40), st.integers(1, 1000))
def test_batches_hold_every_sequence_once_within_the_budget(
    lengths: list[int], budget: int
) -> None:
    batches = plan_batches(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    order = [lengths[i] for batch in batches for i in batch]
    assert order == sorted(lengths, reverse=True)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch[0]] <= budget
    for batch in batches[:-1]:  # none is left less full than it could be
        assert (len(batch) + 1) * lengths[batch[0]] > budget


def test_a_budget_below_one() -> None:
    with pytest.raises(SettingError):
        plan_batches([3, 4], 0)
