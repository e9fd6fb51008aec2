"""Estimates with intervals, paired comparisons and their corrections.

Intervals are 95 % percentile intervals of 2,000 draws that resample contexts (all their questions
together) and, independently, seeds. Tests flip the signs of whole contexts 10,001 times, the
identity being the first flip. Values are (seeds, items), NaN = missing; `contexts` has the context
id of each item. The same contexts and `seed` always give the same draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from babelscope.errors import DataError
from babelscope.measure.resampling import (
    DRAWS,
    FLIPS,
    Array,
    context_totals,
    divided,
    flipped_sums,
    halves,
    matrix,
    paired_difference,
    resampled_sums,
)
from babelscope.records import MISSING, Comparison, Estimate

__all__ = [
    "DRAWS",
    "FLIPS",
    "BestSource",
    "about",
    "best_source",
    "compare",
    "delete_half",
    "estimate",
    "holm",
    "interval",
    "max_t",
    "paired_difference",
    "ratio_of_sums",
    "resampled_means",
]

PERCENTILES = (2.5, 97.5)
POWER_QUANTILES = 1.96 + 0.84  # two-sided 5 %, and 80 % power
BEST_SHARE = 0.9
ROUNDING = 1e-9  # relative; a flip that equals the observed sum must count despite rounding


@dataclass(frozen=True, slots=True)
class BestSource:
    """Which source wins, over resamples.

    `best` is the source that wins in at least 90 % of resamples, None where no single one does;
    `share` is the share of resamples that the leading source wins, NaN without data; `tied` is the
    smallest set of sources that together win in at least 90 %, the leading one first.
    """

    best: str | None
    share: float
    tied: tuple[str, ...]


def interval(draws: Array) -> tuple[float, float]:
    """Return the 2.5 and 97.5 percentiles of the draws that have a value; NaN if none has."""
    finite = draws[np.isfinite(draws)]
    low, high = np.percentile(finite, PERCENTILES) if finite.size else (math.nan, math.nan)
    return float(low), float(high)


def estimate(values: ArrayLike, contexts: Sequence[str], *, seed: int = 0) -> Estimate:
    """Return the mean of (seeds, items) with its interval; n is the number of items with data.

    Fewer than two contexts with data give no interval (NaN): nothing can be resampled.
    """
    array = matrix(values, len(contexts))
    return ratio_of_sums(array, np.where(np.isfinite(array), 1.0, np.nan), contexts, seed=seed)


def ratio_of_sums(
    numerator: ArrayLike, denominator: ArrayLike, contexts: Sequence[str], *, seed: int = 0
) -> Estimate:
    """Return sum(numerator) / sum(denominator) with its interval, both (seeds, items).

    An item counts only where both have a value; a denominator of 0 gives NaN.
    """
    top, bottom = matrix(numerator, len(contexts)), matrix(denominator, len(contexts))
    present = np.isfinite(top) & np.isfinite(bottom)
    n = int(present.any(axis=0).sum())
    if n == 0:
        return MISSING
    tops = context_totals(np.where(present, top, np.nan), contexts)
    bottoms = context_totals(np.where(present, bottom, np.nan), contexts).sums
    total = float(bottoms.sum())
    value = float(tops.sums.sum()) / total if total else math.nan
    if int(tops.counts.any(axis=0).sum()) < 2:
        return Estimate(value, math.nan, math.nan, n)
    draws = divided(resampled_sums(tops.sums, seed), resampled_sums(bottoms, seed))
    return Estimate(value, *interval(draws), n)


def resampled_means(
    values: ArrayLike,
    contexts: Sequence[str],
    *,
    seed: int = 0,
    universe: Sequence[str] | None = None,
) -> Array:
    """Return the (DRAWS,) resampled means of (seeds, items), NaN where a draw has no data.

    Calls with the same set of contexts and seed share their draws. Sets of items on different
    contexts share them too where `universe` names the contexts of all.
    """
    totals = context_totals(values, contexts, universe)
    if not totals.counts.any():
        return np.full(DRAWS, np.nan)
    return divided(resampled_sums(totals.sums, seed), resampled_sums(totals.counts, seed))


def compare(a: ArrayLike, b: ArrayLike, contexts: Sequence[str], *, seed: int = 0) -> Comparison:
    """Compare a with b, each (seeds, items) on the same items; see `records.Comparison`.

    The test sums the seed-averaged differences of each context's questions, so that contexts
    weigh by their questions as they do in the mean, and flips the signs of these sums. An item that
    is missing on either side is left out of both.
    """
    difference = paired_difference(a, b, len(contexts))
    overall = estimate(difference, contexts, seed=seed)
    if overall.n == 0:
        return Comparison(MISSING, math.nan, len(difference), math.nan, math.nan, math.nan)
    by_seed = _row_means(difference)
    by_seed = by_seed[np.isfinite(by_seed)]
    per_item = _row_means(difference.T)[None, :]
    sums = context_totals(per_item, contexts).sums
    return Comparison(
        difference=overall,
        p_value=_flip_p_value(sums[0], seed),
        seeds=len(difference),
        seed_sd=float(by_seed.std(ddof=1)) if len(by_seed) > 1 else math.nan,
        same_sign=float((np.sign(by_seed) == np.sign(overall.value)).mean()),
        questions_needed=_questions_needed(overall, difference, contexts, seed),
    )


def _row_means(array: Array) -> Array:
    present = np.isfinite(array)
    return divided(np.where(present, array, 0.0).sum(axis=1), present.sum(axis=1).astype(float))


def _flip_p_value(sums: Array, seed: int) -> float:
    observed = abs(float(sums.sum())) - ROUNDING * float(np.abs(sums).sum())
    blocks = flipped_sums(sums[:, None], seed)
    return sum(int((np.abs(block) >= observed).sum()) for block in blocks) / FLIPS


def _questions_needed(
    overall: Estimate, difference: Array, contexts: Sequence[str], seed: int
) -> float:
    if overall.value == 0 or math.isnan(overall.low):
        return math.nan
    error = float(np.nanstd(resampled_means(difference, contexts, seed=seed), ddof=1))
    return max(1.0, overall.n * (POWER_QUANTILES * error / overall.value) ** 2)


def holm(p_values: ArrayLike) -> Array:
    """Return Holm's adjusted p-values in the shape given; NaN stays NaN and is not counted."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.size, np.nan)
    known = np.flatnonzero(np.isfinite(p.ravel()))
    order = known[np.argsort(p.ravel()[known], kind="stable")]
    steps = np.arange(len(order), 0, -1) * p.ravel()[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted.reshape(p.shape)


def max_t(differences: ArrayLike, weights: ArrayLike | None = None, *, seed: int = 0) -> Array:
    """Return adjusted p-values (cells,) of a grid of mean differences (contexts, cells).

    Each cell's weighted sum over contexts is divided by the root of its summed squares, which no
    flip changes; the p-value is the share of flips whose largest |t| over all cells reaches the
    cell's own. `weights` (contexts,) are the contexts' numbers of items, equal if not given. NaN
    is missing; a cell without data keeps NaN.
    """
    values = np.asarray(differences, dtype=np.float64)
    each = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if values.ndim != 2 or each.shape != (len(values),):
        raise DataError(
            "differences to be tested together",
            expected="(contexts, cells) numbers and a weight for each context",
            found=f"the shapes {values.shape} and {each.shape}",
        )
    weighted = np.where(np.isfinite(values), values, 0.0) * each[:, None]
    scale = np.sqrt((weighted**2).sum(axis=0))
    standard = np.divide(weighted, scale, out=np.zeros_like(weighted), where=scale > 0)
    observed = np.abs(standard.sum(axis=0))
    largest = np.concatenate([np.abs(s).max(axis=1) for s in flipped_sums(standard, seed)])
    reached = np.searchsorted(np.sort(largest), observed - ROUNDING * np.abs(observed))
    return np.where(np.isfinite(values).any(axis=0), (FLIPS - reached) / FLIPS, np.nan)


def delete_half(
    n: int, statistic: Callable[[NDArray[np.intp]], float], *, repeats: int = 200, seed: int = 0
) -> Estimate:
    """Return a statistic of n items with an interval from random halves, without replacement.

    `statistic` takes sorted indices into the items. A half's spread about its mean is that of the
    whole sample's estimate; the halves are centred on the whole's value, as their own mean is
    biased where the statistic depends on the number of items (CKA does).
    """
    if n == 0:
        return MISSING
    value = float(statistic(np.arange(n)))
    if n < 4:  # a half would be a single item
        return Estimate(value, math.nan, math.nan, n)
    drawn = [float(statistic(np.sort(half))) for half in halves(n, repeats, seed)]
    return about(value, np.array(drawn), n)


def about(value: float, draws: Array, n: int) -> Estimate:
    """Return a value of n items with the spread of its random halves, centred on the value."""
    finite = draws[np.isfinite(draws)]
    low, high = interval(finite - finite.mean()) if finite.size else (math.nan, math.nan)
    # a count that hardly varies may have all its draws on one side of their mean
    return Estimate(value, value + min(low, 0.0), value + max(high, 0.0), n)


def best_source(
    scores: Mapping[str, ArrayLike], contexts: Sequence[str], *, seed: int = 0
) -> BestSource:
    """Say which source's (seeds, items) scores are best on the same items, over shared draws.

    A draw in which several sources are equal is shared among them; a source without data in a
    draw cannot win it.
    """
    names = sorted(scores)
    means = np.array([resampled_means(scores[name], contexts, seed=seed) for name in names])
    means = means[:, np.isfinite(means).any(axis=0)] if names else np.empty((0, 0))
    if not means.size:
        return BestSource(None, math.nan, ())
    means = np.where(np.isfinite(means), means, -np.inf)
    winning = means >= means.max(axis=0) - ROUNDING
    shares = (winning / winning.sum(axis=0)).mean(axis=1)
    order = np.argsort(-shares, kind="stable")
    needed = int(np.searchsorted(np.cumsum(shares[order]), BEST_SHARE - ROUNDING)) + 1
    tied = tuple(names[i] for i in order[:needed])
    return BestSource(tied[0] if needed == 1 else None, float(shares[order[0]]), tied)
