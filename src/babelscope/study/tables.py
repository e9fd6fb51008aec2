"""The tables of a study, made from the scores of its cells; rows stand in the plan's order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from babelscope.measure.answers import RATES
from babelscope.measure.stats import best_source, compare, estimate, holm, ratio_of_sums
from babelscope.measure.transfer import gain_efficiency, gain_over_self, transfer_efficiency
from babelscope.records import Comparison, Estimate
from babelscope.study import scores
from babelscope.study.cells import Variant
from babelscope.study.plan import StudyPlan
from babelscope.study.scores import GROUP, INTERFERENCE, CellScores, Values, stacked

POOLED = -1
"""The seed of a row that pools all seeds, and of the base, which has none."""

Cells = Mapping[tuple[Variant, str, str], CellScores]
Row = dict[str, object]
Schema = dict[str, type[pl.DataType] | pl.DataType]

RESULTS: Schema = {
    **dict.fromkeys(("model", "recipe", "source"), pl.String),
    **dict.fromkeys(("seed", "step"), pl.Int64),
    **dict.fromkeys(("task", "target", "subset", "measure"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    "n": pl.Int64,
}
COMPARISONS: Schema = {
    **dict.fromkeys(("recipe", "source"), pl.String),
    "step": pl.Int64,
    **dict.fromkeys(("task", "target", "measure"), pl.String),
    **dict.fromkeys(("difference", "low", "high"), pl.Float64),
    "n": pl.Int64,
    **dict.fromkeys(("p_value", "p_holm"), pl.Float64),
    "seeds": pl.Int64,
    **dict.fromkeys(("seed_sd", "same_sign", "questions_needed"), pl.Float64),
}
BEST: Schema = {
    **dict.fromkeys(("recipe", "target", "measure", "best"), pl.String),
    "share": pl.Float64,
    "tied": pl.List(pl.String),
}
TRANSFER: Schema = {
    **dict.fromkeys(("recipe", "source", "target", "measure", "kind"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    "n": pl.Int64,
    "reason": pl.String,
}


def runs(cells: Cells) -> Iterator[tuple[Variant, str, str, list[CellScores]]]:
    """Yield (variant without its seed, task, target, cells of all seeds), in order."""
    grouped: dict[tuple[Variant, str, str], list[CellScores]] = {}
    for (variant, task, target), cell in cells.items():
        bare = Variant(variant.recipe, variant.source, POOLED, variant.step)
        grouped.setdefault((bare, task, target), []).append(cell)
    for (bare, task, target), members in grouped.items():
        yield bare, task, target, members


def base_of(variant: Variant, bases: Mapping[str, str]) -> Variant:
    """Return the base variant that answered as this variant's recipe does."""
    return Variant(bases[variant.recipe])


def results(model: str, cells: Cells) -> pl.DataFrame:
    """Return a row a cell and measure: each seed by itself, then all seeds pooled (seed -1)."""
    rows: list[Row] = []
    for bare, task, target, members in runs(cells):
        if not bare.is_base:
            for member in members:
                rows += _rows(model, member.cell.variant, task, target, [member])
        rows += _rows(model, bare, task, target, members)
    return pl.DataFrame(rows, schema=RESULTS)


def _rows(
    model: str, variant: Variant, task: str, target: str, members: Sequence[CellScores]
) -> list[Row]:
    subset = f"from:{task.partition(':')[2]}" if task != "qa" else "all"
    head: Row = {
        "model": model,
        "recipe": variant.recipe,
        "source": variant.source,
        "seed": variant.seed,
        "step": variant.step,
        "task": task,
        "target": target,
        "subset": subset,
    }
    found = {**_estimates(members), **_counts(members)}
    return [{**head, "measure": name, **_columns(value)} for name, value in found.items()]


def _estimates(members: Sequence[CellScores]) -> dict[str, Estimate]:
    contexts = members[0].contexts
    names = [*scores.MEANS, *({INTERFERENCE} & set(members[0].values))]
    values = {name: stacked(members, name) for name in names} | scores.produced(members)
    found = {name: estimate(array, contexts) for name, array in values.items()}
    found["length_ratio"] = ratio_of_sums(
        stacked(members, "length"), stacked(members, "gold_length"), contexts
    )
    return found


def _counts(members: Sequence[CellScores]) -> dict[str, Estimate]:
    """Counts have no interval: their low and high are the count itself."""
    n = sum(m.counts.questions for m in members)
    counts = {
        "truncated": sum(m.counts.truncated for m in members),
        "gold_lost": sum(m.counts.gold_lost for m in members),
        "undecided": sum(m.undecided for m in members),
        "dropped": members[0].dropped,
    }
    return {name: Estimate(float(c), float(c), float(c), n) for name, c in counts.items()}


def _columns(value: Estimate) -> Row:
    return {"value": value.value, "low": value.low, "high": value.high, "n": value.n}


