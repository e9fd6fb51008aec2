"""Figures that set each tuned model beside its base: length ratio and interference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from babelscope.records import MISSING, Estimate
from babelscope.report.figures import KINDS, Naming, Panel, axes, dots, gaps, height, shaded
from babelscope.report.names import (
    estimate_text,
    is_number,
    language_name,
    model_title,
)
from babelscope.report.tables import (
    CellKey,
    Tables,
    Variant,
    base_of,
    estimate,
    final_steps,
    pooled,
    values,
    variants,
)

FILLED = {"symbol": "circle", "color": "@blue", "line": {"color": "@blue", "width": 1.5}}


def against_base(
    tables: Tables,
    found: Mapping[CellKey, Estimate],
    names: Mapping[str, str],
    x: str,
    line: float | None = None,
) -> tuple[Panel, ...]:
    """Return a panel per variant: its estimates (filled) beside the base model's (hollow).

    `names` gives the rows: the third part of a cell's key, and the label drawn for it; `line`
    is a value of reference, in per cent. Rows without an estimate of the variant are shaded.
    """
    ends = [e.high if is_number(e.high) else e.value for e in found.values()]
    known = [v for v in ends if is_number(v)]
    if not known:
        return ()
    top = max(max(known) * 106, (line or 0.0) * 1.06) or 1.0
    shown = [v for v in variants(tables) if any(key[:2] == (v.recipe, v.source) for key in found)]
    tag = x.split(",")[0].replace(" ", "-")
    panels = []
    for number, variant in enumerate([v for v in shown if not v.is_base] or shown):
        before = _trace(found, names, base_of(tables, variant), -0.16)
        own = [i for i, row in enumerate(names) if _known(found, variant, row)]
        empty = [i for i in range(len(names)) if i not in own]
        traces = [before, _trace(found, names, variant, 0.16), gaps(empty, 0.0)]
        layout = axes(list(names.values()), {"range": [-0.03 * top, top], "title": x}) | shaded(
            empty, line
        )
        title = model_title(tables, variant)
        summary = f"{x}: {title}, beside the base model, {len(names)} rows"
        figure = {"data": traces, "layout": layout}
        panels.append(Panel(f"{tag}-{number}", title, summary, height(len(names)), figure))
    return tuple(panels)


def _known(found: Mapping[CellKey, Estimate], variant: Variant, row: str) -> bool:
    return is_number(found.get((variant.recipe, variant.source, row), MISSING).value)


def _trace(
    found: Mapping[CellKey, Estimate], names: Mapping[str, str], variant: Variant, shift: float
) -> dict[str, Any]:
    rows = [(i, row) for i, row in enumerate(names) if _known(found, variant, row)]
    shown = [found[variant.recipe, variant.source, row] for _, row in rows]
    who = "base model" if variant.is_base else "tuned"
    hover = [
        f"{names[row]}, {who}: {estimate_text(e)}" for (_, row), e in zip(rows, shown, strict=True)
    ]
    mark = KINDS["open"] if variant.is_base else FILLED
    return dots([i + shift for i, _ in rows], shown, hover, mark)


def length_ratios(tables: Tables, naming: Naming = language_name) -> tuple[Panel, ...]:
    """Return a panel per variant: answer length over gold length, in per cent of the gold."""
    names = {t: naming(t) for t in tables.plan["targets"]}
    label = "length, % of the gold’s"
    return against_base(tables, values(tables, "length_ratio"), names, label, line=100.0)


def interference(tables: Tables, naming: Naming = language_name) -> tuple[Panel, ...]:
    """Return a panel per variant: share of contest answers that equal another language's gold."""
    found, names = interference_rows(tables, naming)
    return against_base(tables, found, names, "interference, % of contest answers")


def interference_rows(
    tables: Tables, naming: Naming = language_name
) -> tuple[dict[CellKey, Estimate], dict[str, str]]:
    """Return (recipe, source, "target from:code") -> share, and the label of each such pair."""
    rows = pooled(tables, subset=None)
    rows = rows.filter(rows["measure"] == "interference").sort("target", "subset")
    found: dict[CellKey, Estimate] = {}
    names: dict[str, str] = {}
    for row in rows.to_dicts():
        pair = f"{row['target']} {row['subset']}"
        other = row["subset"].removeprefix("from:")
        names[pair] = f"{naming(row['target'])} ← {naming(other)}"
        found[row["recipe"], row["source"], pair] = estimate(row)
    return found, names


def interference_tests(tables: Tables) -> dict[CellKey, dict[str, Any]]:
    """Return the comparisons with the base of the shares of `interference_rows`, by its keys."""
    frame = final_steps(tables.comparisons)
    frame = frame.filter((frame["measure"] == "interference") & frame["difference"].is_finite())
    return {
        (r["recipe"], r["source"], f"{r['target']} from:{r['task'].partition(':')[2]}"): r
        for r in frame.to_dicts()
    }
