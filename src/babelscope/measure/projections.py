"""Two-dimensional maps of parallel states for the eye: PCA and t-SNE, depth after depth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from babelscope.measure.resampling import Array

COMPONENTS = 50
PERPLEXITY = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Points (points, 2) of one depth, each map scaled to a root mean square of 1.

    `explained` is the share of variance of PCA's two axes; distances between t-SNE's groups mean
    nothing.
    """

    pca: Array
    tsne: Array
    explained: tuple[float, float]


def projections(states: Iterable[Array], *, seed: int = 0) -> Iterator[Projection]:
    """Project the (points, width) states of one depth after the other.

    Each map begins as the last one stands, so that points can be followed: PCA's axes keep their
    signs, t-SNE starts from the points of the depth before.
    """
    before: Projection | None = None
    for depth in states:
        before = _project(depth, before, seed)
        yield before


def _project(states: Array, before: Projection | None, seed: int) -> Projection:
    centred = states - states.mean(axis=0)
    scale = np.linalg.norm(centred)
    if scale <= 1e-9 * np.linalg.norm(states):
        nothing = np.zeros((len(states), 2))
        return Projection(nothing, nothing, (float("nan"), float("nan")))
    kept = min(COMPONENTS, *states.shape)
    found = PCA(kept, svd_solver="full").fit(centred / scale)
    reduced = found.transform(centred / scale)
    reduced = np.pad(reduced, ((0, 0), (0, max(0, 2 - kept))))
    plane = _scaled(reduced[:, :2])
    if before is not None:
        plane *= np.where((plane * before.pca).sum(axis=0) < 0, -1.0, 1.0)
    start = reduced[:, :2] if before is None or not before.tsne.any() else before.tsne
    ratios = [*found.explained_variance_ratio_, 0.0]
    return Projection(plane, _tsne(reduced, start, seed), (float(ratios[0]), float(ratios[1])))


def _tsne(reduced: Array, start: Array, seed: int) -> Array:
    points = len(reduced)
    # the spread that scikit-learn gives its own start from PCA
    start = (start / max(start[:, 0].std(), 1e-12) * 1e-4).astype(np.float32)
    model = TSNE(
        perplexity=min(PERPLEXITY, (points - 1) / 3),
        init=start,
        random_state=seed,
        n_jobs=1,
    )
    unit = reduced / reduced[:, 0].std()
    return _scaled(np.asarray(model.fit_transform(unit.astype(np.float32)), dtype=np.float64))


def _scaled(points: Array) -> Array:
    around = points - points.mean(axis=0)
    size = np.sqrt(np.square(around).mean())
    return np.asarray(around / size if size > 0 else around)
