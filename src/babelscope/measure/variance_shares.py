"""How much of the variance of parallel states is between languages, and how much between meanings.

The two-way sums of squares of an analysis of variance without replication, summed over all
dimensions: for language l and meaning i, x(l, i) = mean + language(l) + meaning(i) + rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from babelscope.measure.resampling import Array, about, divided
from babelscope.records import Estimate


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of the sum of squares about the overall mean; language + meaning + rest = 1.

    `language_shuffled` is the language's share expected when the languages change places within
    each meaning, `meaning_shuffled` the meaning's when the meanings change places within each
    language: (1 - meaning) / meanings and (1 - language) / languages, exactly.
    """

    language: Estimate
    meaning: Estimate
    rest: Estimate
    language_shuffled: Estimate
    meaning_shuffled: Estimate


def variance_shares(states: Sequence[Array], masks: Array, sums: Array) -> Shares:
    """Decompose (items, width) states of several languages, rows parallel.

    `masks` (repeats, items) marks random halves of the items, `sums` (languages, repeats, width)
    holds each language's sum of states over each half; they give the intervals.
    """
    languages, n = len(states), len(states[0])
    # about the overall mean, so that nothing is lost to rounding far from the origin
    centre = np.mean([x.mean(axis=0) for x in states], axis=0)
    half = masks[0].sum()
    spread = np.zeros(n)
    meaning = np.zeros_like(states[0])
    for x in states:
        about_centre = x - centre
        spread += np.einsum("iw,iw->i", about_centre, about_centre)
        meaning += about_centre / languages
    of_meaning = languages * np.einsum("iw,iw->i", meaning, meaning)
    means = np.stack([x.mean(axis=0) for x in states]) - centre
    of_language = n * np.square(means).sum(keepdims=True).reshape(1)
    every = np.ones((1, n))
    whole = _shares(every @ spread, every @ of_meaning, of_language, np.zeros(1))
    half_means = sums / half - centre
    by_half = half * np.square(half_means).sum(axis=(0, 2))
    middle = half * languages * np.square(half_means.mean(axis=0)).sum(axis=1)
    draws = _shares(masks @ spread, masks @ of_meaning, by_half, middle)
    found = [about(float(w[0]), d, n) for w, d in zip(whole, draws, strict=True)]
    of_languages, of_meanings = found[0].value, found[1].value
    return Shares(
        language=found[0],
        meaning=found[1],
        rest=found[2],
        language_shuffled=about((1 - of_meanings) / n, (1 - draws[1]) / n, n),
        meaning_shuffled=about((1 - of_languages) / languages, (1 - draws[0]) / languages, n),
    )


def _shares(total: Array, meaning: Array, language: Array, middle: Array) -> list[Array]:
    """Return three shares from (repeats,) sums of squares about one point.

    `middle` is the sum of squares of the overall mean about that point.
    """
    by_language = divided(language - middle, total - middle)
    by_meaning = divided(meaning - middle, total - middle)
    return [by_language, by_meaning, 1 - by_language - by_meaning]
