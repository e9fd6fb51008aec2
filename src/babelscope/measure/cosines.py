"""Cosines of translations beside those of random pairs, raw and centred per language."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babelscope.measure.resampling import Array, divided, generator

DERANGEMENTS = 5
DERANGEMENT_STREAM = 4
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Cosines:
    """Cosines of two languages: `own` (items,) of translations, `random` (DERANGEMENTS, items).

    NaN where a state has no direction: it is 0, or differs from the mean by rounding alone.
    """

    own: Array
    random: Array


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """The states of one language as the cosines need them, prepared once for all its pairs.

    `norms` and `centred_norms` are (items,), NaN where there is no direction.
    """

    states: Array
    mean: Array
    norms: Array
    centred_norms: Array


def derangements(n: int, count: int = DERANGEMENTS, seed: int = 0) -> NDArray[np.intp]:
    """Return (count, n) permutations of n items that leave none in its place, each one cycle."""
    rng = generator(seed, DERANGEMENT_STREAM)
    found = np.empty((count, n), dtype=np.intp)
    for row in found:
        cycle = rng.permutation(n)
        row[cycle] = np.roll(cycle, 1)
    return found


def side(states: Array) -> Side:
    """Prepare (items, width) states, one row a text."""
    mean = states.mean(axis=0)
    norms = np.linalg.norm(states, axis=1)
    around = np.linalg.norm(states - mean, axis=1)
    return Side(
        states,
        mean,
        np.where(norms > 0, norms, np.nan),
        np.where(around > ROUNDING * norms, around, np.nan),
    )


def paired(one: Side, other: Side) -> tuple[Array, Array]:
    """Return (n, n) cosines of all texts of one language with all of another: raw and centred."""
    products = one.states @ other.states.T
    raw = products / (one.norms[:, None] * other.norms)
    # (x - mean x)(y - mean y) from what is there already
    shift = (one.states @ other.mean)[:, None] - one.mean @ other.mean
    products -= shift + other.states @ one.mean
    return raw, products / (one.centred_norms[:, None] * other.centred_norms)


def picked(cosines: Array, order: NDArray[np.intp]) -> Cosines:
    """Return the cosines of translations and of random pairs; `order` are `derangements`."""
    rows = np.arange(len(cosines))
    return Cosines(cosines[rows, rows], cosines[rows, order])


def cohens_d(
    means: Array, squares: Array, random_means: Array, random_squares: Array
) -> NDArray[np.float64]:
    """Return (mean - random mean) / pooled standard deviation from means and means of squares.

    Cohen (1988), with both variances weighted alike. NaN where neither varies.
    """
    variances = squares - means**2 + random_squares - random_means**2
    return divided(means - random_means, np.sqrt(np.clip(variances, 0.0, None) / 2))
