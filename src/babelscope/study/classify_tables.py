"""The table of a classification: scores, baselines, efficiencies, comparisons, diagnostics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from babelscope.measure.classification import (
    accuracy_tally,
    chance_accuracy,
    constant_tally,
    ece_tally,
    entity_kinds,
    entity_tally,
    macro_f1_tally,
    remembered_tags,
)
from babelscope.measure.inference import compare_tally_pairs, holm, tally_estimate, tally_scores
from babelscope.measure.tallies import Tally
from babelscope.measure.transfer import tally_ratio
from babelscope.records import MISSING, Estimate, Inference, TaggedSentence
from babelscope.study.classify_diagnostics import add_diagnostics
from babelscope.study.classify_labels import golds, said_tags, true_tags
from babelscope.study.classify_rows import SCHEMA, Cell, Rows

NOT_PARALLEL = "the two languages share no items"
SCORES = ("accuracy", "macro_f1", "entity_f1")
"""What efficiencies and comparisons are made of."""


def classify_table(cells: Sequence[Cell]) -> pl.DataFrame:
    """Return all rows in long form; p-values are corrected by Holm within a measure."""
    rows = Rows()
    tallies = [cell_tallies(cell) for cell in cells]
    estimates = _estimates(cells, tallies)
    for cell, found in zip(cells, estimates, strict=True):
        for name, score in found.items():
            rows.add(cell, name, score)
        for name, baseline in baselines(cell).items():
            rows.add(cell, name, baseline)
    _add_differences(rows, [*_beside_source(rows, cells, tallies), *_beside_models(cells, tallies)])
    add_diagnostics(rows, cells)
    frame = pl.DataFrame(rows.rows, schema=SCHEMA)
    corrected = [
        part.with_columns(
            pl.Series("p_holm", holm(part["p_value"].to_numpy())),
            pl.Series("p_adapters_holm", holm(part["p_adapters"].to_numpy())),
        )
        for part in frame.partition_by("measure", maintain_order=True)
    ]
    return pl.concat(corrected) if corrected else frame


def _estimates(
    cells: Sequence[Cell], tallies: Sequence[Mapping[str, Tally]]
) -> list[dict[str, Estimate]]:
    """Return each cell's scores; the cells of a method tell one another how seeds differ."""
    kinds: dict[tuple[str, str], list[int]] = {}
    for place, (cell, found) in enumerate(zip(cells, tallies, strict=True)):
        for name in found:
            kinds.setdefault((cell.method, name), []).append(place)
    estimates: list[dict[str, Estimate]] = [dict.fromkeys(found, MISSING) for found in tallies]
    for (_, name), places in kinds.items():
        scores = tally_scores([tallies[place][name] for place in places])
        for place, score in zip(places, scores, strict=True):
            estimates[place][name] = score
    return estimates


def cell_tallies(cell: Cell) -> dict[str, Tally]:
    """Return a cell's scores by name."""
    items, labels, contexts = cell.target.items, cell.source.labels, cell.target.contexts
    table = np.stack([p.probability for p in cell.predictions])
    if isinstance(items[0], Inference):
        truth = golds(items, labels)
        makers: Mapping[str, Callable[..., Tally]] = {
            "accuracy": accuracy_tally, "macro_f1": macro_f1_tally, "ece": ece_tally
        }  # fmt: skip
        return {name: make(table, truth, contexts) for name, make in makers.items()}
    truth_tags = true_tags(items)
    said = [said_tags(items, labels, p.probability) for p in cell.predictions]
    kinds = entity_kinds(truth_tags)
    found = {"entity_f1": entity_tally(truth_tags, said, contexts)}
    if len(kinds) > 1:
        for kind in kinds:
            found[f"entity_f1_{kind}"] = entity_tally(truth_tags, said, contexts, kind)
    return found | _word_calibration(cell, table)


