"""Ridge classifiers: one decomposition a training split serves all strengths and all label sets.

A classifier regresses targets of +1 (the class) and -1 (the rest) on features that are
standardised by the training split, and takes the class with the largest value (Rifkin and
Lippert, 2007). With the symmetric S = V diag(s) V^T of the standardised features, the solution for
every strength k is V diag(1 / (s + k n)) V^T X^T Y: one eigendecomposition, however many strengths
and columns of Y. S is the p x p covariance, or the n x n Gram matrix where there are fewer items
than features. A strength is relative: the penalty is `strength` x the number of training items.

The p x p products of a split are those of all items minus those of the items left out, so that the
folds of a cross-validation cost one pass over the items. Products are float32, the decomposition
float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

Array = NDArray[np.float64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """Classifiers of one training split: `weights` (strengths, p, columns), `offsets` beside."""

    weights: Floats
    offsets: Floats

    def values(self, features: Floats) -> Floats:
        """Return the regressed values (strengths, items, columns) of features (items, p)."""
        strengths, p, columns = self.weights.shape
        flat = self.weights.transpose(1, 0, 2).reshape(p, strengths * columns)
        found = (features @ flat).reshape(len(features), strengths, columns)
        return found.transpose(1, 0, 2) + self.offsets[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """The sums of some items that a ridge needs: of x, of x x^T, of y, of x y^T."""

    n: int
    x: Array
    xx: Array
    y: Array
    xy: Array

    def without(self, other: _Sums) -> _Sums:
        return _Sums(
            self.n - other.n,
            self.x - other.x,
            self.xx - other.xx,
            self.y - other.y,
            self.xy - other.xy,
        )


def signs(labels: NDArray[np.intp], classes: int) -> Floats:
    """Return the targets (items, classes) of labels: +1 for the item's class, -1 for the rest."""
    found = np.full((len(labels), classes), -1, dtype=np.float32)
    found[np.arange(len(labels)), labels] = 1
    return found


def standardised(features: NDArray[np.floating]) -> tuple[Floats, Floats, Floats]:
    """Return features of mean 0 and deviation 1 (0 where constant), their mean and scale."""
    wide = features.astype(np.float64)
    mean, scale = wide.mean(axis=0), wide.std(axis=0)
    # a feature that is constant but for rounding carries nothing
    scale[scale <= 1e-7 * np.abs(mean)] = 1.0
    scale[scale == 0] = 1.0
    wide -= mean
    wide /= scale
    return (wide.astype(np.float32), mean.astype(np.float32), scale.astype(np.float32))


def fit(features: Floats, targets: Floats, strengths: Sequence[float]) -> Ridge:
    """Fit a ridge for every strength to features (n, p) and targets (n, columns)."""
    if len(features) < features.shape[1]:
        return _fit_items(features, targets, strengths)
    return _fit_sums(_sums(features, targets), strengths)


def folded(
    features: Floats, targets: Floats, folds: NDArray[np.intp], strengths: Sequence[float]
) -> Iterator[tuple[NDArray[np.intp], Ridge]]:
    """Yield each fold's items and the ridge that was fitted to all other items.

    `folds` has the number of each item's fold. The features should be near mean 0 and deviation 1
    (`standardised`): they are standardised again by each split, and the products that are
    subtracted are float32.
    """
    members = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    smallest = len(features) - max(len(m) for m in members)
    if smallest < features.shape[1]:
        for items in members:
            rest = np.setdiff1d(np.arange(len(features)), items, assume_unique=True)
            yield items, fit(features[rest], targets[rest], strengths)
        return
    parts = [_sums(features[items], targets[items]) for items in members]
    whole = _Sums(
        sum(p.n for p in parts),
        np.sum([p.x for p in parts], axis=0),
        np.sum([p.xx for p in parts], axis=0),
        np.sum([p.y for p in parts], axis=0),
        np.sum([p.xy for p in parts], axis=0),
    )
    for items, part in zip(members, parts, strict=True):
        yield items, _fit_sums(whole.without(part), strengths)


def _sums(features: Floats, targets: Floats) -> _Sums:
    return _Sums(
        len(features),
        features.sum(axis=0, dtype=np.float64),
        (features.T @ features).astype(np.float64),
        targets.sum(axis=0, dtype=np.float64),
        (features.T @ targets).astype(np.float64),
    )


def _fit_sums(sums: _Sums, strengths: Sequence[float]) -> Ridge:
    mean, target_mean = sums.x / sums.n, sums.y / sums.n
    covariance = sums.xx - np.outer(sums.x, mean)
    scale = np.sqrt(np.maximum(np.diagonal(covariance), 0) / sums.n)
    scale[scale < 1e-3] = np.inf  # constant in this split: float32 sums leave crumbs
    covariance /= np.outer(scale, scale)
    right = (sums.xy - np.outer(sums.x, target_mean)) / scale[:, None]
    spectrum, vectors = eigh(covariance, overwrite_a=True, check_finite=False)
    rotated = vectors.T @ right
    shrunk = [rotated / (spectrum + k * sums.n)[:, None] for k in strengths]
    weights = (vectors @ np.concatenate(shrunk, axis=1)) / scale[:, None]
    return _ridge(weights, mean, target_mean, len(strengths))


def _fit_items(features: Floats, targets: Floats, strengths: Sequence[float]) -> Ridge:
    n = len(features)
    standard, mean, scale = standardised(features)
    target_mean = targets.mean(axis=0, dtype=np.float64)
    gram = (standard @ standard.T).astype(np.float64)
    spectrum, vectors = eigh(gram, overwrite_a=True, check_finite=False)
    rotated = vectors.T @ (targets - target_mean)
    shrunk = [rotated / (spectrum + k * n)[:, None] for k in strengths]
    weights = standard.T.astype(np.float64) @ (vectors @ np.concatenate(shrunk, axis=1))
    return _ridge(weights / scale[:, None], mean.astype(np.float64), target_mean, len(strengths))


def _ridge(weights: Array, mean: Array, target_mean: Array, strengths: int) -> Ridge:
    """Split (p, strengths x columns) by strength and add the offsets."""
    p = len(weights)
    by_strength = weights.reshape(p, strengths, -1).transpose(1, 0, 2)
    offsets = target_mean - mean @ by_strength
    return Ridge(by_strength.astype(np.float32), offsets.astype(np.float32))
