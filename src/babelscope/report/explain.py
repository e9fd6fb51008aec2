"""The sentences that explain a change: over-generation, the inside, and what limits the study."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

import polars as pl
from markupsafe import Markup

from babelscope.report.claims import (
    Capacity,
    capacities,
    direction,
    is_told,
    needed_words,
)
from babelscope.report.lens_claims import OWN, OWN_WORDS, lens_p_words, tested
from babelscope.report.names import (
    LENS_ROWS,
    POSITIONS,
    count_text,
    interval,
    is_number,
    isolated,
    language_name,
    listed,
    points,
    share_text,
    signed,
)
from babelscope.report.tables import (
    CellKey,
    Tables,
    Variant,
    base_of,
    differences,
    final_steps,
    main_map,
    values,
)
from babelscope.report.words import NAMED, Answer, cell_name


def overgeneration(tables: Tables) -> Answer:
    """Say how much of each loss would vanish if answers were cut at their best place."""
    found = overgeneration_rows(tables)
    rows = differences(tables, tables.plan["main_measure"])
    harmed = [
        (key, row)
        for key, row in found.items()
        if key in rows and direction(rows[key]) < 0 and row["loss"] > 0
    ]
    base = [r["excess"] for k, r in found.items() if not k[1]]
    tuned = [r["excess"] for k, r in found.items() if k[1]]
    sentences = []
    if harmed:
        loss = sum(r["loss"] for _, r in harmed) / len(harmed)
        grown = sum(min(max(r["grown"], 0.0), r["loss"]) for _, r in harmed) / len(harmed)
        text = Markup(
            "Where a loss is decided ({}), SQuAD F1 fell by {} points on average; "
            "over-generation that was not there before explains {} of them ({}). "
            "The largest part is {}, in {}."
        )
        key, row = max(harmed, key=lambda x: x[1]["share"])
        pairs = count_text(len(harmed), "pairing")
        name = cell_name(tables, key)
        share, largest = share_text(grown / loss), share_text(row["share"])
        sentences.append(text.format(pairs, points(loss), points(grown), share, largest, name))
    elif found:
        sentences.append(Markup("No loss is decided: there is none to explain."))
    if base and tuned:
        text = Markup(
            "Words beyond the best prefix cost the base model {} points of SQuAD F1 on average "
            "over targets, the tuned models {} (point estimates)."
        )
        averages = (sum(side) / len(side) for side in (base, tuned))
        sentences.append(text.format(*(points(a) for a in averages)))
    if not found:
        sentences.append(Markup("The study did not score best prefixes: it cannot say."))
    return Answer("Is a loss only too many words?", tuple(sentences), "causes")


def overgeneration_rows(tables: Tables) -> dict[CellKey, dict[str, float]]:
    """Return per cell f1, best prefix, excess; and loss, growth of the excess, share explained.

    share = growth of the excess / loss of F1, within 0-1; NaN where nothing was lost.
    """
    f1, prefix = values(tables, "squad_f1"), values(tables, "squad_f1_best_prefix")
    rows = {}
    for key, value in f1.items():
        base_key = (base_of(tables, Variant(key[0], key[1])).recipe, "", key[2])
        best, base, before = prefix.get(key), f1.get(base_key), prefix.get(base_key)
        if best is None or not (is_number(value.value) and is_number(best.value)):
            continue
        excess = best.value - value.value
        known = base is not None and before is not None
        loss = base.value - value.value if known and base else float("nan")
        grown = excess - (before.value - base.value) if before and base else float("nan")
        share = min(max(grown / loss, 0.0), 1.0) if loss > 0 else float("nan")
        rows[key] = {
            "f1": value.value,
            "prefix": best.value,
            "excess": excess,
            "loss": loss,
            "grown": grown,
            "share": share,
        }
    return rows


def inside(tables: Tables) -> Answer:
    """Say what changed inside for the largest sure gain and the largest sure loss."""
    shifts = final_steps(tested(tables.lens)).filter(
        pl.col("kind").is_in(["difference", OWN])
        & pl.col("value").is_finite()
        & (pl.col("measure") == "mass")
        & (pl.col("map") == main_map(tables))
    )
    if shifts.is_empty():
        return Answer("What changed inside?", (Markup("The study did not look inside."),), "inside")
    rows = differences(tables, tables.plan["main_measure"])
    chosen = []
    for pick, sign in ((max, 1), (min, -1)):
        cells = [key for key, row in rows.items() if direction(row) == sign]
        if cells:
            chosen.append(pick(cells, key=lambda key: rows[key]["difference"]))
    sentences = [_inside(tables, shifts, key) for key in chosen]
    if not sentences:
        sentences = [Markup("No change of a score is decided; the curves below show the rest.")]
    return Answer("What changed inside?", tuple(sentences), "inside")


def _inside(tables: Tables, shifts: pl.DataFrame, key: CellKey) -> Markup:
    recipe, source, target = key
    own = shifts.filter(
        (pl.col("recipe") == recipe)
        & (pl.col("source") == source)
        & (pl.col("target") == target)
        & (pl.col("subset") == "all")
        & ~pl.col("language").is_in(list(LENS_ROWS))
    )
    name = cell_name(tables, key)
    if own.is_empty():
        return Markup("{}: the lens was not read for this pairing.").format(name)
    found = own["position"].unique().sort().to_list()
    position = "last" if "last" in found else found[0]
    where = POSITIONS.get(position, position)
    own = own.filter((pl.col("position") == position) & pl.col("clear"))
    parts = [
        Markup("{} {}").format(words, listed(told))
        for kind, words in (("difference", "against the base"), (OWN, OWN_WORDS))
        if (told := list(_moves(own.filter(pl.col("kind") == kind))))
    ]
    if not parts:
        return Markup("{}: no change of a language’s mass is decided at any depth ({}).").format(
            name, where
        )
    return Markup("{} ({}): {}.").format(name, where, Markup("; ").join(parts))


def _moves(own: pl.DataFrame) -> Iterator[Markup]:
    """Yield the largest rise and the largest fall of the rows that are clear."""
    for verb, frame in (
        ("rose", own.filter(pl.col("value") > 0).sort("value", descending=True)),
        ("fell", own.filter(pl.col("value") < 0).sort("value")),
    ):
        for row in frame.head(1).to_dicts():
            text = Markup(
                'the mass of {} {} most, by <span class="num">{} ({})</span> points of probability '
                "at depth {} ({}, corrected over depths and languages)"
            )
            span = interval(row["low"], row["high"], sign=True)
            mass = isolated(language_name(row["language"]))
            value, depth = signed(row["value"]), row["depth"]
            yield text.format(mass, verb, value, span, depth, lens_p_words(row))


def undecided(tables: Tables) -> Answer | None:
    """Say which pairings stay open and what would decide them, or that this design cannot."""
    measure = tables.plan["main_measure"]
    rows, limits = differences(tables, measure), capacities(tables, measure)
    open_rows = {k: r for k, r in rows.items() if not is_told(r)}
    sentences = []
    if open_rows:
        lead = Markup("{} of {} are not decided.")
        sentences.append(lead.format(len(open_rows), count_text(len(rows), "pairing")))
        sentences += _prices(tables, open_rows, limits)
    least = [r["smallest_gain"] for r in rows.values() if is_number(r["smallest_gain"])]
    if least:
        text = Markup(
            "The smallest gain that this design would find with 80 % power, after correction for "
            '{}: <span class="num">{}</span> points in the middle pairing (<span class="num">{} to '
            "{}</span>)."
        )
        pairs = count_text(len(rows), "pairing")
        sizes = (median(least), min(least), max(least))
        sentences.append(text.format(pairs, *(points(x) for x in sizes)))
    return Answer("What stays open?", tuple(sentences), "gains") if sentences else None


def _prices(
    tables: Tables,
    rows: dict[CellKey, dict[str, Any]],
    limits: dict[tuple[str, str], Capacity],
) -> Iterator[Markup]:
    """Yield what would decide the open rows: none by a design that cannot, else the nearest."""
    blind = {
        k: limits[k[0], k[2]]
        for k in rows
        if (k[0], k[2]) in limits and not limits[k[0], k[2]].decides
    }
    if blind:
        many = "any of them" if len(blind) == len(rows) else f"{len(blind)} of them"
        text = Markup("This design cannot decide {}: {}. Ask more contexts, or run more seeds.")
        yield text.format(many, next(iter(blind.values())).words)
    known = {k: r for k, r in rows.items() if k not in blind and is_number(r["questions_needed"])}
    near = sorted(known, key=lambda k: (known[k]["questions_needed"] / max(known[k]["n"], 1), k))
    named = [
        Markup("{} ({})").format(cell_name(tables, key), needed_words(rows[key]))
        for key in near[:NAMED]
    ]
    if named:
        yield Markup(
            "If the differences are as large as they look, this would decide, with 80 % power and "
            "after correction, each for its part of the doubt: {}."
        ).format(Markup("; ").join(named))
    if unknown := len(rows) - len(blind) - len(known):
        text = Markup("For {} of them the difference is too near to zero to name a number.")
        yield text.format("all" if unknown == len(rows) else unknown)
