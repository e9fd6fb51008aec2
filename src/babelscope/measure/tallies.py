"""Scores that are read from counts: one way to intervals, ratios and paired tests for all of them.

A tally holds what each context adds to a score's counts, a row of counts for every seed: right and
all answers for accuracy, a confusion table for macro-F1, found and true entities for F1. A resample
sums the drawn contexts' counts and reads the score from the sum, so that a score which is no mean
gets the same 95 % percentile interval as one that is. Tallies on the same contexts share their
draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babelscope.errors import DataError
from babelscope.measure.resampling import (
    BLOCK,
    DRAWS,
    FLIPS,
    Array,
    context_draws,
    divided,
    flipped_sums,
    seed_draws,
)
from babelscope.measure.stats import interval
from babelscope.measure.transfer import DENOMINATOR_UNSURE, DENOMINATOR_ZERO, NO_DATA
from babelscope.records import MISSING, Comparison, Estimate

Reading = Callable[[Array], Array]
"""Turns summed counts (..., k) into scores (...); NaN where they say nothing."""

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Counts (seeds, contexts, k) on contexts in sorted order, and how a score is read from them.

    `n` is the number of items behind the counts.
    """

    counts: NDArray[np.float64]
    contexts: tuple[str, ...]
    n: int
    read: Reading


def tally(counts: NDArray[np.float64], contexts: Sequence[str], read: Reading) -> Tally:
    """Sum counts (seeds, items, k) within the items' contexts.

    Raises:
        DataError: the shapes do not fit.
    """
    if counts.ndim != 3 or counts.shape[1] != len(contexts):
        raise DataError(
            "counts of a score",
            expected=f"(seeds, {len(contexts)}, k) numbers",
            found=f"the shape {counts.shape}",
        )
    names, index = np.unique(np.asarray(contexts, dtype=np.str_), return_inverse=True)
    sums = np.zeros((len(counts), len(names), counts.shape[2]))
    for seed_sums, seed_counts in zip(sums, counts, strict=True):
        np.add.at(seed_sums, index, seed_counts)
    return Tally(sums, tuple(names.tolist()), len(contexts), read)


def value_of(found: Tally) -> float:
    """Return the mean over seeds of the score of all contexts."""
    return float(found.read(found.counts.sum(axis=1)).mean()) if found.n else math.nan


def tally_estimate(found: Tally, *, seed: int = 0) -> Estimate:
    """Return the score with its interval; fewer than two contexts give none (NaN)."""
    if not found.n:
        return MISSING
    value = value_of(found)
    if len(found.contexts) < 2:
        return Estimate(value, math.nan, math.nan, found.n)
    return Estimate(value, *interval(resampled_scores(found, seed=seed)), found.n)


def resampled_scores(
    found: Tally, *, seed: int = 0, universe: Sequence[str] | None = None
) -> Array:
    """Return (DRAWS,) scores over resampled contexts and, independently, resampled seeds.

    `universe` names the contexts of all tallies that are resampled together, sorted.
    """
    names = found.contexts if universe is None else tuple(universe)
    where = np.searchsorted(np.array(names), np.array(found.contexts))
    weights = context_draws(len(names), seed)
    seeds, _, k = found.counts.shape
    flat = found.counts.transpose(1, 0, 2).reshape(len(found.contexts), seeds * k)
    scores = np.empty((DRAWS, seeds))
    for start in range(0, DRAWS, BLOCK):
        drawn = weights[start : start + BLOCK][:, where].astype(np.float64) @ flat
        scores[start : start + BLOCK] = found.read(drawn.reshape(-1, seeds, k))
    return np.asarray((scores * seed_draws(seeds, seed)).sum(axis=1) / seeds)


def tally_ratio(top: Tally, bottom: Tally | None, *, seed: int = 0) -> tuple[Estimate, str]:
    """Return top / bottom over shared resamples, and "" or the reason why it is missing."""
    if bottom is None or not top.n or not bottom.n:
        return MISSING, NO_DATA
    if len(bottom.contexts) < 2:
        return MISSING, DENOMINATOR_UNSURE
    universe = sorted({*top.contexts, *bottom.contexts})
    below = resampled_scores(bottom, seed=seed, universe=universe)
    low, high = interval(below)
    if not (low > 0 or high < 0):
        return MISSING, DENOMINATOR_ZERO
    value = value_of(top) / value_of(bottom)
    if len(top.contexts) < 2:
        return Estimate(value, math.nan, math.nan, top.n), ""
    above = resampled_scores(top, seed=seed, universe=universe)
    return Estimate(value, *interval(divided(above, below)), top.n), ""


def compare_tallies(a: Tally, b: Tally, *, seed: int = 0) -> Comparison:
    """Compare two tallies on the contexts that both have, paired.

    The test exchanges the two sides of whole contexts 10,001 times and reads both scores again
    (approximate randomisation, Noreen 1989); for a mean this is the flip of signs. Counts are
    summed over seeds before. Without a shared context all is missing.
    """
    shared = sorted(set(a.contexts) & set(b.contexts))
    seeds = max(len(a.counts), len(b.counts))
    if not shared:
        return Comparison(MISSING, math.nan, seeds, math.nan, math.nan, math.nan)
    one, other = _restricted(a, shared), _restricted(b, shared)
    difference = value_of(one) - value_of(other)
    n = min(a.n, b.n)
    if len(shared) < 2 or not math.isfinite(difference):
        missing = Estimate(difference, math.nan, math.nan, n)
        return Comparison(missing, math.nan, seeds, math.nan, math.nan, math.nan)
    draws = resampled_scores(one, seed=seed) - resampled_scores(other, seed=seed)
    by_seed = one.read(one.counts.sum(axis=1)) - other.read(other.counts.sum(axis=1))
    return Comparison(
        difference=Estimate(difference, *interval(draws), n),
        p_value=_exchanged_p_value(one, other, seed),
        seeds=seeds,
        seed_sd=float(by_seed.std(ddof=1)) if len(by_seed) > 1 else math.nan,
        same_sign=float((np.sign(by_seed) == np.sign(difference)).mean()),
        questions_needed=math.nan,
    )


def _restricted(found: Tally, contexts: Sequence[str]) -> Tally:
    where = np.searchsorted(np.array(found.contexts), np.array(contexts))
    return Tally(found.counts[:, where], tuple(contexts), found.n, found.read)


def _exchanged_p_value(one: Tally, other: Tally, seed: int) -> float:
    # means over seeds: the sides may have different numbers of them
    left, right = one.counts.mean(axis=0), other.counts.mean(axis=0)
    total, half = (left + right).sum(axis=0) / 2, (left - right) / 2
    reached, observed = 0, math.nan
    for block in flipped_sums(half, seed):
        gaps = np.abs(one.read(total + block) - other.read(total - block))
        if math.isnan(observed):  # the first flip is the identity
            observed = float(gaps[0]) * (1 - ROUNDING) - ROUNDING * ROUNDING
        reached += int((gaps >= observed).sum())
    return reached / FLIPS
