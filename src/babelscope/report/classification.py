"""Transfer on NLI and NER: matrices of source and target, efficiencies, the paper's table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from babelscope.data.published_xnli import PAPER, PRINTED, recomputed_efficiency
from babelscope.report.figures import FRAME_PX, ROW_PX, Panel, axes, dots, gaps, shaded
from babelscope.report.matrix import Cell, View, style
from babelscope.report.names import (
    NO_DATA,
    count_text,
    estimate_text,
    interval,
    is_number,
    language_name,
    p_text,
    points,
    same_language,
    share_text,
    signed,
)
from babelscope.report.panels import Table
from babelscope.report.tables import estimate

Row = dict[str, Any]
Owner = tuple[str, str, str]
"""Model, method and the source's language."""

MATRICES: Mapping[str, str] = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "entity_f1": "Entity F1",
    "efficiency_accuracy": "Efficiency, accuracy",
    "efficiency_macro_f1": "Efficiency, macro-F1",
    "efficiency_entity_f1": "Efficiency, entity F1",
}
LEGENDS = {
    False: "Points of 100; deeper blue is higher.",
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
        "scores": _scores(frame, targets),
        "differences": _differences(frame),
        "diagnostics": _diagnostics(frame, targets),
        "correlations": _correlations(frame),
    }
    if settings.get("beside_paper"):
        found["paper"] = _paper(frame)
    return Classification(
        targets=targets,
        views=tuple(_views(frame, targets)),
        figures=_efficiencies(frame, targets, key),
        tables={name: table for name, table in found.items() if table.rows},
        notes=tuple(_notes(frame, settings)),
    )


def _owners(frame: pl.DataFrame) -> list[Owner]:
    return list(dict.fromkeys(frame.select("model", "method", "source").rows()))


def _owner_name(frame: pl.DataFrame, owner: Owner) -> str:
    """Name a row of a matrix by its source, and by model and method where there are several."""
    model, method, source = owner
    name = "no training" if method == "prompt" else language_name(source)
    several = (frame["model"].n_unique() > 1, frame["method"].n_unique() > 1)
    more = [part for part, told in zip((model, method), several, strict=True) if told]
    return ", ".join([name, *more])


def _by_target(frame: pl.DataFrame, owner: Owner, measure: str) -> dict[str, Row]:
    model, method, source = owner
    own = frame.filter(
        (pl.col("model") == model)
        & (pl.col("method") == method)
        & (pl.col("source") == source)
        & (pl.col("measure") == measure)
    )
    return {row["target"]: row for row in own.iter_rows(named=True)}


def _views(frame: pl.DataFrame, targets: tuple[str, ...]) -> list[View]:
    views = []
    for measure, label in MATRICES.items():
        known = frame.filter((pl.col("measure") == measure) & pl.col("value").is_finite())
        if known.is_empty():
            continue
        ratio = measure.startswith("efficiency")
        top = 1.0 if ratio else max(known["value"].to_list()) or 1.0
        rows = []
        for owner in _owners(frame):
            found = _by_target(frame, owner, measure)
            name = _owner_name(frame, owner)
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
    for number, owner in enumerate(_owners(frame)):
        found = _by_target(frame, owner, names[0]) if names else {}
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
        name = _owner_name(frame, owner)
        summary = f"{MATRICES[names[0]]} of {name} in {count_text(len(others), 'language')}"
        size = FRAME_PX + ROW_PX * max(len(others), 2)
        panels.append(Panel(f"{key}-efficiency-{number}", name, summary, size, figure))
    return tuple(panels)


def _scores(frame: pl.DataFrame, targets: tuple[str, ...]) -> Table:
    """Return every score and baseline of every training and target."""
    names = [
        name
        for name in frame["measure"].unique(maintain_order=True)
        if name in MATRICES or name == "ece" or name.startswith(("entity_f1_", "baseline_"))
    ]
    rows = []
    for owner in _owners(frame):
        found = {name: _by_target(frame, owner, name) for name in names}
        for target in targets:
            cells = tuple(_text(found[name].get(target)) for name in names)
            rows.append((_owner_name(frame, owner), language_name(target), *cells))
    heads = (MATRICES.get(name, name.replace("_", " ")) for name in names)
    head = ("Trained on", "Tested in", *heads)
    return Table("Scores with baselines, points of 100 (95 %)", head, tuple(rows))


def _text(row: Row | None) -> str:
    return estimate_text(estimate(row)) if row else NO_DATA


