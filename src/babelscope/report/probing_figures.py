"""The figures of the probes: heat maps of depth by target, curves with their baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from babelscope.records import MISSING, Estimate, depth_name
from babelscope.report.depths import depth_axis
from babelscope.report.figures import Panel
from babelscope.report.matrix import Cell, style
from babelscope.report.names import (
    NO_DATA,
    estimate_text,
    interval,
    is_number,
    language_name,
    plain,
    points,
    signed,
)

BASELINES = {"majority": "commonest label", "subword": "subwords alone"}
CURVE_PX = 220

Key = tuple[str, str, int | None]
"""(measure, target, depth)."""


def target_name(target: str) -> str:
    """Return a target's name for people."""
    return "all languages" if target == "all" else language_name(target)


def heat(
    rows: Mapping[Key, Estimate],
    measure: str,
    targets: Sequence[str],
    depths: Sequence[int],
    norm: int | None = None,
) -> tuple[tuple[str, tuple[Cell, ...]], ...]:
    """Return the rows of a heat map: a target's name and its cells, one a depth."""
    write = signed if measure == "selectivity" else points
    found = []
    for target in targets:
        cells = []
        for depth in depths:
            value = rows.get((measure, target, depth), MISSING)
            where = f"{target_name(target)}, {depth_name(depth, norm)}"
            if not is_number(value.value):
                cells.append(Cell(NO_DATA, f"{where}: {NO_DATA}", "", missing=True))
                continue
            span = interval(value.low, value.high, sign=measure == "selectivity")
            title = f"{where}: {write(value.value)} ({span}), n = {value.n:,}"
            cells.append(Cell(write(value.value), title, style(value.value)))
        found.append((target_name(target), tuple(cells)))
    return tuple(found)


def curve(
    name: str,
    rows: Mapping[Key, Estimate],
    target: str,
    depths: Sequence[int],
    norm: int | None = None,
) -> Panel:
    """Return accuracy by depth with its interval, the control, and the baselines as lines.

    The depth after the final norm stands apart: no line leads to it.
    """
    traces = []
    for measure, colour, dash in (
        ("accuracy", "@blue", "solid"),
        ("control_accuracy", "@orange", "dash"),
    ):
        label = "accuracy" if measure == "accuracy" else "control"
        for part in ([d for d in depths if d != norm], [d for d in depths if d == norm]):
            found = [rows.get((measure, target, depth), MISSING) for depth in part]
            names = [depth_name(depth, norm) for depth in part]
            if part:
                traces.append(_line(part, found, names, label, colour, dash))
    shapes, notes = [], []
    for measure, label in BASELINES.items():
        value = rows.get((measure, target, None), MISSING).value
        if is_number(value):
            y = round(value * 100, 2)
            ends = {"xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "layer": "below"}
            stroke = {"color": "@muted", "width": 1, "dash": "dot"}
            shapes.append({"type": "line", "line": stroke, **ends})
            text = {"xref": "paper", "x": 1, "y": y, "text": label, "showarrow": False}
            look = {
                "xanchor": "right",
                "yanchor": "bottom",
                "font": {"color": "@muted", "size": 10},
            }
            notes.append(text | look)
    layout = {
        "xaxis": depth_axis(depths, norm),
        "yaxis": {"range": [0, 103], "tickvals": [0, 25, 50, 75, 100], "showgrid": True},
        "margin": {"l": 38, "r": 14, "t": 6, "b": 44},
        "shapes": shapes,
        "annotations": notes,
    }
    title = f"tested in {target_name(target)}"
    summary = f"Accuracy of the probe and its control by depth, {title}, with baselines"
    return Panel(name, title, summary, CURVE_PX, {"data": traces, "layout": layout})


def _line(
    depths: Sequence[int],
    found: Sequence[Estimate],
    names: Sequence[str],
    label: str,
    colour: str,
    dash: str,
) -> dict[str, Any]:
    def hundred(value: float) -> float | None:
        return round(value * 100, 2) if is_number(value) else None

    def side(high: bool) -> list[float]:
        lengths = (e.high - e.value if high else e.value - e.low for e in found)
        return [round(max(x, 0.0) * 100, 2) if is_number(x) else 0.0 for x in lengths]

    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(depths),
        "y": [hundred(e.value) for e in found],
        "line": {"color": colour, "width": 1.6, "dash": dash},
        "marker": {"color": colour, "size": 5},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": side(True),
            "arrayminus": side(False),
            "color": colour,
            "thickness": 1,
            "width": 0,
        },
        "hovertext": [
            plain(f"{name}: {label} {estimate_text(e)}")
            for name, e in zip(names, found, strict=True)
        ],
        "hoverinfo": "text",
    }
