"""Gains over the quality of the data: a slope for each quality, in a table and a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from babelscope.measure.inference import holm
from babelscope.measure.quality_slope import Slope, quality_slope
from babelscope.report.cells import Number, Row, Table, chance, number
from babelscope.report.names import (
    count_text,
    interval,
    is_number,
    isolated,
    listed,
    p_text,
    recipe_name,
    same_language,
    signed,
    source_language,
)
from babelscope.report.tables import Tables, differences
from babelscope.report.words import Answer

HEADING = "Do gains rise with the quality of the data?"
QUALITIES = {
    "gold_verbatim": ("golds verbatim in their context", 100.0),
    "chrf": ("chrF", 1.0),
    "bleu": ("BLEU", 1.0),
    "sentences_kept": ("sentences kept", 100.0),
    "length_ratio": ("length ratio", 100.0),
    "identified": ("records identified as the language", 100.0),
}
"""Qualities with what makes points of 100 of them."""
STEP = 10
"""Slopes are told for so many points of quality."""


@dataclass(frozen=True)
class QualitySlope:
    """The slope of a recipe's gains, in 0-1, for `STEP` points of a quality; p by Holm."""

    recipe: str
    quality: str
    found: Slope
    p_holm: float


def quality_slopes(tables: Tables) -> tuple[QualitySlope, ...]:
    """Return a slope for each recipe and quality in the table of the data; none without gains.

    A source's gain is over the targets that all sources have one in, but its own language: its part
    in gain = source + target, by least squares. Holm's correction is over all slopes.
    """
    quality = {row["source"]: row for row in tables.quality.to_dicts()}
    found = []
    for recipe in tables.plan["recipes"]:
        gains = dict(_gains(tables, recipe))
        sources = [s for s in gains if s in quality]
        for name, (_, scale) in QUALITIES.items():
            if sources and name in tables.quality.columns:
                known = [quality[s][name] for s in sources]
                x = [v * scale / STEP if is_number(v) else np.nan for v in known]
                found.append((recipe, name, quality_slope(x, [gains[s] for s in sources])))
    adjusted = holm([slope.p_value for _, _, slope in found])
    return tuple(QualitySlope(*f, float(p)) for f, p in zip(found, adjusted, strict=True))


def _gains(tables: Tables, recipe: str) -> Iterator[tuple[str, float]]:
    rows = differences(tables, tables.plan["main_measure"])
    found = {(s, t): row["difference"] for (r, s, t), row in rows.items() if r == recipe}
    sources = list(dict.fromkeys(s for s, _ in found))
    shared = [t for t in tables.plan["targets"] if all((s, t) in found for s in sources)]
    asked = {
        s: [t for t in shared if not same_language(source_language(tables, s), t)] for s in sources
    }
    asked = {s: targets for s, targets in asked.items() if targets}
    cells = [(s, t) for s, targets in asked.items() for t in targets]
    if not cells:
        return
    # not all sources are asked in the same targets: what a target gains anyway is parted from it
    columns = {
        name: i for i, name in enumerate([*asked, *dict.fromkeys(("", t) for _, t in cells)])
    }
    design = np.zeros((len(cells), len(columns)))
    for row, (source, target) in enumerate(cells):
        design[row, [columns[source], columns["", target]]] = 1
    fitted = np.linalg.lstsq(design, np.array([found[cell] for cell in cells]), rcond=None)[0]
    usual = float(np.mean(fitted[len(asked) :]))
    yield from ((source, float(fitted[i]) + usual) for i, source in enumerate(asked))


def quality_told(tables: Tables, found: tuple[QualitySlope, ...]) -> Answer | None:
    """Say for each recipe how gains go with each quality; None without slopes."""
    sentences = []
    for recipe in dict.fromkeys(f.recipe for f in found):
        own = [f for f in found if f.recipe == recipe]
        known = [f for f in own if not f.found.reason]
        note = Markup("")
        if len(tables.plan["recipes"]) > 1:
            note = Markup(" (recipe {})").format(isolated(recipe_name(tables, recipe)))
        if not known:
            text = "Gains are not regressed on quality{}: fewer than four sources differ in one."
            sentences.append(Markup(text).format(note))
            continue
        parts = [
            Markup('{} <span class="num">{}</span> points ({} after correction, {}{})').format(
                QUALITIES[f.quality][0],
                _text(f.found),
                p_text(f.p_holm),
                count_text(f.found.slope.n, "source"),
                "" if f.p_holm < 0.05 else ": not clear",
            )
            for f in known
        ]
        text = "With {} points more of a quality, gains over sources change by{}: {}. This is a "
        text += "correlate, not a cause: sources differ in more than the quality of their data."
        sentences.append(Markup(text).format(STEP, note, listed(parts)))
    return Answer(HEADING, tuple(sentences), "quality") if sentences else None


def _text(found: Slope) -> str:
    e = found.slope
    return f"{signed(e.value)} ({interval(e.low, e.high, sign=True)})"


def quality_slope_table(tables: Tables, found: tuple[QualitySlope, ...]) -> Table:
    """Return every slope with its interval, or why there is none."""
    rows: list[Row] = []
    for f in found:
        e = f.found.slope
        parts = (("", e.value), ("low", e.low), ("high", e.high))
        shown = number(None, f.found.reason) if f.found.reason else Number(_text(f.found), parts)
        names = (QUALITIES[f.quality][0], recipe_name(tables, f.recipe))
        sources = number(e.n, f"{e.n:,}")
        rows.append((*names, shown, chance(f.found.p_value), chance(f.p_holm), sources))
    head = (
        *("Quality", "Recipe", f"Gain for {STEP} points more (95 %)"),
        *("p", "p after Holm", "Sources"),
    )
    return Table("Gains over the quality of the data, points of 100", head, tuple(rows))
