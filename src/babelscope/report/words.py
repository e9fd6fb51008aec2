"""The answer in plain sentences, each made from the study's numbers with their certainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from babelscope.report.names import (
    count_text,
    interval,
    is_number,
    isolated,
    language_name,
    listed,
    measure_name,
    p_text,
    recipe_name,
    same_language,
    share_text,
    signed,
    source_language,
    source_name,
    variant_name,
)
from babelscope.report.tables import (
    CellKey,
    Tables,
    Variant,
    differences,
    is_sure,
    variants,
)

NAMED = 4
"""How many cells a sentence names before it says "and k more"."""


@dataclass(frozen=True)
class Answer:
    """Some sentences under a heading, and the id of the section that holds their evidence."""

    heading: str
    sentences: tuple[Markup, ...]
    evidence: str


def strong(text: object) -> Markup:
    """Return an isolated name in bold."""
    return Markup("<strong>{}</strong>").format(isolated(text))


def change(row: dict[str, Any]) -> Markup:
    """Return "+40.1 (32.1 to 48.1)" for a comparison; the interval never breaks over a line."""
    span = interval(row["low"], row["high"], sign=True)
    return Markup('<span class="num">{} ({})</span>').format(signed(row["difference"]), span)


def cell_name(tables: Tables, key: CellKey) -> Markup:
    """Return "Greek after tuning on Odia"."""
    variant = variant_name(tables, Variant(key[0], key[1]))
    return Markup("{} after tuning on {}").format(
        isolated(language_name(key[2])), isolated(variant)
    )


def more_questions(row: dict[str, Any]) -> int | None:
    """Return how many questions beyond those asked would give 80 % power; None if unknown."""
    needed = row["questions_needed"]
    if not is_number(needed):
        return None
    return max(0, round(needed) - int(row["n"] or 0))


def headline(tables: Tables) -> tuple[Markup, ...]:
    """Return the two or three sentences that stand above everything else."""
    measure = tables.plan["main_measure"]
    rows = differences(tables, measure)
    if not rows:
        return (Markup("This study holds no comparison of a tuned model with its base."),)
    helped = {k: r for k, r in rows.items() if is_sure(r) and r["difference"] > 0}
    harmed = {k: r for k, r in rows.items() if is_sure(r) and r["difference"] < 0}
    first = Markup(
        "Of {} of a source with a target, tuning clearly helped <strong>{}</strong> and clearly "
        "harmed <strong>{}</strong>; these data do not decide the other <strong>{}</strong>."
    )
    rest = len(rows) - len(helped) - len(harmed)
    pairs = count_text(len(rows), "pairing")
    sentences = [first.format(pairs, len(helped), len(harmed), rest)]
    for label, found, pick in (("gain", helped, max), ("loss", harmed, min)):
        if found:
            key = pick(found, key=lambda k: found[k]["difference"])
            text = Markup("The largest {} is {} points of {} for {} ({} after correction).")
            sentences.append(
                text.format(
                    label,
                    change(found[key]),
                    measure_name(measure),
                    cell_name(tables, key),
                    p_text(found[key]["p_holm"]),
                )
            )
    return tuple(sentences)


def best_sources(tables: Tables) -> Answer:
    """Say per target which source to annotate in; targets with the same tie share a sentence."""
    measure = tables.plan["main_measure"]
    frame = tables.best.filter(tables.best["measure"] == measure)
    rows = {(r["recipe"], r["target"]): r for r in frame.to_dicts()}
    compared = differences(tables, measure)
    recipes = tables.plan["recipes"]
    sentences = []
    for recipe in recipes:
        own = [rows[recipe, t] for t in tables.plan["targets"] if (recipe, t) in rows]
        note = f" (recipe {recipe_name(tables, recipe)})" if len(recipes) > 1 else ""
        for row in own:
            if row["best"]:
                lead = Markup("For {}{}: ").format(strong(language_name(row["target"])), note)
                sentences.append(lead + _winner(tables, row, compared))
        sentences.extend(_ties(tables, [r for r in own if not r["best"]], compared, note))
    silent = [t for t in tables.plan["targets"] if not any((r, t) in rows for r in recipes)]
    if silent:
        text = Markup("The study holds no ranking of sources for {}.")
        sentences.append(text.format(listed([isolated(language_name(t)) for t in silent])))
    return Answer("Which source is best for which target?", tuple(sentences), "matrix")


def _winner(tables: Tables, row: dict[str, Any], compared: dict[CellKey, dict[str, Any]]) -> Markup:
    text = Markup("{} is best, first in {} of resamples; {}.")
    name, share = strong(_label(tables, row["best"])), share_text(row["share"])
    if row["best"] == "base":
        return text.format(name, share, "no source beats it")
    cell = compared.get((row["recipe"], row["best"], row["target"]))
    if cell is None:
        return text.format(name, share, "its gain over the base model is not in the study")
    if is_sure(cell) and cell["difference"] < 0:
        tail = Markup("yet it lowers the score, {} points ({}): the base model is better")
    elif is_sure(cell):
        tail = Markup("it gains {} points over the base model ({})")
    else:
        tail = Markup("that it beats the base model is not shown, {} points ({})")
    return text.format(name, share, tail.format(change(cell), p_text(cell["p_holm"])))


def _ties(
    tables: Tables, rows: list[dict[str, Any]], compared: dict[CellKey, dict[str, Any]], note: str
) -> list[Markup]:
    groups: dict[tuple[tuple[str, ...], bool], list[dict[str, Any]]] = {}
    for row in rows:
        names = tuple(row["tied"] or ())
        cells = [compared.get((row["recipe"], name, row["target"])) for name in names]
        harms = bool(cells) and all(c and is_sure(c) and c["difference"] < 0 for c in cells)
        groups.setdefault((names, harms), []).append(row)
    sentences = []
    for (names, harms), members in groups.items():
        targets = listed([strong(language_name(row["target"])) for row in members])
        labels = listed([strong(_label(tables, name)) for name in names])
        if not names:
            sentences.append(Markup("For {}{} no source can be ranked.").format(targets, note))
            continue
        shares = sorted(row["share"] for row in members if is_number(row["share"]))
        ends = dict.fromkeys(share_text(share) for share in (shares[:1] + shares[-1:]))
        span = " to ".join(ends) or "an unknown share"
        tail = "; each of them lowers the score" if harms else ""
        text = Markup(
            "For {}{} the data do not decide between {}: the leader is first in only {} of "
            "resamples{}."
        )
        sentences.append(text.format(targets, note, labels, span, tail))
    return sentences


def _label(tables: Tables, source: str) -> str:
    return "leaving the model as it is" if source == "base" else source_name(tables, source)


def helped_and_harmed(tables: Tables) -> Answer:
    """Say for every variant whom it helped and harmed after correction, by how much."""
    rows = differences(tables, tables.plan["main_measure"])
    sentences, quiet = [], []
    for variant in variants(tables):
        own = {k: r for k, r in rows.items() if k[:2] == (variant.recipe, variant.source)}
        sure = sorted(
            ((k, r) for k, r in own.items() if is_sure(r)), key=lambda x: -abs(x[1]["difference"])
        )
        parts = []
        for verb, sign in (("helped", 1), ("harmed", -1)):
            cells = [(k, r) for k, r in sure if r["difference"] * sign > 0]
            if cells:
                parts.append(Markup('<span class="{0}">{0}</span> {1}').format(verb, _cells(cells)))
        name = strong(variant_name(tables, variant))
        if parts:
            p = p_text(max(r["p_holm"] for _, r in sure))
            bound = p.replace("=", "≤").replace("<", "≤") if len(sure) > 1 else p
            text = Markup("Tuning on {} {} points ({} after Holm’s correction).")
            sentences.append(text.format(name, Markup("; it ").join(parts), bound))
        elif own:
            quiet.append(name)
    if quiet:
        sentences.append(Markup("Tuning on {} clearly changed no target.").format(listed(quiet)))
    if not rows:
        sentences.append(Markup("The study holds no comparison with the base model."))
    return Answer("Who is helped, who is harmed?", tuple(sentences), "gains")


def _cells(cells: list[tuple[CellKey, dict[str, Any]]]) -> Markup:
    named = [
        Markup("{} by {}").format(isolated(language_name(key[2])), change(row))
        for key, row in cells[:NAMED]
    ]
    if len(cells) > NAMED:
        named.append(Markup("{} more").format(len(cells) - NAMED))
    return listed(named)


def self_tuning(tables: Tables) -> Answer:
    """Say whether tuning on a target's own language helps that target."""
    rows = differences(tables, tables.plan["main_measure"])
    sentences, open_cells = [], []
    for key, row in rows.items():
        if not same_language(source_language(tables, key[1]), key[2]):
            continue
        source = isolated(variant_name(tables, Variant(key[0], key[1])))
        if is_sure(row):
            text = Markup("Tuning on {} {} {}: {} points ({}).")
            verdict = "helps" if row["difference"] > 0 else "harms"
            target, p = strong(language_name(key[2])), p_text(row["p_holm"])
            sentences.append(text.format(source, verdict, target, change(row), p))
        else:
            extra = more_questions(row)
            more = "" if extra is None else f", {_questions(extra)}"
            open_cells.append(Markup("{}: {}{}").format(source, change(row), more))
    if open_cells:
        text = Markup("Not decided (no p below 0.05 after correction), in points: {}.")
        sentences.append(text.format(Markup("; ").join(open_cells)))
    if not sentences:
        sentences = [Markup("No source was scored in its own language: this study cannot say.")]
    return Answer("Does a language’s own data help it?", tuple(sentences), "gains")


def _questions(extra: int) -> str:
    if extra == 0:
        return "its questions would suffice for this pair alone, not after correction for all pairs"
    more = count_text(extra, "more question")
    return f"about {more} would decide with 80 % power and before correction"
