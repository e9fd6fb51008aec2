"""Seeded draws shared by all statistics: resampled contexts and seeds, and random halves.

The draws depend only on the number of contexts, the number of seeds and `seed`, never on the
values. Two calls with the same contexts and seed therefore use the same resamples, so that ratios
and ranks of their results are those of one resampled world.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from babelscope.errors import DataError
from babelscope.records import MISSING, Estimate

DRAWS = 2000
PERCENTILES = (2.5, 97.5)
BLOCK = 200  # draws held as floats at once

Array = NDArray[np.float64]

# one stream of random numbers each, so that none repeats another
CONTEXT_STREAM, SEED_STREAM, FLIP_STREAM, HALF_STREAM = range(4)


@dataclass(frozen=True, slots=True, eq=False)
class ContextTotals:
    """Sums of values and counts of data per seed and context: both (seeds, contexts)."""

    sums: Array
    counts: Array


def generator(seed: int, stream: int) -> np.random.Generator:
    """Return the generator of one stream of draws."""
    return np.random.default_rng([seed, stream])


def matrix(values: ArrayLike, n_items: int) -> Array:
    """Return values as (seeds, items); one row may be given as (items,).

    Raises:
        DataError: the number of items is not `n_items`.
    """
    array = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if array.ndim != 2 or array.shape[1] != n_items:
        raise DataError(
            "values to be resampled",
            expected=f"(seeds, {n_items}) numbers, an item for each context id",
            found=f"the shape {array.shape}",
        )
    return array


def paired_difference(a: ArrayLike, b: ArrayLike, n_items: int) -> Array:
    """Return a - b as (seeds, items), seeds paired in order; a single row serves every seed.

    Raises:
        DataError: the numbers of items or of seeds do not match.
    """
    left, right = matrix(a, n_items), matrix(b, n_items)
    if len(left) != len(right) and 1 not in (len(left), len(right)):
        raise DataError(
            "two variants to be compared",
            expected="equally many seeds, or one seed on one side",
            found=f"{len(left)} and {len(right)} seeds",
            remedy="compare the seeds that both have",
        )
    return left - right


def context_totals(
    values: ArrayLike, contexts: Sequence[str], universe: Sequence[str] | None = None
) -> ContextTotals:
    """Sum values (seeds, items), NaN = missing, within contexts.

    The contexts stand in sorted order. `universe` names all contexts that are drawn from where
    several sets of items are resampled together.
    """
    array = matrix(values, len(contexts))
    drawn_from = np.unique(np.asarray(contexts if universe is None else universe, dtype=np.str_))
    index = np.searchsorted(drawn_from, np.asarray(contexts, dtype=np.str_))
    present = np.isfinite(array)
    shape = (len(array), len(drawn_from))
    sums, counts = np.zeros(shape), np.zeros(shape)
    for row, row_present, row_sums, row_counts in zip(array, present, sums, counts, strict=True):
        np.add.at(row_sums, index[row_present], row[row_present])
        np.add.at(row_counts, index[row_present], 1.0)
    return ContextTotals(sums, counts)


@lru_cache(maxsize=4)
def context_draws(n_contexts: int, seed: int) -> NDArray[np.uint16]:
    """Return how often each draw takes each context: (DRAWS, contexts), rows sum to contexts."""
    rng = generator(seed, CONTEXT_STREAM)
    draws = np.empty((DRAWS, n_contexts), dtype=np.uint16)
    offsets = np.arange(BLOCK)[:, None] * n_contexts
    for start in range(0, DRAWS, BLOCK):
        taken = rng.integers(0, n_contexts, size=(BLOCK, n_contexts)) + offsets
        counts = np.bincount(taken.ravel(), minlength=BLOCK * n_contexts)
        draws[start : start + BLOCK] = counts.reshape(BLOCK, n_contexts)
    draws.flags.writeable = False
    return draws


@lru_cache(maxsize=16)
def seed_draws(n_seeds: int, seed: int) -> Array:
    """Return how often each draw takes each seed: (DRAWS, seeds), rows sum to seeds."""
    even = np.full(n_seeds, 1 / n_seeds)
    draws = generator(seed, SEED_STREAM).multinomial(n_seeds, even, size=DRAWS)
    weights = draws.astype(np.float64)
    weights.flags.writeable = False
    return weights


def resampled_sums(per_context: Array, seed: int) -> Array:
    """Return (DRAWS,) sums of (seeds, contexts) over resampled contexts and resampled seeds."""
    n_seeds, n_contexts = per_context.shape
    weights = context_draws(n_contexts, seed)
    by_seed = np.concatenate(
        [weights[i : i + BLOCK].astype(np.float64) @ per_context.T for i in range(0, DRAWS, BLOCK)]
    )
    return np.asarray((by_seed * seed_draws(n_seeds, seed)).sum(axis=1))


def resampled_columns(values: Array, contexts: Sequence[str], seed: int = 0) -> Array:
    """Return (DRAWS, columns) means of (items, columns) over resampled contexts, NaN = missing.

    The draws are those of `resampled_sums` for the same contexts and seed.
    """
    totals = context_totals(values.T, contexts)
    weights = context_draws(totals.sums.shape[1], seed)
    means = np.empty((DRAWS, values.shape[1]))
    # where all items have data, all columns share their counts
    counts = totals.counts if np.isnan(values).any() else totals.counts[:1]
    for start in range(0, DRAWS, BLOCK):
        drawn = weights[start : start + BLOCK].astype(np.float64)
        means[start : start + BLOCK] = divided(drawn @ totals.sums.T, drawn @ counts.T)
    return means


def halves(n: int, repeats: int, seed: int = 0) -> NDArray[np.intp]:
    """Return (repeats, n // 2) indices: random halves without replacement, in random order."""
    rng = generator(seed, HALF_STREAM)
    return np.array([rng.choice(n, size=n // 2, replace=False) for _ in range(repeats)])


def divided(top: Array, bottom: Array) -> Array:
    """Return top / bottom, NaN where the bottom is 0 or either is missing."""
    result = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=result, where=bottom != 0)
    return result


def interval(draws: Array) -> tuple[float, float]:
    """Return the 2.5 and 97.5 percentiles of the draws that have a value; NaN if none has."""
    finite = draws[np.isfinite(draws)]
    low, high = np.percentile(finite, PERCENTILES) if finite.size else (math.nan, math.nan)
    return float(low), float(high)


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
