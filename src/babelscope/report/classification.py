"""Transfer on NLI and NER: matrices of source and target, efficiencies, the paper's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from babelscope.report.class_tables import (
    MATRICES,
    Owner,
    Row,
    by_target,
    correlations,
    diagnostics,
    differences,
    owner_name,
    owners,
    paper,
    scores,
)
from babelscope.report.figures import FRAME_PX, ROW_PX, Panel, axes, dots, gaps, shaded
from babelscope.report.matrix import Cell, View, style
from babelscope.report.names import (
    NO_DATA,
    count_text,
    estimate_text,
    is_number,
    language_name,
    points,
    same_language,
    share_text,
)
from babelscope.report.panels import Table
from babelscope.report.tables import estimate

LEGENDS = {
    False: "Points of 100; the stronger the blue, the higher.",
    True: "Score here as a percentage of the same training’s score in its source language.",
}
MARK = {"symbol": "circle", "color": "@blue", "line": {"color": "@blue", "width": 1.5}}


@dataclass(frozen=True)
class Classification:
    """What the report shows of a classification: matrices, figures, tables, plain sentences."""

    targets: tuple[str, ...]
    views: tuple[View, ...]
    figures: tuple[Panel, ...]
    tables: Mapping[str, Table]
    notes: tuple[str, ...]

    @property
    def heads(self) -> tuple[tuple[str, str], ...]:
        """The columns of the matrices: the code of a language, and its name."""
        return tuple((code, language_name(code)) for code in self.targets)


def classification(
    frame: pl.DataFrame, settings: Mapping[str, Any], key: str = "class"
) -> Classification | None:
    """Return the panels of one task of `classification.parquet`; None for an empty table.

    `settings` are those of the task; `key` is what the ids of its figures begin with.
    """
    if frame.is_empty():
        return None
    targets = tuple(settings["targets"])
    found = {
        "scores": scores(frame, targets),
        "differences": differences(frame),
        "diagnostics": diagnostics(frame, targets),
        "correlations": correlations(frame),
    }
    if settings.get("beside_paper"):
        found["paper"] = paper(frame)
    return Classification(
        targets=targets,
        views=tuple(_views(frame, targets)),
        figures=_efficiencies(frame, targets, key),
        tables={name: table for name, table in found.items() if table.rows},
        notes=tuple(_notes(frame, settings)),
    )


def _views(frame: pl.DataFrame, targets: tuple[str, ...]) -> list[View]:
    views = []
    for measure, label in MATRICES.items():
        known = frame.filter((pl.col("measure") == measure) & pl.col("value").is_finite())
        if known.is_empty():
            continue
        ratio = measure.startswith("efficiency")
        top = 1.0 if ratio else max(known["value"].to_list()) or 1.0
        rows = []
        for owner in owners(frame):
            found = by_target(frame, owner, measure)
            name = owner_name(frame, owner)
            cells = tuple(_cell(found.get(t), owner, t, name, ratio, top) for t in targets)
            rows.append((name, cells))
        views.append(View(f"class-{measure}", label, LEGENDS[ratio], tuple(rows)))
    return views


def _cell(row: Row | None, owner: Owner, target: str, name: str, ratio: bool, top: float) -> Cell:
    own = same_language(owner[2], target)
    where = f"{language_name(target)}, {name}"
    if row is None or not is_number(row["value"]):
        why = f": {row['reason']}" if row and row["reason"] else ""
        return Cell(NO_DATA, f"{where}: {NO_DATA}{why}", "", missing=True, own=own)
    value = estimate(row)
    text = share_text(value.value) if ratio else points(value.value)
    told = f"{estimate_text(value)}, n = {value.n}"
    return Cell(text, f"{where}: {told}", style(value.value / top), own=own)


def _efficiencies(frame: pl.DataFrame, targets: tuple[str, ...], key: str) -> tuple[Panel, ...]:
    """Return a panel a training: its efficiency with its interval in every target."""
    panels = []
    names = [m for m in MATRICES if m.startswith("efficiency_") and (frame["measure"] == m).any()]
    for number, owner in enumerate(owners(frame)):
        found = by_target(frame, owner, names[0]) if names else {}
        others = [t for t in targets if not same_language(t, owner[2])]
        known = [i for i, t in enumerate(others) if is_number(found.get(t, {}).get("value"))]
        if not known:
            continue
        labels = [language_name(t) for t in others]
        estimates = [estimate(found[others[i]]) for i in known]
        hover = [f"{labels[i]}: {estimate_text(e)}" for i, e in zip(known, estimates, strict=True)]
        ends = [e.high if is_number(e.high) else e.value for e in estimates]
        empty = [i for i in range(len(others)) if i not in known]
        x = {"range": [0, max(105.0, *(104 * end for end in ends))], "title": "% of the source’s"}
        traces = [gaps(empty, 0.0), dots(known, estimates, hover, MARK)]
        figure = {"data": traces, "layout": axes(labels, x) | shaded(empty, 100.0)}
        name = owner_name(frame, owner)
        summary = f"{MATRICES[names[0]]} of {name} in {count_text(len(others), 'language')}"
        size = FRAME_PX + ROW_PX * max(len(others), 2)
        panels.append(Panel(f"{key}-efficiency-{number}", name, summary, size, figure))
    return tuple(panels)


def _notes(frame: pl.DataFrame, settings: Mapping[str, Any]) -> list[str]:
    """Say what a reader must know: the split, the dev set, seeds, what was seen in training."""
    notes = [
        f"Training and test: {settings['split']}. Checkpoints are chosen by {settings['dev']}."
    ]
    if settings["task"] == "ner":
        notes.append(f"Subwords: {settings['subword_rule']}.")
    if frame["seeds"].max() == 1:
        notes.append("A single seed: intervals do not hold what another seed would change.")
    for pair, count in settings.get("seen_in_training", {}).items():
        source, target = pair.split(" ")
        notes.append(
            f"The {language_name(source)} training set shares {count_text(count['items'], 'item')} "
            f"and the premises of {count_text(count['premises'], 'item')} with the test set of "
            f"{language_name(target)}."
        )
    if settings.get("untrained_kinds"):
        kinds = ", ".join(settings["untrained_kinds"])
        notes.append(f"Kinds of entity that the training set lacks, never right: {kinds}.")
    apart = [c for c, found in settings["sets"].items() if not found["parallel"]]
    if apart:
        names = ", ".join(language_name(c) for c in apart)
        notes.append(f"Not parallel with the source’s test set, so not compared with it: {names}.")
    words = settings.get("label_words", {})
    english = [c for c, asked in words.items() if asked != c]
    if english:
        notes.append(
            f"Prompted with English label words: {', '.join(map(language_name, english))}."
        )
    return notes
