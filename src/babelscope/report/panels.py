"""The tables that stand behind the figures and in the later sections of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from babelscope.records import MISSING, Estimate
from babelscope.report.beside import interference_rows
from babelscope.report.explain import overgeneration_rows
from babelscope.report.figures import CAUSES, STOPS
from babelscope.report.matrix import matrix_table
from babelscope.report.names import (
    NO_DATA,
    count_text,
    estimate_text,
    interval,
    is_number,
    language_name,
    measure_name,
    p_text,
    points,
    share_text,
    signed,
    source_name,
    variant_name,
)
from babelscope.report.tables import (
    GROUP,
    CellKey,
    Tables,
    Variant,
    compared,
    values,
    variants,
)

Text = str | Markup
SCORES = ("squad_em", "squad_f1", "mlqa_em", "mlqa_f1", "char_f1", "gold_contained")


@dataclass(frozen=True)
class Table:
    """A table as shown: caption, heads, rows; the first `names` columns are row heads."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    names: int = 2


def certainty(tables: Tables) -> Table:
    """Return every cell's score, gain, p, seeds, and questions needed."""
    head = (
        "Model", "Target", "Score (95 %)", "n", "Gain (95 %)", "p after Holm", "Seeds",
        "Seeds’ SD", "Same sign", "Questions needed",
    )  # fmt: skip
    return Table("Scores and gains, points of 100", head, tuple(matrix_table(tables)))


def all_measures(tables: Tables) -> Table:
    """Return the QA measures side by side; a measure without any value has no column."""
    found = {name: values(tables, name) for name in SCORES}
    found = {name: cells for name, cells in found.items() if cells}
    rows = tuple(
        (variant_name(tables, v), language_name(t), *(_short(c, v, t) for c in found.values()))
        for v in variants(tables)
        for t in tables.plan["targets"]
    )
    head = ("Model", "Target", *(measure_name(name) for name in found))
    return Table("All measures side by side, points of 100", head, rows if found else ())


def _short(cells: Mapping[CellKey, Estimate], variant: Variant, target: str) -> str:
    return points(cells.get((variant.recipe, variant.source, target), MISSING).value)


def shares(tables: Tables) -> Table:
    """Return causes, stops and length ratio of every cell."""
    parts = [(f"cause_{key}", label) for key, label in CAUSES]
    parts += [(f"stop_{key}", f"stop: {label}") for key, label in STOPS]
    parts.append(("length_ratio", "length, % of gold"))
    found = [values(tables, key) for key, _ in parts]
    rows = tuple(
        (variant_name(tables, v), language_name(t), *(_short(cells, v, t) for cells in found))
        for v in variants(tables)
        for t in tables.plan["targets"]
    )
    head = ("Model", "Target", *(label for _, label in parts))
    return Table("Shares of answers, %", head, rows if any(found) else ())


def overgenerated(tables: Tables) -> Table:
    """Return SQuAD F1 beside the best prefix, and the share of each loss that it explains."""
    found = overgeneration_rows(tables)
    rows = []
    for variant in variants(tables):
        for target in tables.plan["targets"]:
            row = found.get((variant.recipe, variant.source, target))
            if row:
                share = share_text(row["share"]) if is_number(row["share"]) else "no loss"
                names = (variant_name(tables, variant), language_name(target))
                scores = tuple(points(row[key]) for key in ("f1", "prefix", "excess"))
                loss = (signed(-row["loss"]), share) if not variant.is_base else ("—", "—")
                rows.append((*names, *scores, *loss))
    head = (
        "Model", "Target", "SQuAD F1", "Best prefix", "Over-generation", "Change of F1",
        "Share of the loss explained",
    )  # fmt: skip
    return Table("What over-generation costs, points of 100 (point estimates)", head, tuple(rows))


