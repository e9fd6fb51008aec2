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
    Array,
    context_draws,
    seed_draws,
)

Reading = Callable[[Array], Array]
"""Turns summed counts (..., k) into scores (...); NaN where they say nothing."""


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


def seed_scores(found: Tally) -> Array:
    """Return the score of all contexts by seed, (seeds,)."""
    return np.asarray(found.read(found.counts.sum(axis=1)), dtype=np.float64)


def scores_without_each(found: Tally) -> Array:
    """Return the score by seed without each of the contexts, (seeds, contexts)."""
    left = found.counts.sum(axis=1, keepdims=True) - found.counts
    return np.asarray(found.read(left), dtype=np.float64)


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


def restricted(found: Tally, contexts: Sequence[str]) -> Tally:
    """Return a tally of some of its contexts, in sorted order."""
    where = np.searchsorted(np.array(found.contexts), np.array(contexts))
    return Tally(found.counts[:, where], tuple(contexts), found.n, found.read)