def comparisons(cells: Cells, bases: Mapping[str, str]) -> pl.DataFrame:
    """Return variant minus base; Holm over source x target within recipe, step, measure."""
    rows: list[Row] = []
    for bare, task, target, members in runs(cells):
        base = cells.get((base_of(bare, bases), task, target)) if not bare.is_base else None
        if base is None:
            continue
        names = RATES if task == "qa" else (INTERFERENCE, "mlqa_em")
        for name in names:
            found = compare(
                stacked(members, name), base.values[name][np.newaxis], members[0].contexts
            )
            rows.append(_comparison_row(bare, task, target, name, found))
    frame = pl.DataFrame(rows, schema=COMPARISONS)
    return _corrected(frame) if rows else frame


def _comparison_row(
    variant: Variant, task: str, target: str, measure: str, found: Comparison
) -> Row:
    return {
        "recipe": variant.recipe,
        "source": variant.source,
        "step": variant.step,
        "task": task,
        "target": target,
        "measure": measure,
        "difference": found.difference.value,
        "low": found.difference.low,
        "high": found.difference.high,
        "n": found.difference.n,
        "p_value": found.p_value,
        "p_holm": np.nan,
        "seeds": found.seeds,
        "seed_sd": found.seed_sd,
        "same_sign": found.same_sign,
        "questions_needed": found.questions_needed,
    }


def _corrected(frame: pl.DataFrame) -> pl.DataFrame:
    # macro averages repeat their members, so they are a family of tests of their own
    task = pl.col("task").str.split(":").list.first().alias("_task")
    group = pl.col("target").str.starts_with(GROUP).alias("_group")
    families = frame.with_row_index("_row").with_columns(task, group)
    parts = [
        part.with_columns(pl.Series("p_holm", holm(part["p_value"].to_numpy())))
        for _, part in families.group_by(
            "recipe", "step", "measure", "_task", "_group", maintain_order=True
        )
    ]
    return pl.concat(parts).sort("_row").select(list(COMPARISONS))


def best(plan: StudyPlan, cells: Cells) -> pl.DataFrame:
    """Return the best source of each target, or the tied set, at the last step."""
    rows: list[Row] = []
    for recipe, target, by_source, contexts in _finals(plan, cells):
        if len(by_source) < 2:
            continue
        found = best_source(by_source, contexts)
        rows.append(
            {
                "recipe": recipe,
                "target": target,
                "measure": plan.measure,
                "best": found.best,
                "share": found.share,
                "tied": list(found.tied),
            }
        )
    return pl.DataFrame(rows, schema=BEST)


def _finals(
    plan: StudyPlan, cells: Cells
) -> Iterator[tuple[str, str, dict[str, Values], tuple[str, ...]]]:
    """Yield (recipe, target, values (seeds, items) of each source, contexts)."""
    found: dict[tuple[str, str], dict[str, list[CellScores]]] = {}
    steps = {r.name: r.max_steps for r in plan.recipes}
    for bare, task, target, members in runs(cells):
        if task == "qa" and not bare.is_base and bare.step == steps[bare.recipe]:
            found.setdefault((bare.recipe, target), {})[bare.source] = members
    for (recipe, target), by_source in found.items():
        contexts = next(iter(by_source.values()))[0].contexts
        values = {s: stacked(members, plan.measure) for s, members in by_source.items()}
        yield recipe, target, values, contexts


def _with_base(
    tuned: Values | None, base: CellScores | None, measure: str
) -> tuple[Values, Values] | None:
    """Return scores after and before tuning, None where either is lacking."""
    if tuned is None or base is None:
        return None
    return tuned, base.values[measure][np.newaxis]


def transfer(plan: StudyPlan, cells: Cells, bases: Mapping[str, str]) -> pl.DataFrame:
    """Return transfer efficiency, that of gains, and gain over self-tuning, at the last step."""
    spoken = {s.name: s.language for s in plan.sources}
    finals = {(r, t): (values, contexts) for r, t, values, contexts in _finals(plan, cells)}
    rows: list[Row] = []
    for (recipe, target), (by_source, contexts) in finals.items():
        base = cells.get((Variant(bases[recipe]), "qa", target))
        tuned_here = [s for s in by_source if spoken[s] == target]
        for source, values in by_source.items():
            on_self = finals.get((recipe, spoken[source]))
            own = on_self[0][source] if on_self else None
            at_home = on_self[1] if on_self else ()
            kinds = {"transfer_efficiency": transfer_efficiency(values, contexts, own, at_home)}
            if base is not None:
                before = base.values[plan.measure][np.newaxis]
                home = cells.get((Variant(bases[recipe]), "qa", spoken[source]))
                pair = _with_base(own, home, plan.measure)
                gains = gain_efficiency((values, before), contexts, pair, at_home)
                # where several sources are in the target's language, the first of the plan stands
                self_values = by_source[tuned_here[0]] if tuned_here else None
                kinds["gain_efficiency"] = gains
                kinds["gain_over_self"] = gain_over_self(values, self_values, before, contexts)
            rows += [
                {
                    "recipe": recipe,
                    "source": source,
                    "target": target,
                    "measure": plan.measure,
                    "kind": kind,
                    **_columns(value),
                    "reason": reason,
                }
                for kind, (value, reason) in kinds.items()
            ]
    return pl.DataFrame(rows, schema=TRANSFER)
