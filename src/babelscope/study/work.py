"""A study at work: adapters are tuned and cells done, each once, whatever was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from babelscope.adapt.recipes import Recipe
from babelscope.adapt.saving import Saving, variant_name
from babelscope.adapt.tuning import tune
from babelscope.infer.lens import Lens
from babelscope.measure.language_map import LanguageMap
from babelscope.models.adapters import adapter_fingerprint
from babelscope.models.loading import LoadedModel
from babelscope.records import Event
from babelscope.store import finished, slot
from babelscope.study.adapters import adapter_slot, attached
from babelscope.study.answers import read_answers
from babelscope.study.cells import (
    Answering,
    Cell,
    Variant,
    answer_cell,
    answering_key,
    read_counts,
)
from babelscope.study.costs import CostBook
from babelscope.study.lensing import LensTask, lens_cell, lens_key
from babelscope.study.materials import QA, Materials, parallel_golds, with_pool
from babelscope.study.plan import StudyPlan
from babelscope.study.schedule import (
    answering_of,
    lens_questions,
    lens_tasks,
    planned_cells,
    planned_variants,
)
from babelscope.study.scores import CellScores, score_cell

Watch = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Slots:
    """Where a cell's answers are, and what the lens saw; None where it has none."""

    answers: Path | None
    lens: Path | None
    task: LensTask | None


@dataclass(frozen=True, slots=True)
class Work:
    """A study while it is worked on; `lens` is made of the base, and None without one."""

    plan: StudyPlan
    materials: Materials
    loaded: LoadedModel
    store: Path
    costs: CostBook
    maps: Mapping[str, LanguageMap]
    lens: Lens | None
    watch: Watch
    total: int


Scores = dict[tuple[Variant, str, str], CellScores]
Seen = dict[tuple[Variant, str, str], Path]
"""What the lens saw, by variant, task and target."""


def execute(work: Work) -> tuple[Scores, Seen]:
    """Do every variant of a plan; returns the scored cells and the lens files."""
    scores: Scores = {}
    seen: Seen = {}
    count = 0
    for recipe, variant in planned_variants(work.plan):
        folder = None
        if not variant.is_base:
            folder = _adapter(work, recipe, variant, count)
            count += variant.step == recipe.max_steps
        count = _variant_cells(work, recipe, variant, folder, count, (scores, seen))
    return scores, seen


def _adapter(work: Work, recipe: Recipe, variant: Variant, count: int) -> Path:
    """Tune an adapter unless it is there, and return the folder of the variant's step."""
    source = work.materials.sources[variant.source]
    out = adapter_slot(work.store, work.plan, source, work.loaded, recipe, variant.seed)
    name = f"{recipe.name} {variant.source} seed {variant.seed}"
    begun = Event("tune", name, 0, recipe.max_steps, count, work.total)
    with piece(work, begun, out.is_dir()) as told:
        tune(
            work.loaded,
            source,
            recipe,
            seed=variant.seed,
            saving=Saving(out, save_steps=work.plan.save_steps),
            templates=work.plan.templates,
            progress=told,
        )
    return out if variant.step == recipe.max_steps else out / variant_name(variant.step)


def _variant_cells(
    work: Work,
    recipe: Recipe,
    variant: Variant,
    adapter: Path | None,
    count: int,
    results: tuple[Scores, Seen],
) -> int:
    """Do all cells of a variant on one attachment of its adapter; returns the cells done."""
    scores, seen = results
    digest_of_adapter = adapter_fingerprint(adapter) if adapter else ""
    cells = [c for c in planned_cells(work.plan) if c.variant == variant]
    todo = []
    for cell in cells:
        asked = answering_of(work.plan, recipe, max(variant.seed, 0))
        answering = with_pool(work.materials, asked, cell)
        todo.append((cell, answering, cell_slots(work, cell, answering, digest_of_adapter)))
    # where nothing is left to do, nothing is attached
    needed = adapter if any(not _done(slots) for _, _, slots in todo) else None
    with attached(work.loaded, needed) as loaded:
        for number, (cell, answering, slots) in enumerate(todo):
            _do_cell(work, loaded, cell, answering, slots, count + number)
    for cell, _, slots in todo:
        key = (variant, cell.task, cell.target)
        if slots.answers:
            scores[key] = _scored(work, cell, slots.answers)
        if slots.lens:
            seen[key] = slots.lens
    return count + len(cells)


def cell_slots(work: Work, cell: Cell, answering: Answering, adapter: str) -> Slots:
    """Return where a cell's results are; `adapter` is its adapter's fingerprint, "" without."""
    plan, questions = work.plan, work.materials.tests[cell.task, cell.target]
    model, dtype = work.loaded.fingerprint, str(work.loaded.dtype)
    key = answering_key(model, dtype, adapter, questions, answering)
    answers = slot(work.store, "answers", key) if plan.test.answers else None
    if (cell.task, cell.target) not in lens_tasks(plan):
        return Slots(answers, None, None)
    task = LensTask(
        lens_questions(plan, questions),
        answering,
        plan.lens.positions,
        plan.lens.half_depths,
        parallel_golds(work.materials, cell.task, cell.target),
        key if "generated" in plan.lens.positions else "",
    )
    own = answering_key(model, dtype, adapter, task.questions, answering)
    return Slots(answers, slot(work.store, "lens", lens_key(own, task, work.maps)), task)


def _done(slots: Slots) -> bool:
    return all(finished(folder) for folder in (slots.answers, slots.lens) if folder)


def _do_cell(
    work: Work, loaded: LoadedModel, cell: Cell, answering: Answering, slots: Slots, count: int
) -> None:
    questions = work.materials.tests[cell.task, cell.target]
    begun = Event("answer", cell_name(cell), 0, len(questions.examples), count, work.total)
    if slots.answers:
        with piece(work, begun, finished(slots.answers)) as told:
            answer_cell(loaded, questions, answering, slots.answers, told)
    if slots.lens and slots.task and work.lens:
        there, generated = finished(slots.lens), {}
        if slots.answers and slots.task.answers and not there:
            answers = read_answers(slots.answers / "answers.jsonl")
            generated = {a.id: a.tokens for a in answers}
        seen = len(slots.task.questions.examples)
        with piece(work, replace(begun, stage="lens", total=seen), there) as told:
            lens = replace(work.lens, loaded=loaded)
            lens_cell(lens, slots.task, slots.lens, generated, told)


@contextmanager
def piece(work: Work, begun: Event, there: bool) -> Iterator[Callable[[int, int], None]]:
    """Measure a piece of work and tell of its beginning, unless it is there, and of its end."""
    if not there:
        work.watch(begun)
    with work.costs.measured(begun.stage, begun.cell, unless=there):
        yield lambda done, total: work.watch(replace(begun, done=done, total=total))
    work.watch(replace(begun, done=begun.total))


def cell_name(cell: Cell) -> str:
    """Return a cell's name for people: variant, task, target."""
    variant = cell.variant
    words = [variant.recipe]
    if not variant.is_base:
        words += [variant.source, f"seed {variant.seed}", f"step {variant.step}"]
    if cell.task != QA:
        words.append(cell.task)
    return " ".join([*words, cell.target])


def _scored(work: Work, cell: Cell, folder: Path) -> CellScores:
    return score_cell(
        cell,
        read_answers(folder / "answers.jsonl"),
        work.materials.tests[cell.task, cell.target],
        read_counts(folder),
        work.plan.languages,
        work.materials.rivals.get((cell.task, cell.target)),
    )
