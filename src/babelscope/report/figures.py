"""Drawn figures as plotly data; colours are names that the page resolves for its theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babelscope.records import MISSING, Estimate
from babelscope.report.names import (
    NO_DATA,
    estimate_text,
    interval,
    is_number,
    language_name,
    plain,
    points,
    signed,
    variant_name,
)
from babelscope.report.tables import (
    CellKey,
    Tables,
    differences,
    estimate,
    is_sure,
    pooled,
    values,
    variants,
)

CAUSES = (
    ("exact", "exact"),
    ("overgeneration", "over-generation"),
    ("repetition", "repetition"),
    ("no_stop", "no stop"),
    ("wrong_script", "wrong script"),
    ("wrong_language", "wrong language"),
    ("copies_context", "copies the context"),
    ("wrong_span", "wrong span"),
    ("other", "other"),
    ("empty", "empty"),
)
STOPS = (("newline", "new line"), ("eos", "end token"), ("length", "out of room"))
ROW_PX, FRAME_PX = 24, 46


@dataclass(frozen=True)
class Panel:
    """One small figure of a grid: its id in the page, title, spoken summary, height and data."""

    id: str
    title: str
    summary: str
    height: int
    figure: dict[str, Any]


def _axes(labels: Sequence[str], x: dict[str, Any]) -> dict[str, Any]:
    # positions instead of categories: two rows may carry the same name
    shown = [label if len(label) <= 22 else label[:21] + "…" for label in labels]
    return {
        "xaxis": x,
        "yaxis": {
            "tickvals": list(range(len(labels))),
            "ticktext": [plain(label) for label in shown],
            "range": [len(labels) - 0.4, -0.6],
        },
        "margin": {
            "l": 16 + round(6.4 * max(map(len, shown), default=0)),
            "r": 12,
            "t": 6,
            "b": 34,
        },
    }


def _height(rows: int) -> int:
    return FRAME_PX + ROW_PX * max(rows, 2)


def _gaps(rows: Sequence[int], x: float) -> dict[str, Any]:
    """Return a trace that writes "no data" where a row has none."""
    return {
        "type": "scatter",
        "mode": "text",
        "x": [x] * len(rows),
        "y": list(rows),
        "text": [NO_DATA] * len(rows),
        "textposition": "middle right",
        "textfont": {"color": "@muted", "size": 11},
        "hoverinfo": "skip",
    }


def _dots(
    rows: Sequence[int], found: Sequence[Estimate], hover: Sequence[str], mark: dict[str, Any]
) -> dict[str, Any]:
    def side(high: bool) -> list[float]:
        lengths = (e.high - e.value if high else e.value - e.low for e in found)
        return [round(max(x, 0.0) * 100, 3) if is_number(x) else 0.0 for x in lengths]

    return {
        "type": "scatter",
        "mode": "markers",
        "x": [round(e.value * 100, 3) for e in found],
        "y": list(rows),
        "marker": {"size": 9, **mark},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": side(True),
            "arrayminus": side(False),
            "color": mark.get("line", {}).get("color", mark["color"]),
            "thickness": 1.4,
            "width": 0,
        },
        "hovertext": [plain(text) for text in hover],
        "hoverinfo": "text",
    }


KINDS = {
    "helped": {"symbol": "triangle-up", "color": "@blue", "line": {"color": "@blue", "width": 1.5}},
    "harmed": {
        "symbol": "triangle-down",
        "color": "@orange",
        "line": {"color": "@orange", "width": 1.5},
    },
    "open": {"symbol": "circle", "color": "@paper", "line": {"color": "@muted", "width": 1.5}},
}


def gains(tables: Tables) -> tuple[Panel, ...]:
    """Return a panel per variant: gain over the base with its interval in every target."""
    rows = differences(tables, tables.plan["main_measure"])
    targets = tables.plan["targets"]
    if not rows:
        return ()
    ends = [abs(v) for r in rows.values() for v in (r["low"], r["high"], r["difference"])]
    reach = max((v for v in ends if is_number(v)), default=0.1) * 108 or 1.0
    labels = [language_name(t) for t in targets]
    panels = []
    for number, variant in enumerate(variants(tables)[1:]):
        own = [rows.get((variant.recipe, variant.source, t)) for t in targets]
        traces = [_gaps([i for i, row in enumerate(own) if row is None], 0.0)]
        for kind, mark in KINDS.items():
            chosen = [(i, r) for i, r in enumerate(own) if r and _kind(r) == kind]
            hover = [
                f"{labels[i]}: {signed(r['difference'])} "
                f"({interval(r['low'], r['high'], sign=True)}), {kind}"
                for i, r in chosen
            ]
            found = [estimate(r, "difference") for _, r in chosen]
            traces.append(_dots([i for i, _ in chosen], found, hover, mark))
        x = {"range": [-reach, reach], "zeroline": True, "title": "points gained over the base"}
        name = variant_name(tables, variant)
        summary = f"Gain over the base model in {len(targets)} targets after tuning on {name}"
        figure = {"data": traces, "layout": _axes(labels, x)}
        panels.append(Panel(f"gain-{number}", name, summary, _height(len(targets)), figure))
    return tuple(panels)


def _kind(row: dict[str, Any]) -> str:
    if not is_sure(row):
        return "open"
    return "helped" if row["difference"] > 0 else "harmed"


def stacked(
    tables: Tables, prefix: str, parts: Sequence[tuple[str, str]], what: str
) -> tuple[Panel, ...]:
    """Return a panel per target: for each variant a bar of shares that add to 100 %."""
    shares = {part: values(tables, f"{prefix}_{part}") for part, _ in parts}
    if not any(is_number(e.value) for found in shares.values() for e in found.values()):
        return ()
    shown = variants(tables)
    labels = [variant_name(tables, v) for v in shown]
    panels = []
    for number, target in enumerate(tables.plan["targets"]):
        keys = [(v.recipe, v.source, target) for v in shown]
        gaps = [i for i, key in enumerate(keys) if not _any(shares, key)]
        traces = [_gaps(gaps, 0.0)]
        for part, label in parts:
            found = [shares[part].get(key, MISSING) for key in keys]
            x = [round(e.value * 100, 2) if is_number(e.value) else None for e in found]
            hover = [
                plain(f"{who}: {label} {points(e.value)} %")
                for who, e in zip(labels, found, strict=True)
            ]
            bar = {"type": "bar", "orientation": "h", "x": x, "y": list(range(len(keys)))}
            look = {"color": f"@{prefix}-{part}", "line": {"color": "@paper", "width": 1}}
            traces.append(bar | {"marker": look, "hovertext": hover, "hoverinfo": "text"})
        layout = _axes(labels, {"range": [0, 100.5], "ticksuffix": " %"})
        layout |= {"barmode": "stack", "bargap": 0.3}
        name = language_name(target)
        figure = {"data": traces, "layout": layout}
        summary = f"{what} in {name}, for the base model and each tuned model"
        panels.append(Panel(f"{prefix}-{number}", name, summary, _height(len(keys)), figure))
    return tuple(panels)


def _any(shares: Mapping[str, Mapping[CellKey, Estimate]], key: CellKey) -> bool:
    return any(is_number(found.get(key, MISSING).value) for found in shares.values())


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
            traces.append(_dots(rows, [e for _, e in cells], hover, mark))  # type: ignore[arg-type]
            empty -= {i for i, _ in cells}
        traces.append(_gaps(sorted(empty), 0.0))
        axis = {"range": [0, top], "title": x}
        figure = {"data": traces, "layout": _axes(list(names.values()), axis)}
        name = variant_name(tables, variant)
        summary = f"{x}: {name} beside the base model, {len(names)} rows"
        panels.append(Panel(f"{tag}-{number}", name, summary, _height(len(names)), figure))
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
