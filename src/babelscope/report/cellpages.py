"""What opens behind each cell of the transfer matrix: all that is known of a source in a target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from babelscope.records import MISSING, Estimate
from babelscope.report.claims import ADAPTERS, TUNING, Capacity, capacities, claim, needed_words
from babelscope.report.explain import explained_text, overgeneration_rows
from babelscope.report.figures import CAUSES, STOPS
from babelscope.report.names import (
    NO_DATA,
    count_text,
    estimate_text,
    interval,
    is_number,
    language_name,
    measure_name,
    model_title,
    named,
    p_text,
    points,
    share_text,
    signed,
)
from babelscope.report.produced import PLACES, produced_name, produced_shares
from babelscope.report.ratios import TIMES, times_text
from babelscope.report.tables import (
    CellKey,
    Tables,
    Variant,
    base_of,
    differences,
    estimate,
    values,
    variants,
)

MEASURES = (
    "squad_em",
    "squad_f1",
    "squad_f1_best_prefix",
    "mlqa_em",
    "mlqa_f1",
    "char_f1",
    "gold_contained",
)
P_EQUALS = "p\u00a0=\u00a0"
Pages = dict[str, dict[str, dict[str, dict[str, Any]]]]


@dataclass(frozen=True)
class Known:
    """The tables' numbers by cell, gathered once for all pages."""

    scores: Mapping[str, Mapping[CellKey, Estimate]]
    gains: Mapping[str, Mapping[CellKey, dict[str, Any]]]
    ratios: Mapping[tuple[str, CellKey], tuple[Estimate, str]]
    lost: Mapping[CellKey, Mapping[str, float]]
    limits: Mapping[tuple[str, str], Capacity]
    produced: Mapping[CellKey, Mapping[str, Estimate]]


def cell_pages(tables: Tables) -> dict[str, Any]:
    """Return the pages as texts: `cells` by recipe, source and target, and the names they share.

    A page holds `measures` (place of the name, base, tuned, gain, p, both p after Holm, what would
    decide it, n), `causes`, `stops` and `languages` (place or name, base, tuned; in per cent), and
    `facts` (name, text). Texts are those of the page's tables; a base's page has its own numbers
    under "base" alone.
    """
    known = _known(tables)
    cells: Pages = {}
    for variant in variants(tables):
        for target in tables.plan["targets"]:
            by_source = cells.setdefault(named(variant.recipe), {})
            by_target = by_source.setdefault(named(variant.source), {})
            by_target[target] = _page(tables, known, variant, target)
    return {
        "cells": cells,
        "measures": [measure_name(m) for m in MEASURES],
        "main": measure_name(tables.plan["main_measure"]),
        "causes": [list(pair) for pair in CAUSES],
        "stops": [list(pair) for pair in STOPS],
        "targets": {t: language_name(t) for t in tables.plan["targets"]},
    }


def _known(tables: Tables) -> Known:
    names = [*MEASURES, "length_ratio", *(f"cause_{c}" for c, _ in CAUSES)]
    names += [f"stop_{s}" for s, _ in STOPS]
    ratios = tables.transfer.filter(tables.transfer["measure"] == tables.plan["main_measure"])
    return Known(
        scores={name: values(tables, name) for name in names},
        gains={name: differences(tables, name) for name in MEASURES},
        ratios={
            (r["kind"], (r["recipe"], r["source"], r["target"])): (estimate(r), r["reason"] or "")
            for r in ratios.to_dicts()
        },
        lost=overgeneration_rows(tables),
        limits=capacities(tables, tables.plan["main_measure"]),
        produced=produced_shares(tables),
    )


def _page(tables: Tables, known: Known, variant: Variant, target: str) -> dict[str, Any]:
    key = (variant.recipe, variant.source, target)
    before = (base_of(tables, variant).recipe, "", target)
    keys = (before, key)
    page = {
        "title": f"{language_name(target)}, {named(model_title(tables, variant))}",
        "measures": _measures(known, keys),
        "causes": _shares(known, "cause", CAUSES, keys),
        "stops": _shares(known, "stop", STOPS, keys),
        "languages": _languages(known, keys),
        "facts": _facts(tables, known, keys),
    }
    return {name: value for name, value in page.items() if value}


def _measures(known: Known, keys: tuple[CellKey, CellKey]) -> list[list[Any]]:
    before, key = keys
    rows: list[list[Any]] = []
    cell = (key[0], key[2])
    for place, name in enumerate(MEASURES):
        base, tuned = (known.scores[name].get(k, MISSING) for k in keys)
        if not (is_number(base.value) or is_number(tuned.value)):
            continue
        own = [place, estimate_text(base)]
        if key == before:
            rows.append([*own, f"{base.n:,}"])
            continue
        gain = known.gains[name].get(key)
        rows.append(
            [*own, estimate_text(tuned), *_gain(gain, known.limits.get(cell)), f"{tuned.n:,}"]
        )
    return rows


