"""Retrieval of translations by cosine, both ways, a credit an item so that it can be resampled.

A translation that ties with others gets the expectation over random orders of the tie: where all
states are equal, accuracy is 1/n and not 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from babelscope.measure.resampling import Array

CSLS_NEIGHBOURS = 10
TIE = 1e-6
"""Radians within which two angles are equal: the same text read in two batches differs by less."""


@dataclass(frozen=True, slots=True, eq=False)
class Retrieval:
    """Credits (items,) in 0-1 of finding each item's translation among all n.

    `accuracy`: the translation is the nearest. `reciprocal_rank`: 1 / its rank. `csls`: it is the
    nearest by cross-domain similarity local scaling. `mutual`: it is strictly nearer than every
    other, in both directions (the same for both).
    """

    accuracy: Array
    reciprocal_rank: Array
    csls: Array
    mutual: Array


def retrieve(cosines: Array) -> tuple[Retrieval, Retrieval]:
    """Return how rows find their columns, and columns their rows, in (n, n) cosines.

    Row i and column i are translations; what has no direction (NaN) ties with all others that
    have none. Accuracy and CSLS: Conneau et al. (2018), k = 10 (n if fewer). Mutual: MEXA,
    Kargaran et al. (2024).
    """
    known = np.nan_to_num(cosines)
    own, slack = _own(known)
    csls = _csls(known)
    ranks = [_places(m, own, slack) for m in (known, known.T)]
    alone = [(better == 0) & (tied == 1) for better, tied in ranks]
    mutual = (alone[0] & alone[1]).astype(np.float64)
    scaled = [_places(m, np.diagonal(csls), 2 * slack) for m in (csls, csls.T)]
    forward, backward = (
        Retrieval(_first(*rank), _reciprocal(*rank), _first(*by_csls), mutual)
        for rank, by_csls in zip(ranks, scaled, strict=True)
    )
    return forward, backward


def nearest(cosines: Array) -> tuple[Array, Array]:
    """Return the accuracy alone of `retrieve`, both ways."""
    known = np.nan_to_num(cosines)
    own, slack = _own(known)
    return _first(*_places(known, own, slack)), _first(*_places(known.T, own, slack))


def _own(cosines: Array) -> tuple[Array, Array]:
    """Return the cosines of translations, and how much less another may be and still tie."""
    own = np.diagonal(cosines)
    return own, TIE * np.sqrt(np.clip(1.0 - own**2, 0.0, None)) + 1e-12


def _csls(cosines: Array) -> Array:
    k = min(CSLS_NEIGHBOURS, len(cosines))
    rows = np.partition(cosines, -k, axis=1)[:, -k:].mean(axis=1)
    columns = np.partition(cosines, -k, axis=0)[-k:].mean(axis=0)
    return np.asarray(2 * cosines - rows[:, None] - columns[None, :])


def _places(scores: Array, own: Array, slack: Array) -> tuple[Array, Array]:
    """Return how many scores of a row are above its own, and how many tie with it, itself too."""
    above = (scores > (own + slack)[:, None]).sum(axis=1)
    reached = (scores >= (own - slack)[:, None]).sum(axis=1)
    return above.astype(np.float64), (reached - above).astype(np.float64)


def _first(above: Array, tied: Array) -> Array:
    return np.where(above == 0, 1.0 / tied, 0.0)


def _reciprocal(above: Array, tied: Array) -> Array:
    """Return the mean of 1 / rank over the ranks that a tie may get."""
    n = len(above)
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, n + 1))])
    low, high = above.astype(np.intp), (above + tied).astype(np.intp)
    return np.asarray((harmonic[high] - harmonic[low]) / tied)


def chance(n: int) -> dict[str, float]:
    """Return what each credit is worth when the n x n cosines are in random order.

    Accuracy (of any kind) 1/n, reciprocal rank the mean of 1/rank, mutual 1/(2n - 1): an own
    cosine must be the largest of its row and column.
    """
    mean_reciprocal = float((1.0 / np.arange(1, n + 1)).mean())
    return {
        "accuracy": 1 / n,
        "mrr": mean_reciprocal,
        "csls_accuracy": 1 / n,
        "centred_accuracy": 1 / n,
        "mutual": 1 / (2 * n - 1),
    }
