"""The tables of a study, made from the scores of its cells; rows stand in the plan's order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np
import polars as pl

from babelscope.measure.answers import RATES
from babelscope.measure.effects import Effect, difference_effect, mean_effect, ratio_effect
from babelscope.measure.inference import (
    comparisons as compare_together,
)
from babelscope.measure.inference import (
    holm,
    rate_interval,
    spreads,
    t_interval,
)
from babelscope.measure.study_inference import best_of_targets
from babelscope.measure.transfer import (
    after_over_base,
    gain_efficiency,
    gain_over_self,
    overgeneration_of_loss,
    transfer_efficiency,
)
from babelscope.records import MISSING, Estimate
from babelscope.study import scores
from babelscope.study.cells import Variant
from babelscope.study.plan import StudyPlan
from babelscope.study.scores import GROUP, INTERFERENCE, CellScores, Values, stacked

LENGTH_RATIO = "length_ratio"
OVERGENERATION_SHARE = "overgeneration_share"
"""The share of what F1 lacks that words beyond the best prefix explain."""
OVERGENERATION_OF_LOSS = "overgeneration_of_loss"
POOLED = -1
"""The seed of a row that pools all seeds, and of the base, which has none."""

Cells = Mapping[tuple[Variant, str, str], CellScores]
Row = dict[str, object]
Schema = dict[str, type[pl.DataType] | pl.DataType]

P_VALUES = ("p_value", "p_holm", "p_adapters", "p_adapters_holm")
DOUBTS = (
    *("se_contexts", "se_seeds", "df", "seed_sd", "same_sign"),
    *("questions_needed", "seeds_needed", "smallest_gain"),
)
"""What a comparison tells of its doubt; see `records.Comparison`."""

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
    **dict.fromkeys(P_VALUES, pl.Float64),
    "seeds": pl.Int64,
    **dict.fromkeys(DOUBTS, pl.Float64),
}
BEST: Schema = {
    **dict.fromkeys(("recipe", "target", "measure", "best"), pl.String),
    "p_holm": pl.Float64,
    "adapters": pl.String,
    "p_adapters_holm": pl.Float64,
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
    grouped = list(runs(cells))
    for (bare, task, target, members), pooled in zip(grouped, _pooled(grouped), strict=True):
        if not bare.is_base:
            for member in members:
                alone = {name: _interval(name, [e])[0] for name, e in _effects([member]).items()}
                rows += _rows(model, member.cell.variant, task, target, [member], alone)
        rows += _rows(model, bare, task, target, members, pooled)
    return pl.DataFrame(rows, schema=RESULTS)


def _rows(
    model: str,
    variant: Variant,
    task: str,
    target: str,
    members: Sequence[CellScores],
    estimates: Mapping[str, Estimate],
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
    found = {**estimates, **_counts(members)}
    return [{**head, "measure": name, **_columns(value)} for name, value in found.items()]


def _effects(members: Sequence[CellScores]) -> dict[str, Effect]:
    contexts = members[0].contexts
    names = [*scores.MEANS, *({INTERFERENCE} & set(members[0].values))]
    values = {name: stacked(members, name) for name in names} | scores.produced(members)
    found = {name: mean_effect(array, contexts) for name, array in values.items()}
    found[LENGTH_RATIO] = ratio_effect(
        stacked(members, "length"), stacked(members, "gold_length"), contexts
    )
    f1, prefix = (stacked(members, name) for name in ("squad_f1", "squad_f1_best_prefix"))
    found[OVERGENERATION_SHARE] = ratio_effect(prefix - f1, np.maximum(1 - f1, 0.0), contexts)
    return found


def _pooled(
    grouped: Sequence[tuple[Variant, str, str, list[CellScores]]],
) -> list[dict[str, Estimate]]:
    """Return each run's estimates; those of a measure, recipe, step and task share their seeds."""
    found: list[dict[str, Estimate]] = [{} for _ in grouped]
    kinds: dict[tuple[str, ...], list[tuple[int, Effect]]] = {}
    for place, (bare, task, target, members) in enumerate(grouped):
        family = (bare.recipe, str(bare.step), task.partition(":")[0], str(_is_group(target)))
        for name, effect in _effects(members).items():
            found[place][name] = MISSING  # keeps the order of measures
            kinds.setdefault((name, *family), []).append((place, effect))
    for (name, *_), of_kind in kinds.items():
        estimates = _interval(name, [effect for _, effect in of_kind])
        for (place, _), value in zip(of_kind, estimates, strict=True):
            found[place][name] = value
    return found


