"""The report's panels (gains, causes, stops, lengths, contests) drawn for paper, from their data.

The page's figures are data; what is drawn here is the same data, so that both tell the same.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from babelscope.measure.cut_gold import CONTROLLED
from babelscope.report.figures import CAUSES, FRAME_PX, KINDS, MEANING, ROW_PX, STOPS, Panel
from babelscope.report.fonts import Fonts
from babelscope.report.names import measure_name
from babelscope.report.paper import DOUBLE, SINGLE, TALLEST, colour
from babelscope.report.scorers import control_mark

ROW_IN, HEAD_IN, FOOT_IN, LEGEND_IN = 0.15, 0.22, 0.32, 0.3
MARKS = {
    "circle": "o", "triangle-up": "^", "triangle-down": "v", "square": "s", "diamond": "D",
}  # fmt: skip
ISOLATES = str.maketrans("", "", "\u2066\u2067\u2068\u2069")


def pages(
    panels: Sequence[Panel], fonts: Fonts, x: str, handles: Sequence[Any]
) -> Iterator[Figure]:
    """Yield figures of panels side by side, as many as a page of 6.9 x 8.6 inches holds each.

    A single panel takes one column (3.3 in).
    """
    rows = max((p.height - FRAME_PX) / ROW_PX for p in panels)
    tall = HEAD_IN + ROW_IN * max(rows, 3) + FOOT_IN
    columns = min(3, len(panels))
    legend = LEGEND_IN if handles else 0.0
    lines = max(1, int((TALLEST - legend) // tall))
    for start in range(0, len(panels), columns * lines):
        chosen = panels[start : start + columns * lines]
        used = -(-len(chosen) // columns)
        width = SINGLE if columns == 1 else DOUBLE
        figure = Figure(figsize=(width, used * tall + legend), layout="constrained")
        grid = figure.subplots(used, columns, squeeze=False, sharey=True)
        for place, axes in enumerate(grid.flat):
            if place < len(chosen):
                draw(axes, chosen[place], fonts)
            else:
                axes.set_visible(False)
        figure.supxlabel(x, fontsize=7)
        if handles:
            wide = 2 if columns == 1 else 5
            figure.legend(
                handles=list(handles), loc="outside upper left", ncols=min(wide, len(handles)),
                handlelength=1.2, columnspacing=1.2,
            )  # fmt: skip
        yield figure


def draw(axes: Axes, panel: Panel, fonts: Fonts) -> None:
    """Draw one panel: marks with intervals, or stacked bars; rows without data say so."""
    layout = panel.figure["layout"]
    left = dict.fromkeys(layout["yaxis"]["tickvals"], 0.0)
    for trace in panel.figure["data"]:
        if trace["type"] == "bar":
            _bars(axes, trace, left)
        elif trace["mode"] == "text":
            for x, y, text in zip(trace["x"], trace["y"], trace["text"], strict=True):
                axes.text(x, y, f" {text}", va="center", fontsize=6, color=colour("@muted"))
        else:
            _dots(axes, trace)
    for shape in layout.get("shapes", ()):
        if shape["type"] == "rect":
            axes.axhspan(shape["y0"], shape["y1"], color=colour("@nodata"), zorder=0, lw=0)
        else:
            axes.axvline(shape["x0"], color=colour("@muted"), lw=0.6, ls=":", zorder=0)
    axes.set_title(fonts.write(panel.title))
    axes.set_yticks(layout["yaxis"]["tickvals"])
    axes.set_yticklabels([fonts.write(_text(t)) for t in layout["yaxis"]["ticktext"]])
    axes.set_ylim(layout["yaxis"]["range"])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _x_axis(axes, layout["xaxis"])


def _x_axis(axes: Axes, x: dict[str, Any]) -> None:
    axes.set_xlim(x["range"])
    if "tickvals" in x:
        axes.set_xticks(x["tickvals"], x["ticktext"])
    if x.get("zeroline"):
        axes.axvline(0, color=colour("@muted"), lw=0.6, zorder=0)


def _text(label: str) -> str:
    """Return a label of the page as it was before it was made safe for it."""
    return html.unescape(label.translate(ISOLATES))


def _bars(axes: Axes, trace: dict[str, Any], left: dict[float, float]) -> None:
    widths = [w if w is not None else 0.0 for w in trace["x"]]
    axes.barh(
        trace["y"], widths, left=[left[y] for y in trace["y"]], height=0.72,
        color=colour(trace["marker"]["color"]), edgecolor="white", linewidth=0.4,
    )  # fmt: skip
    for y, width in zip(trace["y"], widths, strict=True):
        left[y] += width


def _dots(axes: Axes, trace: dict[str, Any]) -> None:
    if not trace["x"]:
        return
    mark, error = trace["marker"], trace["error_x"]
    edge = colour(mark.get("line", {}).get("color", mark["color"]))
    axes.errorbar(
        trace["x"], trace["y"], xerr=np.array([error["arrayminus"], error["array"]]),
        fmt=MARKS[mark["symbol"]], ms=3.4, mfc=colour(mark["color"]), mec=edge, mew=0.8,
        ecolor=edge, elinewidth=0.8, zorder=3, clip_on=False,
    )  # fmt: skip


def mark_handle(mark: dict[str, Any], label: str) -> Line2D:
    """Return a mark for a legend."""
    edge = colour(mark["line"]["color"])
    return Line2D(
        [], [], ls="", marker=MARKS[mark["symbol"]], ms=3.6, mfc=colour(mark["color"]), mec=edge,
        mew=0.8, label=label,
    )  # fmt: skip


def gain_handles() -> list[Line2D]:
    """Return the legend of gains: what tuning did, what these adapters did, undecided."""
    return [mark_handle(KINDS[kind], name) for kind, name in MEANING.items()]


def scorer_handles() -> list[Line2D]:
    """Return the legend of scorers: filled for the score, hollow for the cut gold."""
    own = [mark_handle(control_mark(n, filled=True), measure_name(n)) for n in CONTROLLED]
    return [*own, mark_handle(control_mark(CONTROLLED[0], filled=False), "hollow: the cut gold")]


def share_handles(prefix: str, panels: Sequence[Panel]) -> list[Patch]:
    """Return the legend of stacked bars, of the shares that occur."""
    names = CAUSES if prefix == "cause" else STOPS
    occur = {
        trace["marker"]["color"]
        for panel in panels
        for trace in panel.figure["data"]
        if trace["type"] == "bar" and any(trace["x"])
    }
    marks = [(f"@{prefix}-{key}", label) for key, label in names]
    return [Patch(color=colour(m), label=label) for m, label in marks if m in occur]
