"""A study at work: adapters are tuned and cells done, each once, whatever was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from babelscope.adapt.recipes import Recipe
from babelscope.adapt.saving import Saving, variant_name
from babelscope.adapt.tuning import tune
from babelscope.identity import digest
from babelscope.measure.language_map import LanguageMap
from babelscope.models.adapters import (
    adapter_fingerprint,
    attach_adapters,
    detach_adapters,
    use_adapter,
)
from babelscope.models.loading import LoadedModel
from babelscope.records import Event
from babelscope.store import finished, slot
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
from babelscope.study.lensing import lens_cell, lens_key
from babelscope.study.materials import QA, Materials
from babelscope.study.plan import StudyPlan
from babelscope.study.schedule import (
    answering_of,
    lens_questions,
    planned_cells,
    planned_variants,
)
from babelscope.study.scores import CellScores, score_cell

TUNING_VERSION = "2"
"""Raised whenever the same base, source and recipe may give another adapter than before."""


Watch = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Slots:
    """Where a cell's answers and masses are; `masses` is None without a lens."""

    answers: Path
    masses: Path | None


@dataclass(frozen=True, slots=True)
class Work:
    """A study while it is worked on."""

    plan: StudyPlan
    materials: Materials
    loaded: LoadedModel
    store: Path
    costs: CostBook
    language_map: LanguageMap | None
    watch: Watch
    total: int


Scores = dict[tuple[Variant, str, str], CellScores]
Masses = dict[tuple[Variant, str], Path]


def execute(work: Work) -> tuple[Scores, Masses]:
    """Do every variant of a plan; returns the scored cells and the lens files."""
    scores: Scores = {}
    masses: Masses = {}
    count = 0
    for recipe, variant in planned_variants(work.plan):
        folder = None
        if not variant.is_base:
            folder = _adapter(work, recipe, variant, count)
            count += variant.step == recipe.max_steps
        count = _variant_cells(work, recipe, variant, folder, count, (scores, masses))
    return scores, masses


def _adapter(work: Work, recipe: Recipe, variant: Variant, count: int) -> Path:
    """Tune an adapter unless it is there, and return the folder of the variant's step."""
    source = work.materials.sources[variant.source]
    key = digest(
        {
            "version": TUNING_VERSION,
            "model": work.loaded.fingerprint,
            "dtype": str(work.loaded.dtype),
            "source": source.examples,
            "recipe": recipe,
            "template": work.plan.templates[recipe.template],
            "seed": variant.seed,
            "save_steps": work.plan.save_steps,
        }
    )
    out = slot(work.store, "adapters", key)
    name = f"{recipe.name} {variant.source} seed {variant.seed}"
    with work.costs.measured("tune", name, unless=out.is_dir()):
        tune(
            work.loaded,
            source,
            recipe,
            seed=variant.seed,
            saving=Saving(out, save_steps=work.plan.save_steps),
            templates=work.plan.templates,
            progress=lambda done, total: work.watch(
                Event("tune", name, done, total, count, work.total)
            ),
        )
    return out if variant.step == recipe.max_steps else out / variant_name(variant.step)


def _variant_cells(
    work: Work,
    recipe: Recipe,
    variant: Variant,
    adapter: Path | None,
    count: int,
    results: tuple[Scores, Masses],
) -> int:
    """Do all cells of a variant on one attachment of its adapter; returns the cells done."""
    scores, masses = results
    digest_of_adapter = adapter_fingerprint(adapter) if adapter else ""
    cells = [c for c in planned_cells(work.plan) if c.variant == variant]
    todo = []
    for cell in cells:
        answering = _with_pool(work, answering_of(work.plan, recipe, max(variant.seed, 0)), cell)
        todo.append((cell, answering, _slots(work, cell, answering, digest_of_adapter)))
    if any(not _done(slots) for _, _, slots in todo):
        with _attached(work.loaded, adapter) as loaded:
            for number, (cell, answering, slots) in enumerate(todo):
                _do_cell(work, loaded, cell, answering, slots, count + number)
    for cell, _, slots in todo:
        scores[variant, cell.task, cell.target] = _scored(work, cell, slots.answers)
        if slots.masses:
            masses[variant, cell.target] = slots.masses
    return count + len(cells)


def _with_pool(work: Work, answering: Answering, cell: Cell) -> Answering:
    pool = work.materials.pools.get(cell.target) if cell.task == QA else None
    return Answering(
        answering.rendering,
        answering.decoding,
        answering.batch_tokens,
        answering.demonstrations if pool else 0,
        answering.demonstrations_seed,
        pool,
    )


def _slots(work: Work, cell: Cell, answering: Answering, adapter: str) -> Slots:
    questions = work.materials.tests[cell.task, cell.target]
    model, dtype = work.loaded.fingerprint, str(work.loaded.dtype)
    key = answering_key(model, dtype, adapter, questions, answering)
    masses = None
    if work.language_map is not None and cell.task == QA:
        seen = lens_questions(work.plan, questions)
        own = answering_key(model, dtype, adapter, seen, answering)
        masses = slot(
            work.store, "lens", lens_key(own, work.language_map, work.plan.lens.positions)
        )
    return Slots(slot(work.store, "answers", key), masses)


def _done(slots: Slots) -> bool:
    return finished(slots.answers) and (slots.masses is None or finished(slots.masses))


@contextmanager
def _attached(loaded: LoadedModel, adapter: Path | None) -> Iterator[LoadedModel]:
    """Attach an adapter for the length of a block; without one, give the base itself."""
    if adapter is None:
        yield loaded
        return
    name = str(adapter)
    tuned = attach_adapters(loaded, {name: adapter})
    try:
        with use_adapter(tuned, name):
            yield tuned
    finally:
        detach_adapters(tuned)


def _do_cell(
    work: Work, loaded: LoadedModel, cell: Cell, answering: Answering, slots: Slots, count: int
) -> None:
    questions = work.materials.tests[cell.task, cell.target]
    name = cell_name(cell)

    def answered(done: int, total: int) -> None:
        work.watch(Event("answer", name, done, total, count, work.total))

    def seen(done: int, total: int) -> None:
        work.watch(Event("lens", name, done, total, count, work.total))

    with work.costs.measured("answer", name, unless=finished(slots.answers)):
        answer_cell(loaded, questions, answering, slots.answers, answered)
    if slots.masses is not None and work.language_map is not None:
        with work.costs.measured("lens", name, unless=finished(slots.masses)):
            lens_cell(
                loaded,
                lens_questions(work.plan, questions),
                answering,
                work.language_map,
                work.plan.lens.positions,
                slots.masses,
                seen,
            )


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
