"""Answers before and after, chosen to be read: those that tuning changed the most."""

from __future__ import annotations

from collections.abc import Mapping

from babelscope.study.cells import Variant
from babelscope.study.materials import QA, Materials
from babelscope.study.plan import StudyPlan
from babelscope.study.scores import CellScores
from babelscope.study.tables import base_of

A_SIDE = 1
"""How many gains, and how many losses, are shown for each source and target."""


def samples(
    plan: StudyPlan,
    materials: Materials,
    cells: Mapping[tuple[Variant, str, str], CellScores],
    bases: Mapping[str, str],
) -> list[dict[str, object]]:
    """Return, for each recipe, source and target, the largest gains and losses of the first seed.

    The change is that of MLQA F1; ties stand in the order of the questions. Unchanged scores are
    not shown.
    """
    rows: list[dict[str, object]] = []
    finals = {r.name: r.max_steps for r in plan.recipes}
    for (variant, task, target), tuned in cells.items():
        is_final = not variant.is_base and variant.step == finals[variant.recipe]
        if task != QA or not is_final or variant.seed != plan.seeds[0]:
            continue
        base = cells[base_of(variant, bases), task, target]
        change = tuned.values["mlqa_f1"] - base.values["mlqa_f1"]
        order = sorted(range(len(change)), key=lambda i: -change[i])
        gains = [i for i in order[:A_SIDE] if change[i] > 0]
        losses = [i for i in order[::-1][:A_SIDE] if change[i] < 0]
        examples = {e.id: e for e in materials.tests[task, target].examples}
        for i in (*gains, *losses):
            example = examples[tuned.ids[i]]
            rows.append(
                {
                    "target": target,
                    "source": variant.source,
                    "recipe": variant.recipe,
                    "seed": variant.seed,
                    "id": example.id,
                    "context": example.context,
                    "question": example.question,
                    "answers": list(example.answers),
                    "base": base.scored[i].prediction,
                    "tuned": tuned.scored[i].prediction,
                    "base_cause": base.scored[i].cause.name,
                    "tuned_cause": tuned.scored[i].cause.name,
                    "base_f1": float(base.values["mlqa_f1"][i]),
                    "tuned_f1": float(tuned.values["mlqa_f1"][i]),
                }
            )
    return rows
