"""Two studies paired question by question: what they share, and why they may not be compared."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from babelscope.errors import SettingError, StoreError
from babelscope.measure.inference import compare, estimate, holm
from babelscope.records import Comparison, Estimate
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

    `p_holm` is corrected over all pairs of the same kind ("score" or "gain"); a base that is the
    same model in both studies has nothing to test and counts for none.
    """

    kind: str
    key: CellKey
    first: Estimate
    second: Estimate
    found: Comparison
    p_holm: float = math.nan
    seeds: str = ""


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

    Differences are B minus A on shared questions, their contexts resampled and flipped together;
    seeds that both have are paired, of others the means.
    """
    scores = [p for key in _keys(a, b) if (p := _score(a, b, key))]
    gains = [p for key in _keys(a, b) if key[1] and (p := _gain(a, b, key))]
    untested = {p.key for p in scores if not p.key[1]} if has_same_model(a, b) else set()
    return (*_corrected(scores, untested), *_corrected(gains, set()))


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


def _corrected(found: list[Pair], untested: set[CellKey]) -> list[Pair]:
    tested = [pair for pair in found if pair.key not in untested or pair.found.difference.value]
    p = holm(np.array([pair.found.p_value for pair in tested]))
    corrected = {pair.key: float(q) for pair, q in zip(tested, p, strict=True)}
    return [replace(pair, p_holm=corrected.get(pair.key, math.nan)) for pair in found]


def _score(a: Side, b: Side, key: CellKey) -> Pair | None:
    ids, contexts = shared_questions([a.cells[key], b.cells[key]])
    if not ids:
        return None
    (one, other), seeds = aligned([[a.cells[key]], [b.cells[key]]], ids)
    return _pair("score", key, (one, other), contexts, seeds)


def _gain(a: Side, b: Side, key: CellKey) -> Pair | None:
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
) -> Pair:
    one, other = values
    found = compare(other, one, contexts)
    return Pair(kind, key, estimate(one, contexts), estimate(other, contexts), found, seeds=seeds)
