"""What may be said of a difference: one place for intervals, tests, and what would decide.

Two kinds of claim. One is about **tuning**: had it been run again, with other seeds, and had other
contexts been asked. Its variance is that over contexts plus that over seeds,

    V = s2_contexts / C + v_seeds / S,

where s2_contexts is the variance of seed-averaged contexts and v_seeds the variance between seeds
less what questions alone make of it, not below 0. With few seeds a cell's own variance between
seeds is nearly unknown, so it is moderated by those of the other cells of the same study and
recipe, which weigh as 3 degrees of freedom (Smyth 2004, moderated variance; there the weight is
estimated, here it is fixed), and is never below the cell's own. Tests and intervals are Student's
with Satterthwaite's degrees of freedom. One seed allows no such claim: its p is NaN.

The other claim is about **these adapters**: contexts alone are drawn, signs of whole contexts are
flipped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtr, stdtrit

from babelscope.errors import DataError
from babelscope.measure.effects import (
    NOTHING,
    Effect,
    difference_effect,
    mean_effect,
    ratio_effect,
    tally_effect,
)
from babelscope.measure.flips import exchange_p_value, flip_p_values
from babelscope.measure.resampling import Array, matrix, paired_difference
from babelscope.measure.tallies import Tally, restricted
from babelscope.records import MISSING, Comparison, Estimate

PRIOR_DF = 3
"""What the other cells' seeds weigh in a cell's variance between seeds, in degrees of freedom."""
LEVEL = 0.05
POWER = 0.8
ROUNDING = 1e-9  # a mean of ones may exceed 1 by as little
Z = float(ndtri(1 - LEVEL / 2))


@dataclass(frozen=True, slots=True)
class Spread:
    """The doubt of an effect: variances of its value and their degrees of freedom.

    `contexts` is the part of contexts, `seeds` that of seeds (NaN with one seed), both variances
    of the value itself; `between` is the moderated variance between seeds over their number, before
    questions' part is taken off, with `between_df` degrees of freedom; `pool_df` are those of all
    cells that moderate one another.
    """

    contexts: float
    contexts_df: int
    seeds: float
    between: float
    between_df: float
    pool_df: int = 0

    @property
    def variance(self) -> float:
        """The variance of the value; contexts' alone where seeds tell nothing."""
        return self.contexts + (0.0 if math.isnan(self.seeds) else self.seeds)

    @property
    def df(self) -> float:
        """Satterthwaite's degrees of freedom."""
        if math.isnan(self.seeds) or self.variance == 0:
            return float(self.contexts_df)
        parts = self.contexts**2 / self.contexts_df + self.between**2 / self.between_df
        few = min(self.contexts_df, self.between_df)
        return max(self.variance**2 / parts, few) if parts else float(few)


UNKNOWN = Spread(math.nan, 0, math.nan, math.nan, 0)


def spreads(effects: Sequence[Effect], *, around_zero: bool = False) -> list[Spread]:
    """Return the spread of each effect; all with as many seeds moderate one another.

    The effects must be of one kind: one measure, one recipe, other sources and targets. Those
    `around_zero` are differences: where all contexts agree, one more in which nothing changed keeps
    their doubt above zero.
    """
    found = [_own_parts(e, around_zero) for e in effects]
    moderated = []
    for i, (effect, own) in enumerate(zip(effects, found, strict=True)):
        if own is None:
            moderated.append(UNKNOWN)
            continue
        others = [
            p.between
            for j, (e, p) in enumerate(zip(effects, found, strict=True))
            if j != i and p is not None and e.seeds == effect.seeds
        ]
        moderated.append(_moderated(effect, own, others))
    return moderated


@dataclass(frozen=True, slots=True)
class _Parts:
    contexts: float  # variance of the seed-averaged value over contexts
    between: float  # variance between seeds
    noise: float  # what questions alone make of it


