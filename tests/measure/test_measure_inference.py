"""Intervals, tests and corrections against closed forms, scipy and slow references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from babelscope.errors import DataError
from babelscope.measure import inference
from babelscope.measure.effects import difference_effect, log_ratio_effect, mean_effect
from babelscope.measure.inference import compare, comparisons, holm, score_interval, spreads
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


def test_interval_of_independent_contexts_is_students() -> None:
    values = np.random.default_rng(0).normal(size=12)
    found = inference.estimate(values, names(12))
    closed = scipy.stats.t.interval(0.95, 11, values.mean(), scipy.stats.sem(values))
    assert (found.low, found.high) == pytest.approx(closed)
    assert found.n == 12


def test_questions_of_a_context_say_no_more_than_one() -> None:
    by_context = np.random.default_rng(1).normal(size=40)
    found = inference.estimate(np.repeat(by_context, 9), names(360, each=9))
    closed = scipy.stats.t.interval(0.95, 39, by_context.mean(), scipy.stats.sem(by_context))
    assert (found.low, found.high) == pytest.approx(closed)
    assert found.n == 360


def test_contexts_weigh_by_their_questions() -> None:
    values, contexts = [1.0, 1.0, 1.0, 0.0, 0.5], ["a", "a", "a", "b", "c"]
    effect = mean_effect(values, contexts)
    assert effect.value == 0.7
    # the ratio estimator: residuals of sums, a: 3 - .7 x 3, b: 0 - .7, c: .5 - .7, times 3 / 5
    assert effect.residuals[0] == pytest.approx(np.array([0.9, -0.7, -0.2]) * 3 / 5)


def test_variance_has_both_parts() -> None:
    """Many seeds and contexts: the interval is the normal one of the crossed random effects."""
    rng = np.random.default_rng(2)
    seeds, contexts = rng.normal(size=(60, 1)), rng.normal(size=(1, 80))
    found = inference.estimate(seeds + contexts, names(80))
    error = math.sqrt(seeds.var(ddof=1) / 60 + contexts.var(ddof=1) / 80)
    assert half_width(found) == pytest.approx(1.98 * error, rel=0.01)


def test_spread_equals_the_analysis_of_variance() -> None:
    """The two-way layout's mean squares, by hand: between seeds, contexts, and their rest."""
    rng = np.random.default_rng(3)
    s, c = 4, 15
    values = rng.normal(size=(s, 1)) + rng.normal(size=(1, c)) + rng.normal(size=(s, c))
    (found,) = spreads([mean_effect(values, names(c))])
    by_seed, by_context = values.mean(axis=1), values.mean(axis=0)
    rest = values - by_seed[:, None] - by_context + values.mean()
    rest_square = (rest**2).sum() / ((s - 1) * (c - 1))
    assert found.contexts == pytest.approx(by_context.var(ddof=1) / c)
    assert found.seeds == pytest.approx((by_seed.var(ddof=1) - rest_square / c) / s)
    assert found.between == pytest.approx(by_seed.var(ddof=1) / s)


def test_other_cells_moderate_a_cells_seeds() -> None:
    rng = np.random.default_rng(4)
    effects = [
        mean_effect(rng.normal(size=(2, 30)) + 0.3 * rng.normal(size=(2, 1)), names(30))
        for _ in range(6)
    ]
    found = spreads(effects)
    own = [effect.by_seed.var(ddof=1) for effect in effects]
    for i, spread in enumerate(found):
        prior = np.mean([v for j, v in enumerate(own) if j != i])
        assert spread.between == pytest.approx((3 * prior + own[i]) / 4 / 2)
        assert spread.between_df == 4
    (alone,) = spreads(effects[:1])
    assert alone.between_df == 1
    pair = spreads(effects[:2])  # one other cell of two seeds weighs as its one degree of freedom
    assert [spread.between_df for spread in pair] == [2, 2]
    assert pair[0].between == pytest.approx(np.mean(own[:2]) / 2)


def test_a_cells_own_seeds_are_a_lower_bound() -> None:
    rng = np.random.default_rng(5)
    quiet = [mean_effect(rng.normal(size=(2, 200)), names(200)) for _ in range(9)]
    loud = mean_effect(rng.normal(size=(2, 200)) + np.array([[3.0], [-3.0]]), names(200))
    assert spreads([loud, *quiet])[0].seeds >= 0.9 * 18 / 2


