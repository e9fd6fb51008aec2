"""Paired contrasts inside a study: data of one language against each other, and named groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from babelscope.measure.effects import Effect, difference_effect
from babelscope.measure.inference import comparisons, holm, nothing_compared
from babelscope.records import Comparison
from babelscope.report.claims import Capacity, comparison_row
from babelscope.report.names import is_number, same_language, source_language
from babelscope.report.questions import (
    Cells,
    aligned,
    question_cells,
    shared_questions,
    values_of,
)
from babelscope.report.tables import Tables, Variant, base_of

MEAN = ""
"""Stands for the target, or the source, of a contrast over all of them."""
MOST_PAIRS = 15
"""How many pairs of sources of one language, or of groups, are compared: those of six."""
QUALITIES = {
    "gold_verbatim": 0.005,
    "chrf": 0.5,
    "sentences_kept": 0.005,
    "identified": 0.005,
}
"""What tells better data from worse, the first that differs by at least this much."""


Sides = tuple[tuple[str, ...], tuple[str, ...]]
"""The targets of a first group and of a second."""


@dataclass(frozen=True)
class Contrast:
    """The first minus the second, on the same questions of one target or of several.

    `first` and `second` are sources or groups; `where` is a target (of sources) or a source (of
    groups), `MEAN` over `count` of them; `targets` are those of two groups. `p_holm` is corrected
    over all contrasts of its kind, and so is that of these adapters; those over several are a
    family of their own, as they repeat the others. `capacity` is what so many can decide.
    """

    recipe: str
    first: str
    second: str
    where: str
    count: int
    found: Comparison
    seeds: str
    p_holm: float = float("nan")
    p_adapters_holm: float = float("nan")
    targets: Sides = ((), ())
    capacity: Capacity | None = None

    @property
    def row(self) -> dict[str, Any]:
        """The contrast as a row of a table of comparisons."""
        return comparison_row(self.found, self.p_holm, self.p_adapters_holm)


@dataclass(frozen=True)
class Members:
    """Who takes part in the contrasts of two groups under a recipe, and who does not.

    `sides` are the targets of both groups; `taken` has those that each source is judged by, all but
    its own language. `emptied` are sources with no target left in one group, `missing` those
    without scores, their own or their base's, of the targets named.
    """

    recipe: str
    base: str
    pair: tuple[str, str]
    sides: Sides
    taken: dict[str, Sides]
    emptied: list[str]
    missing: dict[str, tuple[str, ...]]

    def used(self, sources: Sequence[str]) -> Sides:
        """Return the targets of both groups that at least one of the sources is judged by."""
        first, second = (
            tuple(t for t in codes if any(t in self.taken[s][place] for s in sources))
            for place, codes in enumerate(self.sides)
        )
        return first, second


@dataclass(frozen=True)
class Contrasts:
    """The contrasts of a study: source minus source of one language, and group minus group."""

    data: tuple[Contrast, ...]
    groups: tuple[Contrast, ...]
    members: tuple[Members, ...] = ()


def contrasts(tables: Tables) -> Contrasts:
    """Return all contrasts that the study's scores of questions allow.

    Both sides are paired question by question and seed by seed; contrasts of a kind are
    compared together. Pairs beyond the first `MOST_PAIRS` of a kind are left out.
    """
    rivals = list(rival_sources(tables))[:MOST_PAIRS]
    named = list(group_pairs(tables))[:MOST_PAIRS]
    if not rivals and not named:
        return Contrasts((), ())
    cells = question_cells(tables)
    data = [c for r in tables.plan["recipes"] for c in _data(tables, cells, r, rivals)]
    members = [_members(tables, cells, r, p) for r in tables.plan["recipes"] for p in named]
    groups = [c for own in members for c in _groups(cells, own)]
    # a difference of gains can be twice that of scores
    return Contrasts(_compared(data, 1.0), _compared(groups, 2.0), tuple(members))


def rival_sources(tables: Tables) -> Iterator[tuple[str, str]]:
    """Yield pairs of sources of one language, the better data first, by `QUALITIES`."""
    by_language: dict[str, list[str]] = {}
    for source in tables.plan["sources"]:
        by_language.setdefault(source["language"], []).append(source["name"])
    for names in by_language.values():
        for one, other in combinations(names, 2):
            told = quality_of(tables, one, other)
            yield (other, one) if told and told[1] < told[2] else (one, other)


def quality_of(tables: Tables, one: str, other: str) -> tuple[str, float, float] | None:
    """Return the first of `QUALITIES` in which two sources differ, and its values; None if none."""
    rows = {row["source"]: row for row in tables.quality.to_dicts()}
    if one not in rows or other not in rows:
        return None
    for name, least in QUALITIES.items():
        a, b = rows[one].get(name), rows[other].get(name)
        if is_number(a) and is_number(b) and abs(a - b) >= least:
            return name, a, b
    return None


def group_pairs(tables: Tables) -> Iterator[tuple[str, str]]:
    """Yield the pairs of the groups that the plan names."""
    yield from combinations(tables.plan.get("groups") or {}, 2)


Draft = tuple[Contrast, Effect, int]
"""A contrast that is still to be compared with those of its kind, its effect, its contexts."""


def _compared(drafts: Sequence[Draft], unit: float) -> tuple[Contrast, ...]:
    """Compare contrasts of a kind; those of one recipe tell one another how seeds differ."""
    done = {}
    for is_mean in (False, True):
        own = [i for i, (c, *_) in enumerate(drafts) if (c.where == MEAN) == is_mean]
        found: dict[int, Comparison] = {}
        for recipe in dict.fromkeys(drafts[i][0].recipe for i in own):
            places = [i for i in own if drafts[i][0].recipe == recipe]
            effects = [drafts[i][1] for i in places]
            found |= dict(zip(places, comparisons(effects, len(own), unit=unit), strict=True))
        p_holm = holm([found[i].p_value for i in own])
        p_adapters = holm([found[i].p_adapters for i in own])
        for place, i in enumerate(own):
            contrast, _, contexts = drafts[i]
            done[i] = replace(
                contrast,
                found=found[i],
                p_holm=float(p_holm[place]),
                p_adapters_holm=float(p_adapters[place]),
                capacity=Capacity(contexts, found[i].seeds, len(own)),
            )
    return tuple(done[i] for i in range(len(drafts)))


def _data(
    tables: Tables, cells: Cells, recipe: str, rivals: Sequence[tuple[str, str]]
) -> Iterator[Draft]:
    for one, other in rivals:
        targets = [
            t
            for t in tables.plan["targets"]
            if {(recipe, s, t) for s in (one, other)} <= set(cells)
        ]
        sides = [[cells[recipe, source, t] for t in targets] for source in (one, other)]
        for place, target in enumerate(targets):
            yield from _contrast((recipe, one, other, target), [[s[place]] for s in sides], 1)
        if len(targets) > 1:
            yield from _contrast((recipe, one, other, MEAN), sides, len(targets))


def _contrast(
    key: tuple[str, str, str, str], sides: Sequence[Sequence[pl.DataFrame]], count: int
) -> Iterator[Draft]:
    """Yield the contrast of two sides' means on the questions that all their cells share."""
    ids, contexts = shared_questions([frame for side in sides for frame in side])
    if ids:
        (one, other), seeds = aligned(sides, ids)
        contrast = Contrast(*key, count, nothing_compared(), seeds)
        yield contrast, difference_effect(one, other, contexts), len(set(contexts))


