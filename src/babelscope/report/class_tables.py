"""The tables behind a classification's matrices and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from babelscope.data.published_xnli import PAPER, PRINTED, recomputed_efficiency
from babelscope.report.names import (
    NO_DATA,
    estimate_text,
    interval,
    is_number,
    language_name,
    p_text,
    points,
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


def owners(frame: pl.DataFrame) -> list[Owner]:
    """Return the trainings of a table in its order."""
    return list(dict.fromkeys(frame.select("model", "method", "source").rows()))


def owner_name(frame: pl.DataFrame, owner: Owner) -> str:
    """Name a row of a matrix by its source, and by model and method where there are several."""
    model, method, source = owner
    name = "no training" if method == "prompt" else language_name(source)
    several = (frame["model"].n_unique() > 1, frame["method"].n_unique() > 1)
    more = [part for part, told in zip((model, method), several, strict=True) if told]
    return ", ".join([name, *more])


def by_target(frame: pl.DataFrame, owner: Owner, measure: str) -> dict[str, Row]:
    """Return the rows of a training's measure by target."""
    model, method, source = owner
    own = frame.filter(
        (pl.col("model") == model)
        & (pl.col("method") == method)
        & (pl.col("source") == source)
        & (pl.col("measure") == measure)
    )
    return {row["target"]: row for row in own.iter_rows(named=True)}


def scores(frame: pl.DataFrame, targets: tuple[str, ...]) -> Table:
    """Return every score and baseline of every training and target."""
    names = [
        name
        for name in frame["measure"].unique(maintain_order=True)
        if name in MATRICES or name == "ece" or name.startswith(("entity_f1_", "baseline_"))
    ]
    rows = []
    for owner in owners(frame):
        found = {name: by_target(frame, owner, name) for name in names}
        for target in targets:
            cells = tuple(_text(found[name].get(target)) for name in names)
            rows.append((owner_name(frame, owner), language_name(target), *cells))
    heads = (MATRICES.get(name, name.replace("_", " ")) for name in names)
    head = ("Trained on", "Tested in", *heads)
    return Table("Scores with baselines, points of 100 (95 %)", head, tuple(rows))


def _text(row: Row | None) -> str:
    return estimate_text(estimate(row)) if row else NO_DATA


def differences(frame: pl.DataFrame) -> Table:
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
                owner_name(frame, owner),
                language_name(row["target"]),
                f"{row['measure'].split('difference_')[1].replace('_', ' ')}, against {against}",
                told,
                f"{row['n']:,}",
                p_text(row["p_holm"]) if row["seeds"] > 1 else "one seed",
                p_text(row["p_adapters_holm"]),
            )
        )
    head = (
        "Trained on", "Tested in", "Difference of", "Points (95 %)", "Pairs", "p after Holm",
        "p after Holm, these models",
    )  # fmt: skip
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


def diagnostics(frame: pl.DataFrame, targets: tuple[str, ...]) -> Table:
    """Return what a language costs in tokens, and how far its pairs share words."""
    names = [name for name in DIAGNOSTICS if (frame["measure"] == name).any()]
    rows = []
    # trainings of one model, method and source read the same texts: one row a model
    by_model: dict[str, Owner] = {}
    for owner in owners(frame):
        by_model.setdefault(owner[0], owner)
    for model, owner in by_model.items():
        found = {name: by_target(frame, owner, name) for name in names}
        for target in targets:
            cells = tuple(_diagnostic(name, found[name].get(target)) for name in names)
            rows.append((model, language_name(target), *cells))
    head = ("Model", "Language", *(DIAGNOSTICS[name][0] for name in names))
    return Table("Tokens and overlap by language", head, tuple(rows))


def _diagnostic(name: str, row: Row | None) -> str:
    return DIAGNOSTICS[name][1](row) if row and is_number(row["value"]) else NO_DATA


def correlations(frame: pl.DataFrame) -> Table:
    """Return the rank correlations of efficiency over languages."""
    rows = []
    for row in frame.filter(pl.col("measure").str.starts_with("spearman_")).iter_rows(named=True):
        value = NO_DATA
        if is_number(row["value"]):
            bounds = f"{row['low']:+.2f} to {row['high']:+.2f}" if is_number(row["low"]) else ""
            value = f"{row['value']:+.2f} ({bounds or 'no interval'})".replace("-", "−")
        name = owner_name(frame, (row["model"], row["method"], row["source"]))
        what = row["measure"].removeprefix("spearman_")
        rows.append((name, DIAGNOSTICS[what][0], value, f"{row['n']}"))
    head = ("Trained on", "Rank correlation of efficiency with", "Spearman (95 %)", "Languages")
    return Table("What goes with efficiency, over languages", head, tuple(rows))


def paper(frame: pl.DataFrame) -> Table:
    """Return the second paper's printed cells, what recomputes from them, and this study's."""
    rows = []
    for printed in PRINTED:
        owner = next((o for o in owners(frame) if o[0] == printed.model), None)
        found = (
            {m: by_target(frame, owner, m).get(printed.target) for m in MATRICES} if owner else {}
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
