"""The lens table of a study: masses of base and variants, and their differences, by subset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from babelscope.measure.lens import (
    LensDifference,
    LensRow,
    lens_differences,
    lens_rows,
    subset_masks,
)
from babelscope.study.cells import Variant
from babelscope.study.lensing import read_masses
from babelscope.study.materials import QA
from babelscope.study.plan import StudyPlan
from babelscope.study.scores import CellScores
from babelscope.study.tables import POOLED, Schema, base_of

LENS: Schema = {
    **dict.fromkeys(("recipe", "source"), pl.String),
    "step": pl.Int64,
    **dict.fromkeys(("target", "subset", "position"), pl.String),
    "depth": pl.Int64,
    **dict.fromkeys(("language", "kind"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    "n": pl.Int64,
    "p_value": pl.Float64,
}

Cells = Mapping[tuple[Variant, str, str], CellScores]
Masses = Mapping[tuple[Variant, str], Path]
Row = dict[str, object]


def lens_table(
    plan: StudyPlan, columns: Sequence[str], cells: Cells, masses: Masses, bases: Mapping[str, str]
) -> pl.DataFrame:
    """Return masses of base and variants on all prompts and on subsets, and their differences.

    `columns` are the map's languages with "shared" and "unknown". Subsets are by MLQA match of
    base and variant on the same prompt; the base's own rows are those of all prompts. Seeds are
    pooled.
    """
    rows: list[Row] = []
    grouped: dict[tuple[Variant, str], list[Variant]] = {}
    for variant, target in masses:
        bare = Variant(variant.recipe, variant.source, POOLED, variant.step)
        grouped.setdefault((bare, target), []).append(variant)
    for (bare, target), members in grouped.items():
        seen = np.stack([read_masses(masses[v, target]) for v in members])
        contexts = cells[members[0], QA, target].contexts[: seen.shape[1]]
        head: Row = {
            "recipe": bare.recipe,
            "source": bare.source,
            "step": bare.step,
            "target": target,
        }
        if bare.is_base:
            found = lens_rows(seen, contexts, plan.lens.positions, columns)
            rows += [{**head, "subset": "all", **_mass_columns(r)} for r in found]
            continue
        base = base_of(bare, bases)
        right = [cells[v, QA, target].values["mlqa_em"][: seen.shape[1]] > 0 for v in members]
        base_right = cells[base, QA, target].values["mlqa_em"][: seen.shape[1]] > 0
        base_seen = read_masses(masses[base, target])[np.newaxis]
        for subset, flags in subset_masks(base_right, np.stack(right)).items():
            told = (seen, contexts, plan.lens.positions, columns)
            rows += [
                {**head, "subset": subset, **_mass_columns(r)}
                for r in lens_rows(*told, subset=flags)
            ]
            rows += [
                {**head, "subset": subset, **_difference_columns(r)}
                for r in lens_differences(base_seen, *told, subset=flags)
            ]
    return pl.DataFrame(rows, schema=LENS)


def _mass_columns(row: LensRow) -> Row:
    return {
        "position": row.position,
        "depth": row.depth,
        "language": row.language,
        "kind": "mass",
        "value": row.mass,
        "low": row.low,
        "high": row.high,
        "n": row.n,
        "p_value": np.nan,
    }


def _difference_columns(row: LensDifference) -> Row:
    return {
        "position": row.position,
        "depth": row.depth,
        "language": row.language,
        "kind": "difference",
        "value": row.difference,
        "low": row.low,
        "high": row.high,
        "n": row.n,
        "p_value": row.p_value,
    }
