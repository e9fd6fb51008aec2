"""All measures of alignment at one depth: from the states of parallel texts to rows.

States are (items, width) by language, row i being item i in each. Intervals: cosines, Cohen's d
and retrieval resample contexts 2,000 times; whatever depends on the number of items (CKA, ranks,
shares, means of states) has random halves without replacement.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

import numpy as np

from babelscope.errors import DataError
from babelscope.measure.cka import cka_pairs
from babelscope.measure.geometry import (
    SCALE_FREE,
    Geometry,
    geometry,
    half_masks,
    normal_geometry,
)
from babelscope.measure.language_similarity import (
    RELATIONS,
    centroid_cosines,
    centroid_estimates,
)
from babelscope.measure.pair_alignment import DIRECTED, PAIRED, Reading, pair_readings
from babelscope.measure.resampling import Array, halves
from babelscope.measure.variance_shares import variance_shares

REPEATS = 100
FEWEST = 4
CONTROLS = {
    **{name: f"{name}_random" for name in PAIRED},
    **{name: f"{name}_chance" for name in (*DIRECTED, "mutual")},
    "cka": "cka_shuffled",
    **{f"mantel_{name}": f"mantel_{name}_permuted" for name in RELATIONS},
    **{name: f"{name}_normal" for name in SCALE_FREE},
    **{f"{name}_share": f"{name}_share_shuffled" for name in ("language", "meaning")},
}
"""Each measure's control, by the name of its rows."""


def align_depth(
    states: Mapping[str, Array], contexts: Sequence[str], *, seed: int = 0
) -> Iterator[Reading]:
    """Yield every measure of one depth; docs/internals.md has the definitions.

    `contexts` says which items are resampled together.

    Raises:
        DataError: there are less than two languages or 4 items, or the states are not parallel.
    """
    codes = tuple(states)
    arrays = [np.asarray(states[code], dtype=np.float64) for code in codes]
    shapes = {x.shape for x in arrays}
    if len(codes) < 2 or len(shapes) != 1 or len(arrays[0]) != len(contexts):
        raise DataError(
            "states to be aligned",
            expected="two languages or more, with as many rows as there are items",
            found=f"{len(codes)} languages, the shapes {sorted(shapes)}, {len(contexts)} items",
        )
    n = len(contexts)
    if n < FEWEST:
        raise DataError("states to be aligned", expected=f"{FEWEST} items or more", found=str(n))
    masks = half_masks(halves(n, REPEATS, seed), n)
    sums = np.stack([masks @ x for x in arrays])
    yield from pair_readings(codes, arrays, contexts, seed)
    yield from _ckas(codes, arrays, seed)
    yield from _centroids(codes, arrays, sums)
    for code, x, of_halves in zip(codes, arrays, sums, strict=True):
        found = geometry(x, masks, of_halves)
        yield from (Reading(f.name, code, "", getattr(found, f.name)) for f in fields(Geometry))
    normal = normal_geometry(n, arrays[0].shape[1], REPEATS, seed)
    yield from (Reading(f"{name}_normal", "", "", getattr(normal, name)) for name in SCALE_FREE)
    yield from _shares(arrays, masks, sums)


def _ckas(codes: Sequence[str], arrays: Sequence[Array], seed: int) -> Iterator[Reading]:
    pairs = itertools.combinations(codes, 2)
    for (one, other), found in zip(pairs, cka_pairs(arrays, seed=seed), strict=True):
        yield Reading("cka", one, other, found.cka)
        yield Reading("cka_shuffled", one, other, found.shuffled)


def _centroids(codes: Sequence[str], arrays: Sequence[Array], sums: Array) -> Iterator[Reading]:
    totals = np.stack([x.sum(axis=0) for x in arrays])
    found = centroid_estimates(*centroid_cosines(sums, totals), len(arrays[0]))
    for a, one in enumerate(codes):
        for b, other in enumerate(codes[a:], a):
            yield Reading("centroid_cosine", one, other, found[a][b])


def _shares(arrays: Sequence[Array], masks: Array, sums: Array) -> Iterator[Reading]:
    found = variance_shares(arrays, masks, sums)
    yield Reading("language_share", "", "", found.language)
    yield Reading("language_share_shuffled", "", "", found.language_shuffled)
    yield Reading("meaning_share", "", "", found.meaning)
    yield Reading("meaning_share_shuffled", "", "", found.meaning_shuffled)
    yield Reading("rest_share", "", "", found.rest)
