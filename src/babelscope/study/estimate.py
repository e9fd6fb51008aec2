"""What a study would cost: its cells, its tokens and the arithmetic, before it is run."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from babelscope.models.encoding import encode_prompt
from babelscope.models.folders import resolve_folder, weight_files
from babelscope.models.loading import load_tokenizer
from babelscope.records import QuestionSet
from babelscope.study.cells import Answering
from babelscope.study.materials import Materials, gather
from babelscope.study.plan import StudyPlan
from babelscope.study.schedule import (
    answering_of,
    lens_tasks,
    planned_cells,
    planned_variants,
    tunings,
)
from babelscope.study.work import cell_name

SAMPLED = 20
"""How many questions of a set are tokenised for the estimate."""

FORWARD_FLOPS = 2
STEP_FLOPS = 6
"""Floating-point operations a parameter and token: forward pass, and forward with backward."""


def estimate_cost(plan: StudyPlan) -> dict[str, object]:
    """Return a plan's cells and an estimate of its cost on this machine, without running it.

    Time counts matrix products only, at the rate of one measured here in float32; decoding,
    which moves memory rather than computes, takes longer than its share.
    """
    materials = gather(plan)
    parameters = parameters_of(plan)
    tokens = _cell_tokens(plan, materials)
    tuning_tokens = sum(
        r.max_steps * r.batch_size * r.accumulation * _mean_training_tokens(plan, materials)
        for r in plan.recipes
        for _ in range(len(plan.sources) * len(plan.seeds))
    )
    flops = parameters * (FORWARD_FLOPS * tokens + STEP_FLOPS * tuning_tokens)
    rate = measured_flops()
    return {
        "study": plan.name,
        "model": plan.model.name,
        "parameters": parameters,
        "adapters": tunings(plan),
        "cells": [cell_name(cell) for cell in planned_cells(plan)],
        "tuning_tokens": round(tuning_tokens),
        "answering_and_lens_tokens": round(tokens),
        "petaflops": flops / 1e15,
        "minutes_here_at_least": flops / rate / 60,
        "gflops_measured_here": rate / 1e9,
    }


def parameters_of(plan: StudyPlan) -> int:
    """Return the number of a model's stored weights, from the headers of its files."""
    from safetensors import safe_open

    folder = resolve_folder(plan.model.name, revision=plan.model.revision)
    total = 0
    for path in weight_files(folder):
        with safe_open(path, framework="numpy") as file:
            total += sum(int(np.prod(file.get_slice(k).get_shape())) for k in file.keys())  # noqa: SIM118  # not a dict
    return total


def _cell_tokens(plan: StudyPlan, materials: Materials) -> float:
    tokens = 0.0
    lengths: dict[tuple[str, str, str], float] = {}
    for recipe, variant in planned_variants(plan):
        answering = answering_of(plan, recipe, 0)
        for (task, target), questions in materials.tests.items():
            key = (recipe.name, task, target)
            if key not in lengths:
                lengths[key] = _mean_tokens(plan, questions, answering)
            asked = len(questions.examples)
            seen = min(plan.lens.questions, asked) if (task, target) in lens_tasks(plan) else 0
            tokens += seen * lengths[key]
            if plan.test.answers:
                tokens += asked * (lengths[key] + recipe.answer_tokens / 2)
        del variant
    return tokens


def _mean_tokens(plan: StudyPlan, questions: QuestionSet, answering: Answering) -> float:
    tokenizer = load_tokenizer(plan.model.name, revision=plan.model.revision)
    chosen = questions.examples[:SAMPLED]
    encoded = [encode_prompt(tokenizer, answering.rendering, e) for e in chosen]
    return float(np.mean([len(e.ids) for e in encoded]))


def _mean_training_tokens(plan: StudyPlan, materials: Materials) -> float:
    answering = answering_of(plan, plan.recipes[0], 0)
    means = [_mean_tokens(plan, s, answering) for s in materials.sources.values()]
    return float(np.mean(means)) if means else 0.0


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
