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
    same_language,
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
    """Return "Greek from Odia"."""
    variant = variant_name(tables, Variant(key[0], key[1]))
    return Markup("{} from {}").format(isolated(language_name(key[2])), isolated(variant))


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
    """Say per target which source to annotate in, or which are tied."""
    measure = tables.plan["main_measure"]
    frame = tables.best.filter(tables.best["measure"] == measure)
    rows = {(r["recipe"], r["target"]): r for r in frame.to_dicts()}
    compared = differences(tables, measure)
    recipes = [r for r in tables.plan["recipes"] if r != "base"]
    sentences, silent = [], []
    for target in tables.plan["targets"]:
        found = [(recipe, rows[recipe, target]) for recipe in recipes if (recipe, target) in rows]
        if not found:
            silent.append(isolated(language_name(target)))
        for recipe, row in found:
            recipe_words = f" (recipe {recipe})" if len(recipes) > 1 else ""
            lead = Markup("For {}{}: ").format(strong(language_name(target)), recipe_words)
            sentences.append(lead + _best(tables, row, compared))
    if silent:
        sentences.append(
            Markup("The study holds no ranking of sources for {}.").format(listed(silent))
        )
    return Answer("Which source is best for which target?", tuple(sentences), "matrix")


def _best(tables: Tables, row: dict[str, Any], compared: dict[CellKey, dict[str, Any]]) -> Markup:
    names = [row["best"]] if row["best"] else list(row["tied"] or [])
    cells = [compared.get((row["recipe"], name, row["target"])) for name in names]
    harms = bool(cells) and all(c and is_sure(c) and c["difference"] < 0 for c in cells)
    labels = [strong(_label(tables, name)) for name in names]
    share = f"{row['share']:.0%}" if is_number(row["share"]) else "an unknown share"
    if not names:
        return Markup("the sources cannot be ranked.")
    if not row["best"]:
        text = Markup(
            "the data do not decide between {} (the leader is first in {} of resamples){}."
        )
        tail = "; each of them lowers the score" if harms else ""
        return text.format(listed(labels), share, tail)
    text = Markup("{} is best, first in {} of resamples; {}.")
    if row["best"] == "base":
        return text.format(labels[0], share, "no source beats leaving the model as it is")
    cell = cells[0]
    if cell is None:
        tail = Markup("its gain over the base model is not in the study")
    elif harms:
        tail = Markup("yet it lowers the score, {} points: the base model is better").format(
            change(cell)
        )
    elif is_sure(cell):
        tail = Markup("it gains {} points over the base model ({})").format(
            change(cell), p_text(cell["p_holm"])
        )
    else:
        tail = Markup("that it beats the base model is not shown, {} points ({})").format(
            change(cell), p_text(cell["p_holm"])
        )
    return text.format(labels[0], share, tail)


def _label(tables: Tables, source: str) -> str:
    return "leaving the model as it is" if source == "base" else source_name(tables, source)


def helped_and_harmed(tables: Tables) -> Answer:
    """Say for every variant whom it helped and harmed after correction, by how much."""
    rows = differences(tables, tables.plan["main_measure"])
    sentences, quiet = [], []
    for variant in variants(tables)[1:]:
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
    sentences = []
    for key, row in rows.items():
        if same_language(source_language(tables, key[1]), key[2]):
            name = variant_name(tables, Variant(key[0], key[1]))
            text = Markup("{} tuned on its own {} {}: {} points ({}){}.")
            verdict = "is not decided"
            more: str | Markup = ""
            if is_sure(row):
                verdict = "is helped" if row["difference"] > 0 else "is harmed"
            elif (extra := more_questions(row)) is not None:
                more = Markup("; {}").format(_questions(extra))
            sentences.append(
                text.format(
                    strong(language_name(key[2])),
                    Markup("examples [{}]").format(isolated(name)),
                    verdict,
                    change(row),
                    p_text(row["p_holm"]),
                    more,
                )
            )
    if not sentences:
        sentences = [Markup("No source was scored in its own language: this study cannot say.")]
    return Answer("Does a language’s own data help it?", tuple(sentences), "gains")


def _questions(extra: int) -> str:
    if extra == 0:
        return "its questions would suffice for this pair alone, not after correction for all pairs"
    return f"about {extra:,} more question{'' if extra == 1 else 's'} would"
