"""The lens on paper: depth x language heat maps, and curves with their intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from babelscope.report.claims import is_told
from babelscope.report.fonts import Fonts
from babelscope.report.lens_claims import tested
from babelscope.report.names import LENS_ROWS, language_name, model_title
from babelscope.report.paper import DOUBLE, SINGLE, bare, colour
from babelscope.report.paper_matrix import diverging
from babelscope.report.tables import (
    Tables,
    Variant,
    base_of,
    differences,
    final_steps,
    main_map,
)

LANGUAGES = 12
CURVES = 6
ROW_IN = 0.15
LEAST_TOP = 1.0
"""The least end of an axis of masses, per cent."""
ROUND = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True)
class Seen:
    """Masses of one target and model: rows of the base, the tuned model and their difference.

    `variant` is None where the study tuned nothing.
    """

    target: str
    variant: Variant | None
    base: pl.DataFrame
    tuned: pl.DataFrame
    change: pl.DataFrame

    def title(self, tables: Tables, fonts: Fonts) -> str:
        """Return "Odia ଓଡ଼ିଆ, tuned on Russian"."""
        what = model_title(tables, self.variant) if self.variant else "base model"
        return f"{fonts.label(self.target)}, {fonts.write(what)}"


def seen(tables: Tables) -> Iterator[Seen]:
    """Yield, for each target, the masses at the last prompt token of base and one tuned model.

    The model is the one whose score changed most, decided, in the target, else the plan's first.
    """
    frame = final_steps(tested(tables.lens)).filter(
        (pl.col("measure") == "mass")
        & (pl.col("map") == main_map(tables))
        & (pl.col("position") == "last")
        & (pl.col("subset") == "all")
        & pl.col("value").is_finite()
    )
    rows = differences(tables, tables.plan["main_measure"])
    owners = sorted({(r, s) for r, s in frame.select("recipe", "source").rows()})
    places = {source["name"]: i for i, source in enumerate(tables.plan["sources"])}
    tuned = sorted((o for o in owners if o[1]), key=lambda o: places.get(o[1], len(places)))
    for target in tables.plan["targets"]:
        own = frame.filter(pl.col("target") == target)
        known = [o for o in tuned if not _of(own, o, "value").is_empty()]
        sizes = {
            o: abs(rows[*o, target]["difference"])
            for o in known
            if (*o, target) in rows and is_told(rows[*o, target])
        }
        chosen = max(sizes, key=lambda o: sizes[o]) if sizes else known[0] if known else None
        if chosen:
            variant = Variant(*chosen)
            base = base_of(tables, variant)
            yield Seen(
                target,
                variant,
                _of(own, (base.recipe, ""), "value"),
                _of(own, chosen, "value"),
                _of(own, chosen, "difference"),
            )
        elif not own.is_empty():
            base_owner = own.row(0, named=True)["recipe"]
            rest = _of(own, (base_owner, ""), "value")
            yield Seen(target, None, rest, rest.clear(), rest.clear())


def _of(frame: pl.DataFrame, owner: tuple[str, str], kind: str) -> pl.DataFrame:
    recipe, source = owner
    return frame.filter(
        (pl.col("recipe") == recipe) & (pl.col("source") == source) & (pl.col("kind") == kind)
    )


def _languages(found: Seen, most: int) -> list[str]:
    """Return the languages with the largest changes, or masses; the target first."""
    sized = found.change if found.change.height else found.base
    order = sized.group_by("language").agg(pl.col("value").abs().max())
    ranked = order.sort("value", "language", descending=[True, False])["language"].to_list()
    codes = [c for c in ranked if c not in LENS_ROWS and c != found.target]
    first = [found.target] if found.target in ranked else []
    rest = [c for c in LENS_ROWS if c in ranked]
    return [*first, *codes][: most - len(rest)] + rest


def _grid(frame: pl.DataFrame, codes: Sequence[str], depths: Sequence[int], column: str) -> Any:
    """Return (languages, depths) numbers x 100, NaN where there is none."""
    grid = np.full((len(codes), len(depths)), np.nan)
    row, place = {c: i for i, c in enumerate(codes)}, {d: i for i, d in enumerate(depths)}
    for code, depth, value in frame.select("language", "depth", column).rows():
        if code in row and value is not None:
            grid[row[code], place[depth]] = value
    return grid


def _depths(found: Seen) -> list[int]:
    frames = (found.base, found.tuned, found.change)
    return sorted(set().union(*(set(frame["depth"]) for frame in frames)))


def heat_map(tables: Tables, found: Seen, fonts: Fonts) -> Figure:
    """Draw base, tuned and difference by depth and language; dots are decided changes (max-|t|)."""
    codes, depths = _languages(found, LANGUAGES), _depths(found)
    panels = [("base model", found.base)]
    if found.variant:
        panels += [("tuned", found.tuned), ("tuned − base", found.change)]
    width = DOUBLE if len(panels) > 1 else SINGLE
    figure = Figure(figsize=(width, 0.75 + ROW_IN * max(len(codes), 3)), layout="constrained")
    grids = [100 * _grid(frame, codes, depths, "value") for _, frame in panels]
    tops = [max(1e-9, float(np.nanmax(np.abs(g), initial=0.0))) for g in grids]
    all_axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (name, frame), grid, own in zip(all_axes, panels, grids, tops, strict=True):
        change = frame is found.change
        # base and tuned share their colours
        top = own if change else max(tops[:2])
        image = _shaded(axes, grid, top)
        axes.set_title(name)
        axes.set_xlabel("depth")
        _depth_ticks(axes, depths)
        bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=25)
        bar.outline.set_visible(False)
        bar.ax.set_ylim(-top if change else 0, top)
        if change:
            clear = frame.with_columns(pl.col("clear").cast(pl.Float64))
            sure = np.argwhere(_grid(clear, codes, depths, "clear") > 0)
            axes.plot(sure[:, 1], sure[:, 0], ".", ms=2.5, color=colour("@ink"))
        axes.set_yticks(range(len(codes)), [fonts.label(c) for c in codes])
        axes.set_ylim(len(codes) - 0.5, -0.5)
    figure.suptitle(f"{found.title(tables, fonts)}: language mass, % of probability", fontsize=7)
    return figure


def _shaded(axes: Axes, grid: Any, top: float) -> QuadMesh:
    bare(axes)
    axes.set_facecolor(colour("@nodata"))
    lines, columns = grid.shape
    return axes.pcolormesh(
        np.arange(columns + 1) - 0.5, np.arange(lines + 1) - 0.5, grid,
        cmap=diverging(), vmin=-top, vmax=top, edgecolors="white", linewidth=0.3,
    )  # fmt: skip


def _depth_ticks(axes: Axes, depths: Sequence[int]) -> None:
    every = max(1, -(-len(depths) // 7))
    axes.set_xticks(range(0, len(depths), every), [str(d) for d in depths[::every]])


def scales(peaks: Sequence[float]) -> list[float]:
    """Return where the axis of each panel ends, in per cent: at most two ends, round numbers.

    Panels below a third of the largest would lie flat on its axis; they share one of their own.
    """
    large = max(LEAST_TOP, *peaks)
    flat = [peak for peak in peaks if peak < large / 3]
    ends = _round(large), _round(max(LEAST_TOP, *flat)) if flat else _round(large)
    return [ends[peak < large / 3] for peak in peaks]


def _round(value: float) -> float:
    """Return the next round number at or above a value."""
    unit = 10.0 ** math.floor(math.log10(value))
    return next(n for n in ROUND if n * unit >= 0.9999 * value) * unit


def _peak(frames: Sequence[pl.DataFrame], code: str) -> float:
    """Return the largest mass of a language or end of its interval, in per cent."""
    ends = [
        x
        for frame in frames
        for column in ("value", "high")
        for x in frame.filter(pl.col("language") == code)[column].to_list()
        if x is not None and math.isfinite(x)
    ]
    return 100 * max(ends, default=0.0)


def curves(tables: Tables, found: Seen, fonts: Fonts) -> Figure:
    """Draw the masses of the languages that changed most by depth, with 95 % intervals.

    Panels share an axis; those that it would flatten share a second, and titles tell both.
    """
    codes = [c for c in _languages(found, CURVES + 2) if c not in LENS_ROWS][:CURVES]
    depths = _depths(found)
    columns = min(3, len(codes))
    lines = -(-len(codes) // columns)
    figure = Figure(figsize=(DOUBLE, 0.5 + 1.25 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True)
    styles = [(found.base, "@muted", ":", "base model")]
    if found.variant:
        styles.append((found.tuned, "@blue", "-", model_title(tables, found.variant)))
    tops = scales([_peak([frame for frame, *_ in styles], code) for code in codes])
    differ = len(set(tops)) > 1
    for place, axes in enumerate(grid.flat):
        if place >= len(codes):
            axes.set_visible(False)
            continue
        for frame, shade, dash, name in styles:
            value, low, high = (
                100 * _grid(frame, codes, depths, c)[place] for c in ("value", "low", "high")
            )
            own = {"color": colour(shade), "lw": 1.2, "ls": dash, "label": fonts.write(name)}
            axes.plot(depths, value, **own)
            axes.fill_between(depths, low, high, color=colour(shade), alpha=0.18, lw=0)
        told = f", to {tops[place]:g} %" if differ else ""
        axes.set_title(f"{fonts.label(codes[place])}{told}")
        axes.set_ylim(0, tops[place] * 1.04)
        if place >= len(codes) - columns:
            axes.set_xlabel("depth")
            axes.tick_params(labelbottom=True)
    handles, names = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=2)
    figure.supylabel("mass, % of probability", fontsize=7)
    figure.suptitle(f"Asked in {language_name(found.target)}", fontsize=7, x=0.02, ha="left")
    return figure