def outside(tables: Tables) -> dict[str, tuple[str, ...]]:
    """Return by group the languages it names that are no targets of the study, if any."""
    targets = tables.plan["targets"]
    groups: Mapping[str, Sequence[str]] = tables.plan.get("groups") or {}
    found = {name: tuple(t for t in codes if t not in targets) for name, codes in groups.items()}
    return {name: codes for name, codes in found.items() if codes}


def _members(tables: Tables, cells: Cells, recipe: str, pair: tuple[str, str]) -> Members:
    """Return who takes part; a language's own data say nothing about the group it is in."""
    targets = tables.plan["targets"]
    base = base_of(tables, Variant(recipe, "-")).recipe
    first, second = (tuple(t for t in tables.plan["groups"][n] if t in targets) for n in pair)
    found = Members(recipe, base, pair, (first, second), {}, [], {})
    for source in (s["name"] for s in tables.plan["sources"]):
        own = source_language(tables, source)
        one, other = (
            tuple(t for t in codes if not same_language(own, t)) for codes in (first, second)
        )
        absent = tuple(
            t
            for t in dict.fromkeys((*one, *other))
            if not {(recipe, source, t), (base, "", t)} <= set(cells)
        )
        if not (one and other):
            found.emptied.append(source)
        elif absent:
            found.missing[source] = absent
        else:
            found.taken[source] = (one, other)
    return found


def _groups(cells: Cells, own: Members) -> Iterator[Draft]:
    """Yield the contrasts of two groups: by source, and the mean of the sources' differences."""
    wanted = dict.fromkeys(
        (s, t) for s, sides in own.taken.items() for codes in sides for t in codes
    )
    before = {t: cells[own.base, "", t] for _, t in wanted}
    frames = [*before.values(), *(cells[own.recipe, s, t] for s, t in wanted)]
    ids, contexts = shared_questions(frames) if frames else ([], [])
    if not ids:
        return
    base = {t: values_of(frame, ids)[1].mean(axis=0, keepdims=True) for t, frame in before.items()}
    over = [(s, [s]) for s in own.taken]
    over += [(MEAN, list(own.taken))] if len(own.taken) > 1 else []
    for where, chosen in over:
        # first, second, first, second ...: each source with its own targets
        sides = [(s, codes) for s in chosen for codes in own.taken[s]]
        tuned, seeds = aligned([[cells[own.recipe, s, t] for t in c] for s, c in sides], ids)
        then = [np.mean([base[t] for t in codes], axis=0) for _, codes in sides]
        gains = [after - at_first for after, at_first in zip(tuned, then, strict=True)]
        one, other = (np.mean(gains[place::2], axis=0) for place in (0, 1))
        used = own.used(chosen)
        found = nothing_compared()
        contrast = Contrast(own.recipe, *own.pair, where, len(chosen), found, seeds, targets=used)
        yield contrast, difference_effect(one, other, contexts), len(set(contexts))
