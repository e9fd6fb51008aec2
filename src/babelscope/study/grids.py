"""The grids of a study: for a few questions, what every token's place says at every depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from babelscope.adapt.recipes import Recipe
from babelscope.identity import digest
from babelscope.infer.lens import (
    Lens,
    LensPrompt,
    LensSettings,
    PlaceReading,
    prepare_lens,
    read_lens,
)
from babelscope.models.adapters import adapter_fingerprint
from babelscope.records import Event, QuestionSet
from babelscope.store import finish, finished, read_arrays, write_arrays
from babelscope.store import slot as slot_of
from babelscope.study.adapters import adapter_slot, attached
from babelscope.study.answers import read_answers
from babelscope.study.cells import Answering, Cell, answering_key, encode_questions
from babelscope.study.maps import map_digest
from babelscope.study.materials import QA, with_pool
from babelscope.study.samples import Choice, most_changed
from babelscope.study.schedule import answering_of, grid_questions, grid_variants
from babelscope.study.work import Work, cell_name, cell_slots, piece

GRID_VERSION = "1"
"""Raised whenever the same model, prompt, answer and map may give other values than before."""

WINDOW = 40
"""How many of a prompt's last tokens a grid has: the question and the cue of the answer."""

ARRAYS = "grid.safetensors"

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Grid:
    """The grids of one variant in one target: the questions' ids, and the slot that holds them."""

    cell: Cell
    ids: tuple[str, ...]
    folder: Path


@dataclass(frozen=True, slots=True)
class _Task:
    questions: QuestionSet
    answering: Answering
    answers: Path
    grid: Grid


def read_grids(work: Work, choices: Mapping[str, Sequence[Choice]], before: int) -> list[Grid]:
    """Read the grids of the questions that changed most, each once; `before` pieces are done.

    Base variants and those of the first seed are looked at, through the study's first map.
    """
    count = grid_questions(work.plan)
    if not count:
        return []
    chosen = {t: {c.id for c in most_changed(found, count)} for t, found in choices.items()}
    name = work.plan.lens.map_names[0]
    maps = {name: work.maps[name].probability}
    lens = prepare_lens(work.loaded, maps, LensSettings(top_k=1))
    grids: list[Grid] = []
    for recipe, variant in grid_variants(work.plan):
        adapter = None
        if not variant.is_base:
            source = work.materials.sources[variant.source]
            told = (work.plan, source, work.loaded, recipe, variant.seed)
            adapter = adapter_slot(work.store, *told)
        tasks = [_task(work, recipe, Cell(variant, QA, t), adapter, chosen[t]) for t in chosen]
        needed = adapter if any(not finished(task.grid.folder) for task in tasks) else None
        with attached(work.loaded, needed) as loaded:
            for task in tasks:
                done = before + len(grids)
                _do(work, replace(lens, loaded=loaded), task, done)
                grids.append(task.grid)
    return grids


def _task(work: Work, recipe: Recipe, cell: Cell, adapter: Path | None, chosen: set[str]) -> _Task:
    asked = work.materials.tests[QA, cell.target]
    examples = tuple(e for e in asked.examples if e.id in chosen)
    questions = QuestionSet(asked.name, asked.language, examples)
    wanted = answering_of(work.plan, recipe, max(cell.variant.seed, 0))
    answering = with_pool(work.materials, wanted, cell)
    fingerprint = adapter_fingerprint(adapter) if adapter else ""
    answers = cell_slots(work, cell, answering, fingerprint).answers
    if answers is None:
        raise AssertionError("a grid is of a question that was answered")
    model = (work.loaded.fingerprint, str(work.loaded.dtype), fingerprint)
    key = digest(
        {
            "version": GRID_VERSION,
            "answering": answering_key(*model, questions, answering),
            "answers": answers.name,
            "map": map_digest(work.maps[work.plan.lens.map_names[0]]),
            "window": WINDOW,
        }
    )
    ids = tuple(e.id for e in examples)
    grid = Grid(cell, ids, slot_of(work.store, "grids", key))
    return _Task(questions, answering, answers, grid)


def _do(work: Work, lens: Lens, task: _Task, done: int) -> None:
    folder, count = task.grid.folder, len(task.grid.ids)
    begun = Event("grid", cell_name(task.grid.cell), 0, count, done, work.total)
    with piece(work, begun, finished(folder)):
        if finished(folder):
            return
        tokens = {a.id: a.tokens for a in read_answers(task.answers / "answers.jsonl")}
        encoded = encode_questions(lens.loaded, task.questions, task.answering)
        prompts = [LensPrompt(e.id, e.ids, generated=tokens[e.id]) for e in encoded]
        write_arrays(folder / ARRAYS, grid_arrays(lens, prompts))
        finish(folder, {"questions": count, "window": WINDOW})


def grid_arrays(lens: Lens, prompts: Sequence[LensPrompt], window: int = WINDOW) -> Arrays:
    """Return what each of a prompt's last places, and each of its answer's, says at each depth.

    Of n places in all: `prompt` (its number), `place` (from 0), `answers` (1 where the token is
    the answer's), `token` and `next` (-1: unknown) are (n,); `top`, `top_probability`,
    `entropy_bits`, `next_probability`, `language` (its column in the map), `language_mass`,
    `shared` and `unknown` are (n, depths). The lens needs `top_k` of 1 and a single map.
    """
    found: dict[tuple[int, int], PlaceReading] = {}
    shown = [min(window, len(prompt.ids)) for prompt in prompts]
    for size in sorted(set(shown)):
        group = [number for number, own in enumerate(shown) if own == size]
        positions = [*(str(-place) for place in range(size, 0, -1)), "generated"]
        reading = read_lens(lens, [prompts[n] for n in group], positions=positions)
        # the last prompt token is told as such and as the one before the answer
        found |= {(group[p.prompt], p.place): p for p in reading.places}
    places = [(number, found[number, place]) for number, place in sorted(found)]
    ends = [len(prompts[number].ids) for number, _ in places]
    mass = np.stack([next(iter(p.mass.values())) for _, p in places])
    languages = mass[..., :-2]
    leading = languages.argmax(axis=-1)
    return {
        "prompt": np.array([number for number, _ in places]),
        "place": np.array([p.place for _, p in places]),
        "answers": np.array([p.place >= end for (_, p), end in zip(places, ends, strict=True)]),
        "token": np.array([p.token for _, p in places]),
        "next": np.array([p.expected for _, p in places]),
        "top": np.stack([p.top_ids[:, 0] for _, p in places]),
        "top_probability": np.stack([p.top_probability[:, 0] for _, p in places]),
        "entropy_bits": np.stack([p.entropy_bits for _, p in places]),
        "next_probability": np.stack([p.expected_probability for _, p in places]),
        "language": leading,
        "language_mass": np.take_along_axis(languages, leading[..., None], axis=-1)[..., 0],
        "shared": mass[..., -2],
        "unknown": mass[..., -1],
    }


def kept_grid(grid: Grid) -> Arrays:
    """Read the arrays of a grid's slot, see `grid_arrays`."""
    return read_arrays(grid.folder / ARRAYS)
