"""Questions chosen to be read: those whose answers tuning changed the most, with all answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from babelscope.measure.answers import ScoredAnswer
from babelscope.records import Example
from babelscope.study.cells import Variant
from babelscope.study.materials import QA, Materials
from babelscope.study.plan import StudyPlan
from babelscope.study.schedule import bases
from babelscope.study.scores import CellScores

A_SIDE = 2
"""How many gains, and how many losses, are kept for each recipe, source and target."""
FEWEST = 4
"""A target with fewer chosen questions is filled up with the first of its test set."""

Cells = Mapping[tuple[Variant, str, str], CellScores]
Prompts = Callable[[str, Example], dict[str, str]]
"""From target and question to the prompt as each base of a study was asked it, by its name."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen question: its place in the test set, and the variants that it was chosen for.

    `change` is the mean size of the change of MLQA F1 over the tuned variants of the first seed,
    0 where nothing was tuned.
    """

    place: int
    id: str
    picked: tuple[Variant, ...]
    change: float


def choose(plan: StudyPlan, cells: Cells) -> dict[str, list[Choice]]:
    """Return, by target, the questions with the largest gains and losses of each tuned model.

    The change is that of MLQA F1 with the first seed; ties stand in the order of the questions,
    and unchanged scores are not chosen. Targets without answers are left out.
    """
    return {target: _chosen(plan, cells, target) for target in plan.targets if _has(cells, target)}


def _has(cells: Cells, target: str) -> bool:
    return any(task == QA and code == target for _, task, code in cells)


def _chosen(plan: StudyPlan, cells: Cells, target: str) -> list[Choice]:
    picked: dict[int, list[Variant]] = {}
    changes = []
    own = {v: cell for (v, task, code), cell in cells.items() if (task, code) == (QA, target)}
    named = bases(plan)
    for variant, tuned in own.items():
        if not is_final(plan, variant) or variant.is_base or variant.seed != plan.seeds[0]:
            continue
        change = tuned.values["mlqa_f1"] - own[Variant(named[variant.recipe])].values["mlqa_f1"]
        changes.append(np.abs(change))
        rising = sorted(range(len(change)), key=lambda i: -change[i])
        falling = sorted(range(len(change)), key=lambda i: change[i])
        gains = [i for i in rising[:A_SIDE] if change[i] > 0]
        losses = [i for i in falling[:A_SIDE] if change[i] < 0]
        for place in (*gains, *losses):
            picked.setdefault(place, []).append(variant)
    ids = next(iter(own.values())).ids
    for place in range(len(ids)):
        if len(picked) < FEWEST:
            picked.setdefault(place, [])
    size = np.mean(changes, axis=0) if changes else np.zeros(len(ids))
    return [Choice(i, ids[i], tuple(picked[i]), float(size[i])) for i in sorted(picked)]


def most_chosen(plan: StudyPlan) -> int:
    """Return how many questions of a target can be chosen at most."""
    return max(FEWEST, 2 * A_SIDE * len(plan.recipes) * len(plan.sources))


def most_changed(choices: Sequence[Choice], count: int) -> list[Choice]:
    """Return the `count` choices that changed the most, in the order of the questions."""
    ranked = sorted(choices, key=lambda c: (-c.change, c.place))[:count]
    return sorted(ranked, key=lambda c: c.place)


def is_final(plan: StudyPlan, variant: Variant) -> bool:
    """Tell whether a variant is a base or the last step of its recipe."""
    steps = {r.name: r.max_steps for r in plan.recipes}
    return variant.is_base or variant.step == steps[variant.recipe]


def samples(
    plan: StudyPlan,
    materials: Materials,
    cells: Cells,
    choices: Mapping[str, Sequence[Choice]],
    prompts: Prompts,
) -> list[dict[str, object]]:
    """Return a row for each chosen question: what was asked, and every final variant's answer."""
    return [
        _row(materials, cells, target, choice, prompts, variants)
        for target, chosen in choices.items()
        for variants in [
            [v for v, task, code in cells if (task, code) == (QA, target) and is_final(plan, v)]
        ]
        for choice in chosen
    ]


def _row(
    materials: Materials,
    cells: Cells,
    target: str,
    choice: Choice,
    prompts: Prompts,
    variants: Sequence[Variant],
) -> dict[str, object]:
    questions = materials.tests[QA, target].examples
    example = questions[choice.place]
    return {
        "target": target,
        "id": example.id,
        "asked": len(questions),
        "chosen_for": [
            {"recipe": v.recipe, "source": v.source, "seed": v.seed} for v in choice.picked
        ],
        "context": example.context,
        "question": example.question,
        "answers": list(example.answers),
        "prompts": prompts(target, example),
        "variants": [
            {
                "recipe": v.recipe,
                "source": v.source,
                "seed": v.seed,
                "step": v.step,
                **_answer(cells[v, QA, target].scored[choice.place]),
            }
            for v in variants
        ],
    }


def _answer(scored: ScoredAnswer) -> dict[str, object]:
    scores = scored.scores
    return {
        "answer": scored.prediction,
        "cause": scored.cause.name,
        "language": scored.produced,
        "stop": scored.stopped,
        "mlqa_em": float(scores.mlqa_em),
        "mlqa_f1": float(scores.mlqa_f1),
        "squad_f1": float(scores.squad_f1),
        "char_f1": float(scores.char_f1),
    }
