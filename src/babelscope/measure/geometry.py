"""The geometry of one language's states at one depth: length, spread, rank, direction, outliers."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from babelscope.measure.resampling import Array, about, divided, generator, halves
from babelscope.records import Estimate

RANK_ITEMS = 256
"""Items of the effective rank: it is bounded by their number, and costs its third power."""
OUTLIER_DEVIATIONS = 3
NORMAL_STREAM = 5


@dataclass(frozen=True, slots=True)
class Geometry:
    """Measures of (items, width) states; intervals from random halves of the items.

    `norm`: mean Euclidean norm. `variance`: summed over dimensions, divisor n - 1.
    `effective_rank`: exp of the entropy of the normalised singular values of the centred states
    (Roy and Vetterli 2007), on the first 256 items. `anisotropy`: mean cosine of two different
    items (Ethayarajh 2019), over all pairs. `outlier_dims`: dimensions whose root mean square is
    more than 3 standard deviations above the mean over dimensions; `outlier_share`: their share
    of the squared norm; `largest_dim_share`: that of the largest dimension alone.
    """

    norm: Estimate
    variance: Estimate
    effective_rank: Estimate
    anisotropy: Estimate
    outlier_dims: Estimate
    outlier_share: Estimate
    largest_dim_share: Estimate


MEASURES = tuple(f.name for f in fields(Geometry))
SCALE_FREE = MEASURES[2:]
"""Measures that do not change with the unit of the states: normal numbers are their control."""


def geometry(states: Array, masks: Array, sums: Array) -> Geometry:
    """Return the geometry of one language.

    `masks` (repeats, items) marks random halves, `sums` (repeats, width) is masks @ states.
    """
    n = len(states)
    norms = np.linalg.norm(states, axis=1)
    units = divided(states, norms[:, None])
    units[~np.isfinite(units)] = 0.0
    energy = np.square(states)
    half = masks[0].sum()
    every = np.ones((1, n))

    def measured(chosen: Array, size: float, total: Array) -> list[Array]:
        squares = chosen @ energy
        variance = (squares.sum(axis=1) - np.square(total).sum(axis=1) / size) / (size - 1)
        along = np.square(chosen @ units).sum(axis=1)
        directed = chosen @ (norms > 0)
        pairs = size * (size - 1)
        return [
            chosen @ norms / size,
            np.clip(variance, 0.0, None),
            (along - directed) / pairs,
            *_outliers(squares / size),
        ]

    whole = measured(every, n, states.sum(axis=0, keepdims=True))
    draws = measured(masks, half, sums)
    found = [about(float(w[0]), d, n) for w, d in zip(whole, draws, strict=True)]
    norm, variance, anisotropy, *outliers = found
    count, share, largest = (replace(e, low=max(e.low, 0.0)) for e in outliers)
    rank = _rank_estimate(states, len(masks))
    return Geometry(norm, variance, rank, anisotropy, count, share, largest)


def _outliers(squares: Array) -> list[Array]:
    """Return count, share and largest share from (repeats, width) mean squares by dimension."""
    out = outlying(squares)
    total = squares.sum(axis=1)
    return [
        out.sum(axis=1).astype(np.float64),
        divided((squares * out).sum(axis=1), total),
        divided(squares.max(axis=1), total),
    ]


def outlying(squares: Array) -> NDArray[np.bool_]:
    """Mark the outlier dimensions of (..., width) mean squares; see `Geometry`."""
    sizes = np.sqrt(squares)
    bound = sizes.mean(axis=-1) + OUTLIER_DEVIATIONS * sizes.std(axis=-1)
    return np.asarray(sizes > bound[..., None])


def effective_rank(states: Array) -> float:
    """Return exp(entropy of the singular values of the centred states, as shares): 1 to n - 1.

    NaN for states that are all equal.
    """
    centred = states - states.mean(axis=0)
    if np.linalg.norm(centred) <= 1e-9 * np.linalg.norm(states):
        return float("nan")
    n, width = centred.shape
    gram = centred @ centred.T if n < width else centred.T @ centred
    values = np.sqrt(np.clip(np.linalg.eigvalsh(gram), 0.0, None))
    # the square root magnifies what rounding leaves of a zero
    values = values[values > 1e-7 * values.max()]
    shares = values / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _rank_estimate(states: Array, repeats: int) -> Estimate:
    first = states[:RANK_ITEMS]
    draws = np.array([effective_rank(first[half]) for half in halves(len(first), repeats)])
    return about(effective_rank(first), draws, len(first))


@lru_cache(maxsize=4)
def normal_geometry(n: int, width: int, repeats: int, seed: int = 0) -> Geometry:
    """Return the geometry of independent normal numbers of the same shape, as a control."""
    states = generator(seed, NORMAL_STREAM).standard_normal((n, width))
    masks = half_masks(halves(n, repeats, seed), n)
    return geometry(states, masks, masks @ states)


def half_masks(indices: NDArray[np.intp], n: int) -> Array:
    """Return (repeats, n) ones and zeros from (repeats, n // 2) indices."""
    masks = np.zeros((len(indices), n))
    np.put_along_axis(masks, indices, 1.0, axis=1)
    return masks
