"""The table `recipes.parquet`: recipe against recipe, source by source, target by target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import polars as pl

from babelscope.measure.answers import STOPS
from babelscope.measure.effects import Effect, difference_effect, ratio_effect
from babelscope.measure.inference import comparisons, holm
from babelscope.study.cells import Variant
from babelscope.study.plan import StudyPlan
from babelscope.study.scores import GROUP, CellScores, Values, stacked
from babelscope.study.tables import DOUBTS, LENGTH_RATIO, P_VALUES, Cells, Row, Schema, runs

WHY = (
    LENGTH_RATIO,
    *(f"stop_{stop}" for stop in STOPS),
    *("cause_overgeneration", "cause_no_stop"),
)
"""What tells whether a recipe changed how answers end, beside the main measure."""

RECIPES: Schema = {
    **dict.fromkeys(("recipe", "against", "source"), pl.String),
    **dict.fromkeys(("step", "against_step"), pl.Int64),
    **dict.fromkeys(("target", "measure"), pl.String),
    **dict.fromkeys(("difference", "low", "high"), pl.Float64),
    "n": pl.Int64,
    **dict.fromkeys(P_VALUES, pl.Float64),
    "seeds": pl.Int64,
    **dict.fromkeys(DOUBTS, pl.Float64),
}

Pair = tuple[Variant, Variant]


def recipe_table(plan: StudyPlan, cells: Cells, bases: Mapping[str, str]) -> pl.DataFrame:
    """Return each two recipes' difference, the later of the plan minus the earlier, last steps.

    Both were tuned on the same source, or both are bases that answer differently, which have no
    source. Differences are paired over questions and seeds. Those of two recipes and a measure
    tell one another how seeds differ; Holm's correction is over all recipes, sources and targets
    of a measure, apart for bases, which have no seeds, and for groups, which repeat their members.
    """
    qa = {(bare, target): members for bare, task, target, members in runs(cells) if task == "qa"}
    families: dict[tuple[str, bool, bool], list[tuple[Row, Effect]]] = {}
    for one, other in _pairs(plan, bases):
        for target in dict.fromkeys(t for bare, t in qa if bare == one):
            if (other, target) not in qa:
                continue
            for name in dict.fromkeys((plan.measure, *WHY)):
                family = (name, one.is_base, target.startswith(GROUP))
                row: Row = {
                    "recipe": one.recipe,
                    "against": other.recipe,
                    "source": one.source,
                    "step": one.step,
                    "against_step": other.step,
                    "target": target,
                    "measure": name,
                }
                effect = _paired(qa[one, target], qa[other, target], name)
                families.setdefault(family, []).append((row, effect))
    rows = [row for family in families.values() for row in _tested(family)]
    return pl.DataFrame(rows, schema=RECIPES)


def _pairs(plan: StudyPlan, bases: Mapping[str, str]) -> Iterator[Pair]:
    """Yield (variant, against) without seeds: the bases that differ, then each source."""
    steps = {r.name: r.max_steps for r in plan.recipes}
    for earlier, later in combinations(dict.fromkeys(bases[name] for name in steps), 2):
        yield Variant(later), Variant(earlier)
    for earlier, later in combinations(steps, 2):
        for source in plan.sources:
            one, other = (Variant(r, source.name, -1, steps[r]) for r in (later, earlier))
            yield one, other


def _paired(one: Sequence[CellScores], other: Sequence[CellScores], name: str) -> Effect:
    """Return the difference in the seeds that both have; without any, of means over seeds."""
    sides = [{m.cell.variant.seed: m for m in members} for members in (one, other)]
    common = [seed for seed in sides[0] if seed in sides[1]]
    members = [[side[seed] for seed in common] for side in sides] if common else (one, other)

    def both(measure: str) -> tuple[Values, Values]:
        ours, theirs = (stacked(m, measure) for m in members)
        if common:
            return ours, theirs
        return ours.mean(axis=0, keepdims=True), theirs.mean(axis=0, keepdims=True)

    if name == LENGTH_RATIO:  # the golds are the same: the difference is one ratio
        ours, theirs = both("length")
        return ratio_effect(ours - theirs, both("gold_length")[0], one[0].contexts)
    return difference_effect(*both(name), one[0].contexts)


def _tested(family: Sequence[tuple[Row, Effect]]) -> Iterator[Row]:
    """Yield the rows that are corrected together; each two recipes moderate among themselves."""
    by_pair: dict[tuple[object, object], list[int]] = {}
    for place, (row, _) in enumerate(family):
        by_pair.setdefault((row["recipe"], row["against"]), []).append(place)
    # an answer may have any length
    unit = None if family[0][0]["measure"] == LENGTH_RATIO else 1.0
    found = {
        place: c
        for places in by_pair.values()
        for place, c in zip(
            places, comparisons([family[i][1] for i in places], len(family), unit=unit), strict=True
        )
    }
    p_holm = holm([found[i].p_value for i in range(len(family))])
    p_adapters_holm = holm([found[i].p_adapters for i in range(len(family))])
    for i, (row, _) in enumerate(family):
        c = found[i]
        yield {
            **row,
            "difference": c.difference.value,
            "low": c.difference.low,
            "high": c.difference.high,
            "n": c.difference.n,
            "p_holm": float(p_holm[i]),
            "p_adapters_holm": float(p_adapters_holm[i]),
            **{name: getattr(c, name) for name in ("p_value", "p_adapters", "seeds", *DOUBTS)},
        }
