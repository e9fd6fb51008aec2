"""The numbers of a probe run: accuracies and controls with intervals, baselines, best depths.

Intervals are 95 % percentile intervals of 2,000 draws that resample sentences, with all their
words. All depths and controls of a test share the draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.naive_bayes import MultinomialNB

from babelscope.measure.probe_models import Codes
from babelscope.measure.probes import Items, Probed, ProbeRun
from babelscope.measure.resampling import BLOCK, DRAWS, Array, context_draws, divided, interval
from babelscope.records import Estimate

SHUFFLED, WORD_TYPE = "shuffled", "word type"
BEST_SHARE = 0.9  # of resamples
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """One number: `depth` is None where it has none, `control` names the control it is about."""

    measure: str
    target: str
    estimate: Estimate
    depth: int | None = None
    control: str = ""


def probe_rows(run: ProbeRun, train: Items, source: str) -> list[ProbeRow]:
    """Return all rows of a run.

    Measures by depth: `accuracy`, `macro_f1` (over the labels of the test), `control_accuracy` by
    control, `selectivity` (accuracy minus the word-type control where there is one, else minus the
    shuffled one), `best_share` (share of resamples in which the depth's accuracy is the highest);
    of the training set `cv_accuracy` and `strength`. Without depth: `best_depth` (its interval is
    that of the best depth over resamples), `majority` and `subword`, the accuracies of the
    baselines. A test with a single label has no macro-F1 and no majority.
    """
    rows = []
    for index, depth in enumerate(run.settings.depths):
        for measure, found in (("cv_accuracy", run.accuracies), ("strength", run.strengths)):
            n = len(train.labels)
            estimate = Estimate(float(found[index]), math.nan, math.nan, n)
            rows.append(ProbeRow(measure, source, estimate, depth))
    for test in run.tests:
        rows += _test_rows(test, run.settings.depths, run.settings.seed)
        rows += baseline_rows(train, test.items, run.settings.seed)
    return rows


def _test_rows(test: Probed, depths: Sequence[int], seed: int) -> list[ProbeRow]:
    target = test.items.language
    right = (test.said == test.items.labels).astype(np.float64)
    series = {("accuracy", ""): right, ("control_accuracy", SHUFFLED): test.shuffled}
    control = SHUFFLED
    if test.control is not None:
        control = WORD_TYPE
        series["control_accuracy", WORD_TYPE] = test.control
    against = test.shuffled if test.control is None else test.control
    series["selectivity", control] = right - against
    draws = {key: group_means(found, test.items.groups, seed) for key, found in series.items()}
    n = len(test.items.labels)
    rows = [
        ProbeRow(
            measure,
            target,
            Estimate(float(found[i].mean()), *interval(draws[measure, kind][:, i]), n),
            depth,
            kind,
        )
        for (measure, kind), found in series.items()
        for i, depth in enumerate(depths)
    ]
    rows += _macro_f1_rows(test, depths, seed)
    return rows + _best_rows(target, right.mean(axis=1), draws["accuracy", ""], depths, n)


def group_means(values: NDArray[np.floating], groups: Sequence[str], seed: int) -> Array:
    """Return the resampled means (DRAWS, depths) of values (depths, items) over groups."""
    sums = _group_sums(values.T.astype(np.float64), groups)
    sizes = _group_sums(np.ones((values.shape[1], 1)), groups)
    return divided(_resampled(sums, seed), _resampled(sizes, seed))


def _group_sums(values: Array, groups: Sequence[str]) -> Array:
    """Sum (items, columns) within groups, in the sorted order of their names."""
    names, index = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    members = csr_matrix(
        (np.ones(len(index)), (index, np.arange(len(index)))), shape=(len(names), len(index))
    )
    return np.asarray(members @ values)


def _resampled(per_group: Array, seed: int) -> Array:
    """Return sums (DRAWS, columns) over resampled groups; NaN where there is only one group."""
    if len(per_group) < 2:
        return np.full((DRAWS, per_group.shape[1]), np.nan)
    weights = context_draws(len(per_group), seed)
    return np.concatenate(
        [weights[i : i + BLOCK].astype(np.float64) @ per_group for i in range(0, DRAWS, BLOCK)]
    )


def _macro_f1_rows(test: Probed, depths: Sequence[int], seed: int) -> list[ProbeRow]:
    gold = test.items.labels
    classes = np.unique(gold)
    if len(classes) < 2:
        return []
    is_gold = gold[:, None] == classes
    golds = _group_sums(is_gold.astype(np.float64), test.items.groups)
    rows = []
    for depth, said in zip(depths, test.said, strict=True):
        is_said = said[:, None] == classes
        counts = np.hstack([is_gold & is_said, is_said]).astype(np.float64)
        sums = np.hstack([_group_sums(counts, test.items.groups), golds])
        value = float(_macro_f1(sums.sum(axis=0, keepdims=True))[0])
        span = interval(_macro_f1(_resampled(sums, seed)))
        rows.append(
            ProbeRow("macro_f1", test.items.language, Estimate(value, *span, len(gold)), depth)
        )
    return rows


def _macro_f1(sums: Array) -> Array:
    """Return macro-F1 (rows,) of rows of hits, predictions and golds by class; NaN passes."""
    hits, said, golds = np.split(sums, 3, axis=1)
    both = said + golds
    scores = divided(2 * hits, both)
    present = np.isfinite(scores)
    return divided(np.where(present, scores, 0).sum(axis=1), present.sum(axis=1).astype(float))


def _best_rows(
    target: str, values: Array, draws: Array, depths: Sequence[int], n: int
) -> list[ProbeRow]:
    order = np.asarray(depths)
    best = float(order[values.argmax()])
    if not np.isfinite(draws).all():
        return [ProbeRow("best_depth", target, Estimate(best, math.nan, math.nan, n))]
    winning = draws >= draws.max(axis=1, keepdims=True) - ROUNDING
    shares = (winning / winning.sum(axis=1, keepdims=True)).mean(axis=0)
    span = interval(order[draws.argmax(axis=1)].astype(np.float64))
    rows = [ProbeRow("best_depth", target, Estimate(best, *span, n))]
    for depth, share in zip(depths, shares, strict=True):
        told = Estimate(float(share), math.nan, math.nan, DRAWS)
        rows.append(ProbeRow("best_share", target, told, depth))
    return rows


def tied_depths(shares: Mapping[int, float]) -> tuple[int, ...]:
    """Return the fewest depths that together are best in 90 % of resamples, the likeliest first."""
    order = sorted(shares, key=lambda depth: (-shares[depth], depth))
    total = np.cumsum([shares[depth] for depth in order])
    needed = int(np.searchsorted(total, BEST_SHARE - ROUNDING)) + 1
    return tuple(order[:needed])


def baseline_rows(train: Items, test: Items, seed: int) -> list[ProbeRow]:
    """Return the baselines: the commonest label of training, and what the subwords tell.

    For words it is the commonest label, in training, of the word's first subword (the commonest
    label of all where the subword is new); for texts a multinomial naive Bayes on their subwords.
    """
    said: dict[str, Codes] = {}
    if len(np.unique(test.labels)) > 1:
        said["majority"] = np.full(len(test.labels), _commonest(train.labels))
    if train.pieces and test.pieces:
        said["subword"] = (_by_first if train.words else _by_bag)(train, test)
    rows = []
    for measure, labels in said.items():
        right = (labels == test.labels).astype(np.float64)
        span = interval(group_means(right[None], test.groups, seed)[:, 0])
        estimate = Estimate(float(right.mean()), *span, len(right))
        rows.append(ProbeRow(measure, test.language, estimate))
    return rows


def _commonest(labels: Codes) -> int:
    return int(np.bincount(labels).argmax())


def _by_first(train: Items, test: Items) -> Codes:
    by_piece: dict[int, list[int]] = {}
    for pieces, label in zip(train.pieces, train.labels.tolist(), strict=True):
        if pieces:
            by_piece.setdefault(pieces[0], []).append(label)
    known = {piece: _commonest(np.array(labels)) for piece, labels in by_piece.items()}
    other = _commonest(train.labels)
    return np.array([known.get(pieces[0], other) if pieces else other for pieces in test.pieces])


def _by_bag(train: Items, test: Items) -> Codes:
    ids = sorted({piece for pieces in train.pieces for piece in pieces})
    places = {piece: place for place, piece in enumerate(ids)}
    model = MultinomialNB().fit(_bags(train, places), train.labels)
    return np.asarray(model.predict(_bags(test, places)))


def _bags(items: Items, places: Mapping[int, int]) -> csr_matrix:
    pairs = [
        (row, places[piece])
        for row, pieces in enumerate(items.pieces)
        for piece in pieces
        if piece in places
    ]
    rows, columns = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    shape = (len(items.pieces), max(len(places), 1))
    return csr_matrix((np.ones(len(pairs)), (rows, columns)), shape=shape)
