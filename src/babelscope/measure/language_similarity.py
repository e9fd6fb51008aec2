"""Similarity of languages inside a model, and how far script and family account for it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram, linkage
from scipy.spatial.distance import squareform

from babelscope.languages import Language
from babelscope.languages import language as find_language
from babelscope.measure.flips import FLIPS
from babelscope.measure.resampling import Array, about, divided, generator, interval
from babelscope.records import MISSING, Estimate

MANTEL_STREAM = 6
MOST_LISTED = 7
"""Up to this many languages all their orders are listed (5,040); of more, 10,001 are drawn."""
FEWEST = 4

RELATIONS: dict[str, Callable[[Language], str]] = {
    "script": lambda lang: lang.script,
    "family": lambda lang: lang.family,
}


@dataclass(frozen=True, slots=True)
class Mantel:
    """A correlation over pairs of languages; `permuted` is the same after languages are mixed up.

    `p_value` is two-sided.
    """

    correlation: Estimate
    permuted: Estimate
    p_value: float


@dataclass(frozen=True, slots=True)
class Tree:
    """A dendrogram: `order` of the languages, and for each join its four corners.

    `places` (joins, 4) are positions along the languages, leaf i being at i; `heights` (joins, 4)
    are distances 1 - similarity.
    """

    order: tuple[int, ...]
    places: Array
    heights: Array


def centroid_cosines(sums: Array, totals: Array) -> tuple[Array, Array, Array]:
    """Return cosines of languages' mean states: whole (L, L), of halves, and within a language.

    `sums` (languages, repeats, width) are sums of states over random halves, `totals` (languages,
    width) over all items. The second is (repeats, L, L); the third (repeats, L) is the cosine of
    a half's mean with that of the other half, the most that sampling allows.
    """
    whole = _units(totals)
    half = _units(sums)
    other = _units(totals[:, None] - sums)
    between = np.einsum("arw,brw->rab", half, half, optimize=True)
    return whole @ whole.T, between, np.einsum("arw,arw->ra", half, other)


def _units(vectors: Array) -> Array:
    return divided(vectors, np.linalg.norm(vectors, axis=-1, keepdims=True))


def same(languages: Sequence[str], relation: str) -> Array:
    """Return (L, L) ones where two languages share a `script` or a `family`."""
    values = [RELATIONS[relation](find_language(code)) for code in languages]
    return np.array([[float(a == b) for b in values] for a in values])


def mantel(similarity: Array, draws: Array, related: Array, *, seed: int = 0) -> Mantel:
    """Correlate similarities with relatedness over pairs of languages (Mantel 1967).

    `similarity` is (pairs,) in the order of np.triu_indices(L, 1), `draws` (draws, pairs) the
    same over resampled items, `related` (L, L). Pearson's r; the test exchanges whole languages,
    as pairs are not independent. No value for fewer than 4 languages, or where all pairs are, or
    none is, related.
    """
    languages = len(related)
    pairs = np.triu_indices(languages, 1)
    wanted = related[pairs]
    if languages < FEWEST or wanted.min() == wanted.max() or not np.isfinite(similarity).all():
        return Mantel(MISSING, MISSING, math.nan)
    value = float(_correlations(similarity[None], wanted[None])[0])
    orders = _orders(languages, seed)
    mixed = _correlations(similarity[None], related[orders[:, pairs[0]], orders[:, pairs[1]]])
    reached = np.abs(mixed) >= abs(value) - 1e-12
    n = len(wanted)
    return Mantel(
        Estimate(value, *interval(_correlations(draws, wanted[None])), n),
        Estimate(float(mixed.mean()), *interval(mixed), n),
        float(reached.mean()),
    )


def _orders(languages: int, seed: int) -> NDArray[np.intp]:
    """Return orders of the languages, the given one first."""
    if languages <= MOST_LISTED:
        return np.array(list(itertools.permutations(range(languages))))
    rng = generator(seed, MANTEL_STREAM)
    drawn = rng.permuted(np.tile(np.arange(languages), (FLIPS, 1)), axis=1)
    drawn[0] = np.arange(languages)
    return drawn


def _correlations(one: Array, other: Array) -> Array:
    """Return Pearson's r of the rows of two arrays, NaN where a row does not vary."""
    a = one - one.mean(axis=1, keepdims=True)
    b = other - other.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return divided((a * b).sum(axis=1), norms)


def tree(similarity: Array) -> Tree:
    """Join (L, L) similarities of at least two languages by average linkage of 1 - similarity."""
    distances = np.clip(1.0 - (similarity + similarity.T) / 2, 0.0, None)
    np.fill_diagonal(distances, 0.0)
    joined = linkage(squareform(distances, checks=False), method="average")
    drawn = dendrogram(joined, no_plot=True)
    # scipy puts leaf i at 10 i + 5
    places = (np.array(drawn["icoord"], dtype=np.float64) - 5) / 10
    return Tree(tuple(drawn["leaves"]), places, np.array(drawn["dcoord"], dtype=np.float64))


def centroid_estimates(whole: Array, draws: Array, within: Array, n: int) -> list[list[Estimate]]:
    """Return (L, L) estimates of `centroid_cosines`; the diagonal holds the most possible."""
    languages = len(whole)
    return [
        [
            Estimate(float(within[:, a].mean()), *interval(within[:, a]), n // 2)
            if a == b
            else about(float(whole[a, b]), draws[:, a, b], n)
            for b in range(languages)
        ]
        for a in range(languages)
    ]
