"""The table of a classification: scores, baselines, efficiencies, comparisons, diagnostics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from babelscope.languages import UNSPACED, language, scripts_of_language
from babelscope.measure.classification import (
    accuracy_tally,
    chance_accuracy,
    constant_tally,
    ece_tally,
    entity_kinds,
    entity_tally,
    macro_f1_tally,
    rank_correlation,
    ratio,
    remembered_tags,
    word_overlap,
)
from babelscope.measure.stats import compare, estimate, holm
from babelscope.measure.tallies import (
    Tally,
    compare_tallies,
    tally,
    tally_estimate,
    tally_ratio,
)
from babelscope.records import Comparison, Estimate, Inference, TaggedSentence
from babelscope.study.classify_cells import Prediction, golds, said_tags, true_tags
from babelscope.study.classify_data import Item, SourceSet, TargetSet

NOT_PARALLEL = "the two languages share no items"
SCORES = ("accuracy", "macro_f1", "entity_f1")
"""What efficiencies and comparisons are made of."""

SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("model", "method", "source", "target", "against", "measure"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    **dict.fromkeys(("n", "seeds"), pl.Int64),
    **dict.fromkeys(("p_value", "p_holm"), pl.Float64),
    "reason": pl.String,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """What one model, method and source said in one target, a prediction for each seed."""

    model: str
    method: str
    source: SourceSet
    target: TargetSet
    predictions: tuple[Prediction, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """The model, the method and the source's language."""
        return self.model, self.method, self.source.language


@dataclass(slots=True)
class _Rows:
    rows: list[dict[str, object]] = field(default_factory=list)

    def add(
        self,
        cell: Cell,
        measure: str,
        found: Estimate,
        against: str = "",
        p_value: float = math.nan,
        reason: str = "",
    ) -> None:
        seeds = len(cell.predictions)
        model, method, source = cell.key
        self.rows.append(
            {
                "model": model, "method": method, "source": source,
                "target": cell.target.language, "against": against, "measure": measure,
                **asdict(found), "seeds": seeds, "p_value": p_value, "p_holm": math.nan,
                "reason": reason,
            }
        )  # fmt: skip


def classify_table(cells: Sequence[Cell]) -> pl.DataFrame:
    """Return all rows in long form; p-values are corrected by Holm within a measure."""
    rows = _Rows()
    tallies = [cell_tallies(cell) for cell in cells]
    for cell, found in zip(cells, tallies, strict=True):
        for name, score in found.items():
            rows.add(cell, name, tally_estimate(score))
        for name, baseline in baselines(cell).items():
            rows.add(cell, name, baseline)
    _beside_source(rows, cells, tallies)
    _beside_models(rows, cells, tallies)
    _diagnostics(rows, cells)
    frame = pl.DataFrame(rows.rows, schema=SCHEMA)
    corrected = [
        part.with_columns(pl.Series("p_holm", holm(part["p_value"].to_numpy())))
        for part in frame.partition_by("measure", maintain_order=True)
    ]
    return pl.concat(corrected) if corrected else frame


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


def _beside_source(
    rows: _Rows, cells: Sequence[Cell], tallies: Sequence[Mapping[str, Tally]]
) -> None:
    """Add efficiencies, and paired differences between a target and the source's language."""
    home = {
        cell.key: found
        for cell, found in zip(cells, tallies, strict=True)
        if cell.target.language == cell.source.language
    }
    for cell, found in zip(cells, tallies, strict=True):
        own, code = home.get(cell.key, {}), cell.source.language
        for name in (n for n in SCORES if n in found):
            value, reason = tally_ratio(found[name], own.get(name))
            rows.add(cell, f"efficiency_{name}", value, code, reason=reason)
            if cell.target.language != code and name in own:
                _add_difference(rows, cell, f"difference_{name}", (found[name], own[name]), code)


def _beside_models(
    rows: _Rows, cells: Sequence[Cell], tallies: Sequence[Mapping[str, Tally]]
) -> None:
    """Add paired differences between each two models of a method, source and target."""
    for i, (one, found) in enumerate(zip(cells, tallies, strict=True)):
        for other, theirs in list(zip(cells, tallies, strict=True))[i + 1 :]:
            alike = one.key[1:] == other.key[1:] and one.model != other.model
            if alike and one.target.language == other.target.language:
                for name in (n for n in SCORES if n in found):
                    sides = found[name], theirs[name]
                    _add_difference(rows, one, f"model_difference_{name}", sides, other.model)


def _add_difference(
    rows: _Rows, cell: Cell, measure: str, sides: tuple[Tally, Tally], against: str
) -> None:
    found: Comparison = compare_tallies(*sides)
    reason = "" if found.difference.n else NOT_PARALLEL
    rows.add(cell, measure, found.difference, against, found.p_value, reason)


