"""Cosines and retrieval of all pairs of languages at one depth, with resampled intervals.

What an item is worth (its cosine, its credit in retrieval) is computed once; the 2,000 draws
resample these columns of numbers for all pairs together.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babelscope.measure.cosines import Side, cohens_d, derangements, paired, picked, side
from babelscope.measure.language_similarity import RELATIONS, mantel, same
from babelscope.measure.resampling import Array, interval, resampled_columns
from babelscope.measure.retrieval import chance, nearest, retrieve
from babelscope.records import Estimate

DIRECTED = ("accuracy", "mrr", "csls_accuracy", "centred_accuracy")
"""Measures that have a row each way; all others have one row a pair."""
PAIRED = ("cosine", "centred_cosine")


@dataclass(frozen=True, slots=True)
class Reading:
    """One number of one depth: `source` and `target` are language codes, "" where none applies.

    `items` (items,) are what it is the mean of, None where it is no mean over items.
    """

    measure: str
    source: str
    target: str
    estimate: Estimate
    p_value: float = math.nan
    items: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Means:
    """Means of named columns over items: over all, over each draw, and how many have data."""

    whole: Mapping[str, float]
    draws: Mapping[str, Array]
    counts: Mapping[str, int]

    def estimate(self, name: str) -> Estimate:
        return Estimate(self.whole[name], *interval(self.draws[name]), self.counts[name])


def pair_readings(
    codes: Sequence[str], arrays: Sequence[Array], contexts: Sequence[str], seed: int
) -> Iterator[Reading]:
    """Yield cosines, Cohen's d, retrieval and Mantel correlations of (items, width) states."""
    n = len(contexts)
    sides = [side(x) for x in arrays]
    order = derangements(n, seed=seed)
    found = [_columns(one, other, order) for one, other in itertools.combinations(sides, 2)]
    means = _means(found, contexts, seed)
    pairs = itertools.combinations(codes, 2)
    for pair, of_pair, columns in zip(pairs, means, found, strict=True):
        yield from _one_pair(*pair, of_pair, columns)
    for name, value in chance(n).items():
        yield Reading(f"{name}_chance", "", "", Estimate(value, math.nan, math.nan, n))
    similarity = np.array([m.whole["cosine"] for m in means])
    draws = np.stack([m.draws["cosine"] for m in means], axis=1)
    for relation in RELATIONS:
        result = mantel(similarity, draws, same(codes, relation), seed=seed)
        yield Reading(f"mantel_{relation}", "", "", result.correlation, result.p_value)
        yield Reading(f"mantel_{relation}_permuted", "", "", result.permuted)


def _columns(one: Side, other: Side, order: NDArray[np.intp]) -> dict[str, Array]:
    """Return what each item is worth (items,), by name."""
    whole = paired(one, other)
    ways = retrieve(whole[0])
    columns = {"mutual": ways[0].mutual}
    for name, cosines in zip(PAIRED, whole, strict=True):
        found = picked(cosines, order)
        columns[name] = found.own
        columns[f"{name} squared"] = found.own**2
        columns[f"{name}_random"] = found.random.mean(axis=0)
        columns[f"{name}_random squared"] = (found.random**2).mean(axis=0)
    for way, credit, around in zip(("forward", "backward"), ways, nearest(whole[1]), strict=True):
        credits = (credit.accuracy, credit.reciprocal_rank, credit.csls, around)
        columns |= {f"{name} {way}": c for name, c in zip(DIRECTED, credits, strict=True)}
    return columns


def _means(
    found: Sequence[Mapping[str, Array]], contexts: Sequence[str], seed: int
) -> list[_Means]:
    values = np.stack([column for columns in found for column in columns.values()], axis=1)
    draws = resampled_columns(values, contexts, seed)
    counts = np.isfinite(values).sum(axis=0)
    empty = np.full(len(counts), np.nan)
    whole = np.divide(np.nansum(values, axis=0), counts, out=empty, where=counts > 0)
    means, start = [], 0
    for columns in found:
        place = {name: start + i for i, name in enumerate(columns)}
        means.append(
            _Means(
                {name: float(whole[i]) for name, i in place.items()},
                {name: draws[:, i] for name, i in place.items()},
                {name: int(counts[i]) for name, i in place.items()},
            )
        )
        start += len(columns)
    return means


def _one_pair(
    source: str, target: str, means: _Means, columns: Mapping[str, Array]
) -> Iterator[Reading]:
    def reading(measure: str, one: str, other: str, column: str) -> Reading:
        return Reading(measure, one, other, means.estimate(column), items=columns[column])

    for name in PAIRED:
        yield reading(name, source, target, name)
        yield reading(f"{name}_random", source, target, f"{name}_random")
        yield Reading(f"{name}_d", source, target, _effect(name, means))
    for name in DIRECTED:
        yield reading(name, source, target, f"{name} forward")
        yield reading(name, target, source, f"{name} backward")
    yield reading("mutual", source, target, "mutual")


def _effect(name: str, means: _Means) -> Estimate:
    parts = (name, f"{name} squared", f"{name}_random", f"{name}_random squared")
    value = cohens_d(*(np.array([means.whole[p]]) for p in parts))
    draws = cohens_d(*(means.draws[p] for p in parts))
    return Estimate(float(value[0]), *interval(draws), means.counts[name])
