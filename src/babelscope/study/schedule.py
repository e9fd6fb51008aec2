"""What a plan amounts to: its variants and cells in the order of work, and how each answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from babelscope.adapt.recipes import Recipe, rendering_of
from babelscope.data.draws import draw_questions
from babelscope.data.parallel import TRANSLATION
from babelscope.infer.generate import Decoding
from babelscope.records import QuestionSet
from babelscope.study.cells import Answering, Cell, Variant
from babelscope.study.materials import CONTEST, QA
from babelscope.study.plan import StudyPlan


def tunings(plan: StudyPlan) -> int:
    """Return how many adapters a plan tunes."""
    return len(plan.recipes) * len(plan.sources) * len(plan.seeds)


def stage_totals(plan: StudyPlan) -> dict[str, int]:
    """Return how many pieces of work each stage of a plan has, in the order of work."""
    cells = list(planned_cells(plan))
    seen = set(lens_tasks(plan))
    totals = {
        "answer": len(cells) if plan.test.answers else 0,
        "lens": sum((cell.task, cell.target) in seen for cell in cells),
        "tune": tunings(plan),
        "grid": grid_pieces(plan),
        "align": int(plan.align is not None),
        "probe": int(plan.probe is not None),
        "classify": int(bool(plan.classify)),
    }
    return {stage: total for stage, total in totals.items() if total}


def decoding_of(recipe: Recipe, seed: int = 0) -> Decoding:
    """Return how a recipe's answers are decoded; the seed matters only where they are sampled."""
    return Decoding(
        max_new_tokens=recipe.answer_tokens,
        stop_at_newline=recipe.stop_at_newline,
        temperature=recipe.temperature,
        top_k=recipe.top_k,
        top_p=recipe.top_p,
        seed=seed if recipe.temperature else 0,
    )


def answering_of(plan: StudyPlan, recipe: Recipe, seed: int) -> Answering:
    """Return how a recipe's variants answer; translations have a wording of their own."""
    rendering = rendering_of(recipe, plan.templates, "answering")
    if plan.test.task == "translation":
        rendering = replace(rendering, template=plan.templates[TRANSLATION])
    return Answering(
        rendering,
        decoding_of(recipe, seed),
        plan.batch_tokens,
        plan.test.demonstrations,
        plan.test.sample_seed,
    )


def bases(plan: StudyPlan) -> dict[str, str]:
    """Return, for each recipe, the recipe name of the base variant that answers as it does.

    The base of the first recipe is `base`; one that answers in another way is `base:RECIPE`.
    """
    names: dict[str, str] = {}
    seen: list[tuple[Answering, str]] = []
    for recipe in plan.recipes:
        answering = answering_of(plan, recipe, 0)
        name = next((n for a, n in seen if a == answering), "")
        if not name:
            name = f"base:{recipe.name}" if seen else "base"
            seen.append((answering, name))
        names[recipe.name] = name
    return names


def steps_of(plan: StudyPlan, recipe: Recipe) -> tuple[int, ...]:
    """Return the steps whose variants are kept, the last one included."""
    between = range(plan.save_steps, recipe.max_steps, plan.save_steps) if plan.save_steps else ()
    return (*between, recipe.max_steps)


def planned_variants(plan: StudyPlan) -> Iterator[tuple[Recipe, Variant]]:
    """Yield every variant of a plan with the recipe that it answers by, bases first."""
    seen: set[str] = set()
    for recipe in plan.recipes:
        name = bases(plan)[recipe.name]
        if name not in seen:
            seen.add(name)
            yield recipe, Variant(name)
    for recipe in plan.recipes:
        for source in plan.sources:
            for seed in plan.seeds:
                for step in steps_of(plan, recipe):
                    yield recipe, Variant(recipe.name, source.name, seed, step)


def planned_cells(plan: StudyPlan) -> Iterator[Cell]:
    """Yield every cell of a plan, in the order of work."""
    tasks = [(QA, t) for t in plan.targets] if plan.test.data else []
    tasks += [(f"{CONTEST}{s}", t) for t, s in plan.test.contests]
    for _, variant in planned_variants(plan):
        for task, target in tasks:
            yield Cell(variant, task, target)


def lens_questions(plan: StudyPlan, questions: QuestionSet) -> QuestionSet:
    """Return the questions of a cell that the lens looks at, from as many contexts as it has."""
    drawn = draw_questions(questions, plan.lens.questions, plan.test.sample_seed)
    return QuestionSet(questions.name, questions.language, drawn.examples)


def lens_tasks(plan: StudyPlan) -> tuple[tuple[str, str], ...]:
    """Return the (task, target) pairs that the lens looks at: the targets, and the contests."""
    if not plan.lens.questions:
        return ()
    contests = [(f"{CONTEST}{s}", t) for t, s in plan.test.contests] if plan.lens.contests else []
    return (*((QA, t) for t in plan.targets), *contests)


def grid_questions(plan: StudyPlan) -> int:
    """Return of how many questions a target the grids are read; 0 where nothing is answered."""
    looks = plan.lens.questions and plan.test.data and plan.test.answers
    return plan.lens.grids if looks else 0


def grid_variants(plan: StudyPlan) -> list[tuple[Recipe, Variant]]:
    """Return the variants whose grids are read: bases, and the last steps of the first seed."""
    return [
        (recipe, variant)
        for recipe, variant in planned_variants(plan)
        if variant.is_base or (variant.seed, variant.step) == (plan.seeds[0], recipe.max_steps)
    ]


def grid_pieces(plan: StudyPlan) -> int:
    """Return how many pieces of work the grids are, one a variant and target."""
    return len(grid_variants(plan)) * len(plan.targets) if grid_questions(plan) else 0
