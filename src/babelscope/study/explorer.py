"""What the report's explorer shows: sampled questions with all answers, and their grids."""

from __future__ import annotations

from dataclasses import replace

from babelscope.measure.map_evidence import token_evidence
from babelscope.models.encoding import prompt_text
from babelscope.models.token_text import token_bytes
from babelscope.models.tokens import token_forms
from babelscope.records import Example
from babelscope.study.cells import Cell, Variant, demonstrations_of
from babelscope.study.grid_table import grid_table
from babelscope.study.grids import read_grids
from babelscope.study.materials import QA, with_pool
from babelscope.study.output import Study
from babelscope.study.samples import choose, samples
from babelscope.study.schedule import answering_of, grid_questions, planned_variants
from babelscope.study.work import Work


def with_examples(work: Work, study: Study, before: int) -> Study:
    """Return a study with its samples, and its grids where the plan asks for them.

    `before` pieces of work are done already.
    """
    choices = choose(study.plan, study.cells)

    def prompts(target: str, example: Example) -> dict[str, str]:
        return _prompts(work, target, example)

    rows = samples(study.plan, study.materials, study.cells, choices, prompts)
    grids = read_grids(work, choices, before)
    if not grid_questions(study.plan):
        return replace(study, samples=rows)
    forms = token_forms(work.loaded.tokenizer, work.loaded.parts.vocabulary_rows)
    language_map = work.maps[study.plan.lens.map_names[0]]
    evidence = token_evidence(language_map, forms)
    spelled = lambda row: token_bytes(work.loaded.tokenizer, forms, row)  # noqa: E731  # one use
    table = grid_table(grids, language_map, evidence, spelled)
    return replace(study, samples=rows, grids=table)


def _prompts(work: Work, target: str, example: Example) -> dict[str, str]:
    """Return the prompt as each base was asked it; what was cut is not in it."""
    found = {}
    for recipe, variant in planned_variants(work.plan):
        if variant.is_base:
            cell = Cell(Variant(variant.recipe), QA, target)
            answering = with_pool(work.materials, answering_of(work.plan, recipe, 0), cell)
            shown = demonstrations_of(answering, example)
            rendering = answering.rendering
            found[variant.recipe] = prompt_text(work.loaded.tokenizer, rendering, example, shown)
    return found
