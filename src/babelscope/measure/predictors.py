"""What predicts transfer: regressions over source-target pairs, tried on languages left out.

A pair's transfer score is explained by script and family alone, by these and one further measure,
and by these and all of them. A language is left out with every pair it is part of; its pairs as
target are then predicted. So each pair is predicted once, by a model that knows no pair of its
target. The strength of the ridge is chosen the same way within the languages that stay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from babelscope.errors import DataError
from babelscope.measure.inference import compare, estimate, holm
from babelscope.measure.resampling import DRAWS, context_draws, interval
from babelscope.records import MISSING, Comparison, Estimate

BASELINE = ("same_script", "same_family")
"""What every model knows: 1 where source and target share script or family, else 0."""
ALL = "all measures"
FEWEST_TARGETS = 4
STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Ridge strengths, on measures scaled to unit variance, in units of one pair."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """A source-target pair: its transfer score, and its measures by name (NaN: unknown)."""

    source: str
    target: str
    score: float
    measures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Predictor:
    """How well a set of measures predicts transfer into languages it has not seen.

    `error` is the root of the mean squared error out of sample, in units of the score; `explained`
    is 1 minus the ratio of the squared errors to those of the mean of the pairs that were known.
    `gain` is the drop of the mean squared error against script and family alone on the same pairs,
    tested by sign flips over languages, `p_holm` its corrected p-value. `slope` is the change of
    the score for one standard deviation of the measure, all pairs known, NaN for several measures.
    """

    name: str
    measures: tuple[str, ...]
    error: Estimate
    explained: float
    gain: Comparison | None
    p_holm: float
    slope: Estimate
    pairs: int
    languages: int


def predict_transfer(pairs: Sequence[Pair], *, seed: int = 0) -> list[Predictor]:
    """Try every measure of the pairs beside script and family; the baseline comes first.

    A measure is tried on the pairs that have it, and compared with the baseline on those. Pairs of
    a language with itself, and pairs without a score, are left out. Below four targets every
    number is NaN.

    Raises:
        DataError: a pair comes twice, or has no `same_script` or `same_family`.
    """
    known = [p for p in pairs if p.source != p.target and math.isfinite(p.score)]
    if len({(p.source, p.target) for p in known}) < len(known):
        raise DataError("pairs of languages", expected="each once", found="one twice")
    names = list(dict.fromkeys(n for p in known for n in p.measures if n not in BASELINE))
    for pair in known:
        if not all(math.isfinite(pair.measures.get(name, math.nan)) for name in BASELINE):
            raise DataError(f"pair {pair.source} {pair.target}", expected=" and ".join(BASELINE))
    sets = [("script and family", BASELINE), *((n, (*BASELINE, n)) for n in names)]
    if len(names) > 1:
        sets.append((ALL, (*BASELINE, *names)))
    found = [_try(known, name, measures, seed) for name, measures in sets]
    tested = [p.gain for p in found if p.gain]
    corrected = iter(holm([c.p_adapters for c in tested]))
    return [replace(p, p_holm=float(next(corrected))) if p.gain else p for p in found]


def _try(pairs: Sequence[Pair], name: str, measures: tuple[str, ...], seed: int) -> Predictor:
    whole = [p for p in pairs if all(math.isfinite(p.measures.get(m, math.nan)) for m in measures)]
    languages = sorted({code for p in whole for code in (p.source, p.target)})
    nothing = Predictor(
        name, measures, MISSING, math.nan, None, math.nan, MISSING, len(whole), len(languages)
    )
    if len({p.target for p in whole}) < FEWEST_TARGETS:
        return nothing
    scores = np.array([p.score for p in whole])
    targets = [p.target for p in whole]
    errors, naive = _left_out(whole, measures, scores)
    if not np.isfinite(errors).any():
        return nothing
    mean = estimate(errors, targets)
    value, low, high = (math.sqrt(max(x, 0.0)) for x in (mean.value, mean.low, mean.high))
    root = Estimate(value, low, high, mean.n)
    gain = None
    if measures != BASELINE:
        baseline, _ = _left_out(whole, BASELINE, scores)
        gain = compare(baseline, errors, targets, seed=seed)
    return Predictor(
        name,
        measures,
        root,
        float(1 - np.nansum(errors) / np.nansum(naive)) if np.nansum(naive) else math.nan,
        gain,
        math.nan,
        _slope(whole, measures, scores, seed) if len(measures) == 1 + len(BASELINE) else MISSING,
        len(whole),
        len(languages),
    )


def _left_out(pairs: Sequence[Pair], measures: Sequence[str], scores: Array) -> tuple[Array, Array]:
    """Return each pair's squared error, and that of the mean of the pairs that were known.

    Both are NaN for a target without which no pair is left to learn from.
    """
    design = _design(pairs, measures)
    errors, naive = np.full(len(pairs), np.nan), np.full(len(pairs), np.nan)
    for code in sorted({p.target for p in pairs}):
        told = np.array([code not in (p.source, p.target) for p in pairs])
        asked = np.array([p.target == code for p in pairs])
        if not told.any():
            continue
        kept = [p for p, stays in zip(pairs, told, strict=True) if stays]
        strength = _strength(kept, design[told], scores[told])
        guess = _fit(design[told], scores[told], strength).predict(design[asked])
        errors[asked] = (guess - scores[asked]) ** 2
        naive[asked] = (scores[told].mean() - scores[asked]) ** 2
    return errors, naive


def _strength(pairs: Sequence[Pair], design: Array, scores: Array) -> float:
    """Return the strength that predicts the known languages best when each is left out."""
    totals = dict.fromkeys(STRENGTHS, 0.0)
    for code in sorted({p.target for p in pairs}):
        told = np.array([code not in (p.source, p.target) for p in pairs])
        asked = np.array([p.target == code for p in pairs])
        if told.sum() < 2:
            continue
        for strength in STRENGTHS:
            guess = _fit(design[told], scores[told], strength).predict(design[asked])
            totals[strength] += float(((guess - scores[asked]) ** 2).sum())
    return min(STRENGTHS, key=lambda s: (totals[s], -s))


@dataclass(frozen=True, slots=True)
class _Fit:
    """A ridge regression on measures scaled as those it was fitted to; its slopes are per scale."""

    centre: Array
    spread: Array
    intercept: float
    slopes: Array

    def predict(self, design: Array) -> Array:
        guess: Array = self.intercept + (design - self.centre) / self.spread @ self.slopes
        return guess


def _fit(design: Array, scores: Array, strength: float, weights: Array | None = None) -> _Fit:
    """Fit measures (pairs, measures) to scores; the intercept is not penalised."""
    share = np.full(len(scores), 1.0) if weights is None else weights
    total = share.sum()
    centre = share @ design / total
    spread = np.sqrt(share @ (design - centre) ** 2 / total)
    spread = np.where(spread > 1e-12, spread, 1.0)
    scaled = (design - centre) / spread
    intercept = float(share @ scores / total)
    gram = scaled.T @ (scaled * share[:, None]) + strength * np.eye(design.shape[1])
    slopes = np.linalg.solve(gram, scaled.T @ (share * (scores - intercept)))
    return _Fit(centre, spread, intercept, slopes)


def _slope(pairs: Sequence[Pair], measures: Sequence[str], scores: Array, seed: int) -> Estimate:
    """Return the slope of the last measure; languages are resampled, with all pairs among them.

    A pair weighs as often as its source is drawn times as often as its target is.
    """
    design = _design(pairs, measures)
    strength = _strength(pairs, design, scores)
    codes = sorted({code for p in pairs for code in (p.source, p.target)})
    sources = np.array([codes.index(p.source) for p in pairs])
    targets = np.array([codes.index(p.target) for p in pairs])
    draws = np.full(DRAWS, np.nan)
    for n, taken in enumerate(context_draws(len(codes), seed).astype(np.float64)):
        weights = taken[sources] * taken[targets]
        if (weights > 0).sum() > len(measures):
            draws[n] = _fit(design, scores, strength, weights).slopes[-1]
    value = float(_fit(design, scores, strength).slopes[-1])
    return Estimate(value, *interval(draws), len(pairs))


def _design(pairs: Sequence[Pair], measures: Sequence[str]) -> Array:
    return np.array([[p.measures[m] for m in measures] for p in pairs], dtype=np.float64)
