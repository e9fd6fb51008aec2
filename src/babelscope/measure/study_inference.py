"""Gains and best sources of a whole study, from arrays of scores: what its tables say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from babelscope.errors import DataError
from babelscope.measure.effects import Effect, difference_effect, mean_effect
from babelscope.measure.flips import flip_p_values
from babelscope.measure.inference import (
    LEVEL,
    Spread,
    comparisons,
    holm,
    spreads,
    summed,
    t_p_value,
)
from babelscope.measure.resampling import Array, matrix

Scores = Mapping[str, Mapping[str, ArrayLike]]
"""By source and target, (seeds, items) of the variant tuned on the source."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What tuning on a source did to a target, and how sure that is.

    `low` and `high` bound `difference` at 95 %. `p` is about tuning on the source, NaN with one
    seed; `p_adapters` about the very adapters at hand; each has its Holm correction over all
    pairs. The other names are those of `records.Comparison`.
    """

    source: str
    target: str
    difference: float
    low: float
    high: float
    n: int
    p: float
    p_holm: float
    p_adapters: float
    p_adapters_holm: float
    seeds: int
    se_contexts: float
    se_seeds: float
    df: float
    seeds_needed: float
    questions_needed: float
    smallest_gain: float


@dataclass(frozen=True, slots=True)
class BestSource:
    """The source that beats every other one in a target, if one does.

    `best` is named where the leader's score beats every other source's by the test about tuning,
    corrected by Holm over targets; else it is None, as always with one seed. `tied` are the sources
    that the leader does not beat, the leader first. `adapters` is the leader where these very
    adapters beat all others, whatever another run would give. `p_holm` and `p_adapters_holm` are
    the largest p of the leader against another source, corrected over targets.
    """

    best: str | None
    tied: tuple[str, ...]
    p_holm: float
    adapters: str | None
    p_adapters_holm: float


def study_gains(
    scores: Scores, base: Mapping[str, ArrayLike], contexts: Sequence[str], *, seed: int = 0
) -> list[Gain]:
    """Return the gain of every source in every target that it was asked in.

    `scores[source][target]` is (seeds, items), `base[target]` (1 or seeds, items), `contexts` has
    the items' context ids. All pairs are of one recipe: they are corrected together, and tell one
    another how much seeds differ.

    Raises:
        DataError: a target has no base, or shapes do not fit.
    """
    pairs = [(source, target) for source, found in scores.items() for target in found]
    missing = sorted({target for _, target in pairs} - set(base))
    if missing:
        raise DataError(
            "scores of the base",
            expected="an array for each target of the scores",
            found=f"none for {', '.join(missing)}",
        )
    effects = [difference_effect(scores[s][t], base[t], contexts) for s, t in pairs]
    found = comparisons(effects, unit=1.0, seed=seed)
    p_holm = holm([c.p_value for c in found])
    p_adapters = holm([c.p_adapters for c in found])
    return [
        Gain(
            source=source,
            target=target,
            difference=c.difference.value,
            low=c.difference.low,
            high=c.difference.high,
            n=c.difference.n,
            p=c.p_value,
            p_holm=float(p_holm[i]),
            p_adapters=c.p_adapters,
            p_adapters_holm=float(p_adapters[i]),
            seeds=c.seeds,
            se_contexts=c.se_contexts,
            se_seeds=c.se_seeds,
            df=c.df,
            seeds_needed=c.seeds_needed,
            questions_needed=c.questions_needed,
            smallest_gain=c.smallest_gain,
        )
        for i, ((source, target), c) in enumerate(zip(pairs, found, strict=True))
    ]


def study_best(scores: Scores, contexts: Sequence[str], *, seed: int = 0) -> dict[str, BestSource]:
    """Return the best source of each target that two or more sources have scores in.

    The arguments are those of `study_gains`. Sources without data in a target are left out there.

    Raises:
        DataError: shapes do not fit.
    """
    return best_of_targets(
        {
            target: ({s: scores[s][target] for s in scores if target in scores[s]}, contexts)
            for target in dict.fromkeys(t for found in scores.values() for t in found)
        },
        seed=seed,
    )


Asked = tuple[Mapping[str, ArrayLike], Sequence[str]]
"""The scores (seeds, items) of each source in one target, and the items' contexts there."""


