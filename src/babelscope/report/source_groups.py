"""Groups of sources: of one script or family with the target or not, and those the study names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from babelscope.measure.effects import Effect, difference_effect
from babelscope.measure.inference import comparisons, holm
from babelscope.report.cells import Row, Table, chance, changed, number
from babelscope.report.claims import Capacity
from babelscope.report.contrasts import MOST_PAIRS, group_pairs
from babelscope.report.names import (
    count_text,
    isolated,
    language_name,
    listed,
    p_text,
    recipe_name,
    same_language,
    source_language,
    source_name,
)
from babelscope.report.orders import UNKNOWN, family, script
from babelscope.report.questions import Cells, aligned, question_cells, shared_questions
from babelscope.report.recipes import claim, power
from babelscope.report.tables import Tables
from babelscope.report.words import Answer, change, strong

HEADING = "Which group of sources helps more?"
ABOUT = Markup("p and interval are about these sources, not about languages of that kind.")
Sides = tuple[list[str], list[str]]
Split = Callable[[str], Sides]
"""The sources of either group for a target, none of them in the target's own language."""


@dataclass(frozen=True)
class SourceContrast:
    """Mean gain of a first group of sources minus a second's, over the same targets and questions.

    `members` are the sources of both that took part, `targets` those that both have scores in.
    `row` has the columns of `comparisons.parquet`; p is corrected over all contrasts.
    """

    recipe: str
    first: str
    second: str
    members: Sides
    targets: tuple[str, ...]
    row: dict[str, Any]


def source_contrasts(tables: Tables) -> tuple[SourceContrast, ...]:
    """Return every contrast of two groups of sources that the study's scores allow.

    In each target either side is the mean over its sources; a target without sources on both sides
    is left out, and so is a source in its own language. Seeds are in pairs where all have them. The
    contrasts of a recipe tell one another how seeds differ.
    """
    cells = question_cells(tables)
    found: list[SourceContrast] = []
    drafts = [list(_contrasts(tables, cells, r)) for r in tables.plan["recipes"]] if cells else []
    pairs = sum(len(own) for own in drafts)
    for own in drafts:
        for (head, effect), c in zip(own, comparisons([e for _, e in own], pairs), strict=True):
            e = c.difference
            row: dict[str, Any] = {"difference": e.value, "low": e.low, "high": e.high, "n": e.n}
            names = ("p_value", "p_adapters", "seeds", "smallest_gain")
            row |= {name: getattr(c, name) for name in names}
            row["capacity"] = Capacity(effect.contexts, c.seeds, pairs)
            if effect.n:
                found.append(SourceContrast(*head, row))
    for p in ("p_value", "p_adapters"):
        after = "p_holm" if p == "p_value" else "p_adapters_holm"
        for contrast, adjusted in zip(found, holm([c.row[p] for c in found]), strict=True):
            contrast.row[after] = float(adjusted)
    return tuple(found)


def _splits(tables: Tables) -> Iterator[tuple[str, str, Split]]:
    names = [s["name"] for s in tables.plan["sources"]]

    def like(of: Callable[[str], str]) -> Split:
        def split(target: str) -> Sides:
            known = [s for s in names if UNKNOWN not in (of(_code(s)), of(target))]
            same = [s for s in known if of(_code(s)) == of(target)]
            return same, [s for s in known if s not in same]

        return split

    def named(pair: tuple[str, str]) -> Split:
        one, other = (
            [s for s in names if any(same_language(_code(s), c) for c in tables.plan["groups"][n])]
            for n in pair
        )
        sides = [s for s in one if s not in other], [s for s in other if s not in one]
        return lambda target: sides

    def _code(source: str) -> str:
        return source_language(tables, source)

    yield "the target’s script", "another script", like(script)
    yield "the target’s family", "another family", like(family)
    for pair in list(group_pairs(tables))[:MOST_PAIRS]:
        yield *pair, named(pair)


def _contrasts(
    tables: Tables, cells: Cells, recipe: str
) -> Iterator[tuple[tuple[str, str, str, Sides, tuple[str, ...]], Effect]]:
    for first, second, split in _splits(tables):
        sides: dict[str, Sides] = {}
        for target in tables.plan["targets"]:
            one, other = (
                [
                    s
                    for s in side
                    if (recipe, s, target) in cells
                    and not same_language(source_language(tables, s), target)
                ]
                for side in split(target)
            )
            if one and other:
                sides[target] = (one, other)
        if not sides:
            continue
        frames = [
            [cells[recipe, s, target] for s in side]
            for target, both in sides.items()
            for side in both
        ]
        ids, contexts = shared_questions([f for side in frames for f in side])
        if not ids:
            continue
        # first, second, first, second ...: each target with its own sources
        values, _ = aligned(frames, ids)
        ours, theirs = (np.mean(values[place::2], axis=0) for place in (0, 1))
        members = tuple(
            list(dict.fromkeys(s for both in sides.values() for s in both[place]))
            for place in (0, 1)
        )
        head = (recipe, first, second, (members[0], members[1]), tuple(sides))
        yield head, difference_effect(ours, theirs, contexts)


def sources_grouped(tables: Tables, found: tuple[SourceContrast, ...]) -> Answer | None:
    """Say which group of sources gains more, for each contrast; None without any."""
    sentences = [_told(tables, c) for c in found]
    return Answer(HEADING, (*sentences, ABOUT), "groups") if sentences else None


def _told(tables: Tables, c: SourceContrast) -> Markup:
    lead = Markup("Sources of {} against {} ({} against {}; {})").format(
        strong(c.first),
        strong(c.second),
        *(listed([isolated(source_name(tables, s)) for s in side]) for side in c.members),
        count_text(len(c.targets), "target"),
    )
    if len(tables.plan["recipes"]) > 1:
        lead += Markup(", recipe {}").format(isolated(recipe_name(tables, c.recipe)))
    kind, row = claim(c.row), c.row
    if kind:
        p = row["p_holm"] if kind == "tuning" else row["p_adapters_holm"]
        who = (
            "tuning on the first gains" if kind == "tuning" else "these adapters of the first gain"
        )
        side = "more" if row["difference"] > 0 else "less"
        text = Markup("{}: {} {}, by {} points ({}).")
        return text.format(lead, who, side, change(row), p_text(p))
    text = Markup("{}: the data do not tell them apart, {} points{}.")
    return text.format(lead, change(row), power(row["smallest_gain"], row["capacity"]))


def source_group_table(tables: Tables, found: tuple[SourceContrast, ...]) -> Table:
    """Return every contrast of two groups of sources."""
    rows: list[Row] = [
        (
            c.first,
            c.second,
            recipe_name(tables, c.recipe),
            " against ".join(", ".join(source_name(tables, s) for s in side) for side in c.members),
            ", ".join(map(language_name, c.targets)),
            changed(c.row),
            chance(c.row["p_holm"]),
            chance(c.row["p_adapters_holm"]),
            number(c.row["seeds"], f"{c.row['seeds']:,}"),
            number(c.row["n"], f"{c.row['n']:,}"),
        )
        for c in found
    ]
    head = (
        *("Sources of", "Against", "Recipe", "Sources", "Targets", "Gain − gain (95 %)"),
        *("p of tuning after Holm", "p of these adapters after Holm", "Seeds", "n"),
    )
    caption = "Groups of sources compared, points of 100, no source in its own language"
    return Table(caption, head, tuple(rows), names=5)
