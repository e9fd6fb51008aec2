"""What tuning on a source does to a target: gains, and ratios to tuning on the target itself.

A(s,t) is a metric of the variant tuned on s in target t, given as (seeds, items) with the context
id of each item. Numerator and denominator of a ratio are resampled together: a context that both
have is drawn in both or in neither, and so is a seed where both have equally many.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from babelscope.measure.effects import Effect, log_ratio_effect, mean_effect
from babelscope.measure.inference import estimate, spreads, t_interval
from babelscope.measure.resampling import (
    Array,
    divided,
    interval,
    matrix,
    paired_difference,
    resampled_means,
)
from babelscope.measure.tallies import Tally, resampled_scores, value_of
from babelscope.records import MISSING, Estimate

NO_SELF_TEST = "the source has no test set in its own language"
NO_SELF_TUNING = "no variant was tuned on the target"
NO_DATA = "no data"
BASE_ZERO = "the base scored 0"
BASE_UNSURE = "the base's score is too near 0"
AFTER_ZERO = "the tuned model scored 0 with a seed"
SUREST_BASE = 0.5
"""The largest standard error of a base's score, in that score, that something is divided by."""
NO_LOSS = "nothing was lost"
DENOMINATOR_ZERO = "the denominator's interval holds 0"
DENOMINATOR_UNSURE = "the denominator has too few contexts for an interval"


def gain(adapted: ArrayLike, base: ArrayLike, contexts: Sequence[str]) -> Estimate:
    """Return A(s,t) - A(base,t) on the same items, in the metric's own unit."""
    return estimate(paired_difference(adapted, base, len(contexts)), contexts)


def transfer_efficiency(
    on_target: ArrayLike,
    target_contexts: Sequence[str],
    on_self: ArrayLike | None,
    self_contexts: Sequence[str] = (),
    *,
    seed: int = 0,
) -> tuple[Estimate, str]:
    """Return A(s,t) / A(s,s), and "" or the reason why it is missing.

    `on_self` is None where the source has no test set. The targets may have different items. What
    the base already scored is in both: a model that learnt nothing has its base's ratio. See
    `gain_efficiency`.
    """
    if on_self is None:
        return MISSING, NO_SELF_TEST
    top = matrix(on_target, len(target_contexts))
    bottom = matrix(on_self, len(self_contexts))
    return _shared_ratio(top, target_contexts, bottom, self_contexts, seed)


def gain_efficiency(
    on_target: tuple[ArrayLike, ArrayLike],
    target_contexts: Sequence[str],
    on_self: tuple[ArrayLike, ArrayLike] | None,
    self_contexts: Sequence[str] = (),
    *,
    seed: int = 0,
) -> tuple[Estimate, str]:
    """Return gain(s,t) / gain(s,s), and "" or the reason why it is missing.

    Each side is (adapted, base) scores on the same items; `on_self` is None where the source has
    no test set in its own language. The targets may have different items.
    """
    if on_self is None:
        return MISSING, NO_SELF_TEST
    top = paired_difference(*on_target, len(target_contexts))
    bottom = paired_difference(*on_self, len(self_contexts))
    return _shared_ratio(top, target_contexts, bottom, self_contexts, seed)


def gain_over_self(
    adapted: ArrayLike,
    self_adapted: ArrayLike | None,
    base: ArrayLike,
    contexts: Sequence[str],
    *,
    seed: int = 0,
) -> tuple[Estimate, str]:
    """Return gain(s,t) / gain(t,t), and "" or the reason why it is missing.

    All three are scores in the target t on the same items; `self_adapted`, tuned on t itself, is
    None where no source is in the target's language.
    """
    if self_adapted is None:
        return MISSING, NO_SELF_TUNING
    top = paired_difference(adapted, base, len(contexts))
    bottom = paired_difference(self_adapted, base, len(contexts))
    return _shared_ratio(top, contexts, bottom, contexts, seed)