def test_missing_is_left_out_and_nothing_is_missing() -> None:
    found = inference.estimate([[1.0, NAN, 0.0, NAN], [1.0, 1.0, NAN, NAN]], names(4))
    assert (found.value, found.n) == (0.75, 3)
    assert same(inference.estimate([[NAN, NAN]], names(2)), MISSING)
    assert same(inference.estimate(np.empty((2, 0)), []), MISSING)
    single = inference.estimate([1.0, 0.0], ["c", "c"])  # one context: nothing to compare
    assert (single.value, single.n) == (0.5, 2)
    assert math.isnan(single.low)
    assert math.isnan(single.high)
    assert same(score_interval([[NAN, NAN]], names(2)), MISSING)


def test_shapes_and_ranges_must_fit() -> None:
    with pytest.raises(DataError, match="shape"):
        inference.estimate([1.0, 2.0], names(3))
    with pytest.raises(DataError, match="2 and 3 seeds"):
        compare(np.zeros((2, 4)), np.zeros((3, 4)), names(4))
    with pytest.raises(DataError, match="values of 0 to 1"):
        score_interval([0.2, 1.4], names(2))


@given(st.permutations(range(12)))
def test_order_of_items_changes_nothing(order: list[int]) -> None:
    values = np.random.default_rng(4).random((2, 12))
    contexts = np.array(names(12, each=3))
    before = inference.estimate(values, contexts.tolist())
    after = inference.estimate(values[:, order], contexts[order].tolist())
    assert (after.low, after.value, after.high) == pytest.approx(
        (before.low, before.value, before.high), abs=1e-12
    )


def test_ratio_of_sums() -> None:
    rng = np.random.default_rng(6)
    golds = rng.integers(1, 20, size=300).astype(float)
    answers = 1.5 * golds + rng.normal(size=300)
    found = inference.ratio_of_sums(answers, golds, names(300))
    assert found.value == pytest.approx(answers.sum() / golds.sum())
    # the delta method
    error = np.std(answers - found.value * golds, ddof=1) / golds.mean() / math.sqrt(300)
    assert half_width(found) == pytest.approx(scipy.stats.t.ppf(0.975, 299) * error)
    assert math.isnan(inference.ratio_of_sums([1.0, 2.0], [0.0, 0.0], names(2)).value)
    assert inference.ratio_of_sums([1.0, 2.0, 5.0], [1.0, NAN, 2.0], names(3)).value == 2.0


def test_score_of_independent_items_is_wilsons_interval() -> None:
    values = np.array([1.0] * 130 + [0.0] * 70)
    found = score_interval(values, names(200))
    closed = scipy.stats.binomtest(130, 200).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((closed.low, closed.high), abs=2e-3)
    assert found.value == 0.65


@pytest.mark.parametrize("right", [0, 1, 23, 24])
def test_a_score_at_the_ends_has_a_width(right: int) -> None:
    found = score_interval([1.0] * right + [0.0] * (24 - right), names(24, each=3))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 0.1


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.integers(1, 4))
def test_a_score_stays_within_its_range(values: list[float], each: int) -> None:
    found = score_interval([values, values[::-1]], names(len(values), each))
    if not math.isnan(found.low):
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert found.high > found.low


def test_one_seed_says_nothing_of_tuning() -> None:
    b = np.random.default_rng(8).random(40)
    found = compare(b + 0.3 + np.random.default_rng(9).normal(0, 0.1, 40), b, names(40))
    assert math.isnan(found.p_value)
    assert math.isnan(found.se_seeds)
    assert math.isnan(found.seeds_needed)
    assert found.p_adapters < 0.001
    assert found.difference.low > 0


def test_comparison_counts_seeds() -> None:
    b = np.random.default_rng(8).random(40)
    a = b + np.array([[0.3], [0.2], [-0.1]])
    found = compare(a, b, names(40))
    assert found.difference.value == pytest.approx(0.4 / 3)
    assert found.seed_sd == pytest.approx(np.std([0.3, 0.2, -0.1], ddof=1))
    assert (found.seeds, found.same_sign) == (3, pytest.approx(2 / 3))
    # contexts agree wholly, seeds do not: sure of these adapters, not of tuning
    assert found.p_adapters == 1 / 100_001
    assert found.p_value > 0.3
    assert found.se_seeds == pytest.approx(found.seed_sd / math.sqrt(3))
    back = compare(b, a, names(40))
    assert back.difference.value == pytest.approx(-found.difference.value)
    assert (back.p_value, back.p_adapters) == pytest.approx((found.p_value, found.p_adapters))


