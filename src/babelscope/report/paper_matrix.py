"""The transfer matrix on paper: gains in colour and numbers, the sure ones marked."""

from __future__ import annotations

from typing import Any

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from babelscope.report.cells import STARS
from babelscope.report.claims import claim
from babelscope.report.fonts import Fonts
from babelscope.report.matrix import INKS, shade
from babelscope.report.names import same_language, signed, source_language, variant_name
from babelscope.report.paper import DOUBLE, SINGLE, bare, colour
from babelscope.report.tables import Tables, differences, variants

CELL_IN, HEADS_IN, FOOT_IN = 0.27, 0.5, 0.1


def gain_matrix(tables: Tables, fonts: Fonts) -> Figure | None:
    """Draw source x target gains of the main measure; None where nothing was compared.

    A star marks p < 0.05 of tuning after Holm's correction, a dagger that of these adapters only, a
    frame the source's own language; hatching
    says that a cell has no data.
    """
    rows = differences(tables, tables.plan["main_measure"])
    shown = [v for v in variants(tables) if not v.is_base]
    targets = tables.plan["targets"]
    if not rows or not shown:
        return None
    top = max(abs(row["difference"]) for row in rows.values()) or 1.0
    width = SINGLE if len(targets) <= 5 else DOUBLE
    figure = Figure(
        figsize=(width, HEADS_IN + CELL_IN * len(shown) + FOOT_IN), layout="constrained"
    )
    axes = figure.subplots()
    bare(axes)
    size = 6.5 if len(targets) <= 10 else 5.2
    for y, variant in enumerate(shown):
        for x, target in enumerate(targets):
            row = rows.get((variant.recipe, variant.source, target))
            own = same_language(source_language(tables, variant.source), target)
            if row is None:
                axes.add_patch(_box(x, y, fc=colour("@nodata"), ec=colour("@hatch"), hatch="/////"))
                continue
            (back, ink), _ = shade(row["difference"] / top)
            axes.add_patch(_box(x, y, fc=_hex(back)))
            text = signed(row["difference"]) + STARS[claim(row)]
            axes.text(x, y, text, ha="center", va="center", color=_hex(ink), fontsize=size)
            if own:
                axes.add_patch(_box(x, y, lw=0.9, fill=False, ec=_hex(INKS[0])))
    axes.set_xlim(-0.5, len(targets) - 0.5)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xticks(range(len(targets)), [fonts.short(t) for t in targets])
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(shown)), [fonts.write(variant_name(tables, v)) for v in shown])
    return figure


def _box(x: int, y: int, **drawn: Any) -> Rectangle:
    return Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, **{"lw": 0} | drawn)


def _hex(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def diverging() -> LinearSegmentedColormap:
    """Return orange, white, blue: what was lost, nothing, what was gained."""
    ends = [_hex(shade(amount)[0][0]) for amount in (-1.0, 0.0, 1.0)]
    return LinearSegmentedColormap.from_list("babelscope", ends)
