"""The mass of each language at each prompt, kept so that two studies can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from babelscope.identity import item_digest
from babelscope.study.cells import Variant
from babelscope.study.lens_shards import MASS
from babelscope.study.lensing import read_cell
from babelscope.study.materials import QA, Materials
from babelscope.study.plan import StudyPlan
from babelscope.study.schedule import lens_questions
from babelscope.study.tables import Schema

LENS_ITEMS: Schema = {
    **dict.fromkeys(("target", "position", "map", "measure"), pl.String),
    "depth": pl.Int64,
    "language": pl.String,
    "values": pl.List(pl.Float32),
    **dict.fromkeys(("ids", "contexts", "digests"), pl.List(pl.String)),
}
"""A row `mass` a target, position, map, depth and language with a value a prompt, and a row
`items` a target that names the prompts."""


def lens_items(
    plan: StudyPlan,
    materials: Materials,
    maps: Mapping[str, Sequence[str]],
    seen: Mapping[tuple[Variant, str, str], Path],
) -> pl.DataFrame:
    """Return the base model's mass at every prompt by the study's first map."""
    rows: list[dict[str, object]] = []
    for (variant, task, target), folder in seen.items():
        if task != QA or not variant.is_base or variant.recipe != "base" or not maps:
            continue
        examples = lens_questions(plan, materials.tests[task, target]).examples
        told = [item_digest((e.context, e.question, e.answers)) for e in examples]
        ids, contexts = ([getattr(e, name) for e in examples] for name in ("id", "context_id"))
        head = {"target": target, "measure": "items", "position": "", "map": "", "language": ""}
        rows.append({**head, "ids": ids, "contexts": contexts, "digests": told})
        name, columns = next(iter(maps.items()))
        mass = read_cell(folder)[f"{MASS}{name}"]
        for place, position in enumerate(plan.lens.positions):
            for depth in range(mass.shape[2]):
                for column, code in enumerate(columns):
                    values = np.round(mass[:, place, depth, column], 5).tolist()
                    key = {"target": target, "position": position, "map": name, "measure": "mass"}
                    rows.append({**key, "depth": depth, "language": code, "values": values})
    return pl.DataFrame(rows, schema=LENS_ITEMS)
