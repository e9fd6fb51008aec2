"""The tables that stand behind the figures and in the later sections of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from babelscope.records import MISSING, Estimate
from babelscope.report.beside import interference_rows, interference_tests
from babelscope.report.cells import (
    Number,
    Row,
    Table,
    Text,
    changed,
    estimated,
    number,
    short,
    starred,
    tested,
)
from babelscope.report.claims import p_words
from babelscope.report.explain import explained_text, overgeneration_rows
from babelscope.report.figures import CAUSES, STOPS
from babelscope.report.names import (
    NO_DATA,
    count_text,
    is_number,
    language_name,
    measure_name,
    named,
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
    differences,
    values,
    variants,
)

STARS = (
    "Against the base model, p below 0.05 after Holm’s correction: * of tuning, † of these "
    "adapters only"
)
SCORES = ("squad_em", "squad_f1", "mlqa_em", "mlqa_f1", "char_f1", "gold_contained")


def all_measures(tables: Tables) -> Table:
    """Return the QA measures side by side; a measure without any value has no column."""
    found = {name: values(tables, name) for name in SCORES}
    found = {name: cells for name, cells in found.items() if cells}
    tests = {name: differences(tables, name) for name in found}
    rows: list[Row] = []
    for v in variants(tables):
        for t in tables.plan["targets"]:
            key = (v.recipe, v.source, t)
            cells = (starred(found[m].get(key, MISSING), tests[m].get(key)) for m in found)
            rows.append((variant_name(tables, v), language_name(t), *cells))
    head = ("Model", "Target", *(measure_name(name) for name in found))
    return Table(
        "All measures side by side, points of 100", head, tuple(rows) if found else (), note=STARS
    )


def _short(cells: Mapping[CellKey, Estimate], variant: Variant, target: str) -> Number:
    return short(cells.get((variant.recipe, variant.source, target), MISSING))


def shares(tables: Tables) -> Table:
    """Return causes, stops and length ratio of every cell."""
    parts = [(f"cause_{key}", label) for key, label in CAUSES]
    parts += [(f"stop_{key}", f"stop: {label}") for key, label in STOPS]
    parts.append(("length_ratio", "length, % of gold"))
    found = [values(tables, key) for key, _ in parts]
    rows: tuple[Row, ...] = tuple(
        (variant_name(tables, v), language_name(t), *(_short(cells, v, t) for cells in found))
        for v in variants(tables)
        for t in tables.plan["targets"]
    )
    head = ("Model", "Target", *(label for _, label in parts))
    return Table("Shares of answers, %", head, rows if any(found) else ())


def overgenerated(tables: Tables) -> Table:
    """Return SQuAD F1 beside the best prefix, and the share of each loss that it explains."""
    found, shares = overgeneration_rows(tables), values(tables, "overgeneration_share")
    rows: list[Row] = []
    for variant in variants(tables):
        for target in tables.plan["targets"]:
            row = found.get((variant.recipe, variant.source, target))
            if row:
                share = explained_text(row) if is_number(row["share"]) else "no loss"
                names = (variant_name(tables, variant), language_name(target))
                scores = tuple(number(row[k], points(row[k])) for k in ("f1", "prefix", "excess"))
                lost = (signed(-row["loss"]), share) if not variant.is_base else ("—", "—")
                loss = (number(-row["loss"], lost[0]), number(row["share"], lost[1]))
                lacking = shares.get((variant.recipe, variant.source, target), MISSING)
                rows.append((*names, *scores, estimated(lacking), *loss))
    head = (
        "Model", "Target", "SQuAD F1", "Best prefix", "Over-generation",
        "% of what F1 lacks (95 %)", "Change of F1", "Share of the loss explained (95 %)",
    )  # fmt: skip
    caption = "What over-generation costs, points of 100 (shares have intervals)"
    return Table(caption, head, tuple(rows))


def left_out(tables: Tables) -> Table:
    """Return what readers left out of the study's sets, and what they kept in spite of a fault."""
    rows: list[Row] = [
        (named(found["set"]), kind, named(reason), _count(n), _count(found["kept"]))
        for found in tables.plan.get("left_out_or_noted", [])
        for kind, key in (("left out", "dropped"), ("kept, with a fault", "noted"))
        for reason, n in found[key].items()
    ]
    head = ("Set", "What became of them", "Why", "Records", "Records kept in all")
    return Table("Records left out or noted while the sets were read", head, tuple(rows), names=1)


