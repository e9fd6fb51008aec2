"""How the values of hidden states are distributed at one depth, and what a cosine owes to that.

States are (items, width) by language, row i being item i in each. A cosine may fall from one depth
to the next because a few dimensions stop being huge, because all states stop pointing one way, or
because a norm rescales tokens and dimensions: the readings here tell these apart.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from babelscope.measure.cosines import derangements
from babelscope.measure.geometry import NORMAL_STREAM, half_masks, outlying
from babelscope.measure.pair_alignment import Reading
from babelscope.measure.resampling import (
    Array,
    about,
    divided,
    generator,
    halves,
    interval,
    resampled_columns,
)
from babelscope.records import Estimate

REPEATS = 100
TOP_SHARE = 0.01
QUANTILES = {
    "value_min": 0.0,
    "value_p01": 0.01,
    "value_p05": 0.05,
    "value_p25": 0.25,
    "value_p50": 0.5,
    "value_p75": 0.75,
    "value_p95": 0.95,
    "value_p99": 0.99,
    "value_max": 1.0,
}
"""Quantiles of all values of a language's states, items and dimensions together."""
LARGEST = "largest_dim"
TRIMMED, UNGAINED = "trimmed_cosine", "ungained_cosine"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Measures of (items, width) states of one language; intervals from random halves.

    `kurtosis`: mean over items of m4 / m2^2 of an item's values about their mean, 3 for normal
    numbers. `norm_spread`: standard deviation of the items' norms / their mean. `mean_ratio`: the
    largest |mean| / standard deviation of a dimension over items. `top_variance_share`: share of
    the summed variance in the 1 % of dimensions with the most, at least one.
    """

    kurtosis: Estimate
    norm_spread: Estimate
    mean_ratio: Estimate
    top_variance_share: Estimate


MEASURES = tuple(f.name for f in fields(Distribution))
LANGUAGE_MEASURES = (*MEASURES, LARGEST, *QUANTILES)
PAIR_MEASURES = (TRIMMED, UNGAINED)
CONTROLS = {
    **{name: f"{name}_normal" for name in MEASURES},
    **{name: f"{name}_random" for name in PAIR_MEASURES},
}
"""Each measure's control, by the name of its rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Gain:
    """What a final norm makes of rescaled states: `factor` x them + `shift`, both (width,)."""

    factor: Array
    shift: Array


def distribution_readings(
    states: Mapping[str, Array], contexts: Sequence[str], *, gain: Gain | None = None, seed: int = 0
) -> Iterator[Reading]:
    """Yield the distribution of each language, and cosines without outliers or the norm's gain.

    `gain` belongs to states after a final norm; without it there is no `ungained_cosine`.
    """
    arrays = {code: np.asarray(x, dtype=np.float64) for code, x in states.items()}
    n, width = next(iter(arrays.values())).shape
    masks = half_masks(halves(n, REPEATS, seed), n)
    for code, x in arrays.items():
        found = distribution(x, masks)
        yield from (Reading(name, code, "", getattr(found, name)) for name in MEASURES)
        yield Reading(LARGEST, code, "", _bare(float(np.square(x).mean(axis=0).argmax()), n))
        values = np.quantile(x, list(QUANTILES.values()))
        for name, value in zip(QUANTILES, values, strict=True):
            yield Reading(name, code, "", _bare(float(value), n))
    normal = normal_distribution(n, width, seed)
    yield from (Reading(f"{name}_normal", "", "", getattr(normal, name)) for name in MEASURES)
    order = derangements(n, seed=seed)
    outliers = {code: outlying(np.square(x).mean(axis=0)) for code, x in arrays.items()}
    for one, other in itertools.combinations(arrays, 2):
        kept = ~(outliers[one] | outliers[other])
        pairs = {TRIMMED: (arrays[one][:, kept], arrays[other][:, kept])}
        if gain is not None:
            pairs[UNGAINED] = (_ungained(arrays[one], gain), _ungained(arrays[other], gain))
        yield from _cosines(one, other, pairs, order, contexts, seed)


def distribution(states: Array, masks: Array) -> Distribution:
    """Return the distribution of one language; `masks` (repeats, items) marks random halves."""
    n, width = states.shape
    about_mean = states - states.mean(axis=1, keepdims=True)
    second = np.square(about_mean).mean(axis=1)
    peaks = divided(np.power(about_mean, 4).mean(axis=1), np.square(second))
    norms = np.linalg.norm(states, axis=1)
    # about the mean of all, so that nothing is lost to rounding far from the origin
    centre = states.mean(axis=0)
    rest = states - centre
    energy = np.square(rest)
    top = max(1, round(TOP_SHARE * width))

    def measured(chosen: Array, size: float) -> list[Array]:
        shift = chosen @ rest / size
        variances = np.clip(chosen @ energy / size - np.square(shift), 0.0, None)
        largest = np.sort(variances, axis=1)[:, -top:].sum(axis=1)
        mean_norm = chosen @ norms / size
        spread = np.sqrt(np.clip(chosen @ np.square(norms) / size - np.square(mean_norm), 0, None))
        ratios = divided(np.abs(centre + shift), np.sqrt(variances))
        return [
            chosen @ np.nan_to_num(peaks) / np.maximum(chosen @ np.isfinite(peaks), 1),
            divided(spread, mean_norm),
            np.where(np.isfinite(ratios), ratios, -np.inf).max(axis=1),
            divided(largest, variances.sum(axis=1)),
        ]

    whole = measured(np.ones((1, n)), n)
    draws = measured(masks, masks[0].sum())
    found = [_estimate(float(w[0]), d, n) for w, d in zip(whole, draws, strict=True)]
    return Distribution(*found)


def _estimate(value: float, draws: Array, n: int) -> Estimate:
    if not math.isfinite(value):
        return Estimate(math.nan, math.nan, math.nan, n)
    found = about(value, draws, n)
    return Estimate(value, max(found.low, 0.0), found.high, n)


@lru_cache(maxsize=4)
def normal_distribution(n: int, width: int, seed: int = 0) -> Distribution:
    """Return the distribution of independent normal numbers of the same shape, as a control."""
    states = generator(seed, NORMAL_STREAM).standard_normal((n, width))
    return distribution(states, half_masks(halves(n, REPEATS, seed), n))


def _bare(value: float, n: int) -> Estimate:
    return Estimate(value, math.nan, math.nan, n)


def _ungained(states: Array, gain: Gain) -> Array:
    """Undo the norm's factor and shift; a dimension whose factor is 0 holds nothing."""
    return np.nan_to_num(divided(states - gain.shift, gain.factor))


def _cosines(
    one: str,
    other: str,
    pairs: Mapping[str, tuple[Array, Array]],
    order: NDArray[np.intp],
    contexts: Sequence[str],
    seed: int,
) -> Iterator[Reading]:
    """Yield mean cosines of translations and of random pairs, contexts resampled."""
    columns: dict[str, Array] = {}
    for name, (x, y) in pairs.items():
        columns[name] = _row_cosines(x, y)
        columns[f"{name}_random"] = np.mean([_row_cosines(x, y[row]) for row in order], axis=0)
    values = np.stack(list(columns.values()), axis=1)
    draws = resampled_columns(values, contexts, seed)
    for place, (name, column) in enumerate(columns.items()):
        present = column[np.isfinite(column)]
        value = float(present.mean()) if present.size else math.nan
        found = Estimate(value, *interval(draws[:, place]), present.size)
        yield Reading(name, one, other, found, items=column)


def _row_cosines(x: Array, y: Array) -> Array:
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return divided(np.einsum("iw,iw->i", x, y), lengths)