def quality(tables: Tables) -> Table:
    """Return a row per source on how its data compare with a human set in parallel."""

    extra = [c for c in ("identified", "noted") if c in tables.quality.columns]
    rows = []
    for r in tables.quality.to_dicts():
        chrf = f"{r['chrf']:.1f}" if is_number(r["chrf"]) else NO_DATA
        ratio = f"{r['length_ratio']:.2f}" if is_number(r["length_ratio"]) else NO_DATA
        whole = (_count(r["records"]), _count(r["dropped"]))
        texts = (source_name(tables, r["source"]), r["source"], r["origin"] or "")
        more = tuple(_loose(r[c]) for c in extra)
        kept = share_text(r["sentences_kept"], 1)
        rows.append((*texts, *whole, share_text(r["gold_verbatim"], 1), ratio, chrf, kept, *more))
    head = (
        "Source", "Name", "Origin", "Records", "Dropped", "Gold verbatim in its context",
        "Length ratio", "chrF", "Sentences kept", *(c.capitalize() for c in extra),
    )  # fmt: skip
    return Table("Training data per source", head, tuple(rows), names=1)


def _count(value: int | None) -> str:
    return NO_DATA if value is None else f"{value:,}"


def _loose(value: object) -> str:
    """Write a cell whose type the study chose: a share, a count, or words."""
    if isinstance(value, float):
        return share_text(value, 1)
    if isinstance(value, int):
        return f"{value:,}"
    return str(value) if value not in (None, "") else "—"


def interference_table(tables: Tables) -> Table:
    """Return the share of contest answers that equal another language's gold."""
    found, names = interference_rows(tables)
    shown = [v for v in variants(tables) if any(k[:2] == (v.recipe, v.source) for k in found)]
    rows = tuple(
        (label, *(estimate_text(found.get((v.recipe, v.source, pair), MISSING)) for v in shown))
        for pair, label in names.items()
    )
    head = ("Pair", *(variant_name(tables, v) for v in shown))
    return Table("Interference, % of contest answers (95 %)", head, rows, names=1)


def groups(tables: Tables) -> Table:
    """Return the macro average and its gain for each group of targets that the plan names."""
    named: dict[str, list[str]] = tables.plan.get("groups") or {}
    measure = tables.plan["main_measure"]
    scores, rows = values(tables, measure, groups=True), compared(tables, measure)
    lines = tuple(
        (variant_name(tables, v), *(_group(scores, rows, v, *group) for group in named.items()))
        for v in variants(tables)
        if named
    )
    head = ("Model", *(f"{name} ({count_text(len(t), 'target')})" for name, t in named.items()))
    caption = "Macro averages over groups of targets: score; gain (95 %), p after Holm"
    return Table(caption, head, lines, names=1)


def _group(
    scores: Mapping[CellKey, Estimate],
    rows: Mapping[CellKey, dict[str, Any]],
    variant: Variant,
    name: str,
    targets: list[str],
) -> str:
    """Return the study's own average with its certainty, else the plain mean, named so."""
    key = (variant.recipe, variant.source, f"{GROUP}{name}")
    if key in scores:
        row = rows.get(key)
        if row is None:
            return estimate_text(scores[key])
        gain = f"{signed(row['difference'])} ({interval(row['low'], row['high'], sign=True)})"
        return f"{points(scores[key].value)}; {gain}, {p_text(row['p_holm'])}"
    keys = [(variant.recipe, variant.source, t) for t in targets]
    found = [scores[k].value for k in keys if k in scores and is_number(scores[k].value)]
    if not found:
        return NO_DATA
    mean = (
        f"{points(sum(found) / len(found))} (no interval; {len(found)} of {len(targets)} targets)"
    )
    gained = [rows[k]["difference"] for k in keys if k in rows]
    return f"{mean}; {signed(sum(gained) / len(gained))}" if gained else mean


def priors(tables: Tables) -> Table:
    """Return what guessing the commonest answer scores, beside the base model."""
    prior, score = values(tables, "prior_mlqa_em"), values(tables, "mlqa_em")
    rows = []
    for target in tables.plan["targets"]:
        guess = next((e for key, e in prior.items() if key[2] == target), None)
        if guess is not None:
            base = score.get(("base", "", target), MISSING)
            rows.append((language_name(target), estimate_text(guess), estimate_text(base)))
    head = ("Target", "Commonest answer", "Base model")
    return Table("Exact match of guessing, against the base model", head, tuple(rows), names=1)
