"""The sentences that explain a change: over-generation, the inside, and what limits the study."""

from __future__ import annotations

import polars as pl
from markupsafe import Markup

from babelscope.report.names import (
    LENS_ROWS,
    POSITIONS,
    count_text,
    interval,
    is_number,
    isolated,
    language_name,
    listed,
    measure_name,
    p_text,
    points,
    share_text,
    signed,
)
from babelscope.report.tables import (
    CellKey,
    Tables,
    differences,
    final_steps,
    is_sure,
    pooled,
    values,
    variants,
)
from babelscope.report.words import NAMED, Answer, cell_name, more_questions

NEAR_ZERO = 0.05
"""Below this (5 points of 100) a score is called near zero."""


def overgeneration(tables: Tables) -> Answer:
    """Say how much of each loss would vanish if answers were cut at their best place."""
    found = overgeneration_rows(tables)
    rows = differences(tables, tables.plan["main_measure"])
    harmed = [
        (key, row)
        for key, row in found.items()
        if key in rows and is_sure(rows[key]) and rows[key]["difference"] < 0 and row["loss"] > 0
    ]
    base = [r["excess"] for k, r in found.items() if k[0] == "base"]
    tuned = [r["excess"] for k, r in found.items() if k[0] != "base"]
    sentences = []
    if harmed:
        loss = sum(r["loss"] for _, r in harmed) / len(harmed)
        grown = sum(min(max(r["grown"], 0.0), r["loss"]) for _, r in harmed) / len(harmed)
        text = Markup(
            "Where tuning clearly harmed ({}), SQuAD F1 fell by {} points on average; "
            "over-generation that was not there before explains {} of them ({}). "
            "The largest part is {}, in {}."
        )
        key, row = max(harmed, key=lambda x: x[1]["share"])
        pairs = count_text(len(harmed), "pairing")
        name = cell_name(tables, key)
        share, largest = share_text(grown / loss), share_text(row["share"])
        sentences.append(text.format(pairs, points(loss), points(grown), share, largest, name))
    elif found:
        sentences.append(Markup("No loss of SQuAD F1 is clear: there is none to explain."))
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
        best, base = prefix.get(key), f1.get(("base", "", key[2]))
        before = prefix.get(("base", "", key[2]))
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
    shifts = final_steps(tables.lens).filter(
        (pl.col("kind") == "difference") & pl.col("value").is_finite()
    )
    if shifts.is_empty():
        return Answer("What changed inside?", (Markup("The study did not look inside."),), "inside")
    rows = differences(tables, tables.plan["main_measure"])
    sure = [key for key, row in rows.items() if is_sure(row)]
    chosen = []
    for pick, sign in ((max, 1), (min, -1)):
        cells = [key for key in sure if rows[key]["difference"] * sign > 0]
        if cells:
            chosen.append(pick(cells, key=lambda key: rows[key]["difference"]))
    sentences = [_inside(tables, shifts, key) for key in chosen]
    if not sentences:
        sentences = [Markup("No score changed clearly; the curves below show the rest.")]
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
    own = own.filter((pl.col("position") == position) & (pl.col("p_value") < 0.05))
    if own.is_empty():
        return Markup("{}: no language’s mass changed clearly at any depth ({}).").format(
            name, where
        )
    parts = []
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
            value, depth, p = signed(row["value"]), row["depth"], p_text(row["p_value"])
            parts.append(text.format(mass, verb, value, span, depth, p))
    return Markup("{} ({}): {}.").format(name, where, listed(parts))


def undecided(tables: Tables) -> Answer | None:
    """Say which pairings stay open and how many more questions would decide them."""
    rows = differences(tables, tables.plan["main_measure"])
    open_rows = [(k, r, more_questions(r)) for k, r in rows.items() if not is_sure(r)]
    if not open_rows:
        return None
    known = sorted(((e, k) for k, _, e in open_rows if e is not None), key=lambda x: (x[0], x[1]))
    lead = Markup("{} of {} are not decided.")
    sentences = [lead.format(len(open_rows), count_text(len(rows), "pairing"))]
    near = [
        Markup("{} ({})").format(
            cell_name(tables, key),
            f"about {extra:,} more" if extra else "enough for itself, not after correction",
        )
        for extra, key in known[:NAMED]
    ]
    if near:
        text = Markup(
            "If the differences are as large as they look, more questions would decide, with 80 % "
            "power and before correction: {}."
        )
        sentences.append(text.format(listed(near)))
    if unknown := len(open_rows) - len(known):
        text = Markup("For {} of them the difference is too near to zero to name a number.")
        sentences.append(text.format(unknown))
    return Answer("What stays open?", tuple(sentences), "gains")


def notes(tables: Tables) -> tuple[Markup, ...]:
    """Return what a reader must know before trusting the sentences: toy model, one seed, gaps."""
    plan = tables.plan
    found = []
    if plan["model"].get("is_mini"):
        found.append(
            Markup(
                "<strong>This shows the tool, not the world’s languages.</strong> The model is the "
                "small embedded one, trained on an artificial world with a chosen mixture: what "
                "holds here says nothing about these languages in other models."
            )
        )
    if len(plan["seeds"]) == 1:
        found.append(
            Markup(
                "<strong>Single seed.</strong> Every tuned model was trained once (seed {}). The "
                "intervals hold the doubt from the questions, not that from training again."
            ).format(plan["seeds"][0])
        )
    found.extend(_score_notes(tables))
    return tuple(found)


def _base_or_cell(tables: Tables, key: CellKey) -> Markup:
    if key[0] == "base":
        return Markup("{} (base model)").format(isolated(language_name(key[2])))
    return cell_name(tables, key)


def _score_notes(tables: Tables) -> list[Markup]:
    measure = tables.plan["main_measure"]
    scores = values(tables, measure)
    found = []
    known = [e for e in scores.values() if is_number(e.value)]
    if known and max(e.value for e in known) < NEAR_ZERO:
        text = Markup(
            "<strong>Every score is near zero</strong> (the highest {} is {} of 100): there is "
            "little here to transfer or to lose."
        )
        found.append(text.format(measure_name(measure), points(max(e.value for e in known))))
    wanted = [(v, t) for v in variants(tables) for t in tables.plan["targets"]]
    gaps = [
        _base_or_cell(tables, (v.recipe, v.source, t))
        for v, t in wanted
        if (v.recipe, v.source, t) not in scores
        or not is_number(scores[v.recipe, v.source, t].value)
    ]
    if gaps and known:
        text = Markup("<strong>Cells without data:</strong> {} of {}, drawn hatched: {}.")
        more = [] if len(gaps) <= 6 else [Markup("{} more").format(len(gaps) - 6)]
        found.append(text.format(len(gaps), len(wanted), listed(gaps[:6] + more)))
    for count_name, fate in (
        ("truncated", "had their context cut to fit the model"),
        ("gold_lost", "lost their answer with the part that was cut"),
    ):
        cut = pooled(tables).filter((pl.col("measure") == count_name) & pl.col("value").is_finite())
        if (count := int(cut["value"].sum())) > 0:
            total = int(cut["n"].sum())
            share = share_text(count / total if total else None, 1)
            sentence = Markup("<strong>{}</strong> of {} ({}) {}.")
            asked = count_text(total, "prompt")
            found.append(sentence.format(f"{count:,}", asked, share, fate))
    return found
