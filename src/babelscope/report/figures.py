"""Drawn figures as plotly data; colours are names that the page resolves for its theme."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babelscope.records import MISSING, Estimate
from babelscope.report.claims import verdict
from babelscope.report.names import (
    NO_DATA,
    interval,
    is_number,
    language_name,
    model_title,
    named,
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
ROW_PX, FRAME_PX = 24, 56

Naming = Callable[[str], str]
"""How a language code is written in labels."""


@dataclass(frozen=True)
class Panel:
    """One small figure of a grid: its id in the page, title, spoken summary, height and data."""

    id: str
    title: str
    summary: str
    height: int
    figure: dict[str, Any]


def axes(labels: Sequence[str], x: dict[str, Any]) -> dict[str, Any]:
    """Return the layout of a panel with a named row per label, the first on top."""
    # positions instead of categories: two rows may carry the same name
    whole = [named(label) for label in labels]
    shown = [label if len(label) <= 22 else label[:21] + "…" for label in whole]
    return {
        "xaxis": x,
        "yaxis": {
            "tickvals": list(range(len(labels))),
            "ticktext": [plain(label) for label in shown],
            "range": [len(labels) - 0.4, -0.6],
        },
        "margin": {
            "l": 20 + round(6.6 * max(map(len, shown), default=0)),
            "r": 22,
            "t": 6,
            "b": 44,
        },
    }


def height(rows: int) -> int:
    """Return a panel's height in pixels."""
    return FRAME_PX + ROW_PX * max(rows, 2)


def gaps(rows: Sequence[int], x: float) -> dict[str, Any]:
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


def shaded(rows: Sequence[int], line: float | None = None) -> dict[str, Any]:
    """Return the layout's grey bands behind rows without data, and a line of reference at x."""
    band = {"type": "rect", "xref": "paper", "x0": 0, "x1": 1, "layer": "below"}
    look = {"fillcolor": "@nodata", "line": {"width": 0}}
    shapes = [band | look | {"y0": i - 0.38, "y1": i + 0.38} for i in rows]
    if line is not None:
        stroke = {"line": {"color": "@muted", "width": 1, "dash": "dot"}, "layer": "below"}
        ends = {"yref": "paper", "x0": line, "x1": line, "y0": 0, "y1": 1}
        shapes.append({"type": "line", **stroke, **ends})
    return {"shapes": shapes}


def dots(
    rows: Sequence[float], found: Sequence[Estimate], hover: Sequence[str], mark: dict[str, Any]
) -> dict[str, Any]:
    """Return a trace of marks with intervals (0-1 values drawn x 100) and hover texts."""

    def side(high: bool) -> list[float]:
        lengths = (e.high - e.value if high else e.value - e.low for e in found)
        return [round(max(x, 0.0) * 100, 3) if is_number(x) else 0.0 for x in lengths]

    return {
        "type": "scatter",
        "mode": "markers",
        "cliponaxis": False,
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
    "gained": {
        "symbol": "triangle-up",
        "color": "@paper",
        "line": {"color": "@blue", "width": 1.5},
    },
    "lost": {
        "symbol": "triangle-down",
        "color": "@paper",
        "line": {"color": "@orange", "width": 1.5},
    },
    "open": {"symbol": "circle", "color": "@paper", "line": {"color": "@muted", "width": 1.5}},
}

MEANING = {
    "helped": "tuning helped",
    "harmed": "tuning harmed",
    "gained": "these adapters gained",
    "lost": "these adapters lost",
    "open": "undecided",
}
"""What each mark says, by `claims.verdict`."""


def gains(tables: Tables, naming: Naming = language_name) -> tuple[Panel, ...]:
    """Return a panel per variant: gain over the base with its interval in every target."""
    rows = differences(tables, tables.plan["main_measure"])
    targets = tables.plan["targets"]
    if not rows:
        return ()
    ends = [abs(v) for r in rows.values() for v in (r["low"], r["high"], r["difference"])]
    reach = max((v for v in ends if is_number(v)), default=0.1) * 108 or 1.0
    labels = [naming(t) for t in targets]
    panels = []
    for number, variant in enumerate(v for v in variants(tables) if not v.is_base):
        own = [rows.get((variant.recipe, variant.source, t)) for t in targets]
        empty = [i for i, row in enumerate(own) if row is None]
        traces = [gaps(empty, -reach)]
        for kind, mark in KINDS.items():
            chosen = [(i, r) for i, r in enumerate(own) if r and verdict(r) == kind]
            hover = [
                f"{labels[i]}: {signed(r['difference'])} "
                f"({interval(r['low'], r['high'], sign=True)}), {MEANING[kind]}"
                for i, r in chosen
            ]
            found = [estimate(r, "difference") for _, r in chosen]
            traces.append(dots([i for i, _ in chosen], found, hover, mark))
        x = {"range": [-reach, reach], "zeroline": True, "title": "points gained over the base"}
        name = variant_name(tables, variant)
        summary = f"Gain over the base model in {len(targets)} targets after tuning on {name}"
        figure = {"data": traces, "layout": axes(labels, x) | shaded(empty)}
        title = model_title(tables, variant)
        panels.append(Panel(f"gain-{number}", title, summary, height(len(targets)), figure))
    return tuple(panels)


def stacked(
    tables: Tables,
    prefix: str,
    parts: Sequence[tuple[str, str]],
    what: str,
    naming: Naming = language_name,
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
        empty = [i for i, key in enumerate(keys) if not _any(shares, key)]
        traces = [gaps(empty, 0.0)]
        for part, label in parts:
            found = [shares[part].get(key, MISSING) for key in keys]
            share = [round(e.value * 100, 2) if is_number(e.value) else None for e in found]
            hover = [
                plain(f"{who}: {label} {points(e.value)} %")
                for who, e in zip(labels, found, strict=True)
            ]
            bar = {"type": "bar", "orientation": "h", "x": share, "y": list(range(len(keys)))}
            look = {"color": f"@{prefix}-{part}", "line": {"color": "@paper", "width": 1}}
            traces.append(bar | {"marker": look, "hovertext": hover, "hoverinfo": "text"})
        x = {"range": [0, 100.5], "tickvals": [0, 50, 100], "ticktext": ["0", "50", "100 %"]}
        layout = axes(labels, x) | shaded(empty)
        layout |= {"barmode": "stack", "bargap": 0.3}
        name = naming(target)
        figure = {"data": traces, "layout": layout}
        summary = f"{what} in {name}, for the base model and each tuned model"
        panels.append(
            Panel(f"{prefix}-{number}", f"asked in {name}", summary, height(len(keys)), figure)
        )
    return tuple(panels)


def _any(shares: Mapping[str, Mapping[CellKey, Estimate]], key: CellKey) -> bool:
    return any(is_number(found.get(key, MISSING).value) for found in shares.values())