def _differences(frame: pl.DataFrame) -> Table:
    """Return the paired differences to the source's language, and between models."""
    wanted = frame.filter(
        pl.col("measure").str.starts_with("difference_")
        | pl.col("measure").str.starts_with("model_difference_")
    )
    rows = []
    for row in wanted.iter_rows(named=True):
        owner = row["model"], row["method"], row["source"]
        told = row["reason"] or NO_DATA
        if is_number(row["value"]):
            told = f"{signed(row['value'])} ({interval(row['low'], row['high'], sign=True)})"
        between = row["measure"].startswith("model")
        against = row["against"] if between else language_name(row["against"])
        rows.append(
            (
                _owner_name(frame, owner),
                language_name(row["target"]),
                f"{row['measure'].split('difference_')[1].replace('_', ' ')}, against {against}",
                told,
                f"{row['n']:,}",
                p_text(row["p_holm"]),
            )
        )
    head = ("Trained on", "Tested in", "Difference of", "Points (95 %)", "Pairs", "p after Holm")
    return Table("Paired differences on the same items", head, tuple(rows))


DIAGNOSTICS: Mapping[str, tuple[str, Callable[[Row], str]]] = {
    "tokens_per_word": ("Tokens a word", lambda row: f"{row['value']:.2f}"),
    "tokens_to_source": ("Tokens, times the source’s", lambda row: f"{row['value']:.2f}"),
    "unknown_rate": ("Unknown tokens", lambda row: share_text(row["value"], 1)),
    "truncation_rate": ("Texts cut", lambda row: share_text(row["value"], 1)),
    "words_lost_rate": ("Words without a token", lambda row: share_text(row["value"], 1)),
    "overlap": ("Shared words of premise and hypothesis", _text),
    "overlap_entailment": ("where entailed", _text),
    "overlap_neutral": ("where neutral", _text),
    "overlap_contradiction": ("where contradicted", _text),
}


def _diagnostics(frame: pl.DataFrame, targets: tuple[str, ...]) -> Table:
    """Return what a language costs in tokens, and how far its pairs share words."""
    names = [name for name in DIAGNOSTICS if (frame["measure"] == name).any()]
    rows = []
    # trainings of one model, method and source read the same texts: one row a model
    by_model = {owner[0]: owner for owner in reversed(_owners(frame))}
    for model, owner in by_model.items():
        found = {name: _by_target(frame, owner, name) for name in names}
        for target in targets:
            cells = tuple(_diagnostic(name, found[name].get(target)) for name in names)
            rows.append((model, language_name(target), *cells))
    head = ("Model", "Language", *(DIAGNOSTICS[name][0] for name in names))
    return Table("Tokens and overlap by language", head, tuple(rows))


def _diagnostic(name: str, row: Row | None) -> str:
    return DIAGNOSTICS[name][1](row) if row and is_number(row["value"]) else NO_DATA


def _correlations(frame: pl.DataFrame) -> Table:
    rows = []
    for row in frame.filter(pl.col("measure").str.starts_with("spearman_")).iter_rows(named=True):
        value = NO_DATA
        if is_number(row["value"]):
            bounds = f"{row['low']:+.2f} to {row['high']:+.2f}" if is_number(row["low"]) else ""
            value = f"{row['value']:+.2f} ({bounds or 'no interval'})".replace("-", "−")
        name = _owner_name(frame, (row["model"], row["method"], row["source"]))
        what = row["measure"].removeprefix("spearman_")
        rows.append((name, DIAGNOSTICS[what][0], value, f"{row['n']}"))
    head = ("Trained on", "Rank correlation of efficiency with", "Spearman (95 %)", "Languages")
    return Table("What goes with efficiency, over languages", head, tuple(rows))


def _paper(frame: pl.DataFrame) -> Table:
    """Return the second paper's printed cells, what recomputes from them, and this study's."""
    rows = []
    for printed in PRINTED:
        owner = next((o for o in _owners(frame) if o[0] == printed.model), None)
        found = (
            {m: _by_target(frame, owner, m).get(printed.target) for m in MATRICES} if owner else {}
        )
        ratio = found.get("efficiency_accuracy")
        rows.append(
            (
                printed.model,
                language_name(printed.target),
                points(printed.accuracy),
                points(printed.macro_f1),
                "—" if printed.efficiency is None else f"{printed.efficiency:.2f}",
                f"{recomputed_efficiency(printed):.3f}",
                _text(found.get("accuracy")),
                _text(found.get("macro_f1")),
                f"{ratio['value']:.3f}" if ratio and is_number(ratio["value"]) else NO_DATA,
            )
        )
    head = (
        "Model", "Tested in", "Accuracy, printed", "Macro-F1, printed", "Efficiency, printed",
        "Efficiency from the printed accuracies", "Accuracy, here", "Macro-F1, here",
        "Efficiency, here",
    )  # fmt: skip
    return Table(f"XNLI after English training, beside {PAPER}", head, tuple(rows))


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
