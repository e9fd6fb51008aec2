"""What a study would cost: its cells, its tokens and the arithmetic, before it is run."""

from __future__ import annotations

import math
from functools import cache
from time import perf_counter

import numpy as np

from babelscope.models.encoding import encode_prompt
from babelscope.models.folders import resolve_folder, weight_files
from babelscope.models.loading import Tokenizer, load_tokenizer
from babelscope.records import QuestionSet
from babelscope.study.cells import Answering, Cell, Variant, demonstrations_of
from babelscope.study.design import design_words, study_design
from babelscope.study.materials import QA, Materials, gather, with_pool
from babelscope.study.plan import ModelPlan, StudyPlan
from babelscope.study.samples import most_chosen
from babelscope.study.schedule import (
    answering_of,
    grid_questions,
    grid_variants,
    lens_tasks,
    planned_cells,
    planned_variants,
    stage_totals,
    tunings,
)
from babelscope.study.section_costs import section_readings
from babelscope.study.set_counts import material_counts
from babelscope.study.work import cell_name

SAMPLED = 20
"""How many questions of a set are tokenised for the estimate."""

FLOPS = {"answer": 2, "lens": 2, "tune": 6, "grid": 2}
"""Floating-point operations a parameter and token: forward pass, and forward with backward."""


def estimate_cost(plan: StudyPlan, materials: Materials | None = None) -> dict[str, object]:
    """Return a plan's sample, cells and cost as estimated for this machine, without running it.

    Time counts the matrix products of the passes only, at the rate of one measured here in
    float32; decoding, which moves memory rather than computes, takes longer than its share.
    """
    materials = materials or gather(plan)
    parameters = parameters_of(plan.model)
    tokens = _stage_tokens(plan, materials)
    rate = measured_flops()
    flops = {stage: tokens[stage] * parameters * FLOPS[stage] for stage in tokens}
    for reading in section_readings(plan):
        stage, body = reading.stage, body_parameters(reading.model)
        tokens[stage] = tokens.get(stage, 0.0) + reading.tokens
        done = 2 * body * reading.tokens * reading.passes
        flops[stage] = flops.get(stage, 0.0) + done
    rows = [
        {
            "stage": stage,
            "pieces": pieces,
            "tokens": round(tokens[stage]),
            "petaflops": flops[stage] / 1e15,
            "minutes_here_at_least": flops[stage] / rate / 60,
        }
        for stage, pieces in stage_totals(plan).items()
    ]
    return {
        "study": plan.name,
        "model": plan.model.name,
        "parameters": parameters,
        "adapters": tunings(plan),
        **design_words(plan, study_design(plan, materials)),
        "left_out_or_noted": material_counts(materials),
        "cells": [cell_name(cell) for cell in planned_cells(plan)],
        "cost": rows,
        "petaflops": sum(flops.values()) / 1e15,
        "minutes_here_at_least": sum(flops.values()) / rate / 60,
        "gflops_measured_here": rate / 1e9,
    }


def parameters_of(model: ModelPlan) -> int:
    """Return the number of a model's stored weights, from the headers of its files."""
    return sum(math.prod(shape) for shape in _shapes(model))


@cache
def body_parameters(model: ModelPlan) -> int:
    """Return the number of a model's weights that a pass without unembedding multiplies with.

    A table with a row for each token is looked up, not multiplied with.
    """
    rows = len(load_tokenizer(model.name, revision=model.revision))
    return sum(math.prod(shape) for shape in _shapes(model) if max(shape, default=0) < rows)


def _shapes(model: ModelPlan) -> list[tuple[int, ...]]:
    from safetensors import safe_open

    shapes = []
    for path in weight_files(resolve_folder(model.name, revision=model.revision)):
        with safe_open(path, framework="numpy") as file:
            shapes += [tuple(file.get_slice(k).get_shape()) for k in file.keys()]  # noqa: SIM118  # not a dict
    return shapes


def _stage_tokens(plan: StudyPlan, materials: Materials) -> dict[str, float]:
    """Return the tokens that each stage reads, half of its answers' room among them."""
    tokenizer = load_tokenizer(plan.model.name, revision=plan.model.revision)
    answered = seen = told = 0.0
    looked_through = [variant for _, variant in grid_variants(plan)]
    lengths: dict[tuple[str, str, str], float] = {}
    for recipe, variant in planned_variants(plan):
        answering = answering_of(plan, recipe, 0)
        for (task, target), questions in materials.tests.items():
            key = (recipe.name, task, target)
            if key not in lengths:
                cell = Cell(Variant(recipe.name), task, target)
                shown = with_pool(materials, answering, cell)
                lengths[key] = _mean_tokens(tokenizer, questions, shown)
            asked = len(questions.examples)
            if (task, target) in lens_tasks(plan):
                seen += min(plan.lens.questions, asked) * lengths[key]
            if plan.test.answers:
                answered += asked * (lengths[key] + recipe.answer_tokens / 2)
            if task == QA and variant in looked_through:
                chosen = min(grid_questions(plan), most_chosen(plan), asked)
                told += chosen * (lengths[key] + recipe.answer_tokens / 2)
    tuned = sum(
        r.max_steps
        * r.batch_size
        * r.accumulation
        * len(plan.seeds)
        * _mean_tokens(tokenizer, s, a)
        for r in plan.recipes
        for a in [answering_of(plan, r, 0)]
        for s in materials.sources.values()
    )
    return {"answer": answered, "lens": seen, "tune": tuned, "grid": told}


def _mean_tokens(tokenizer: Tokenizer, questions: QuestionSet, answering: Answering) -> float:
    chosen = questions.examples[:SAMPLED]
    encoded = [
        encode_prompt(tokenizer, answering.rendering, e, demonstrations_of(answering, e))
        for e in chosen
    ]
    return float(np.mean([len(e.ids) for e in encoded]))


def measured_flops() -> float:
    """Return the rate of a float32 matrix product here, in operations a second."""
    n = 1024
    a, b = np.ones((n, n), dtype=np.float32), np.ones((n, n), dtype=np.float32)
    a @ b  # the first call also starts the threads
    began = perf_counter()
    rounds = 4
    for _ in range(rounds):
        a @ b
    return 2 * n**3 * rounds / (perf_counter() - began)