def overgeneration_of_loss(
    after: tuple[ArrayLike, ArrayLike],
    before: tuple[ArrayLike, ArrayLike],
    contexts: Sequence[str],
    *,
    seed: int = 0,
) -> tuple[Estimate, str]:
    """Return the part of a loss of F1 that new words beyond the best prefix explain.

    Each side is (F1, F1 of the best prefix) on the same items. The part is the growth of best
    prefix - F1 over the loss of F1: above 1 where the best prefix gained meanwhile, below 0 where
    over-generation became less. "" or the reason why it is missing stands beside it.
    """
    n = len(contexts)
    lost = -paired_difference(after[0], before[0], n)
    excess_after, excess_before = (matrix(p, n) - matrix(f, n) for f, p in (after, before))
    grown = paired_difference(excess_after, excess_before, n)
    if np.isfinite(lost).any() and np.nanmean(lost) <= 0:
        return MISSING, NO_LOSS
    return _shared_ratio(grown, contexts, lost, contexts, seed)


Asked = tuple[ArrayLike, ArrayLike, Sequence[str]]
"""Scores of a tuned model (seeds, items), of its base (1 or seeds, items), the items' contexts."""


def after_over_base(asked: Sequence[Asked]) -> list[tuple[Estimate, str]]:
    """Return A(s,t) / A(base,t) of each pair, and "" or the reason why it is missing.

    Intervals are Student's of the logarithm, over contexts and seeds; the pairs, of one recipe and
    measure, tell one another how seeds differ. There is no ratio where the base's relative standard
    error is above `SUREST_BASE`, nor where either scored 0.
    """
    sides = [(mean_effect(a, contexts), mean_effect(b, contexts)) for a, b, contexts in asked]
    reasons = [_why_no_ratio(after, base) for after, base in sides]
    known = [i for i, reason in enumerate(reasons) if not reason]
    logs = [log_ratio_effect(*sides[i]) for i in known]
    found = [(MISSING, reason) for reason in reasons]
    for i, effect, spread in zip(known, logs, spreads(logs, around_zero=True), strict=True):
        e = t_interval(effect, spread)
        found[i] = Estimate(_exp(e.value), _exp(e.low), _exp(e.high), e.n), ""
    return found


def _exp(x: float) -> float:
    """Return e to the x; what no number holds is infinite."""
    with np.errstate(over="ignore"):
        return float(np.exp(x))


def _why_no_ratio(after: Effect, base: Effect) -> str:
    if not after.n or not base.n or after.contexts != base.contexts:
        return NO_DATA
    if base.contexts < 2:
        return DENOMINATOR_UNSURE
    if base.value <= 0 or (base.by_seed <= 0).any():
        return BASE_ZERO
    if math.sqrt(spreads([base])[0].variance) > SUREST_BASE * base.value:
        return BASE_UNSURE
    return "" if (after.by_seed > 0).all() else AFTER_ZERO


def _shared_ratio(
    top: Array,
    top_contexts: Sequence[str],
    bottom: Array,
    bottom_contexts: Sequence[str],
    seed: int,
) -> tuple[Estimate, str]:
    n = int(np.isfinite(top).any(axis=0).sum())
    if n == 0 or not np.isfinite(bottom).any():
        return MISSING, NO_DATA
    universe = sorted({*top_contexts, *bottom_contexts})
    below = resampled_means(bottom, bottom_contexts, seed=seed, universe=universe)
    if len(set(bottom_contexts)) < 2:
        return MISSING, DENOMINATOR_UNSURE
    low, high = interval(below)
    if low <= 0 <= high:
        return MISSING, DENOMINATOR_ZERO
    value = float(np.nanmean(top) / np.nanmean(bottom))
    if len(set(top_contexts)) < 2:
        return Estimate(value, np.nan, np.nan, n), ""
    above = resampled_means(top, top_contexts, seed=seed, universe=universe)
    return Estimate(value, *interval(divided(above, below)), n), ""


def tally_ratio(top: Tally, bottom: Tally | None, *, seed: int = 0) -> tuple[Estimate, str]:
    """Return top / bottom over shared resamples, and "" or the reason why it is missing."""
    if bottom is None or not top.n or not bottom.n:
        return MISSING, NO_DATA
    if len(bottom.contexts) < 2:
        return MISSING, DENOMINATOR_UNSURE
    universe = sorted({*top.contexts, *bottom.contexts})
    below = resampled_scores(bottom, seed=seed, universe=universe)
    low, high = interval(below)
    if not (low > 0 or high < 0):
        return MISSING, DENOMINATOR_ZERO
    value = value_of(top) / value_of(bottom)
    if len(top.contexts) < 2:
        return Estimate(value, math.nan, math.nan, top.n), ""
    above = resampled_scores(top, seed=seed, universe=universe)
    return Estimate(value, *interval(divided(above, below)), top.n), ""