def _word_calibration(cell: Cell, table: NDArray[np.float64]) -> dict[str, Tally]:
    """Return the calibration over words that have a token and a known tag."""
    labels = {tag: place for place, tag in enumerate(cell.source.labels)}
    tags, owners = [], []
    for item, context in zip(cell.target.items, cell.target.contexts, strict=True):
        if isinstance(item, TaggedSentence):
            tags += [labels.get(tag, -1) for tag in item.tags]
            owners += [context] * len(item.tags)
    truth = np.array(tags)
    used = np.flatnonzero((truth >= 0) & np.isfinite(table).all(axis=(0, 2)))
    if not used.size:
        return {}
    return {"ece": ece_tally(table[:, used], truth[used], [owners[i] for i in used])}


def baselines(cell: Cell) -> dict[str, Estimate]:
    """Return what no knowledge of the text would score, by name."""
    items, labels, contexts = cell.target.items, cell.source.labels, cell.target.contexts
    if isinstance(items[0], Inference):
        truth = golds(items, labels)
        places = golds(cell.source.train, labels)
        most = int(np.bincount(places, minlength=len(labels)).argmax())
        table = np.stack([p.probability for p in cell.predictions])
        shuffled = Estimate(chance_accuracy(table, truth), math.nan, math.nan, len(items))
        constant = tally_estimate(constant_tally(most, len(labels), truth, contexts))
        return {"baseline_majority": constant, "baseline_shuffled": shuffled}
    train = [item for item in cell.source.train if isinstance(item, TaggedSentence)]
    asked = [item.words for item in items if isinstance(item, TaggedSentence)]
    memory = remembered_tags([i.words for i in train], [i.tags for i in train], asked)
    found = entity_tally(true_tags(items), [memory], contexts)
    return {"baseline_word_memory": tally_estimate(found)}


@dataclass(frozen=True, slots=True)
class _Difference:
    """Two tallies of one measure that a row of `cell` sets beside one another."""

    cell: Cell
    measure: str
    sides: tuple[Tally, Tally]
    against: str


def _beside_source(
    rows: Rows, cells: Sequence[Cell], tallies: Sequence[Mapping[str, Tally]]
) -> list[_Difference]:
    """Add efficiencies; return the paired differences of a target and the source's language."""
    home = {
        cell.key: found
        for cell, found in zip(cells, tallies, strict=True)
        if cell.target.language == cell.source.language
    }
    differences = []
    for cell, found in zip(cells, tallies, strict=True):
        own, code = home.get(cell.key, {}), cell.source.language
        for name in (n for n in SCORES if n in found):
            value, reason = tally_ratio(found[name], own.get(name))
            rows.add(cell, f"efficiency_{name}", value, code, reason=reason)
            if cell.target.language != code and name in own:
                sides = found[name], own[name]
                differences.append(_Difference(cell, f"difference_{name}", sides, code))
    return differences


def _beside_models(
    cells: Sequence[Cell], tallies: Sequence[Mapping[str, Tally]]
) -> list[_Difference]:
    """Return the paired differences of each two models of a method, source and target."""
    differences = []
    for i, (one, found) in enumerate(zip(cells, tallies, strict=True)):
        for other, theirs in list(zip(cells, tallies, strict=True))[i + 1 :]:
            alike = one.key[1:] == other.key[1:] and one.model != other.model
            if alike and one.target.language == other.target.language:
                for name in (n for n in SCORES if n in found):
                    sides = found[name], theirs[name]
                    measure = f"model_difference_{name}"
                    differences.append(_Difference(one, measure, sides, other.model))
    return differences


def _add_differences(rows: Rows, differences: Sequence[_Difference]) -> None:
    kinds: dict[tuple[str, str], list[_Difference]] = {}
    for one in differences:
        kinds.setdefault((one.measure, one.cell.method), []).append(one)
    for of_kind in kinds.values():
        found = compare_tally_pairs([one.sides for one in of_kind])
        for one, c in zip(of_kind, found, strict=True):
            reason = "" if c.difference.n else NOT_PARALLEL
            p_values = (c.p_value, c.p_adapters)
            rows.add(one.cell, one.measure, c.difference, one.against, reason, p_values)