def _own_parts(effect: Effect, around_zero: bool) -> _Parts | None:
    c, s = effect.contexts, effect.seeds
    if c < 2 or not np.isfinite(effect.residuals).all():
        return None
    averaged = effect.residuals.mean(axis=0)
    contexts = float((averaged**2).sum()) / (c * (c - 1))
    if around_zero:
        contexts = max(contexts, (effect.value / c) ** 2)
    if s < 2:
        return _Parts(contexts, math.nan, math.nan)
    between = float(effect.by_seed.var(ddof=1))
    noise = float(((effect.residuals - averaged) ** 2).sum()) / ((s - 1) * c * (c - 1))
    return _Parts(contexts, between, noise)


def _moderated(effect: Effect, own: _Parts, others: Sequence[float]) -> Spread:
    s = effect.seeds
    if s < 2:
        return Spread(own.contexts, effect.contexts - 1, math.nan, math.nan, 0)
    prior_df = min(PRIOR_DF, len(others) * (s - 1))
    df = prior_df + s - 1
    prior = float(np.mean(others)) if others else 0.0
    between = (prior_df * prior + (s - 1) * own.between) / df
    run = max(between, own.between) - own.noise
    pool_df = (len(others) + 1) * (s - 1)
    return Spread(own.contexts, effect.contexts - 1, max(run, 0.0) / s, between / s, df, pool_df)


def summed(a: Spread, b: Spread) -> Spread:
    """Return the spread of a difference of two variants tuned apart, given that of its contexts.

    `a` has the contexts' part of the difference. Satterthwaite's rule adds up the degrees of
    freedom of their seeds' parts, to no more than all cells have: the same cells moderate both.
    """
    between, parts = a.between + b.between, 0.0
    if a.between_df and b.between_df:
        parts = a.between**2 / a.between_df + b.between**2 / b.between_df
    least = min(a.between_df, b.between_df)
    df = min(between**2 / parts, max(a.pool_df, least)) if parts else least
    return replace(a, seeds=a.seeds + b.seeds, between=between, between_df=df)


def t_interval(effect: Effect, spread: Spread) -> Estimate:
    """Return the effect's value with its 95 % interval; NaN bounds below two contexts."""
    if effect.n == 0:
        return MISSING
    half = float(_quantile(1 - LEVEL / 2, spread)) * math.sqrt(spread.variance)
    return Estimate(effect.value, effect.value - half, effect.value + half, effect.n)


def _quantile(level: float, spread: Spread) -> float:
    return float(stdtrit(spread.df, level)) if spread.df > 0 else math.nan


def t_p_value(value: float, spread: Spread) -> float:
    """Return the two-sided p of a claim about tuning; NaN where seeds or contexts are too few."""
    if math.isnan(spread.seeds) or math.isnan(spread.variance):
        return math.nan
    if spread.variance == 0:  # nothing differed anywhere
        return 1.0
    return float(2 * stdtr(spread.df, -abs(value) / math.sqrt(spread.variance)))


def comparisons(
    effects: Sequence[Effect],
    pairs: int | None = None,
    *,
    unit: float | None = None,
    seed: int = 0,
) -> list[Comparison]:
    """Return what may be said of differences of one kind, which moderate one another.

    `pairs` is the number of comparisons that they are corrected for together, all if not given: it
    sets what a design needs, while p-values stay as they are. `unit` is the largest difference that
    an item can have: where it is known, an interval has a width even if no item differed.
    """
    found = spreads(effects, around_zero=True)
    p_adapters = flip_p_values([e.sums for e in effects], seed=seed)
    many = len(effects) if pairs is None else pairs
    return [
        comparison(effect, spread, p, many, unit)
        for effect, spread, p in zip(effects, found, p_adapters, strict=True)
    ]


