"""The tables of a finished study, read and checked; missing tables are empty, never invented."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from babelscope.errors import StoreError
from babelscope.records import MISSING, Estimate
from babelscope.report.samples import read_samples
from babelscope.report.score_rows import read_scores
from babelscope.study.completion import Completion, completion

TEXT, WHOLE, REAL = pl.String(), pl.Int64(), pl.Float64()
ESTIMATE = {"value": REAL, "low": REAL, "high": REAL, "n": WHOLE}
COLUMNS: dict[str, dict[str, pl.DataType]] = {
    "results": {
        **dict.fromkeys(("model", "recipe", "source"), TEXT),
        **dict.fromkeys(("seed", "step"), WHOLE),
        **dict.fromkeys(("task", "target", "subset", "measure"), TEXT),
        **ESTIMATE,
    },
    "comparisons": {
        **dict.fromkeys(("recipe", "source", "task", "target", "measure"), TEXT),
        **dict.fromkeys(("step", "n", "seeds"), WHOLE),
        **dict.fromkeys(("difference", "low", "high"), REAL),
        **dict.fromkeys(("p_value", "p_holm", "p_adapters", "p_adapters_holm"), REAL),
        **dict.fromkeys(("se_contexts", "se_seeds", "seed_sd", "same_sign"), REAL),
        **dict.fromkeys(("questions_needed", "seeds_needed", "smallest_gain"), REAL),
    },
    "best": {
        **dict.fromkeys(("recipe", "target", "measure", "best", "adapters"), TEXT),
        **dict.fromkeys(("p_holm", "p_adapters_holm"), REAL),
        "tied": pl.List(pl.String),
    },
    "transfer": {
        **dict.fromkeys(("recipe", "source", "target", "measure", "kind", "reason"), TEXT),
        **ESTIMATE,
    },
    "recipes": {
        **dict.fromkeys(("recipe", "against", "source", "target", "measure"), TEXT),
        **dict.fromkeys(("n", "seeds"), WHOLE),
        **dict.fromkeys(("difference", "low", "high", "smallest_gain"), REAL),
        **dict.fromkeys(("p_holm", "p_adapters_holm"), REAL),
    },
    "lens": {
        **dict.fromkeys(("recipe", "source", "target", "subset", "position"), TEXT),
        **dict.fromkeys(("map", "measure", "language", "kind"), TEXT),
        **dict.fromkeys(("step", "depth"), WHOLE),
        **ESTIMATE,
        **dict.fromkeys(("p_value", "p_adapters"), REAL),
    },
    "quality": {
        **dict.fromkeys(("source", "language", "origin"), TEXT),
        **dict.fromkeys(("records", "dropped"), WHOLE),
        **dict.fromkeys(("gold_verbatim", "length_ratio", "chrf", "sentences_kept"), REAL),
    },
    "cost": {"stage": TEXT, "cell": TEXT, "seconds": REAL},
    "grids": {
        **dict.fromkeys(("recipe", "source", "target", "id", "part", "language"), TEXT),
        **dict.fromkeys(("seed", "place", "token_id", "next_id", "depth", "top_id"), WHOLE),
        **dict.fromkeys(("token", "next_token", "top_token"), pl.Binary()),
        **dict.fromkeys(("top_probability", "language_mass", "shared", "unknown"), REAL),
    },
}
LATER: dict[str, dict[str, pl.DataType]] = {"grids": {"top_mass": REAL, "top_evidence": TEXT}}
"""Columns that tables of older versions lack; they are null there."""
PARTS = ("alignment", "probes", "classification", "predictors")
"""Tables of what a study does beside its questions; each but the last has a JSON of settings."""
PLAN_KEYS = ("name", "model", "targets", "sources", "recipes", "seeds", "main_measure")

CellKey = tuple[str, str, str]
"""(recipe, source, target); a base model has no source."""


@dataclass(frozen=True)
class Part:
    """A table of `PARTS`, and what it was made from."""

    frame: pl.DataFrame
    settings: dict[str, Any]


@dataclass(frozen=True)
class Tables:
    """What a study left behind; each frame has at least the columns of `COLUMNS`.

    `parts` has those of `PARTS` that the study made. `scores` has those of each question of the
    main task by the main measure, None in a study of an older version. `completion` tells whether
    the tables are whole.
    """

    plan: dict[str, Any]
    results: pl.DataFrame
    comparisons: pl.DataFrame
    best: pl.DataFrame
    transfer: pl.DataFrame
    lens: pl.DataFrame
    quality: pl.DataFrame
    cost: pl.DataFrame
    grids: pl.DataFrame
    samples: tuple[dict[str, Any], ...]
    parts: Mapping[str, Part] = field(default_factory=dict)
    scores: pl.DataFrame | None = None
    completion: Completion = field(default_factory=Completion)
    recipes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=COLUMNS["recipes"]))


@dataclass(frozen=True)
class Variant:
    """A row of the transfer matrix: a base model ("base", "") or a recipe on a source."""

    recipe: str
    source: str

    @property
    def is_base(self) -> bool:
        """Whether this is the model before tuning."""
        return not self.source


BASE = Variant("base", "")
"""The base as the first recipe asks it; a recipe that answers otherwise has a base of its own."""
GROUP = "group:"
"""What the target of a macro average over a group begins with."""


def read_study(folder: Path) -> Tables:
    """Read a study folder; a table that is not there is empty.

    Raises:
        StoreError: no plan, or a file that cannot be read or lacks a column.
    """
    frames = {name: _frame(folder, name) for name in COLUMNS}
    parts = {name: _part(folder, name) for name in PARTS if (folder / f"{name}.parquet").exists()}
    plan, told = _plan(folder), read_samples(folder)
    scores = read_scores(folder, plan)
    come = completion(folder, plan)
    return Tables(plan=plan, samples=told, parts=parts, scores=scores, completion=come, **frames)


def _part(folder: Path, name: str) -> Part:
    path = folder / f"{name}.json"
    try:
        frame = pl.read_parquet(folder / f"{name}.parquet")
        settings = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise StoreError(
            str(path.with_suffix("")),
            expected="a table of a finished study with its settings",
            found=str(error).splitlines()[0],
            remedy="run the study again: what is finished stays",
        ) from error
    return Part(frame, settings)


def _plan(folder: Path) -> dict[str, Any]:
    path = folder / "plan.json"
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(
            str(path),
            expected="the plan of a finished study",
            found=str(error),
            remedy="give the folder that `babelscope run` wrote",
        ) from error
    missing = [key for key in PLAN_KEYS if not isinstance(plan, dict) or key not in plan]
    if missing:
        raise StoreError(str(path), expected="a study's plan", found=f"no {', '.join(missing)}")
    return plan


def _frame(folder: Path, name: str) -> pl.DataFrame:
    later = LATER.get(name, {})
    columns = COLUMNS[name] | later
    path = next(
        (p for p in (folder / f"{name}.parquet", folder / f"{name}.csv") if p.is_file()), None
    )
    if path is None or path.stat().st_size == 0:
        return pl.DataFrame(schema=columns)
    try:
        frame = (
            pl.read_parquet(path)
            if path.suffix == ".parquet"
            else pl.read_csv(path, infer_schema_length=None)
        )
        if not frame.columns:
            return pl.DataFrame(schema=columns)
        absent = [c for c in columns if c not in frame.columns and c not in later]
        if absent:
            raise StoreError(
                str(path),
                expected=f"columns {', '.join(columns)}",
                found=f"no {', '.join(absent)}",
                remedy="run the study again with this version: what is finished stays",
            )
        fresh = [pl.lit(None, kind).alias(c) for c, kind in later.items() if c not in frame.columns]
        frame = frame.with_columns(fresh)
        return frame.with_columns(pl.col(c).cast(kind) for c, kind in columns.items())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(str(path), expected="a readable table", found=str(error)) from error


def variants(tables: Tables) -> tuple[Variant, ...]:
    """Return the bases, then recipe by recipe each source, in the order of the plan."""
    plan = tables.plan
    planned = [
        Variant(recipe, source["name"]) for recipe in plan["recipes"] for source in plan["sources"]
    ]
    seen = tables.results.select("recipe", "source").unique().sort("recipe", "source").rows()
    others = [Variant(r, s) for r, s in seen if s and Variant(r, s) not in planned]
    bases = [Variant(r, "") for r, s in seen if not s] or [BASE]
    return (*bases, *planned, *others)


def base_of(tables: Tables, variant: Variant) -> Variant:
    """Return the base that answers as a variant's recipe does: by the plan, else by its name."""
    if variant.is_base:
        return variant
    named = (tables.plan.get("bases") or {}).get(variant.recipe)
    if named:
        return Variant(named, "")
    own = f"base:{variant.recipe}"
    return Variant(own, "") if (tables.results["recipe"] == own).any() else BASE


