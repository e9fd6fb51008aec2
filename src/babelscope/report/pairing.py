"""Two studies paired question by question: what they share, and why they may not be compared."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from babelscope.errors import SettingError, StoreError
from babelscope.measure.effects import Effect, difference_effect
from babelscope.measure.inference import (
    comparisons,
    estimate,
    holm,
    nothing_compared,
    score_interval,
)
from babelscope.records import Comparison, Estimate
from babelscope.report.claims import Capacity, comparison_row
from babelscope.report.questions import Cells, aligned, question_cells, shared_questions, values_of
from babelscope.report.tables import CellKey, Tables, Variant, base_of, read_study, variants


@dataclass(frozen=True)
class Side:
    """One of two studies: where it is, its tables, and the scores of each question by cell."""

    folder: Path
    tables: Tables
    cells: Cells


@dataclass(frozen=True)
class Pair:
    """A model in a target that both studies have: two estimates on shared questions, B minus A.

    Both p are corrected over all pairs of the same kind ("score" or "gain"); a base that is the
    same model in both studies has nothing to test and counts for none. `capacity` is
    what so many pairs can decide.
    """

    kind: str
    key: CellKey
    first: Estimate
    second: Estimate
    found: Comparison
    p_holm: float = math.nan
    seeds: str = ""
    p_adapters_holm: float = math.nan
    capacity: Capacity | None = None

    @property
    def row(self) -> dict[str, Any]:
        """The difference as a row of a table of comparisons."""
        return comparison_row(self.found, self.p_holm, self.p_adapters_holm)


def read_side(folder: Path) -> Side:
    """Read a study with the scores of each question; one without questions has no cells.

    Raises:
        StoreError: no study, or one with answers but without scores of questions.
    """
    tables = read_study(folder)
    side = Side(folder, tables, {})
    if not has_answers(side):
        return side
    if tables.scores is None:
        raise StoreError(
            str(folder / "scores.parquet"),
            expected="the scores of each question",
            found="no such file",
            remedy="run the study again with this version: its answers are kept",
        )
    return Side(folder, tables, question_cells(tables))


def has_answers(side: Side) -> bool:
    """Whether a study asked questions."""
    return not side.tables.results.is_empty()


def check_comparable(a: Side, b: Side) -> None:
    """Refuse two studies whose numbers do not measure the same.

    Raises:
        SettingError: another task, measure, version of the scores, no target, no model or no
            question in common, or other questions under the same ids.
    """
    what = f"comparing {a.folder} with {b.folder}"
    for key, name in (
        ("task", "task"),
        ("asked", "form of the questions"),
        ("main_measure", "measure"),
        ("scores_version", "version of the scores"),
    ):
        one, other = (side.tables.plan.get(key) for side in (a, b))
        if one != other:
            raise SettingError(what, expected=f"the same {name}", found=f"{one} and {other}")
    targets = [side.tables.plan["targets"] for side in (a, b)]
    if not set(targets[0]) & set(targets[1]):
        found = " and ".join(", ".join(codes) for codes in targets)
        raise SettingError(what, expected="a target that both have", found=found)
    keys = set(a.cells) & set(b.cells)
    if not keys:
        raise SettingError(what, expected="a model and target that both scored", found="none")
    shared = changed = 0
    for cell in keys:
        both = _questions(a.cells[cell]).join(_questions(b.cells[cell]), on="id")
        shared += both.height
        changed += both.filter(pl.col("question") != pl.col("question_right")).height
    if changed:
        found = f"another text under {changed} of {shared} shared ids"
        raise SettingError(what, expected="the same questions", found=found)
    if not shared:
        raise SettingError(what, expected="questions with ids that both have", found="none")


def _questions(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("id", "question").unique("id", keep="first")


def pairs(a: Side, b: Side) -> tuple[Pair, ...]:
    """Return every score, then every gain over the own base, that both studies have.

    Differences are B minus A on shared questions, whole contexts being drawn;
    seeds that both have are paired, of others the means.
    """
    scores = [p for key in _keys(a, b) if (p := _score(a, b, key))]
    gains = [p for key in _keys(a, b) if key[1] and (p := _gain(a, b, key))]
    same = has_same_model(a, b)
    untested = {p.key for p, *_ in scores if not p.key[1]} if same else set()
    return (*_compared(scores, untested, 1.0), *_compared(gains, set(), 2.0))


def has_same_model(a: Side, b: Side) -> bool:
    """Tell whether two studies began with the very same model, its end tokens and tokenizer too."""
    one, other = (s.tables.plan.get("fingerprints", {}).get("model") for s in (a, b))
    return one is not None and one == other


def _keys(a: Side, b: Side) -> Iterator[CellKey]:
    for variant in variants(a.tables):
        for target in a.tables.plan["targets"]:
            key = (variant.recipe, variant.source, target)
            if key in a.cells and key in b.cells:
                yield key


Draft = tuple[Pair, Effect, int]
"""A pair that is still to be compared with the others of its kind, its effect, its contexts."""


def _compared(drafts: list[Draft], untested: set[CellKey], unit: float) -> list[Pair]:
    """Compare pairs of a kind; those of one recipe tell one another how seeds differ."""
    tested = [p.key not in untested or bool(effect.value) for p, effect, _ in drafts]
    found: dict[int, Comparison] = {}
    for recipe in dict.fromkeys(pair.key[0] for pair, *_ in drafts):
        places = [i for i, (pair, *_) in enumerate(drafts) if pair.key[0] == recipe]
        effects = [drafts[i][1] for i in places]
        found |= dict(zip(places, comparisons(effects, sum(tested), unit=unit), strict=True))
    p_values, p_adapters = (
        holm([getattr(found[i], name) if tested[i] else math.nan for i in range(len(drafts))])
        for name in ("p_value", "p_adapters")
    )
    return [
        replace(
            pair,
            found=found[i],
            p_holm=float(p_values[i]),
            p_adapters_holm=float(p_adapters[i]),
            capacity=Capacity(contexts, found[i].seeds, sum(tested)),
        )
        for i, (pair, _, contexts) in enumerate(drafts)
    ]


def _score(a: Side, b: Side, key: CellKey) -> Draft | None:
    ids, contexts = shared_questions([a.cells[key], b.cells[key]])
    if not ids:
        return None
    (one, other), seeds = aligned([[a.cells[key]], [b.cells[key]]], ids)
    return _pair("score", key, (one, other), contexts, seeds)


def _gain(a: Side, b: Side, key: CellKey) -> Draft | None:
    frames = []
    for side in (a, b):
        base = base_of(side.tables, Variant(key[0], key[1]))
        frames += [side.cells[key], side.cells.get((base.recipe, "", key[2]))]
    known = [frame for frame in frames if frame is not None]
    if len(known) < len(frames):
        return None
    ids, contexts = shared_questions(known)
    if not ids:
        return None
    (one, other), seeds = aligned([[known[0]], [known[2]]], ids)
    bases = [values_of(frame, ids)[1] for frame in (known[1], known[3])]
    return _pair("gain", key, (one - bases[0], other - bases[1]), contexts, seeds)


def _pair(
    kind: str,
    key: CellKey,
    values: tuple[NDArray[np.float64], NDArray[np.float64]],
    contexts: list[str],
    seeds: str,
) -> Draft:
    one, other = values
    found = nothing_compared()
    bounds = score_interval if kind == "score" else estimate
    ends = bounds(one, contexts), bounds(other, contexts)
    pair = Pair(kind, key, *ends, found, seeds=seeds)
    return pair, difference_effect(other, one, contexts), len(set(contexts))