def comparison(
    effect: Effect, spread: Spread, p_adapters: float, pairs: int, unit: float | None = None
) -> Comparison:
    """Put together what is said of one effect; `pairs` are corrected for together."""
    difference = t_interval(effect, spread)
    if unit is not None and spread.variance == 0 and effect.value == 0:
        # Wilson's bound of the share of items that differ, none of n having differed
        bound = unit * Z**2 / (effect.n + Z**2)
        difference = Estimate(0.0, -bound, bound, effect.n)
    signs = np.sign(effect.by_seed) == np.sign(effect.value)
    questions, seeds = _needed(effect, spread, pairs)
    return Comparison(
        difference=difference,
        p_value=t_p_value(effect.value, spread),
        p_adapters=p_adapters,
        seeds=effect.seeds,
        se_contexts=math.sqrt(spread.contexts),
        se_seeds=math.sqrt(spread.seeds),
        df=spread.df if spread.df > 0 else math.nan,
        seed_sd=float(effect.by_seed.std(ddof=1)) if effect.seeds > 1 else math.nan,
        same_sign=float(signs.mean()) if effect.seeds else math.nan,
        questions_needed=questions,
        seeds_needed=seeds,
        smallest_gain=smallest_gain(spread, pairs),
    )


def _needed(effect: Effect, spread: Spread, pairs: int) -> tuple[float, float]:
    """Return the questions and the seeds with which each part alone would leave 80 % power."""
    if effect.n == 0 or effect.value == 0:
        return math.nan, math.nan
    reach = (_normal(1 - LEVEL / (2 * max(pairs, 1))) + _normal(POWER)) / abs(effect.value)
    questions = effect.n * reach**2 * spread.contexts
    seeds = effect.seeds * reach**2 * spread.seeds
    return (
        questions if math.isnan(questions) else max(1.0, questions),
        seeds if math.isnan(seeds) else max(1.0, seeds),
    )


def _normal(level: float) -> float:
    return float(ndtri(level))


def smallest_gain(spread: Spread, pairs: int) -> float:
    """Return the smallest difference that is found with 80 % power after Holm's first step."""
    if not spread.df > 0:
        return math.nan
    reach = _quantile(1 - LEVEL / (2 * max(pairs, 1)), spread) + _quantile(POWER, spread)
    return reach * math.sqrt(spread.variance)


def smallest_p(contexts: int, seeds: int) -> float:
    """Return the smallest p that a claim about tuning can have; 1 where it cannot be tested."""
    if contexts < 2 or seeds < 2:
        return 1.0
    # all contexts agree, and so do seeds: t is the number of contexts
    return float(2 * stdtr(contexts - 1, -contexts))


def holm(p_values: ArrayLike) -> Array:
    """Return Holm's adjusted p-values in the shape given; NaN stays NaN and is not counted."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.size, np.nan)
    known = np.flatnonzero(np.isfinite(p.ravel()))
    order = known[np.argsort(p.ravel()[known], kind="stable")]
    steps = np.arange(len(order), 0, -1) * p.ravel()[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted.reshape(p.shape)


def score_interval(values: ArrayLike, contexts: Sequence[str]) -> Estimate:
    """Return the mean of (seeds, items) in 0-1 with its 95 % interval, never of width 0.

    Wilson's bounds for the number of independent items that would have the mean's variance over
    contexts and seeds, corrected for the degrees of freedom of that variance (Korn and Graubard
    1998). n is the number of items with data; below two contexts there are no bounds (NaN).

    Raises:
        DataError: a value lies outside 0-1, or the shape is not (seeds, items).
    """
    array = matrix(values, len(contexts))
    if ((array < -ROUNDING) | (array > 1 + ROUNDING)).any():
        raise DataError(
            "scores to be averaged",
            expected="values of 0 to 1",
            found=f"{np.nanmin(array)} to {np.nanmax(array)}",
        )
    effect = mean_effect(array, contexts)
    return rate_interval(effect, spreads([effect])[0])


def rate_interval(effect: Effect, spread: Spread) -> Estimate:
    """Return the mean of 0-1 values with Wilson's bounds for its spread; see `score_interval`."""
    if effect.n == 0:
        return MISSING
    p = min(max(effect.value, 0.0), 1.0)
    if effect.contexts < 2:
        return Estimate(p, math.nan, math.nan, effect.n)
    # seeds that differ no more than questions make them differ take no degrees of freedom
    df = spread.df if spread.seeds > 0 else float(spread.contexts_df)
    variance = spread.variance
    n = p * (1 - p) / variance if variance > 0 and 0 < p < 1 else float(effect.n)
    n *= (Z / float(stdtrit(df, 1 - LEVEL / 2))) ** 2
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return Estimate(p, max(min(middle - half, p), 0.0), min(max(middle + half, p), 1.0), effect.n)