def _is_group(target: str) -> bool:
    return target.startswith(GROUP)


def _interval(name: str, effects: Sequence[Effect]) -> list[Estimate]:
    made = t_interval if name == LENGTH_RATIO else rate_interval
    return [made(e, spread) for e, spread in zip(effects, spreads(effects), strict=True)]


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
    """Return variant minus base; Holm over source x target within recipe, step, measure.

    The pairs of such a family tell one another how seeds differ. Macro averages repeat their
    members, so they are a family of their own.
    """
    families: dict[tuple[str, ...], list[tuple[int, Row, Effect]]] = {}
    place = 0
    for bare, task, target, members in runs(cells):
        base = cells.get((base_of(bare, bases), task, target)) if not bare.is_base else None
        if base is None:
            continue
        names = RATES if task == "qa" else (INTERFERENCE, "mlqa_em")
        for name in names:
            head: Row = {
                "recipe": bare.recipe,
                "source": bare.source,
                "step": bare.step,
                "task": task,
                "target": target,
                "measure": name,
            }
            effect = difference_effect(
                stacked(members, name), base.values[name][np.newaxis], members[0].contexts
            )
            kind = (bare.recipe, str(bare.step), name, task.partition(":")[0])
            family = families.setdefault((*kind, str(_is_group(target))), [])
            family.append((place, head, effect))
            place += 1
    rows = sorted(
        (row for family in families.values() for row in _family_rows(family)), key=lambda r: r[0]
    )
    return pl.DataFrame([row for _, row in rows], schema=COMPARISONS)


def _family_rows(family: Sequence[tuple[int, Row, Effect]]) -> Iterator[tuple[int, Row]]:
    """Yield the rows of comparisons that are corrected together, with their places."""
    found = compare_together([effect for _, _, effect in family], unit=1.0)
    p_holm = holm([c.p_value for c in found])
    p_adapters_holm = holm([c.p_adapters for c in found])
    for i, ((place, head, _), c) in enumerate(zip(family, found, strict=True)):
        difference = c.difference
        yield (
            place,
            {
                **head,
                "difference": difference.value,
                "low": difference.low,
                "high": difference.high,
                "n": difference.n,
                "p_holm": float(p_holm[i]),
                "p_adapters_holm": float(p_adapters_holm[i]),
                **{name: getattr(c, name) for name in ("p_value", "p_adapters", "seeds", *DOUBTS)},
            },
        )


def best(plan: StudyPlan, cells: Cells) -> pl.DataFrame:
    """Return the best source of each target, or the tied set, at the last step."""
    rows: list[Row] = []
    by_recipe: dict[str, dict[str, tuple[dict[str, Values], tuple[str, ...]]]] = {}
    for (recipe, target), by_source in _finals(plan, cells).items():
        by_recipe.setdefault(recipe, {})[target] = _scored(by_source, plan.measure)
    for recipe, asked in by_recipe.items():
        # groups repeat their members: they are corrected among themselves
        for of_kind in (
            {t: found for t, found in asked.items() if _is_group(t) == grouped}
            for grouped in (False, True)
        ):
            for target, found in best_of_targets(of_kind).items():
                rows.append(
                    {
                        "recipe": recipe,
                        "target": target,
                        "measure": plan.measure,
                        **asdict(found),
                        "tied": list(found.tied),
                    }
                )
    return pl.DataFrame(rows, schema=BEST)


