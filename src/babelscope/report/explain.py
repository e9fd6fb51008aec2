"""The sentences that explain a change: over-generation, the inside, and what limits the study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

import polars as pl
from markupsafe import Markup

from babelscope.records import MISSING, Estimate
from babelscope.report.claims import (
    Capacity,
    capacities,
    direction,
    is_told,
    needed_words,
)
from babelscope.report.lens_claims import OWN, OWN_WORDS, lens_p_words, tested
from babelscope.report.names import (
    CORRELATE,
    LENS_ROWS,
    POSITIONS,
    count_text,
    interval,
    is_number,
    isolated,
    language_name,
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
    estimate,
    final_steps,
    main_map,
    values,
)
from babelscope.report.words import NAMED, Answer, cell_name

NOT_INSIDE = "The study did not look inside."
OF_LOSS = "overgeneration_of_loss"
MOVES = (("rose", 1), ("fell", -1))
LEAST = 0.0005
"""A change of mass that is written as 0.0 points is none."""


def overgeneration(tables: Tables) -> Answer:
    """Say how much of each loss would vanish if answers were cut at their best place."""
    found = overgeneration_rows(tables)
    rows = differences(tables, tables.plan["main_measure"])
    lost = {k: r for k, r in found.items() if k in rows and direction(rows[k]) < 0}
    harmed = [(key, row) for key, row in lost.items() if row["loss"] > 0]
    base = [r["excess"] for k, r in found.items() if not k[1]]
    tuned = [r["excess"] for k, r in found.items() if k[1]]
    sentences = []
    if harmed:
        loss = sum(r["loss"] for _, r in harmed) / len(harmed)
        grown = sum(min(max(r["grown"], 0.0), r["loss"]) for _, r in harmed) / len(harmed)
        text = Markup(
            "Where a loss is decided and SQuAD F1 fell ({}), it fell by {} points on average; "
            "over-generation that was not there before explains {} of them ({}, a point estimate). "
            "The largest part is {}, in {}."
        )
        key, row = max(harmed, key=lambda x: x[1]["share"])
        pairs = count_text(len(harmed), "pairing")
        name = cell_name(tables, key)
        share, largest = share_text(grown / loss), explained_text(row)
        sentences.append(text.format(pairs, points(loss), points(grown), share, largest, name))
    if len(harmed) < len(lost):
        text = Markup(
            "In {} of {} with a decided loss SQuAD F1 did not fall: it cannot explain them."
        )
        sentences.append(text.format(len(lost) - len(harmed), count_text(len(lost), "pairing")))
    elif found and not lost:
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


def _loss_shares(tables: Tables) -> dict[CellKey, Estimate]:
    frame = tables.transfer.filter(pl.col("kind") == OF_LOSS)
    return {(r["recipe"], r["source"], r["target"]): estimate(r) for r in frame.to_dicts()}


def explained_text(row: Mapping[str, float]) -> str:
    """Return "50 % (31 % to 70 %)" of a row of `overgeneration_rows`."""
    share = share_text(row["share"])
    if is_number(row["low"]) and is_number(row["high"]):
        return f"{share} ({share_text(row['low'])} to {share_text(row['high'])})"
    return f"{share} (no interval)"


def overgeneration_rows(tables: Tables) -> dict[CellKey, dict[str, float]]:
    """Return per cell f1, best prefix, excess; and loss, growth of the excess, share explained.

    share = growth of the excess / loss of F1, with its interval low to high; where the study gives
    none, within 0-1 and without. NaN where nothing was lost.
    """
    told = _loss_shares(tables)
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
        part = MISSING
        if loss > 0 and is_number(grown):
            share = min(max(grown / loss, 0.0), 1.0)
            part = Estimate(share, float("nan"), float("nan"), value.n)
            if key in told and is_number(told[key].value):
                part = told[key]
        rows[key] = {
            "f1": value.value,
            "prefix": best.value,
            "excess": excess,
            "loss": loss,
            "grown": grown,
            "share": part.value,
            "low": part.low,
            "high": part.high,
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
        words = "The lens read no tuned model." if tables.lens.height else NOT_INSIDE
        return Answer("What changed inside?", (Markup(words),), "inside")
    rows = differences(tables, tables.plan["main_measure"])
    chosen = []
    for pick, sign in ((max, 1), (min, -1)):
        cells = [key for key, row in rows.items() if direction(row) == sign]
        if cells:
            chosen.append(pick(cells, key=lambda key: rows[key]["difference"]))
    sentences = [_inside(tables, shifts, key) for key in chosen]
    if not sentences:
        sentences = [Markup("No change of a score is decided; the curves below show the rest.")]
    sentences.append(Markup("{}").format(CORRELATE))
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
    own = own.filter(pl.col("position") == position)
    parts = [
        Markup("{} {}").format(words, Markup("; ").join(told))
        for kind, words in (("difference", "against the base"), (OWN, OWN_WORDS))
        if (told := _moves(own.filter(pl.col("kind") == kind)))
    ]
    if not parts:
        return Markup("{} ({}): no language’s mass changed.").format(name, where)
    text = Markup(
        "{} ({}, all questions): {}. Points are of probability, p corrected over all depths and "
        "languages."
    )
    return text.format(name, where, Markup("; ").join(parts))


def _moves(own: pl.DataFrame) -> list[Markup]:
    return [part for verb, sign in MOVES if (part := _most(own, verb, sign))]


def _most(own: pl.DataFrame, verb: str, sign: int) -> Markup | None:
    """Say which mass moved most over depths and languages, and which is decided if another."""
    moved = own.filter(pl.col("value") * sign > 0).sort(pl.col("value") * -sign, "language")
    if moved.is_empty() or abs(moved["value"][0]) < LEAST:
        return None
    first = moved.row(0, named=True)
    clear = moved.filter(pl.col("clear"))
    lead = Markup("the mass of {} {} most, by {}").format(_mass(first), verb, _moved(first))
    if first["clear"]:
        return lead
    if clear.is_empty():
        return lead + Markup(", which is not decided, nor is what any other did")
    least = clear.row(0, named=True)
    text = Markup(", which is not decided; of what is, {} {} most, by {}")
    return lead + text.format(_mass(least), verb, _moved(least))


def _mass(row: dict[str, Any]) -> Markup:
    return isolated(language_name(row["language"]))


def _moved(row: dict[str, Any]) -> Markup:
    text = Markup('<span class="num">{} ({})</span> points at depth {} ({})')
    span = interval(row["low"], row["high"], sign=True)
    return text.format(signed(row["value"]), span, row["depth"], lens_p_words(row))


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
    least = [r["smallest_gain"] for k, r in rows.items() if _sees(r, limits.get((k[0], k[2])))]
    if least:
        text = Markup(
            "The smallest gain that this design would find with 80 % power, after correction for "
            '{}: <span class="num">{}</span> points in the middle pairing (<span class="num">{} to '
            "{}</span>)."
        )
        most = max(Counter(recipe for recipe, *_ in rows).values())  # each recipe by itself
        pairs = count_text(most, "pairing")
        sizes = (median(least), min(least), max(least))
        sentences.append(text.format(pairs, *(points(x) for x in sizes)))
    return Answer("What stays open?", tuple(sentences), "gains") if sentences else None


def _sees(row: dict[str, Any], limit: Capacity | None) -> bool:
    """Whether a pairing's design finds any gain that a score can have with 80 % power."""
    found = row["smallest_gain"]
    return is_number(found) and 0 < found <= 1 and (limit is None or limit.decides)


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
