"""Linear centred kernel alignment (CKA) with the unbiased estimator of HSIC.

Kornblith et al. (2019), equation 3, with HSIC by Song et al. (2012), equation 5. That estimator is
the inner product of two U-centred Gram matrices over n (n - 3) (Székely and Rizzo 2014), which
has no cancellation and turns all pairs of languages into one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babelscope.measure.resampling import Array, about, divided, halves, interval
from babelscope.records import MISSING, Estimate

REPEATS = 100
ROUNDING = 1e-9
SMALLEST = 8
"""Fewer items than this have halves of less than four, which the estimator needs."""


@dataclass(frozen=True, slots=True)
class PairCka:
    """CKA of two languages and its control: the same with the rows of one shuffled.

    The control is taken on the random halves, so its n is half of the items.
    """

    cka: Estimate
    shuffled: Estimate


def cka(x: Array, y: Array) -> float:
    """Return the debiased linear CKA of (items, width) states on the same items.

    At most 1, near 0 for unrelated states, and below 0 by chance. NaN for fewer than 4 items or
    states without variance.
    """
    if len(x) < 4:
        return float("nan")
    products = _products([_u_centred(_gram(m)) for m in (x, y)])
    return float(_normalised(products)[0, 1])


def cka_pairs(states: Sequence[Array], *, repeats: int = REPEATS, seed: int = 0) -> list[PairCka]:
    """Return the CKA of every pair of languages, in the order of np.triu_indices(languages, 1).

    `states` are (items, width) each, rows parallel. Intervals are those of random halves without
    replacement: with replacement, an item beside its copy looks like alignment.
    """
    n, pairs = len(states[0]), np.triu_indices(len(states), 1)
    if n < SMALLEST:
        return [PairCka(MISSING, MISSING) for _ in pairs[0]]
    grams = [_gram(m) for m in states]
    whole = _normalised(_products([_u_centred(g) for g in grams]))[pairs]
    draws, shuffled = np.empty((2, repeats, len(whole)))
    before: Array | None = None
    # a half and the next one stand in unrelated orders: together they are the shuffled control
    for repeat, half in enumerate(halves(n, repeats + 1, seed)):
        flat = np.stack([_u_centred(g[np.ix_(half, half)]).ravel() for g in grams])
        norms = np.linalg.norm(flat, axis=1)
        flat = divided(flat, norms[:, None])
        if before is not None:
            shuffled[repeat - 1] = (flat @ before.T)[pairs]
        if repeat < repeats:
            draws[repeat] = (flat @ flat.T)[pairs]
        before = flat
    return [
        PairCka(about(float(value), draws[:, i], n), _control(shuffled[:, i], n // 2))
        for i, value in enumerate(whole)
    ]


def _control(draws: Array, n: int) -> Estimate:
    return Estimate(float(draws.mean()), *interval(draws), n)


def _gram(x: Array) -> Array:
    centred = x - x.mean(axis=0)
    # what rounding leaves of equal states is no variance
    if np.linalg.norm(centred) <= ROUNDING * np.linalg.norm(x):
        return np.zeros((len(x), len(x)))
    gram = centred @ centred.T
    return np.asarray(gram / np.linalg.norm(gram))


def _u_centred(gram: Array) -> Array:
    """Return a Gram matrix whose rows and columns sum to 0 without its diagonal, which is 0."""
    n = len(gram)
    bare = gram.copy()
    np.fill_diagonal(bare, 0.0)
    sums = bare.sum(axis=1) / (n - 2)
    bare += sums.sum() / (n - 1) - sums[:, None] - sums[None, :]
    np.fill_diagonal(bare, 0.0)
    return bare


def _products(matrices: Sequence[Array]) -> NDArray[np.float64]:
    flat = np.stack([m.ravel() for m in matrices])
    return np.asarray(flat @ flat.T)


def _normalised(products: Array) -> Array:
    norms = np.sqrt(np.diagonal(products))
    return divided(products, norms[:, None] * norms[None, :])