def final_steps(frame: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows of the last saved step of each recipe and source."""
    return frame.filter(pl.col("step") == pl.col("step").max().over("recipe", "source"))


def pooled(tables: Tables, subset: str | None = "all", *, groups: bool = False) -> pl.DataFrame:
    """Return the final results pooled over seeds; of a lone seed, its own rows.

    `subset` None keeps every subset and task; `groups` keeps their macro averages as targets.
    """
    frame = final_steps(tables.results)
    if subset is not None:
        frame = frame.filter(pl.col("subset").is_in([subset, ""]))
        # contests ask other questions of the same targets
        frame = frame.filter(pl.col("task") == tables.plan.get("task", "qa"))
    if not groups:
        frame = frame.filter(~pl.col("target").str.starts_with(GROUP))
    keys = ["recipe", "source", "target", "subset", "measure"]
    alone = pl.col("seed").n_unique().over(keys) == 1
    return frame.filter((pl.col("seed") == -1) | alone).unique(keys, keep="first").sort(keys)


def values(tables: Tables, measure: str, *, groups: bool = False) -> dict[CellKey, Estimate]:
    """Return the final, pooled estimates of a measure on all questions; gaps are absent."""
    frame = pooled(tables, groups=groups).filter(pl.col("measure") == measure)
    return {(r["recipe"], r["source"], r["target"]): estimate(r) for r in frame.to_dicts()}


def differences(tables: Tables, measure: str) -> dict[CellKey, dict[str, Any]]:
    """Return the final comparisons with the base for a measure, by cell; NaN ones are absent."""
    found = compared(tables, measure)
    return {key: row for key, row in found.items() if key[2] in tables.plan["targets"]}


def compared(tables: Tables, measure: str) -> dict[CellKey, dict[str, Any]]:
    """Return `differences` of all targets, the groups' macro averages among them."""
    frame = final_steps(tables.comparisons).filter(
        (pl.col("measure") == measure)
        & (pl.col("task") == tables.plan.get("task", "qa"))
        & pl.col("difference").is_finite()
    )
    order = ["recipe", "source", "target"]
    return {(r["recipe"], r["source"], r["target"]): r for r in frame.sort(order).to_dicts()}


def estimate(row: dict[str, Any], name: str = "value") -> Estimate:
    """Return a row's value with its interval; null and NaN both become missing."""
    value = row[name]
    if value is None or not math.isfinite(value):
        return MISSING
    low, high = (math.nan if row[k] is None else row[k] for k in ("low", "high"))
    return Estimate(value, low, high, int(row["n"] or 0))


def main_map(tables: Tables) -> str:
    """Return the name of the map that conclusions are drawn from: the plan's first."""
    named = list(tables.plan.get("language_maps") or {})
    return named[0] if named else "counted"
