"""What goes with transfer: tokens a language costs, words that a pair shares, correlations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from babelscope.languages import UNSPACED, language, scripts_of_language
from babelscope.measure.classification import rank_correlation, ratio, word_overlap
from babelscope.measure.inference import compare, estimate, tally_estimate
from babelscope.measure.tallies import tally
from babelscope.records import Estimate, Inference, TaggedSentence
from babelscope.study.classify_rows import Cell, Rows
from babelscope.study.classify_sets import Item


def add_diagnostics(rows: Rows, cells: Sequence[Cell]) -> None:
    """Add tokens, overlap, and their correlation with efficiency, whose rows are there already."""
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


def _overlap_difference(rows: Rows, cell: Cell, home: Cell) -> None:
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
    p_values = (found.p_value, found.p_adapters)
    rows.add(cell, "difference_overlap", found.difference, against, p_values=p_values)


def _correlations(
    rows: Rows,
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
