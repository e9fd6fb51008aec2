"""Sign flips: exact for few contexts, drawn beyond, against scipy and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from babelscope.measure.flips import (
    FLIPS,
    MORE_FLIPS,
    exchange_p_value,
    flip_p_values,
    flipped_blocks,
    largest_deviates,
    smallest_flip_p,
)


def test_few_contexts_have_every_flip_once() -> None:
    blocks = np.concatenate(list(flipped_blocks(6, FLIPS, 0)))
    assert blocks.shape == (32, 6)  # up to the sign of the whole
    whole = {tuple(row) for row in blocks} | {tuple(1 - row) for row in blocks}
    assert len(whole) == 64
    assert not blocks[0].any()


def test_drawn_flips_start_with_the_identity_and_are_fair() -> None:
    flipped = np.concatenate(list(flipped_blocks(20, FLIPS, 0)))
    assert flipped.shape == (10_001, 20)
    assert not flipped[0].any()
    assert set(np.unique(flipped)) == {0.0, 1.0}
    assert np.abs(flipped.mean(axis=0) - 0.5).max() < 0.02  # 4 standard errors
    assert np.abs(np.corrcoef(flipped.T) - np.eye(20)).max() < 0.045


@pytest.mark.parametrize("contexts", [3, 8, 12])
def test_p_is_exact_for_few_contexts(contexts: int) -> None:
    sums = np.random.default_rng(contexts).normal(0.4, 1, size=contexts)
    exact = scipy.stats.permutation_test(
        (sums, np.zeros(contexts)), lambda x, y: (x - y).sum(), permutation_type="samples"
    )
    assert flip_p_values([sums])[0] == pytest.approx(exact.pvalue, abs=1e-12)


def test_p_of_many_contexts_is_near_the_normal_one() -> None:
    sums = np.random.default_rng(2).normal(0.15, 1, size=200)
    z = sums.sum() / math.sqrt((sums**2).sum())
    closed = 2 * scipy.stats.norm.sf(abs(z))
    assert flip_p_values([sums])[0] == pytest.approx(closed, rel=0.15)


def test_a_small_p_is_asked_for_with_more_flips() -> None:
    sums = np.full(40, 1.0)
    assert flip_p_values([sums])[0] == 1 / MORE_FLIPS
    # nothing of 1,000 pairs could hold after Holm with the first flips alone
    assert 1_000 / FLIPS > 0.05 > 1_000 / MORE_FLIPS


def test_effects_are_tested_together_as_alone() -> None:
    draw = np.random.default_rng(3)
    sums = [draw.normal(0.2, 1, size=n) for n in (30, 30, 9, 0)]
    sums[1][:12] = 0.0
    together = flip_p_values(sums)
    alone = [flip_p_values([s])[0] for s in sums]
    assert together == pytest.approx(alone, nan_ok=True)
    assert math.isnan(together[3])
    assert flip_p_values([np.zeros(5)])[0] == 1.0


def test_smallest_p_is_reached() -> None:
    for contexts in (1, 5, 16, 17):
        assert flip_p_values([np.ones(contexts)])[0] == pytest.approx(smallest_flip_p(contexts))


def test_exchange_of_a_mean_is_the_flip_of_signs() -> None:
    left, right = (np.random.default_rng(s).random((25, 1)) for s in (4, 5))
    found = exchange_p_value(left, right, lambda s: s[..., 0] / 25)
    assert found == pytest.approx(flip_p_values([(left - right)[:, 0]])[0], abs=1e-12)


def test_largest_deviate_corrects_for_the_grid() -> None:
    rng = np.random.default_rng(12)
    grid = rng.normal(size=(60, 50))
    largest = largest_deviates(grid)
    assert (np.diff(largest) >= 0).all()
    # fifty independent cells: the upper 5 % of the largest is Sidak's bound
    closed = scipy.stats.norm.ppf(1 - (1 - 0.95 ** (1 / 50)) / 2)
    assert np.quantile(largest, 0.95) == pytest.approx(closed, rel=0.04)
    # a cell repeated is tested once
    assert largest_deviates(np.repeat(grid[:, :1], 30, axis=1)) == pytest.approx(
        largest_deviates(grid[:, :1])
    )
