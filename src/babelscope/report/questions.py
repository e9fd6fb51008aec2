"""The scores of each question by cell, and cells brought to the same questions and seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from babelscope.report.tables import CellKey, Tables, final_steps

Values = NDArray[np.float64]
Cells = dict[CellKey, pl.DataFrame]


def question_cells(tables: Tables) -> Cells:
    """Return the scores of each question of the last saved step by cell; none without a table."""
    if tables.scores is None or tables.scores.is_empty():
        return {}
    parts = final_steps(tables.scores).partition_by("recipe", "source", "target", as_dict=True)
    return {(str(r), str(s), str(t)): frame for (r, s, t), frame in parts.items()}


def shared_questions(frames: Sequence[pl.DataFrame]) -> tuple[list[str], list[str]]:
    """Return the ids that all cells have, sorted, and their contexts."""
    kept = frames[0].select("id", "context_id").unique("id", keep="first").sort("id")
    for frame in frames[1:]:
        kept = kept.join(frame.select("id").unique(), on="id", how="semi", maintain_order="left")
    return kept["id"].to_list(), kept["context_id"].to_list()


def values_of(frame: pl.DataFrame, ids: Sequence[str]) -> tuple[list[int], Values]:
    """Return the seeds of a cell and their (seeds, items) values in the order of the ids."""
    order = pl.DataFrame({"id": ids}, schema={"id": pl.String})
    seeds = frame.select(pl.col("seed").unique().sort())
    grid = seeds.join(order, how="cross", maintain_order="left_right")
    found = grid.join(frame, on=["seed", "id"], how="left", maintain_order="left")["value"]
    return seeds["seed"].to_list(), found.to_numpy().reshape(len(seeds), len(order))


def aligned(
    sides: Sequence[Sequence[pl.DataFrame]], ids: Sequence[str]
) -> tuple[list[Values], str]:
    """Return the mean over the cells of each side, (seeds, items), and how seeds were paired.

    Rows are the seeds that all cells have, whose number is told; where none is shared, each cell's
    mean over its own seeds is taken, and "means" is told.
    """
    found = [[values_of(frame, ids) for frame in frames] for frames in sides]
    every = [set(seeds) for side in found for seeds, _ in side]
    common = sorted(set.intersection(*every))
    if common:
        rows = [
            np.mean([v[[s.index(x) for x in common]] for s, v in side], axis=0) for side in found
        ]
        return rows, str(len(common))
    means = [np.mean([v.mean(axis=0, keepdims=True) for _, v in side], axis=0) for side in found]
    return means, "means"
