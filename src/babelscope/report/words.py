"""The answer in plain sentences, each made from the study's numbers with their certainty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from babelscope.report.claims import (
    ADAPTERS,
    TUNING,
    Capacity,
    capacities,
    claim,
    direction,
    is_told,
    needed_words,
    p_words,
    shown_p,
    verdict,
)
from babelscope.report.names import (
    count_text,
    interval,
    isolated,
    language_name,
    listed,
    measure_name,
    p_text,
    recipe_name,
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


def headline(tables: Tables) -> tuple[Markup, ...]:
    """Return the two or three sentences that stand above everything else."""
    measure = tables.plan["main_measure"]
    rows = differences(tables, measure)
    if not rows:
        return (Markup("This study holds no comparison of a tuned model with its base."),)
    sentences = [_counted(rows, measure)]
    limits = capacities(tables, measure)
    blind = [
        limits[key[0], key[2]]
        for key, row in rows.items()
        if not is_told(row) and (key[0], key[2]) in limits and not limits[key[0], key[2]].decides
    ]
    if blind:
        text = Markup("This design cannot decide {}: {}.")
        many = "any of them" if len(blind) == len(rows) else f"{len(blind)} of them"
        sentences.append(text.format(many, blind[0].words))
    for label, pick, sign in (("gain", max, 1), ("loss", min, -1)):
        found = {k: r for k, r in rows.items() if direction(r) == sign}
        if found:
            key = pick(found, key=lambda k: found[k]["difference"])
            text = Markup("The largest {} that is decided is {} points for {} ({}).")
            cell = cell_name(tables, key)
            sentences.append(text.format(label, change(found[key]), cell, p_words(found[key])))
    return tuple(sentences)


def _counted(rows: dict[CellKey, dict[str, Any]], measure: str) -> Markup:
    """Say what was tested, by which measure, and how it came out."""
    count = Counter(verdict(row) for row in rows.values())
    pairs, name = count_text(len(rows), "pairing"), measure_name(measure)
    lead = Markup("Of {} of a source with a target, tested by {}, ").format(pairs, name)
    if all(row["seeds"] < 2 for row in rows.values()):
        text = Markup(
            "these adapters gained in <strong>{}</strong> and lost in <strong>{}</strong>; "
            "<strong>{}</strong> are undecided. One seed says nothing of tuning again."
        )
        return lead + text.format(count["gained"], count["lost"], count["open"])
    text = Markup(
        "tuning helped <strong>{}</strong> and harmed <strong>{}</strong>; in more, these adapters "
        "gained (<strong>{}</strong>) or lost (<strong>{}</strong>), which another run might not; "
        "<strong>{}</strong> are undecided."
    )
    names = ("helped", "harmed", "gained", "lost", "open")
    return lead + text.format(*(count[name] for name in names))


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
    text = Markup("{} is best, above every other source ({}); {}.")
    name, p = strong(_label(tables, row["best"])), p_text(row["p_holm"])
    if row["best"] == "base":
        return text.format(name, p, "no source beats it")
    cell = compared.get((row["recipe"], row["best"], row["target"]))
    if cell is None:
        return text.format(name, p, "its gain over the base model is not in the study")
    side = direction(cell)
    if side < 0:
        tail = Markup("yet it lowers the score, {} points ({}): the base model is better")
    elif side > 0:
        tail = Markup("it gains {} points over the base model ({})")
    else:
        tail = Markup("that it beats the base model is not shown, {} points ({})")
    return text.format(name, p, tail.format(change(cell), p_words(cell)))


def _ties(
    tables: Tables, rows: list[dict[str, Any]], compared: dict[CellKey, dict[str, Any]], note: str
) -> list[Markup]:
    groups: dict[tuple[tuple[str, ...], str, bool], list[dict[str, Any]]] = {}
    for row in rows:
        names = tuple(row["tied"] or ())
        cells = [compared.get((row["recipe"], name, row["target"])) for name in names]
        harms = bool(cells) and all(c and direction(c) < 0 for c in cells)
        groups.setdefault((names, row["adapters"] or "", harms), []).append(row)
    sentences = []
    for (names, adapters, harms), members in groups.items():
        targets = listed([strong(language_name(row["target"])) for row in members])
        if not names:
            sentences.append(Markup("For {}{} no source can be ranked.").format(targets, note))
            continue
        text = Markup("For {}{} ") + _undecided_lead(tables, names, adapters, members)
        tail = "; each of them lowers the score" if harms else ""
        sentences.append(text.format(targets, note) + Markup("{}.").format(tail))
    return sentences


def _undecided_lead(
    tables: Tables, names: tuple[str, ...], adapters: str, members: list[dict[str, Any]]
) -> Markup:
    """Say who leads without being shown to be best, of these adapters or at all."""
    first, *others = (strong(_label(tables, name)) for name in names)
    if adapters:
        text = Markup(
            "the adapters tuned on {} score above all others ({}), which another run might not"
        )
        p = p_text(max(row["p_adapters_holm"] for row in members))
        return text.format(strong(_label(tables, adapters)), p)
    if not others:
        return Markup("{} leads, but is not shown to be best").format(first)
    return Markup("no source is shown to be best: {} leads, and does not beat {}").format(
        first, listed(others, "or")
    )


def _label(tables: Tables, source: str) -> str:
    return "leaving the model as it is" if source == "base" else source_name(tables, source)


def helped_and_harmed(tables: Tables) -> Answer:
    """Say for every variant whom it helped and harmed after correction, by how much."""
    rows = differences(tables, tables.plan["main_measure"])
    limits = capacities(tables, tables.plan["main_measure"])
    sentences: list[Markup] = []
    quiet: list[Variant] = []
    blind: list[tuple[Variant, Capacity]] = []
    for variant in variants(tables):
        own = {k: r for k, r in rows.items() if k[:2] == (variant.recipe, variant.source)}
        told = list(_told(tables, variant, own))
        sentences += told
        if told or not own:
            continue
        known = [limits.get((k[0], k[2])) for k in own]
        closed = [found for found in known if found is not None and not found.decides]
        if len(closed) == len(known):
            blind.append((variant, closed[0]))
        else:
            quiet.append(variant)
    if quiet:
        names = listed([strong(variant_name(tables, v)) for v in quiet])
        sentences.append(Markup("Tuning on {}: no target is decided.").format(names))
    if blind:
        names = listed([strong(variant_name(tables, v)) for v, _ in blind])
        text = Markup("Tuning on {}: this design cannot decide it, as {}.")
        sentences.append(text.format(names, blind[0][1].words))
    if not rows:
        sentences.append(Markup("The study holds no comparison with the base model."))
    return Answer("Who is helped, who is harmed?", tuple(sentences), "gains")


def _told(tables: Tables, variant: Variant, own: dict[CellKey, dict[str, Any]]) -> Iterator[Markup]:
    """Yield what tuning did, and what more is known of these adapters alone."""
    name = strong(variant_name(tables, variant))
    for kind, lead, words in (
        (TUNING, "Tuning on {} {} points ({}).", ("helped", "harmed", "it")),
        (ADAPTERS, "These adapters, tuned on {}, {} points ({}, another run might not).",
         ("gained in", "lost in", "they")),
    ):  # fmt: skip
        sure = sorted(
            ((k, r) for k, r in own.items() if claim(r) == kind),
            key=lambda x: -abs(x[1]["difference"]),
        )
        parts = []
        for verb, mark, sign in ((words[0], "helped", 1), (words[1], "harmed", -1)):
            cells = [(k, r) for k, r in sure if r["difference"] * sign > 0]
            if cells:
                text = Markup('<span class="{}">{}</span> {}')
                parts.append(text.format(mark, verb, _cells(cells)))
        if parts:
            p = p_text(max(shown_p(r) for _, r in sure))
            bound = p.replace("=", "≤").replace("<", "≤") if len(sure) > 1 else p
            joined = Markup("; {} ").format(words[2]).join(parts)
            yield Markup(lead).format(name, joined, bound)


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
    measure = tables.plan["main_measure"]
    rows, limits = differences(tables, measure), capacities(tables, measure)
    sentences, open_cells = [], []
    verbs = {
        "helped": "Tuning on {} helps {}: {} points ({}).",
        "harmed": "Tuning on {} harms {}: {} points ({}).",
        "gained": "These adapters, tuned on {}, gained in {}: {} points ({}, not of another run).",
        "lost": "These adapters, tuned on {}, lost in {}: {} points ({}, not of another run).",
    }
    for key, row in rows.items():
        if not same_language(source_language(tables, key[1]), key[2]):
            continue
        source = isolated(variant_name(tables, Variant(key[0], key[1])))
        said = verdict(row)
        if said in verbs:
            target, p = strong(language_name(key[2])), p_text(shown_p(row))
            sentences.append(Markup(verbs[said]).format(source, target, change(row), p))
        else:
            needed = needed_words(row, limits.get((key[0], key[2])))
            open_cells.append(Markup("{}: {}, {}").format(source, change(row), needed))
    if open_cells:
        text = Markup("Not decided, in points, with what would decide it with 80 % power: {}.")
        sentences.append(text.format(Markup("; ").join(open_cells)))
    if not sentences:
        sentences = [Markup("No source was scored in its own language: this study cannot say.")]
    return Answer("Does a language’s own data help it?", tuple(sentences), "gains")
