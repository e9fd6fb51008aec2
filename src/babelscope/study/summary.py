"""What a finished study found and what it took, in a few rows: read from its tables alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from babelscope.errors import StoreError
from babelscope.store import read_json
from babelscope.study.completion import completion
from babelscope.study.materials import QA
from babelscope.study.tables import POOLED

Found = dict[str, object]
CORRECTED = ("p_holm", "p_adapters_holm")
"""What a row tells of its gain: the claim of tuning, None with one seed, and of these adapters."""


def study_summary(folder: Path) -> Found:
    """Return the main measure, a row a recipe and target, and the cost of each stage.

    A row holds the base's score, the leading source with its score, gain and corrected p-values (of
    tuning, and of these adapters), and the sources that it does not beat; scores are 0-1. There are
    no rows where nothing was answered.
    `sample` tells how many questions a target has from how many contexts, see `study.design`.
    `left_out_or_noted` has what the readers of its sets counted.

    Raises:
        StoreError: the folder holds no finished study.
    """
    plan = read_json(folder / "plan.json")
    if not isinstance(plan, dict):
        raise StoreError(
            str(folder / "plan.json"), expected="a study's plan", found="something else"
        )
    measure, come = str(plan["main_measure"]), completion(folder, plan)
    results = _read(folder, "results").filter(
        (pl.col("measure") == measure) & (pl.col("task") == QA) & (pl.col("seed") == POOLED)
    )
    gains = _read(folder, "comparisons").filter(
        (pl.col("measure") == measure) & (pl.col("task") == QA)
    )
    best = _read(folder, "best")
    rows = [
        _row(plan, recipe, target, (results, gains, best))
        for recipe in plan["recipes"]
        for target in plan["targets"]
    ]
    told = plan.get("design", {})
    return {
        **{name: told[name] for name in ("sample", "sample_notes") if name in told},
        "measure": measure,
        **({} if come.complete else {"unfinished": list(come.missing)}),
        "scores": [row for row in rows if row] if results.height else [],
        "left_out_or_noted": plan.get("left_out_or_noted", []),
        "cost": _cost(folder),
    }


def _row(
    plan: Mapping[str, Any],
    recipe: str,
    target: str,
    tables: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame],
) -> Found:
    results, gains, best = (frame.filter(pl.col("target") == target) for frame in tables)
    base = results.filter(pl.col("recipe") == plan["bases"][recipe])
    row: Found = {"recipe": recipe} if len(plan["recipes"]) > 1 else {}
    row |= {"target": target, "base": _estimate(base)}
    tuned = results.filter((pl.col("recipe") == recipe) & (pl.col("source") != ""))
    last = tuned.filter(pl.col("step") == pl.col("step").max())
    if not last.height:
        return row
    leading, tied = _leading(best.filter(pl.col("recipe") == recipe), last)
    chosen = (pl.col("source") == leading) & (pl.col("recipe") == recipe)
    gain = gains.filter(chosen & (pl.col("step") == last["step"][0]))
    return row | {
        "source": leading,
        "score": _estimate(last.filter(chosen)),
        "gain": _estimate(gain, "difference"),
        **{name: _number(gain[name][0]) if gain.height else None for name in CORRECTED},
        "tied_with": tied,
    }


def _leading(best: pl.DataFrame, last: pl.DataFrame) -> tuple[str, list[str]]:
    """Return the leading source and those that it does not beat; a lone source leads."""
    if not best.height:
        return str(last.sort("value", descending=True, nulls_last=True)["source"][0]), []
    if best["best"][0] is not None:
        return str(best["best"][0]), []
    first, *others = best["tied"][0].to_list() or last["source"].to_list()
    return str(first), [str(source) for source in others]


def _cost(folder: Path) -> list[Found]:
    path = folder / "cost.csv"
    if not path.is_file():
        return []
    types = {"stage": pl.String, "cell": pl.String, "seconds": pl.Float64}
    frame = pl.read_csv(path, schema_overrides=types).group_by("stage", maintain_order=True)
    found = frame.agg(pl.len().alias("pieces"), pl.col("seconds").sum())
    return [{**row, "seconds": round(row["seconds"], 1)} for row in found.to_dicts()]


def _read(folder: Path, name: str) -> pl.DataFrame:
    path = folder / f"{name}.parquet"
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(
            str(path), expected="a table of a finished study", found=str(error)
        ) from error


def _estimate(frame: pl.DataFrame, name: str = "value") -> Found:
    if not frame.height:
        return {"value": None, "low": None, "high": None, "n": 0}
    row = frame.row(0, named=True)
    return {
        "value": _number(row[name]),
        "low": _number(row["low"]),
        "high": _number(row["high"]),
        "n": row["n"],
    }


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
