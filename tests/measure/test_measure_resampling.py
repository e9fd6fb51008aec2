"""Draws of contexts, seeds and halves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from babelscope.measure import resampling
from babelscope.measure.resampling import context_draws, seed_draws
from babelscope.records import MISSING, Estimate

NAN = math.nan


def names(count: int, each: int = 1) -> list[str]:
    return [f"c{i // each:05d}" for i in range(count)]


def half_width(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 2


def same(a: Estimate, b: Estimate) -> bool:
    return np.array_equal(
        [a.value, a.low, a.high, a.n], [b.value, b.low, b.high, b.n], equal_nan=True
    )


def test_draws_are_resamples() -> None:
    draws = context_draws(30, 3)
    assert draws.shape == (resampling.DRAWS, 30) == (2000, 30)
    assert (draws.sum(axis=1) == 30).all()
    assert draws.var() == pytest.approx(1 - 1 / 30, rel=0.02)  # binomial(30, 1/30)
    assert (seed_draws(3, 3).sum(axis=1) == 3).all()
    assert not np.array_equal(draws, context_draws(30, 4))


def test_resampled_means_share_their_draws() -> None:
    values = np.random.default_rng(5).random(80)
    contexts = names(80, each=2)
    first = resampling.resampled_means(values, contexts)
    assert resampling.resampled_means(2 * values, contexts) == pytest.approx(2 * first)
    # a part of the contexts, drawn within the whole: the slow way
    part = resampling.resampled_means(values[:20], contexts[:20], universe=contexts)
    weights = context_draws(40, 0)[:, :10].repeat(2, axis=1).astype(float)
    assert part == pytest.approx(weights @ values[:20] / weights.sum(axis=1))


def test_delete_half_has_the_spread_of_the_whole() -> None:
    values = np.random.default_rng(13).normal(size=200)
    found = resampling.delete_half(200, lambda i: float(values[i].mean()), repeats=2000)
    assert (found.value, found.n) == (pytest.approx(values.mean()), 200)
    assert half_width(found) == pytest.approx(1.96 * values.std(ddof=1) / math.sqrt(200), rel=0.06)
    assert (found.low + found.high) / 2 == pytest.approx(found.value, abs=0.01)
    again = resampling.delete_half(200, lambda i: float(values[i].mean()), repeats=2000)
    assert again == found


def test_delete_half_is_centred_though_the_statistic_depends_on_size() -> None:
    found = resampling.delete_half(100, lambda i: 1 / len(i))
    assert (found.value, found.low, found.high) == pytest.approx((0.01, 0.01, 0.01))
    assert same(resampling.delete_half(0, lambda i: 1.0), MISSING)
    assert math.isnan(resampling.delete_half(3, lambda i: 1.0).low)
