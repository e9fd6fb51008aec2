"""What a score or a difference is in each seed, and how each context pulls on it.

Whatever the statistic, a mean, a ratio of sums or a score that is read from counts, it is brought
to one form: its value in every seed, and the residuals of its contexts, whose spread is its doubt.
`inference` makes intervals and tests of that form alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from babelscope.errors import DataError
from babelscope.measure.resampling import (
    Array,
    divided,
    matrix,
    paired_difference,
)
from babelscope.measure.tallies import Tally, scores_without_each, seed_scores


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """A statistic by seed and the pull of each context on it.

    `by_seed` is (seeds,); `residuals` (seeds, contexts) have mean 0 in every seed, and the sum of
    their squares over contexts(contexts - 1) is the variance of that seed's value over contexts.
    `sums` (contexts,) are the seed-averaged sums whose signs a test flips, empty for what is no
    sum. `n` is the number of items with data. Only seeds and contexts with data are in.
    """

    value: float
    by_seed: Array
    residuals: Array
    sums: Array
    n: int

    @property
    def seeds(self) -> int:
        """The number of seeds with data."""
        return len(self.by_seed)

    @property
    def contexts(self) -> int:
        """The number of contexts with data."""
        return self.residuals.shape[1]


NOTHING = Effect(np.nan, np.empty(0), np.empty((0, 0)), np.empty(0), 0)


def mean_effect(values: ArrayLike, contexts: Sequence[str]) -> Effect:
    """Return the effect of the mean of (seeds, items), NaN = missing; contexts weigh by items."""
    array = matrix(values, len(contexts))
    return ratio_effect(array, np.where(np.isfinite(array), 1.0, np.nan), contexts)


def ratio_effect(top: ArrayLike, bottom: ArrayLike, contexts: Sequence[str]) -> Effect:
    """Return the effect of sum(top) / sum(bottom), both (seeds, items).

    An item counts where both have a value; a sum of 0 below in any seed gives no effect.
    """
    above, below = matrix(top, len(contexts)), matrix(bottom, len(contexts))
    present = np.isfinite(above) & np.isfinite(below)
    seeds = present.any(axis=1)
    if not seeds.any():
        return NOTHING
    present, index = present[seeds], context_index(tuple(contexts))
    above = np.where(present, above[seeds], 0.0)
    below = np.where(present, below[seeds], 0.0)
    known = np.bincount(index, weights=present.any(axis=0)) > 0
    sums, weights = (
        np.stack([np.bincount(index, weights=row)[known] for row in rows])
        for rows in (above, below)
    )
    totals = weights.sum(axis=1)
    by_seed = divided(sums.sum(axis=1), totals)
    pulls = divided(sums - by_seed[:, None] * weights, totals[:, None]) * sums.shape[1]
    total = float(totals.sum())
    value = float(sums.sum()) / total if total else np.nan
    per_item = above.sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    averaged = np.asarray(np.bincount(index, weights=per_item)[known], dtype=np.float64)
    return Effect(value, by_seed, pulls, averaged, int(present.any(axis=0).sum()))


@lru_cache(maxsize=64)
def context_index(contexts: tuple[str, ...]) -> NDArray[np.intp]:
    """Return the place of each item's context among all of them, sorted."""
    index = np.unique(np.asarray(contexts, dtype=np.str_), return_inverse=True)[1]
    index.flags.writeable = False
    return index


def difference_effect(a: ArrayLike, b: ArrayLike, contexts: Sequence[str]) -> Effect:
    """Return the effect of the mean of a - b on the items that both have, seeds in pairs."""
    return mean_effect(paired_difference(a, b, len(contexts)), contexts)


def tally_effect(a: Tally, b: Tally | None = None) -> Effect:
    """Return the effect of a tally's score, or of the difference of two on the same contexts.

    The pulls are those of the jackknife: what the score loses when a context is left out. Where the
    numbers of seeds differ and neither is 1, seeds are not pairs: each side is averaged over its
    own, and nothing is known of how seeds differ.

    Raises:
        DataError: the contexts differ.
    """
    scores, without = seed_scores(a), scores_without_each(a)
    if b is not None:
        if a.contexts != b.contexts:
            raise DataError(
                "two tallies to be compared",
                expected="the same contexts",
                found=f"{len(a.contexts)} and {len(b.contexts)}",
            )
        others, others_without = seed_scores(b), scores_without_each(b)
        if len(scores) != len(others) and 1 not in (len(scores), len(others)):
            scores, without, others, others_without = (
                x.mean(axis=0, keepdims=True) for x in (scores, without, others, others_without)
            )
        scores, without = scores - others, without - others_without
    if not a.n or not np.isfinite(scores).any():
        return NOTHING
    pulls = (len(a.contexts) - 1) * (scores[:, None] - without)
    pulls = pulls - pulls.mean(axis=1, keepdims=True)
    n = a.n if b is None else min(a.n, b.n)
    return Effect(float(scores.mean()), scores, pulls, np.empty(0), n)


def log_ratio_effect(a: Effect, b: Effect) -> Effect:
    """Return the effect of log(a / b) of two scores on the same contexts, b's seeds 1 or a's.

    Seeds in which either score is not above 0 leave it without a value.
    """
    positive = a.value > 0 and b.value > 0 and (a.by_seed > 0).all() and (b.by_seed > 0).all()
    if not positive or a.contexts != b.contexts:
        return NOTHING
    pulls = a.residuals / a.by_seed[:, None] - b.residuals / b.by_seed[:, None]
    by_seed = np.log(a.by_seed) - np.log(b.by_seed)
    return Effect(float(by_seed.mean()), by_seed, pulls, np.empty(0), min(a.n, b.n))