def quality(tables: Tables) -> Table:
    """Return a row per source on how its data compare with a human set in parallel."""

    extra = [c for c in ("identified", "signatures", "noted") if c in tables.quality.columns]
    rows = []
    for r in tables.quality.to_dicts():
        chrf, ratio = _decimal(r["chrf"], 1), _decimal(r["length_ratio"], 2)
        bleu = _decimal(r.get("bleu"), 1)  # studies of older versions have none
        whole = (_count(r["records"]), _count(r["dropped"]))
        texts = (source_name(tables, r["source"]), r["source"], r["origin"] or "")
        more = tuple(_loose(r[c]) for c in extra)
        gold, kept = (
            number(r[k], share_text(r[k], 1)) for k in ("gold_verbatim", "sentences_kept")
        )
        rows.append((*texts, *whole, gold, ratio, chrf, bleu, kept, *more))
    head = (
        "Source", "Name", "Origin", "Records", "Dropped", "Gold verbatim in its context",
        "Length ratio", "chrF", "BLEU", "Sentences kept", *(c.capitalize() for c in extra),
    )  # fmt: skip
    return Table("Training data per source", head, tuple(rows), names=1)


def _count(value: int | None) -> Number:
    return number(value, NO_DATA if value is None else f"{value:,}")


def _decimal(value: float | None, digits: int) -> Number:
    return number(value, f"{value:.{digits}f}" if is_number(value) else NO_DATA)


def _loose(value: object) -> Text:
    """Write a cell whose type the study chose: a share, a count, or words."""
    if isinstance(value, float):
        return number(value, share_text(value, 1))
    if isinstance(value, int):
        return _count(value)
    return str(value) if value not in (None, "") else "—"


def interference_table(tables: Tables) -> Table:
    """Return the share of contest answers that equal another language's gold."""
    found, names = interference_rows(tables)
    tests = interference_tests(tables)
    shown = [v for v in variants(tables) if any(k[:2] == (v.recipe, v.source) for k in found)]
    rows: tuple[Row, ...] = tuple(
        (label, *(tested(found.get(k, MISSING), tests.get(k)) for k in _keys(shown, pair)))
        for pair, label in names.items()
    )
    head = ("Pair", *(variant_name(tables, v) for v in shown))
    return Table("Interference, % of contest answers (95 %)", head, rows, names=1)


def _keys(shown: Sequence[Variant], pair: str) -> list[CellKey]:
    return [(v.recipe, v.source, pair) for v in shown]


def groups(tables: Tables) -> Table:
    """Return the macro average and its gain for each group of targets that the plan names."""
    groups: dict[str, list[str]] = tables.plan.get("groups") or {}
    measure = tables.plan["main_measure"]
    scores, rows = values(tables, measure, groups=True), compared(tables, measure)
    lines = tuple(
        (variant_name(tables, v), *(_group(scores, rows, v, *group) for group in groups.items()))
        for v in variants(tables)
        if groups
    )
    head = ("Model", *(f"{name} ({count_text(len(t), 'target')})" for name, t in groups.items()))
    caption = (
        "Macro averages over groups of targets, a source’s own language among them: score; "
        "gain (95 %), p after Holm"
    )
    return Table(caption, head, lines, names=1)


def _group(
    scores: Mapping[CellKey, Estimate],
    rows: Mapping[CellKey, dict[str, Any]],
    variant: Variant,
    name: str,
    targets: list[str],
) -> Text:
    """Return the study's own average with its certainty, else the plain mean, named so."""
    key = (variant.recipe, variant.source, f"{GROUP}{name}")
    if key in scores:
        row = rows.get(key)
        if row is None:
            return estimated(scores[key])
        told = f"{points(scores[key].value)}; {changed(row)}, {p_words(row)}"
        return replace(tested(scores[key], row), text=told)
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
            rows.append((language_name(target), estimated(guess), estimated(base)))
    head = ("Target", "Commonest answer", "Base model")
    return Table("Exact match of guessing, against the base model", head, tuple(rows), names=1)