def test_with_fixed_seeds_the_test_is_students() -> None:
    a = np.random.default_rng(9).normal(0.3, 1, size=25)
    found = compare(np.stack([a, a]), np.zeros(25), names(25))
    closed = scipy.stats.ttest_1samp(a, 0)
    assert found.p_value == pytest.approx(closed.pvalue)


def test_agreeing_contexts_are_not_beyond_doubt() -> None:
    found = compare(np.ones((2, 6)), np.zeros(6), names(6))
    assert found.difference.value == 1.0
    assert found.p_value == pytest.approx(2 * scipy.stats.t.sf(6, 5))  # t = number of contexts
    assert found.p_value == pytest.approx(inference.smallest_p(6, 2))
    assert found.p_adapters == 1 / 32
    assert found.difference.low < 1.0
    assert inference.smallest_p(6, 1) == 1.0


def test_needed_numbers_are_the_power_formula() -> None:
    rng = np.random.default_rng(9)
    a = rng.normal(0.1, 1, size=(2, 500)) + rng.normal(0, 0.1, size=(2, 1))
    effect = difference_effect(a, np.zeros(500), names(500))
    for pairs in (1, 18):
        (found,) = comparisons([effect], pairs)
        reach = scipy.stats.norm.ppf(1 - 0.025 / pairs) + scipy.stats.norm.ppf(0.8)
        closed = 500 * (reach * found.se_contexts / effect.value) ** 2
        assert found.questions_needed == pytest.approx(max(1, closed))
        closed = 2 * (reach * found.se_seeds / effect.value) ** 2
        assert found.seeds_needed == pytest.approx(max(1, closed))
        t = scipy.stats.t(found.df)
        error = math.hypot(found.se_contexts, found.se_seeds)
        assert found.smallest_gain == pytest.approx((t.ppf(1 - 0.025 / pairs) + t.ppf(0.8)) * error)


def test_the_smallest_gain_is_found_in_four_of_five() -> None:
    """Fixed seeds, known spread: a gain of that size is significant with 80 % power."""
    rng = np.random.default_rng(10)
    found = 0
    for _ in range(150):
        noise = rng.normal(size=60)
        (null,) = comparisons([mean_effect(np.stack([noise, noise]), names(60))])
        shifted = rng.normal(size=60) + null.smallest_gain
        found += compare(np.stack([shifted] * 2), np.zeros(60), names(60)).p_value < 0.05
    assert found / 150 == pytest.approx(0.8, abs=0.1)  # 3 standard errors


def test_comparison_without_a_difference_or_without_data() -> None:
    equal = compare(np.ones((2, 6)), np.ones(6), names(6))
    assert (equal.difference.value, equal.p_value, equal.p_adapters) == (0.0, 1.0, 1.0)
    assert math.isnan(equal.questions_needed)
    (scores,) = comparisons([difference_effect(np.ones((2, 6)), np.ones(6), names(6))], unit=1.0)
    # none of six differs: Wilson's bound of the share that does, z^2 / (n + z^2)
    assert scores.difference.high == pytest.approx(3.8415 / 9.8415, abs=1e-4)
    missing = compare([[NAN, 1.0]], [[1.0, NAN]], names(2))
    assert missing.difference.n == 0
    assert math.isnan(missing.p_value)
    assert math.isnan(missing.p_adapters)


def test_log_ratio_is_the_delta_method() -> None:
    rng = np.random.default_rng(11)
    a, b = rng.random(400) + 1, rng.random(400) + 0.5
    effect = log_ratio_effect(mean_effect(a, names(400)), mean_effect(b, names(400)))
    assert effect.value == pytest.approx(math.log(a.mean() / b.mean()))
    found = inference.effect_estimate(effect)
    error = np.std(a / a.mean() - b / b.mean(), ddof=1) / 20
    assert half_width(found) == pytest.approx(scipy.stats.t.ppf(0.975, 399) * error)
    assert log_ratio_effect(mean_effect(a, names(400)), mean_effect(a * 0, names(400))).n == 0


def test_holm_by_hand() -> None:
    # sorted .005 .01 .03 .04 times 4 3 2 1 = .02 .03 .06 .04, then made monotone
    found = holm([0.01, 0.04, NAN, 0.03, 0.005])
    assert found == pytest.approx([0.03, 0.06, NAN, 0.06, 0.02], nan_ok=True)
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)
    assert holm([[0.01, NAN], [0.02, 0.5]]) == pytest.approx(
        np.array([[0.03, NAN], [0.04, 0.5]]), nan_ok=True
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_the_raw_value_and_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1.0, len(p) * np.array(p)) + 1e-12).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
