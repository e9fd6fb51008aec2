"""The scores of each question, read for paired contrasts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from babelscope.errors import StoreError

COLUMNS = ("recipe", "source", "target", "seed", "step", "task", "id", "context_id", "question")


def read_scores(folder: Path, plan: Mapping[str, Any]) -> pl.DataFrame | None:
    """Return `COLUMNS` and, as `value`, the main measure of each question of the main task.

    None where the study, of an older version, has no such table.

    Raises:
        StoreError: the table cannot be read, or lacks a column.
    """
    path = folder / "scores.parquet"
    if not path.is_file():
        return None
    try:
        frame = pl.scan_parquet(path).filter(pl.col("task") == plan.get("task", "qa"))
        return frame.select(*COLUMNS, pl.col(plan["main_measure"]).alias("value")).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        found = str(error).splitlines()[0]
        raise StoreError(str(path), expected="a table of scores", found=found) from error
