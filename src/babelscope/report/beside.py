"""Figures that set each tuned model beside its base: length ratio and interference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from babelscope.records import MISSING, Estimate
from babelscope.report.figures import KINDS, Panel, axes, dots, gaps, height
from babelscope.report.names import estimate_text, is_number, language_name, variant_name
from babelscope.report.tables import CellKey, Tables, estimate, pooled, values, variants


def against_base(
    tables: Tables, found: Mapping[CellKey, Estimate], names: Mapping[str, str], x: str
) -> tuple[Panel, ...]:
    """Return a panel per variant: its estimates (filled) beside the base model's (hollow).

    `names` gives the rows: the third part of a cell's key, and the label drawn for it.
    """
    if not any(is_number(e.value) for e in found.values()):
        return ()
    ends = [e.high if is_number(e.high) else e.value for e in found.values()]
    top = max(v for v in ends if is_number(v)) * 106 or 1.0
    shown = [v for v in variants(tables) if any(key[:2] == (v.recipe, v.source) for key in found)]
    tuned = [v for v in shown if not v.is_base] or shown
    tag = x.split(",")[0].replace(" ", "-")
    panels = []
    for number, variant in enumerate(tuned):
        traces, empty = [], set(range(len(names)))
        for who, shift, mark in (("base", -0.16, KINDS["open"]), ("", 0.16, _filled())):
            pair = ("base", "") if who else (variant.recipe, variant.source)
            cells = [(i, found.get((*pair, row), MISSING)) for i, row in enumerate(names)]
            cells = [(i, e) for i, e in cells if is_number(e.value)]
            label = "base model" if who else variant_name(tables, variant)
            hover = [f"{list(names.values())[i]}, {label}: {estimate_text(e)}" for i, e in cells]
            rows = [i + shift for i, _ in cells]
            traces.append(dots(rows, [e for _, e in cells], hover, mark))
            empty -= {i for i, _ in cells}
        traces.append(gaps(sorted(empty), 0.0))
        axis = {"range": [0, top], "title": x}
        figure = {"data": traces, "layout": axes(list(names.values()), axis)}
        name = variant_name(tables, variant)
        summary = f"{x}: {name} beside the base model, {len(names)} rows"
        panels.append(Panel(f"{tag}-{number}", name, summary, height(len(names)), figure))
    return tuple(panels)


def _filled() -> dict[str, Any]:
    return {"symbol": "circle", "color": "@blue", "line": {"color": "@blue", "width": 1.5}}


def length_ratios(tables: Tables) -> tuple[Panel, ...]:
    """Return a panel per variant: answer length over gold length, in per cent of the gold."""
    names = {t: language_name(t) for t in tables.plan["targets"]}
    label = "length, % of the gold’s"
    return against_base(tables, values(tables, "length_ratio"), names, label)


def interference(tables: Tables) -> tuple[Panel, ...]:
    """Return a panel per variant: share of contest answers that equal another language's gold."""
    found, names = interference_rows(tables)
    return against_base(tables, found, names, "interference, % of contest answers")


def interference_rows(tables: Tables) -> tuple[dict[CellKey, Estimate], dict[str, str]]:
    """Return (recipe, source, "target from:code") -> share, and the label of each such pair."""
    rows = pooled(tables, subset=None)
    rows = rows.filter(rows["measure"] == "interference").sort("target", "subset")
    found: dict[CellKey, Estimate] = {}
    names: dict[str, str] = {}
    for row in rows.to_dicts():
        pair = f"{row['target']} {row['subset']}"
        other = row["subset"].removeprefix("from:")
        names[pair] = f"{language_name(row['target'])} ← {language_name(other)}"
        found[row["recipe"], row["source"], pair] = estimate(row)
    return found, names
