"""Intervals, tests and corrections against closed forms, scipy and slow references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from babelscope.errors import DataError
from babelscope.measure import stats
from babelscope.measure.resampling import context_draws, context_totals, flipped_sums, seed_draws
from babelscope.records import MISSING

NAN = math.nan


def names(count: int, each: int = 1) -> list[str]:
    return [f"c{i // each:05d}" for i in range(count)]


def half_width(estimate: stats.Estimate) -> float:
    return (estimate.high - estimate.low) / 2


def test_draws_are_resamples() -> None:
    draws = context_draws(30, 3)
    assert draws.shape == (stats.DRAWS, 30) == (2000, 30)
    assert (draws.sum(axis=1) == 30).all()
    assert draws.var() == pytest.approx(1 - 1 / 30, rel=0.02)  # binomial(30, 1/30)
    assert (seed_draws(3, 3).sum(axis=1) == 3).all()
    assert not np.array_equal(draws, context_draws(30, 4))


def test_interval_of_independent_contexts_is_the_closed_form() -> None:
    values = np.random.default_rng(0).normal(size=400)
    found = stats.estimate(values, names(400))
    assert (found.value, found.n) == (pytest.approx(values.mean()), 400)
    assert half_width(found) == pytest.approx(1.96 * values.std() / 20, rel=0.06)


def test_questions_of_a_context_are_resampled_together() -> None:
    by_context = np.random.default_rng(1).normal(size=100)
    found = stats.estimate(np.repeat(by_context, 9), names(900, each=9))
    # nine equal questions say no more than one
    assert half_width(found) == pytest.approx(1.96 * by_context.std() / 10, rel=0.08)
    assert found.n == 900


def test_seeds_are_resampled_independently_of_contexts() -> None:
    rng = np.random.default_rng(2)
    seeds, contexts = rng.normal(size=(12, 1)), rng.normal(size=(1, 150))
    found = stats.estimate(seeds + contexts, names(150))
    error = math.sqrt(seeds.var() / 12 + contexts.var() / 150)
    assert half_width(found) == pytest.approx(1.96 * error, rel=0.1)


def test_coverage_is_near_95_percent() -> None:
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(300):
        effects = rng.normal(size=60).repeat(3) + rng.normal(size=180)
        found = stats.estimate(effects, names(180, each=3))
        inside += found.low <= 0 <= found.high
    assert 0.90 <= inside / 300 <= 0.985  # the percentile interval is a little narrow at 60


def test_missing_is_left_out_and_nothing_is_missing() -> None:
    found = stats.estimate([[1.0, NAN, 0.0, NAN], [1.0, 1.0, NAN, NAN]], names(4))
    assert (found.value, found.n) == (0.75, 3)
    assert same(stats.estimate([[NAN, NAN]], names(2)), MISSING)
    assert same(stats.estimate(np.empty((2, 0)), []), MISSING)
    single = stats.estimate([1.0, 0.0], ["c", "c"])  # one context: nothing to resample
    assert (single.value, single.n) == (0.5, 2)
    assert math.isnan(single.low)
    assert math.isnan(single.high)


def same(a: stats.Estimate, b: stats.Estimate) -> bool:
    return np.array_equal(
        [a.value, a.low, a.high, a.n], [b.value, b.low, b.high, b.n], equal_nan=True
    )


def test_shapes_must_fit() -> None:
    with pytest.raises(DataError, match="shape"):
        stats.estimate([1.0, 2.0], names(3))
    with pytest.raises(DataError, match="2 and 3 seeds"):
        stats.compare(np.zeros((2, 4)), np.zeros((3, 4)), names(4))
    with pytest.raises(DataError, match="shapes"):
        stats.max_t(np.zeros((4, 2)), [1.0])


@given(st.permutations(range(12)))
def test_order_of_items_changes_nothing(order: list[int]) -> None:
    values = np.random.default_rng(4).random((2, 12))
    contexts = np.array(names(12, each=3))
    before = stats.estimate(values, contexts.tolist())
    after = stats.estimate(values[:, order], contexts[order].tolist())
    assert (after.low, after.value, after.high) == pytest.approx(
        (before.low, before.value, before.high), abs=1e-12
    )


def test_resampled_means_share_their_draws() -> None:
    values = np.random.default_rng(5).random(80)
    contexts = names(80, each=2)
    first = stats.resampled_means(values, contexts)
    assert stats.resampled_means(2 * values, contexts) == pytest.approx(2 * first)
    # a part of the contexts, drawn within the whole: the slow way
    part = stats.resampled_means(values[:20], contexts[:20], universe=contexts)
    weights = context_draws(40, 0)[:, :10].repeat(2, axis=1).astype(float)
    assert part == pytest.approx(weights @ values[:20] / weights.sum(axis=1))


def test_ratio_of_sums() -> None:
    rng = np.random.default_rng(6)
    golds = rng.integers(1, 20, size=300).astype(float)
    answers = 1.5 * golds + rng.normal(size=300)
    found = stats.ratio_of_sums(answers, golds, names(300))
    assert found.value == pytest.approx(answers.sum() / golds.sum())
    # the delta method
    error = np.std(answers - found.value * golds) / golds.mean() / math.sqrt(300)
    assert half_width(found) == pytest.approx(1.96 * error, rel=0.08)
    assert math.isnan(stats.ratio_of_sums([1.0, 2.0], [0.0, 0.0], names(2)).value)
    assert stats.ratio_of_sums([1.0, 2.0, 5.0], [1.0, NAN, 2.0], names(3)).value == 2.0


def test_sign_flips_start_with_the_identity_and_are_fair() -> None:
    signs = np.concatenate(list(flipped_sums(np.eye(11), 0)))
    assert signs.shape == (stats.FLIPS, 11) == (10_001, 11)
    assert (signs[0] == 1).all()
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert np.abs(signs.mean(axis=0)).max() < 0.04  # 4 standard errors
    correlations = signs.T @ signs / len(signs) - np.eye(11)
    assert np.abs(correlations).max() < 0.045


@pytest.mark.parametrize("shift", [0.1, 0.4, 1.0])
def test_p_value_is_that_of_the_exact_permutation_test(shift: float) -> None:
    rng = np.random.default_rng(7)
    contexts = names(24, each=3)[:-1]  # 8 contexts, 256 flips, the last with two questions
    a, b = rng.normal(shift, 1, size=(3, 23)), rng.normal(size=(1, 23))
    sums = context_totals((a - b).mean(axis=0), contexts).sums[0]
    exact = scipy.stats.permutation_test(
        (sums, np.zeros(8)), lambda x, y: (x - y).sum(), permutation_type="samples"
    )
    found = stats.compare(a, b, contexts)
    assert found.p_value == pytest.approx(exact.pvalue, abs=4 * math.sqrt(0.25 / 10_001))
    assert found.difference.value == pytest.approx((a - b).mean())


def test_comparison_counts_seeds() -> None:
    b = np.random.default_rng(8).random(40)
    a = b + np.array([[0.3], [0.2], [-0.1]])
    found = stats.compare(a, b, names(40))
    assert found.difference.value == pytest.approx(0.4 / 3)
    assert found.seed_sd == pytest.approx(np.std([0.3, 0.2, -0.1], ddof=1))
    assert (found.seeds, found.same_sign) == (3, pytest.approx(2 / 3))
    assert found.p_value == 1 / 10_001  # no flip but the identity reaches 40 equal differences
    single = stats.compare(a[:1], b, names(40))
    assert (single.seeds, single.same_sign) == (1, 1.0)
    assert math.isnan(single.seed_sd)
    back = stats.compare(b, a, names(40))
    assert back.difference.value == pytest.approx(-found.difference.value)
    assert back.p_value == found.p_value


def test_questions_needed_is_the_power_formula() -> None:
    a = np.random.default_rng(9).normal(0.1, 1, size=500)
    found = stats.compare(a, np.zeros(500), names(500))
    closed = 500 * (2.8 * a.std() / math.sqrt(500) / a.mean()) ** 2
    assert found.questions_needed == pytest.approx(closed, rel=0.08)


def test_comparison_without_a_difference_or_without_data() -> None:
    equal = stats.compare(np.ones((2, 6)), np.ones(6), names(6))
    assert (equal.difference.value, equal.p_value) == (0.0, 1.0)
    assert math.isnan(equal.questions_needed)
    missing = stats.compare([[NAN, 1.0]], [[1.0, NAN]], names(2))
    assert missing.difference.n == 0
    assert math.isnan(missing.p_value)


def test_false_alarms_are_near_5_percent() -> None:
    rng = np.random.default_rng(10)
    alarms = [
        stats.compare(rng.normal(size=20), np.zeros(20), names(20, each=2)).p_value <= 0.05
        for _ in range(200)
    ]
    assert np.mean(alarms) <= 0.09  # 5 % and 2.6 standard errors


def test_holm_by_hand() -> None:
    # sorted .005 .01 .03 .04 times 4 3 2 1 = .02 .03 .06 .04, then made monotone
    found = stats.holm([0.01, 0.04, NAN, 0.03, 0.005])
    assert found == pytest.approx([0.03, 0.06, NAN, 0.06, 0.02], nan_ok=True)
    assert stats.holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    assert stats.holm([]).shape == (0,)
    assert stats.holm([[0.01, NAN], [0.02, 0.5]]) == pytest.approx(
        np.array([[0.03, NAN], [0.04, 0.5]]), nan_ok=True
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_the_raw_value_and_bonferroni(p: list[float]) -> None:
    adjusted = stats.holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1.0, len(p) * np.array(p)) + 1e-12).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()


def test_max_t_of_one_cell_is_the_plain_test() -> None:
    a = np.random.default_rng(11).normal(0.3, 1, size=40)
    assert stats.max_t(a[:, None])[0] == stats.compare(a, np.zeros(40), names(40)).p_value


def test_max_t_corrects_for_the_grid() -> None:
    rng = np.random.default_rng(12)
    grid = rng.normal(size=(60, 50))
    grid[:, 7] += 1.0
    grid[:, 9] = NAN
    adjusted = stats.max_t(grid)
    raw = np.array([stats.max_t(grid[:, [cell]])[0] for cell in range(50)])
    assert adjusted[7] <= 0.01
    assert np.isnan(adjusted[9])
    others = np.delete(np.arange(50), [7, 9])
    assert (adjusted[others] > raw[others]).all()
    assert (adjusted[others] > 0.05).all()
    # a cell twice is tested once: no price for what is wholly dependent
    assert stats.max_t(np.repeat(grid[:, [7]], 30, axis=1))[0] == raw[7]
    weights = rng.integers(1, 5, size=60).astype(float)
    assert stats.max_t(grid, weights) == pytest.approx(
        stats.max_t(grid * weights[:, None]), nan_ok=True
    )
    assert stats.max_t(np.zeros((5, 2))) == pytest.approx([1.0, 1.0])


def test_delete_half_has_the_spread_of_the_whole() -> None:
    values = np.random.default_rng(13).normal(size=200)
    found = stats.delete_half(200, lambda i: float(values[i].mean()), repeats=2000)
    assert (found.value, found.n) == (pytest.approx(values.mean()), 200)
    assert half_width(found) == pytest.approx(1.96 * values.std(ddof=1) / math.sqrt(200), rel=0.06)
    assert (found.low + found.high) / 2 == pytest.approx(found.value, abs=0.01)
    again = stats.delete_half(200, lambda i: float(values[i].mean()), repeats=2000)
    assert again == found


def test_delete_half_is_centred_though_the_statistic_depends_on_size() -> None:
    found = stats.delete_half(100, lambda i: 1 / len(i))
    assert (found.value, found.low, found.high) == pytest.approx((0.01, 0.01, 0.01))
    assert same(stats.delete_half(0, lambda i: 1.0), MISSING)
    assert math.isnan(stats.delete_half(3, lambda i: 1.0).low)


def test_best_source_is_named_only_when_sure() -> None:
    rng = np.random.default_rng(14)
    scores = {name: rng.random((2, 200)) for name in "abcd"}
    scores["b"] += 0.5
    sure = stats.best_source(scores, names(200))
    assert (sure.best, sure.share, sure.tied) == ("b", 1.0, ("b",))
    scores["d"] = scores["b"] + rng.normal(0, 0.3, size=(2, 200))
    unsure = stats.best_source(scores, names(200))
    assert unsure.best is None
    assert set(unsure.tied) == {"b", "d"}
    assert 0.5 <= unsure.share < 0.9


def test_best_source_shares_equal_wins() -> None:
    values = np.random.default_rng(15).random((1, 50))
    found = stats.best_source({"b": values, "a": values, "none": values * NAN}, names(50))
    assert (found.best, found.share, found.tied) == (None, 0.5, ("a", "b"))
    for nothing in ({}, {"a": values * NAN}):
        assert stats.best_source(nothing, names(50)).tied == ()