def _diagnostics(rows: _Rows, cells: Sequence[Cell]) -> None:
    found: dict[tuple[str, str, str], dict[str, dict[str, float]]] = {}
    home = {c.key: c for c in cells if c.target.language == c.source.language}
    for cell in cells:
        values = {**token_measures(cell, home.get(cell.key)), **overlap_measures(cell)}
        for name, value in values.items():
            rows.add(cell, name, value)
        if isinstance(cell.target.items[0], Inference) and cell.key in home:
            _overlap_difference(rows, cell, home[cell.key])
        said = {name: value.value for name, value in values.items()}
        found.setdefault(cell.key, {})[cell.target.language] = said
    _correlations(rows, cells, found)


def token_measures(cell: Cell, home: Cell | None) -> dict[str, Estimate]:
    """Return tokens a word and beside the source's, the unknown share and that of cut items."""
    found, n = cell.predictions[0], len(cell.target.items)
    contexts = cell.target.contexts
    tokens = found.text_tokens.astype(np.float64)
    words = np.array([_words(item) for item in cell.target.items])
    values = {
        "unknown_rate": _plain(found.unknown, tokens.sum(), n),
        "truncation_rate": _plain(found.truncated, n, n),
    }
    if np.isfinite(words).all():
        counts = np.stack([tokens, words], axis=-1)[None]
        values["tokens_per_word"] = tally_estimate(tally(counts, contexts, ratio))
    if isinstance(cell.target.items[0], TaggedSentence):
        values["words_lost_rate"] = _plain(found.words_lost, len(found.probability), n)
    if home is not None and home.target.parallel:
        theirs = {i.id: t for i, t in zip(home.target.items, _lengths(home), strict=True)}
        pairs = [
            (own, theirs[item.id], context)
            for item, own, context in zip(cell.target.items, tokens, contexts, strict=True)
            if item.id in theirs and cell.target.parallel
        ]
        if pairs:
            counts = np.array([[own, other] for own, other, _ in pairs])[None]
            values["tokens_to_source"] = tally_estimate(
                tally(counts, [c for *_, c in pairs], ratio)
            )
    return values


def _lengths(cell: Cell) -> list[float]:
    return cell.predictions[0].text_tokens.astype(float).tolist()


def _plain(part: float, whole: float, n: int) -> Estimate:
    return Estimate(part / whole if whole else math.nan, math.nan, math.nan, n)


def _words(item: Item) -> float:
    if isinstance(item, TaggedSentence):
        return float(len(item.words))
    if scripts_of_language(language(item.language)) <= UNSPACED:
        return math.nan
    return float(len(f"{item.premise} {item.hypothesis}".split()))


def overlap_measures(cell: Cell) -> dict[str, Estimate]:
    """Return the mean overlap of premise and hypothesis: of all pairs, and of each label's."""
    pairs = [item for item in cell.target.items if isinstance(item, Inference)]
    if not pairs:
        return {}
    values = np.array([word_overlap(item) for item in pairs])
    found = {"overlap": estimate(values, cell.target.contexts)}
    for label in cell.source.labels:
        own = np.array(
            [v if i.label == label else np.nan for i, v in zip(pairs, values, strict=True)]
        )
        found[f"overlap_{label}"] = estimate(own, cell.target.contexts)
    return found


def _overlap_difference(rows: _Rows, cell: Cell, home: Cell) -> None:
    theirs = {i.id: word_overlap(i) for i in home.target.items if isinstance(i, Inference)}
    shared = [
        (word_overlap(item), theirs[item.id], context)
        for item, context in zip(cell.target.items, cell.target.contexts, strict=True)
        if isinstance(item, Inference) and item.id in theirs and cell.target.parallel
    ]
    same = cell.target.language == home.target.language
    if not shared or same or not home.target.parallel:
        return
    own, other, contexts = zip(*shared, strict=True)
    found = compare(np.array(own), np.array(other), contexts)
    against = home.target.language
    rows.add(cell, "difference_overlap", found.difference, against, found.p_value)


def _correlations(
    rows: _Rows,
    cells: Sequence[Cell],
    found: Mapping[tuple[str, str, str], Mapping[str, Mapping[str, float]]],
) -> None:
    """Correlate what a language costs in tokens, and its overlap, with its efficiency."""
    main = "accuracy" if isinstance(cells[0].target.items[0], Inference) else "entity_f1"
    efficiency: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in rows.rows:
        if row["measure"] == f"efficiency_{main}" and row["target"] != row["source"]:
            key = str(row["model"]), str(row["method"]), str(row["source"])
            efficiency.setdefault(key, {})[str(row["target"])] = float(str(row["value"]))
    names = ("tokens_to_source", "tokens_per_word", "unknown_rate", "truncation_rate", "overlap")
    for key, by_target in efficiency.items():
        cell = next(c for c in cells if c.key == key)
        for name in names:
            pairs = {t: (found[key][t].get(name, math.nan), e) for t, e in by_target.items()}
            if any(math.isfinite(x) for x, _ in pairs.values()):
                rows.add(cell, f"spearman_{name}", rank_correlation(pairs), f"efficiency_{main}")
                rows.rows[-1]["target"] = ""