def _gain(row: dict[str, Any] | None, capacity: Capacity | None) -> tuple[str, ...]:
    """Return a gain's text, p, both p after Holm, and what would decide it."""
    if row is None:
        return ("not compared", *["—"] * 4)
    gain = f"{signed(row['difference'])} ({interval(row['low'], row['high'], sign=True)})"
    of_tuning = is_number(row["p_holm"])
    found = (
        row["p_value"] if of_tuning else row["p_adapters"],
        row["p_holm"],
        row["p_adapters_holm"],
    )
    plain, corrected, adapters = (
        p_text(p).removeprefix(P_EQUALS).replace("p\u00a0<", "<") for p in found
    )
    tuning = corrected if of_tuning else "one seed"
    return gain, plain, tuning, adapters, _needed(row, capacity)


def _needed(row: dict[str, Any], capacity: Capacity | None) -> str:
    decided = {TUNING: "decided", ADAPTERS: "decided, these adapters only"}
    if claim(row) in decided or (capacity is not None and not capacity.decides):
        return decided.get(claim(row), needed_words(row, capacity))
    parts = [
        f"{math.ceil(row[name]):,} {noun}"
        for name, noun in (("questions_needed", "questions"), ("seeds_needed", "seeds"))
        if is_number(row[name])
    ]
    return ", ".join(parts) or "unknown"


def _shares(
    known: Known, prefix: str, parts: tuple[tuple[str, str], ...], keys: tuple[CellKey, CellKey]
) -> list[list[Any]]:
    rows = []
    for place, (part, _) in enumerate(parts):
        found = [
            known.scores[f"{prefix}_{part}"].get(k, MISSING).value for k in dict.fromkeys(keys)
        ]
        if any(is_number(x) and x > 0 for x in found):
            rows.append([place, *map(points, found)])
    return rows


def _languages(known: Known, keys: tuple[CellKey, CellKey]) -> list[list[str]]:
    found = [known.produced.get(k, {}) for k in dict.fromkeys(keys)]
    codes = dict.fromkeys(code for shares in found for code in shares)
    order = sorted(codes, key=lambda c: (c in PLACES, c != keys[1][2], c))
    empty = Estimate(0.0, 0.0, 0.0, 0)
    return [
        [
            produced_name(code),
            *(points(s.get(code, empty).value) if s else NO_DATA for s in found),
        ]
        for code in order
    ]


def _facts(tables: Tables, known: Known, keys: tuple[CellKey, CellKey]) -> list[tuple[str, str]]:
    before, key = keys
    lengths = known.scores["length_ratio"]
    base = estimate_text(lengths.get(before, MISSING))
    if key == before:
        return [("Length of the answers, % of the gold’s", base)]
    facts = [
        (
            "Transfer efficiency (score; what the base knew is in it)",
            _ratio(known, "transfer_efficiency", key),
        ),
        (
            "Gain as a share of that in the source’s language",
            _ratio(known, "gain_efficiency", key),
        ),
        ("Gain as a share of self-tuning’s", _ratio(known, "gain_over_self", key)),
        ("Score after tuning over the base’s", times_text(known.ratios.get((TIMES, key)))),
        ("Seeds", _seeds(known.gains[tables.plan["main_measure"]].get(key))),
        (
            "Length of the answers, % of the gold’s",
            f"{base} → {estimate_text(lengths.get(key, MISSING))}",
        ),
    ]
    lost = known.lost.get(key)
    if lost is not None:
        facts.append(("Loss of SQuAD F1 that over-generation explains", _explained(lost)))
    return facts


def _explained(lost: Mapping[str, float]) -> str:
    if is_number(lost["share"]):
        return f"{explained_text(lost)} of {points(lost['loss'])} points"
    return "nothing was lost" if is_number(lost["loss"]) and lost["loss"] <= 0 else NO_DATA


def _ratio(known: Known, kind: str, key: CellKey) -> str:
    value, reason = known.ratios.get((kind, key), (MISSING, ""))
    if not is_number(value.value):
        return f"{NO_DATA}: {reason}" if reason else NO_DATA
    return f"{points(value.value)} % ({interval(value.low, value.high)})"


def _seeds(row: dict[str, Any] | None) -> str:
    if row is None:
        return NO_DATA
    if row["seeds"] < 2 or not is_number(row["seed_sd"]):
        return "a single seed"
    return (
        f"{count_text(row['seeds'], 'seed')}; gains differ by {points(row['seed_sd'])} points "
        f"(SD), {share_text(row['same_sign'])} have the sign of their mean"
    )
