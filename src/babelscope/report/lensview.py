"""What the lens saw, packed for the page's controls: masses by depth, and their differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from babelscope.report.names import POSITIONS, language_name, variant_name
from babelscope.report.tables import Tables, Variant, base_of, differences, is_sure, main_map

NUMBERS = 500_000
"""The most numbers that the page carries of the lens; about 3 MB of text."""
LANGUAGES_KEPT = 10


@dataclass(frozen=True)
class LensView:
    """The data of the lens panel, and what was left out of the page for its size."""

    data: dict[str, Any]
    left_out: str


def lens_view(tables: Tables) -> LensView | None:
    """Pack the lens by target, variant, and view (position and subset); None without rows.

    Values are probabilities x 100, rounded to 3 decimals; missing ones are null.
    """
    frame = tables.lens.filter((pl.col("measure") == "mass") & pl.col("value").is_finite())
    if frame.is_empty():
        return None
    main = main_map(tables)
    # the other maps' views are named by their map
    frame = frame.with_columns(pl.col("map").replace(main, ""))
    frame, left_out = _within_size(tables, frame)
    views = sorted(set(frame.select("position", "subset", "map").rows()), key=_view_order)
    owners = sorted(set(frame.select("recipe", "source", "step").rows()))
    several = {o[:2] for o in owners if sum(p[:2] == o[:2] for p in owners) > 1}
    names = {
        owner: variant_name(tables, Variant(*owner[:2]), owner[2] if owner[:2] in several else None)
        for owner in owners
    }
    # the plan's order of sources; of the saved steps the last comes first
    places = {source["name"]: i for i, source in enumerate(tables.plan["sources"])}
    owners.sort(key=lambda o: (o[0], places.get(o[1], len(places)), -o[2]))
    targets = [t for t in tables.plan["targets"] if t in set(frame["target"])]
    codes = sorted(set(frame["language"]))
    data = {
        "views": [[_view_key(*view), _view_name(*view)] for view in views],
        "variants": [[" ".join(map(str, o)), names[o]] for o in owners if o[1]],
        "targets": [[t, language_name(t)] for t in targets],
        "languages": {code: language_name(code) for code in codes},
        "source_languages": {s["name"]: s["language"] for s in tables.plan["sources"]},
        "sources": {" ".join(map(str, o)): o[1] for o in owners},
        "bases": {" ".join(map(str, o)): base_of(tables, Variant(*o[:2])).recipe for o in owners},
        "cells": _cells(frame),
        "start": _start(tables, targets, owners),
    }
    return LensView(data, left_out)


def _start(tables: Tables, targets: list[str], owners: list[tuple[Any, ...]]) -> list[str]:
    """Return the target and variant shown first: the largest sure change, else the first."""
    rows = differences(tables, tables.plan["main_measure"])
    sure = sorted((-abs(r["difference"]), k) for k, r in rows.items() if is_sure(r))
    for _, (recipe, source, target) in sure:
        for owner in owners:
            if owner[:2] == (recipe, source) and target in targets:
                return [target, " ".join(map(str, owner))]
    return [targets[0] if targets else "", ""]


def _view_key(position: str, subset: str, other_map: str) -> str:
    return f"{position} {subset} {other_map}".rstrip()


def _view_name(position: str, subset: str, other_map: str) -> str:
    name = f"{POSITIONS.get(position, position)}; {subset.replace('_', ' ')} questions"
    return f"{name}; map by {other_map}" if other_map else name


def _view_order(view: tuple[str, str, str]) -> tuple[bool, bool, bool, str, str, str]:
    position, subset, other_map = view
    return subset != "all", position != "last", other_map != "", position, subset, other_map


def _within_size(tables: Tables, frame: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Leave out subsets, then positions, then small languages, until the page can carry it."""
    left_out = []
    if 4 * frame.height > NUMBERS and "all" in set(frame["subset"]):
        frame = frame.filter(pl.col("subset") == "all")
        left_out.append("subsets other than all questions")
    if 4 * frame.height > NUMBERS and "last" in set(frame["position"]):
        frame = frame.filter(pl.col("position") == "last")
        left_out.append("positions other than the last prompt token")
    if 4 * frame.height > NUMBERS:
        order = frame.group_by("language").agg(pl.col("value").abs().max())
        kept = order.sort("value", "language", descending=[True, False]).head(LANGUAGES_KEPT)
        frame = frame.filter(pl.col("language").is_in(kept["language"].to_list()))
        left_out.append(f"all but the {LANGUAGES_KEPT} languages with the largest values")
    return frame, ", ".join(left_out)


def _cells(frame: pl.DataFrame) -> dict[str, Any]:
    """Return "target|owner|view" -> kind -> language -> rows [depth, value, low, high, p]."""
    numbers = [
        pl.when(pl.col(c).is_finite()).then((pl.col(c) * 100).round(3)).alias(c)
        for c in ("value", "low", "high")
    ]
    p = pl.when(pl.col("p_value").is_finite()).then(pl.col("p_value").round(4)).alias("p_value")
    keys = ("target", "recipe", "source", "step", "position", "subset", "map", "kind", "language")
    packed = (
        frame.sort(*keys, "depth")
        .with_columns(*numbers, p)
        .group_by(*keys, maintain_order=True)
        .agg("depth", "value", "low", "high", "p_value")
    )  # fmt: skip
    cells: dict[str, Any] = {}
    for row in packed.iter_rows(named=True):
        owner = f"{row['recipe']} {row['source']} {row['step']}"
        who = owner if row["source"] else row["recipe"]
        key = f"{row['target']}|{who}|{_view_key(row['position'], row['subset'], row['map'])}"
        series = {"depth": row["depth"], "value": row["value"]}
        series |= {"low": row["low"], "high": row["high"]}
        if row["kind"] == "difference":
            series["p"] = row["p_value"]
        kind = "mass" if row["kind"] == "value" else row["kind"]
        cells.setdefault(key, {}).setdefault(kind, {})[row["language"]] = series
    return cells