def _finals(plan: StudyPlan, cells: Cells) -> dict[tuple[str, str], dict[str, list[CellScores]]]:
    """Return by recipe and target each source's cells of all seeds at the last step."""
    found: dict[tuple[str, str], dict[str, list[CellScores]]] = {}
    steps = {r.name: r.max_steps for r in plan.recipes}
    for bare, task, target, members in runs(cells):
        if task == "qa" and not bare.is_base and bare.step == steps[bare.recipe]:
            found.setdefault((bare.recipe, target), {})[bare.source] = members
    return found


def _scored(
    by_source: Mapping[str, list[CellScores]], measure: str
) -> tuple[dict[str, Values], tuple[str, ...]]:
    """Return values (seeds, items) of each source, and the items' contexts."""
    contexts = next(iter(by_source.values()))[0].contexts
    return {s: stacked(members, measure) for s, members in by_source.items()}, contexts


def _with_base(
    tuned: Values | None, base: CellScores | None, measure: str
) -> tuple[Values, Values] | None:
    """Return scores after and before tuning, None where either is lacking."""
    if tuned is None or base is None:
        return None
    return tuned, base.values[measure][np.newaxis]


def transfer(plan: StudyPlan, cells: Cells, bases: Mapping[str, str]) -> pl.DataFrame:
    """Return transfer efficiency, that of gains, gain over self-tuning, after over base, losses.

    All are those of the last step.
    """
    spoken = {s.name: s.language for s in plan.sources}
    tuned = _finals(plan, cells)
    finals = {pair: _scored(by_source, plan.measure) for pair, by_source in tuned.items()}
    times = _times(plan, finals, cells, bases)
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
                kinds["after_over_base"] = times[recipe, target, source]
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
    rows += _losses(tuned, cells, bases)
    return pl.DataFrame(rows, schema=TRANSFER)


def _losses(
    tuned: Mapping[tuple[str, str], Mapping[str, list[CellScores]]],
    cells: Cells,
    bases: Mapping[str, str],
) -> Iterator[Row]:
    """Yield for each pair how much of a loss of SQuAD F1 over-generation explains."""
    names = ("squad_f1", "squad_f1_best_prefix")
    for (recipe, target), by_source in tuned.items():
        base = cells.get((Variant(bases[recipe]), "qa", target))
        if base is None or _is_group(target):
            continue
        before = (base.values[names[0]][np.newaxis], base.values[names[1]][np.newaxis])
        for source, members in by_source.items():
            after = (stacked(members, names[0]), stacked(members, names[1]))
            value, reason = overgeneration_of_loss(after, before, members[0].contexts)
            yield {
                "recipe": recipe,
                "source": source,
                "target": target,
                "measure": names[0],
                "kind": OVERGENERATION_OF_LOSS,
                **_columns(value),
                "reason": reason,
            }


def _times(
    plan: StudyPlan,
    finals: Mapping[tuple[str, str], tuple[dict[str, Values], tuple[str, ...]]],
    cells: Cells,
    bases: Mapping[str, str],
) -> dict[tuple[str, str, str], tuple[Estimate, str]]:
    """Return after / base by recipe, target and source; the pairs of a recipe moderate together."""
    found: dict[tuple[str, str, str], tuple[Estimate, str]] = {}
    for recipe in dict.fromkeys(r for r, _ in finals):
        asked = {
            (recipe, target, source): (
                values,
                cells[Variant(bases[recipe]), "qa", target].values[plan.measure][np.newaxis],
                contexts,
            )
            for (own, target), (by_source, contexts) in finals.items()
            if own == recipe and (Variant(bases[recipe]), "qa", target) in cells
            for source, values in by_source.items()
        }
        found |= dict(zip(asked, after_over_base(list(asked.values())), strict=True))
    return found
