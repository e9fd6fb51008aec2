"""How well a language map tells languages apart on text that it was not made from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from babelscope.errors import DataError

BINS = 15
CONFUSED_BELOW = 0.65  # of tokens of two languages, told apart by the map; chance is .5
TINY = 1e-30  # a probability of 0 costs 69 nats, not infinitely many

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MapQuality:
    """Quality on held-out tokens; each language weighs the same, whatever its amount of text.

    `nats` is the mean of -log p(true language | token), `uniform_nats` that of a uniform guess;
    `accuracy` and `ece` (15 equal bins) are of the top language, ties shared. By language: its
    nats, accuracy, number of held-out tokens, and coverage, the share of its tokens that the map
    does not call unknown. `confused` lists the pairs of languages of whose tokens the map assigns
    less than 65 % rightly when only the two are possible, worst first.
    """

    nats: float
    uniform_nats: float
    accuracy: float
    ece: float
    tokens: Mapping[str, int]
    language_nats: Mapping[str, float]
    language_accuracy: Mapping[str, float]
    coverage: Mapping[str, float]
    confused: tuple[tuple[str, str, float], ...]


def measure_quality(
    probability: ArrayLike, held_out: ArrayLike, languages: Sequence[str]
) -> MapQuality:
    """Score a map (rows, languages + 2) on token counts (rows, languages) of held-out text.

    The language columns are renormalised, uniform where all are 0. A language without held-out
    tokens has NaN and is left out of the means.

    Raises:
        DataError: the shapes do not fit, or nothing is held out.
    """
    table, held, k = np.asarray(probability), np.asarray(held_out), len(languages)
    if held.shape != (len(table), k) or table.shape != (len(table), k + 2):
        raise DataError(
            "held-out token counts",
            expected=f"the map's {len(table)} rows and {k} languages",
            found=f"the shape {held.shape}",
        )
    used = held.any(axis=1)
    if not used.any():
        raise DataError("held-out text", expected="at least one token", found="none")
    unknown = table[used, k + 1].astype(np.float64)
    p = renormalised(table[used, :k])
    counts = held[used].astype(np.float64)
    totals = counts.sum(axis=0)
    share = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    seen = totals > 0
    nats = -(share * np.log(np.maximum(p, TINY))).sum(axis=0)
    correct = (share * _top(p)).sum(axis=0)
    covered = (share * (1 - unknown)[:, None]).sum(axis=0)
    return MapQuality(
        nats=float(nats[seen].mean()),
        uniform_nats=math.log(k),
        accuracy=float(correct[seen].mean()),
        ece=_calibration_error(p, share / seen.sum()),
        tokens=dict(zip(languages, totals.astype(int).tolist(), strict=True)),
        language_nats=_named(languages, nats, seen),
        language_accuracy=_named(languages, correct, seen),
        coverage=_named(languages, covered, seen),
        confused=_confused(p, share, seen, languages),
    )


def renormalised(columns: ArrayLike) -> Array:
    """Return the language columns (rows, languages) divided by their sums; uniform for sum 0."""
    array = np.asarray(columns, dtype=np.float64)
    sums = array.sum(axis=1, keepdims=True)
    uniform = np.full_like(array, 1 / array.shape[1])
    return np.divide(array, sums, out=uniform, where=sums > 0)


def _top(p: Array) -> Array:
    """Return 1 for each row's largest column, shared among equals."""
    top = (p == p.max(axis=1, keepdims=True)).astype(np.float64)
    return np.asarray(top / top.sum(axis=1, keepdims=True))


def _calibration_error(p: Array, weight: Array) -> float:
    """Return the expected calibration error of the top label (Guo et al., arXiv:1706.04599)."""
    confidence = p.max(axis=1)
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    mass = weight.sum(axis=1)
    believed = np.bincount(bins, mass * confidence, BINS)
    right = np.bincount(bins, (weight * _top(p)).sum(axis=1), BINS)
    return float(np.abs(believed - right).sum())


def _confused(
    p: Array, share: Array, seen: NDArray[np.bool_], languages: Sequence[str]
) -> tuple[tuple[str, str, float], ...]:
    k = len(languages)
    won = np.empty((k, k))  # [a, b]: share of a's tokens given to a rather than to b
    for a in range(k):
        own = p[:, a : a + 1]
        won[a] = share[:, a] @ ((own > p) + 0.5 * (own == p))
    right = (won + won.T) / 2
    pairs = [
        (languages[a], languages[b], float(right[a, b]))
        for a in range(k)
        for b in range(a + 1, k)
        if seen[a] and seen[b] and right[a, b] < CONFUSED_BELOW
    ]
    return tuple(sorted(pairs, key=lambda pair: pair[2]))


def _named(languages: Sequence[str], values: Array, seen: NDArray[np.bool_]) -> dict[str, float]:
    known = np.where(seen, values, np.nan)
    return dict(zip(languages, known.tolist(), strict=True))