def best_of_targets(asked: Mapping[str, Asked], *, seed: int = 0) -> dict[str, BestSource]:
    """Return the best source of each target; as `study_best`, each target with its own items."""
    effects = {
        (target, source): mean_effect(values, contexts)
        for target, (by_source, contexts) in asked.items()
        for source, values in by_source.items()
    }
    effects = {pair: effect for pair, effect in effects.items() if effect.n}
    found = dict(zip(effects, spreads(list(effects.values())), strict=True))
    rivals = {
        target: _against_leader(target, by_source, contexts, effects, found)
        for target, (by_source, contexts) in asked.items()
        if sum(1 for t, _ in effects if t == target) > 1
    }
    flipped = flip_p_values([sums for r in rivals.values() for sums in r.sums], seed=seed)
    ends = np.cumsum([len(r.others) for r in rivals.values()])
    adapters = [float(p.max()) for p in np.split(flipped, ends[:-1])] if rivals else []
    p_holm, p_adapters = holm([np.max(r.p_values) for r in rivals.values()]), holm(adapters)
    return {
        target: _named(r, float(p_holm[i]), float(p_adapters[i]), len(rivals))
        for i, (target, r) in enumerate(rivals.items())
    }


@dataclass(frozen=True, slots=True)
class _Rivals:
    """A target's leader against each other source: p (NaN: not to be told), sums to be flipped."""

    leader: str
    others: tuple[str, ...]
    p_values: tuple[float, ...]
    sums: tuple[Array, ...]


def _against_leader(
    target: str,
    by_source: Mapping[str, ArrayLike],
    contexts: Sequence[str],
    effects: Mapping[tuple[str, str], Effect],
    found: Mapping[tuple[str, str], Spread],
) -> _Rivals:
    present = sorted(
        (s for s in by_source if (target, s) in effects),
        key=lambda s: (-effects[target, s].value, s),
    )
    leader, others = present[0], tuple(present[1:])
    gaps = [_averaged_gap(by_source[leader], by_source[s], contexts) for s in others]
    parts = spreads(gaps, around_zero=True)
    lead = found[target, leader]
    p_values = tuple(
        t_p_value(gap.value, summed(_with_seeds(lead, part), found[target, s]))
        for s, gap, part in zip(others, gaps, parts, strict=True)
    )
    return _Rivals(leader, others, p_values, tuple(gap.sums for gap in gaps))


def _averaged_gap(a: ArrayLike, b: ArrayLike, contexts: Sequence[str]) -> Effect:
    """Return the difference of two variants averaged over their own seeds: contexts' part alone."""
    left, right = (_over_seeds(matrix(x, len(contexts))) for x in (a, b))
    return difference_effect(left, right, contexts)


def _over_seeds(array: Array) -> Array:
    present = np.isfinite(array)
    counts = present.sum(axis=0)
    sums = np.where(present, array, 0.0).sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)[None]


def _with_seeds(own: Spread, contexts: Spread) -> Spread:
    """Return a variant's spread with the contexts' part of its difference from another."""
    return replace(own, contexts=contexts.contexts, contexts_df=contexts.contexts_df)


def _named(rivals: _Rivals, p_holm: float, p_adapters: float, targets: int) -> BestSource:
    beaten = p_holm < LEVEL
    # a source counts as beaten where its own p holds for all targets together
    near = [
        s
        for s, p in zip(rivals.others, rivals.p_values, strict=True)
        if not p * targets < LEVEL and not beaten
    ]
    return BestSource(
        best=rivals.leader if beaten else None,
        tied=(rivals.leader, *near),
        p_holm=p_holm,
        adapters=rivals.leader if p_adapters < LEVEL else None,
        p_adapters_holm=p_adapters,
    )
