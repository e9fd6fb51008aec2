"""Languages asked against languages that answers came in, for each model."""

from __future__ import annotations

from typing import Any

from babelscope.measure.produced import EXACT, NO_LETTERS, UNDECIDED
from babelscope.records import Estimate
from babelscope.report.cells import Row, Table, number, short
from babelscope.report.matrix import style
from babelscope.report.names import (
    is_number,
    language_name,
    named,
    points,
    variant_name,
)
from babelscope.report.tables import CellKey, Tables, estimate, pooled, variants

PREFIX = "produced_"
PLACES = {EXACT: "exact answer", UNDECIDED: "undecided", NO_LETTERS: "no letters"}
"""What stands beside the languages, in the order of the columns."""
SHADES = 20
"""Steps of blue between none and all of the answers."""


def produced_name(code: str) -> str:
    """Return how a language, or what stands in for one, is called in tables."""
    return PLACES.get(code) or language_name(code)


def produced_shares(tables: Tables) -> dict[CellKey, dict[str, Estimate]]:
    """Return the shares of the languages that a cell's answers came in; absent ones are 0."""
    rows = pooled(tables)
    rows = rows.filter(rows["measure"].str.starts_with(PREFIX))
    found: dict[CellKey, dict[str, Estimate]] = {}
    for row in rows.to_dicts():
        value = estimate(row)
        if is_number(value.value):
            cell = found.setdefault((row["recipe"], row["source"], row["target"]), {})
            cell[row["measure"].removeprefix(PREFIX)] = value
    return found


def is_judged(tables: Tables) -> bool:
    """Whether exact answers are told apart, so that a language's share holds judged answers."""
    rows = pooled(tables)
    told = (rows["measure"] == f"{PREFIX}{EXACT}").any()
    exact = rows.filter((rows["measure"] == "cause_exact") & (rows["value"] > 0))
    return told or exact.is_empty()


def columns(tables: Tables, found: dict[CellKey, dict[str, Estimate]]) -> list[str]:
    """Return the targets, then the other languages that occur, then what was not judged."""
    seen = {code for shares in found.values() for code in shares}
    others = sorted(seen - set(tables.plan["targets"]) - set(PLACES), key=language_name)
    return [*tables.plan["targets"], *others, *(code for code in PLACES if code in seen)]


def produced_table(tables: Tables) -> Table:
    """Return a row a model and language asked in: shares of answers by language produced."""
    found = produced_shares(tables)
    codes = columns(tables, found)
    rows: list[Row] = []
    for variant in variants(tables):
        for target in tables.plan["targets"]:
            shares = found.get((variant.recipe, variant.source, target))
            if shares:
                n = max(e.n for e in shares.values())
                cells = (short(shares[c]) if c in shares else number(0.0, "0") for c in codes)
                names = (variant_name(tables, variant), language_name(target))
                rows.append((*names, *cells, number(n, f"{n:,}")))
    head = ("Model", "Asked in", *(produced_name(code) for code in codes), "n")
    return Table("Languages that the answers came in, % of answers", head, tuple(rows))


def produced_view(tables: Tables) -> dict[str, Any] | None:
    """Return the heat table's data: models, languages, shades, and shares as the table has them.

    `cells` has texts by model and target in the order of `columns`: "" for none of the answers,
    None where the cell has no data. `judged` is false where exact answers are counted as the
    language asked for, as older versions did.
    """
    found = produced_shares(tables)
    if not found:
        return None
    codes, targets = columns(tables, found), tables.plan["targets"]
    shown = [v for v in variants(tables) if any(k[:2] == (v.recipe, v.source) for k in found)]
    return {
        "judged": is_judged(tables),
        "models": [named(variant_name(tables, v)) for v in shown],
        "rows": [language_name(t) for t in targets],
        "columns": [produced_name(code) for code in codes],
        "shades": [style(step / SHADES) for step in range(SHADES + 1)],
        "cells": [
            [_row(found.get((v.recipe, v.source, t)), codes) for t in targets] for v in shown
        ],
    }


def _row(shares: dict[str, Estimate] | None, codes: list[str]) -> list[str] | None:
    if not shares:
        return None
    return [points(shares[code].value) if code in shares else "" for code in codes]
