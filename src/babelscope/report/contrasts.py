"""Paired contrasts inside a study: data of one language against each other, and named groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from babelscope.measure.stats import compare, holm
from babelscope.records import Comparison
from babelscope.report.names import is_number
from babelscope.report.questions import Cells, aligned, question_cells, shared_questions
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


@dataclass(frozen=True)
class Contrast:
    """The first minus the second, on the same questions of one target or of several.

    `first` and `second` are sources or groups; `where` is a target (of sources) or a source (of
    groups), `MEAN` over `count` of them. `p_holm` is corrected over all contrasts of its kind;
    those over several are a family of their own, as they repeat the others.
    """

    recipe: str
    first: str
    second: str
    where: str
    count: int
    found: Comparison
    seeds: str
    p_holm: float = float("nan")

    @property
    def row(self) -> dict[str, Any]:
        """The contrast as a row of a table of comparisons."""
        e = self.found.difference
        return {
            "difference": e.value,
            "low": e.low,
            "high": e.high,
            "n": e.n,
            "p_holm": self.p_holm,
            "questions_needed": self.found.questions_needed,
        }


@dataclass(frozen=True)
class Contrasts:
    """The contrasts of a study: better data minus worse of one language, and group minus group."""

    data: tuple[Contrast, ...]
    groups: tuple[Contrast, ...]


def contrasts(tables: Tables) -> Contrasts:
    """Return all contrasts that the study's scores of questions allow.

    Both sides are paired question by question and seed by seed; contexts are resampled and
    flipped together. Pairs beyond the first `MOST_PAIRS` of a kind are left out.
    """
    rivals = list(rival_sources(tables))[:MOST_PAIRS]
    named = list(group_pairs(tables))[:MOST_PAIRS]
    if not rivals and not named:
        return Contrasts((), ())
    cells = question_cells(tables)
    data = [c for r in tables.plan["recipes"] for c in _data(tables, cells, r, rivals)]
    groups = [c for r in tables.plan["recipes"] for c in _groups(tables, cells, r, named)]
    return Contrasts(_corrected(data), _corrected(groups))


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


def _corrected(found: Sequence[Contrast]) -> tuple[Contrast, ...]:
    adjusted: dict[int, float] = {}
    for is_mean in (False, True):
        own = [i for i, c in enumerate(found) if (c.where == MEAN) == is_mean]
        p_values = holm(np.array([found[i].found.p_value for i in own]))
        adjusted |= dict(zip(own, p_values, strict=True))
    return tuple(replace(c, p_holm=float(adjusted[i])) for i, c in enumerate(found))


def _data(
    tables: Tables, cells: Cells, recipe: str, rivals: Sequence[tuple[str, str]]
) -> Iterator[Contrast]:
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
) -> Iterator[Contrast]:
    """Yield the contrast of two sides' means on the questions that all their cells share."""
    ids, contexts = shared_questions([frame for side in sides for frame in side])
    if ids:
        (one, other), seeds = aligned(sides, ids)
        yield Contrast(*key, count, compare(one, other, contexts), seeds)


def _groups(
    tables: Tables, cells: Cells, recipe: str, named: Sequence[tuple[str, str]]
) -> Iterator[Contrast]:
    groups: Mapping[str, Sequence[str]] = tables.plan.get("groups") or {}
    base = base_of(tables, Variant(recipe, "-")).recipe
    for pair in named:
        targets = [groups[name] for name in pair]
        wanted = [*targets[0], *targets[1]]
        sources = [
            s["name"]
            for s in tables.plan["sources"]
            if all({(recipe, s["name"], t), (base, "", t)} <= set(cells) for t in wanted)
        ]
        if not (all(targets) and sources):
            continue
        owners = [(base, ""), *((recipe, s) for s in sources)]
        ids, contexts = shared_questions([cells[r, s, t] for r, s in owners for t in wanted])
        if not ids:
            continue
        before, _ = aligned([[cells[base, "", t] for t in codes] for codes in targets], ids)
        over = [(s, [s]) for s in sources] + ([(MEAN, sources)] if len(sources) > 1 else [])
        for where, chosen in over:
            sides = [[cells[recipe, s, t] for s in chosen for t in codes] for codes in targets]
            tuned, seeds = aligned(sides, ids)
            gains = [after - then for after, then in zip(tuned, before, strict=True)]
            found = compare(gains[0], gains[1], contexts)
            yield Contrast(recipe, *pair, where, len(chosen), found, seeds)