def estimate(values: ArrayLike, contexts: Sequence[str]) -> Estimate:
    """Return the mean of (seeds, items) with its interval; n is the number of items with data.

    Fewer than two contexts with data give no interval (NaN). With few seeds the interval is wide:
    nothing but these seeds tells how seeds differ. Values in 0-1 have `score_interval`.
    """
    return effect_estimate(mean_effect(values, contexts))


def ratio_of_sums(
    numerator: ArrayLike, denominator: ArrayLike, contexts: Sequence[str]
) -> Estimate:
    """Return sum(numerator) / sum(denominator) with its interval, both (seeds, items).

    An item counts only where both have a value; a denominator of 0 gives NaN.
    """
    return effect_estimate(ratio_effect(numerator, denominator, contexts))


def tally_estimate(found: Tally) -> Estimate:
    """Return what is read of a tally with its interval; below two contexts there is none (NaN)."""
    return effect_estimate(tally_effect(found))


def tally_scores(found: Sequence[Tally]) -> list[Estimate]:
    """Return the intervals of scores in 0-1 that moderate one another; see `score_interval`."""
    effects = [tally_effect(t) for t in found]
    return [rate_interval(e, spread) for e, spread in zip(effects, spreads(effects), strict=True)]


def effect_estimate(effect: Effect) -> Estimate:
    """Return an effect's value with its interval, by its own seeds alone."""
    return t_interval(effect, spreads([effect])[0])


def compare(a: ArrayLike, b: ArrayLike, contexts: Sequence[str], *, seed: int = 0) -> Comparison:
    """Compare a with b, each (seeds, items) on the same items; see `records.Comparison`.

    An item that is missing on either side is left out of both. A study compares its pairs together
    (`study_gains`), so that they tell one another how seeds differ.
    """
    effect = difference_effect(a, b, contexts)
    if effect.n == 0:
        return nothing_compared(len(paired_difference(a, b, len(contexts))))
    return comparisons([effect], seed=seed)[0]


def nothing_compared(seeds: int = 0) -> Comparison:
    """Return the comparison of what shares no data."""
    gap = math.nan
    return Comparison(MISSING, gap, gap, seeds, gap, gap, gap, gap, gap, gap, gap, gap)


def compare_tallies(a: Tally, b: Tally, *, seed: int = 0) -> Comparison:
    """Compare two tallies on the contexts that both have; see `compare_tally_pairs`."""
    return compare_tally_pairs([(a, b)], seed=seed)[0]


def compare_tally_pairs(pairs: Sequence[tuple[Tally, Tally]], *, seed: int = 0) -> list[Comparison]:
    """Compare the tallies of each pair on the contexts that both have; without any all is missing.

    The pairs are of one kind, and tell one another how seeds differ. They are tested as many.
    """
    shared = [sorted(set(a.contexts) & set(b.contexts)) for a, b in pairs]
    sides = [
        (restricted(a, names), restricted(b, names)) if names else None
        for (a, b), names in zip(pairs, shared, strict=True)
    ]
    effects = [tally_effect(*side) if side else NOTHING for side in sides]
    found = []
    for side, effect, spread in zip(
        sides, effects, spreads(effects, around_zero=True), strict=True
    ):
        p_adapters = math.nan
        if side and effect.contexts > 1 and math.isfinite(effect.value):
            # means over seeds: the sides may have different numbers of them
            left, right = (tally.counts.mean(axis=0) for tally in side)
            p_adapters = exchange_p_value(left, right, side[0].read, seed=seed)
        found.append(
            comparison(effect, spread, p_adapters, len(pairs), 1.0)
            if effect.n
            else nothing_compared()
        )
    return found
