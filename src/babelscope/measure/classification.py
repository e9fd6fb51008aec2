"""Scores of classification: accuracy, macro-F1, calibration, entities, overlap of a pair's words.

Probabilities are (seeds, items, labels), golds the places of the right labels.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import regex
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr
from seqeval.metrics.sequence_labeling import get_entities

from babelscope.errors import DataError
from babelscope.languages import UNSPACED, language, scripts_of_language
from babelscope.measure.resampling import DRAWS, Array, context_draws, divided, interval
from babelscope.measure.tallies import Tally, tally
from babelscope.records import MISSING, Estimate, Inference

BINS = 15
FEWEST_LANGUAGES = 4
"""Below this a rank correlation has no interval."""
WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")

Places = Sequence[int] | NDArray[np.intp]


def accuracy_tally(probability: Array, gold: Places, contexts: Sequence[str]) -> Tally:
    """Return the share of items whose most probable label is the gold, 0-1."""
    right = (probability.argmax(axis=-1) == np.asarray(gold)).astype(np.float64)
    return tally(np.stack([right, np.ones_like(right)], axis=-1), contexts, ratio)


def ratio(counts: Array) -> Array:
    """Read the first of two counts over the second."""
    return divided(counts[..., 0], counts[..., 1])


def macro_f1_tally(probability: Array, gold: Places, contexts: Sequence[str]) -> Tally:
    """Return the mean over labels of F1 = 2 TP / (2 TP + FP + FN), 0-1.

    The labels are those that golds or predictions hold, as in scikit-learn's `f1_score`; in a
    resample a label that neither holds counts as 0.
    """
    said, truth = probability.argmax(axis=-1), np.asarray(gold)
    k = probability.shape[-1]
    cells = np.zeros((*said.shape, k * k))
    np.put_along_axis(cells, (truth * k + said)[..., None], 1.0, axis=-1)
    used = sorted({*truth.ravel().tolist(), *said.ravel().tolist()})

    def read(counts: Array) -> Array:
        table = counts.reshape(*counts.shape[:-1], k, k)
        hits = np.diagonal(table, axis1=-2, axis2=-1)
        f1 = divided(2 * hits, table.sum(axis=-1) + table.sum(axis=-2))
        return np.asarray(np.nan_to_num(f1[..., used]).mean(axis=-1))

    return tally(cells, contexts, read)


def ece_tally(probability: Array, gold: Places, contexts: Sequence[str]) -> Tally:
    """Return the expected calibration error of the top label, 0-1 (Guo et al., arXiv:1706.04599).

    Sum over 15 bins of equal width of |right - believed| / all, `right` the items of the bin whose
    top label is the gold, `believed` the sum of their probabilities. A resample's error is
    biased upward where bins hold few items, and so is the interval.
    """
    believed, said = probability.max(axis=-1), probability.argmax(axis=-1)
    bins = np.clip(np.ceil(believed * BINS).astype(int) - 1, 0, BINS - 1)
    gap = (said == np.asarray(gold)) - believed
    counts = np.zeros((*said.shape, BINS + 1))
    np.put_along_axis(counts, bins[..., None], gap[..., None], axis=-1)
    counts[..., BINS] = 1.0

    def read(sums: Array) -> Array:
        return divided(np.abs(sums[..., :BINS]).sum(axis=-1), sums[..., BINS])

    return tally(counts, contexts, read)


def chance_accuracy(probability: Array, gold: Places) -> float:
    """Return the accuracy of the same predictions shuffled: sum of p(said = l) p(gold = l)."""
    k, truth = probability.shape[-1], np.asarray(gold)
    if not truth.size:
        return math.nan
    said = np.bincount(probability.argmax(axis=-1).ravel(), minlength=k)
    return float((said / said.sum()) @ (np.bincount(truth, minlength=k) / truth.size))


def constant_tally(label: int, labels: int, gold: Places, contexts: Sequence[str]) -> Tally:
    """Return the accuracy of always saying one label."""
    fixed = np.zeros((1, len(contexts), labels))
    fixed[..., label] = 1.0
    return accuracy_tally(fixed, gold, contexts)


def entity_tally(
    golds: Sequence[Sequence[str]],
    said: Sequence[Sequence[Sequence[str]]],
    contexts: Sequence[str],
    kind: str = "",
) -> Tally:
    """Return the micro-averaged entity F1 of tagged sentences, 0-1, or that of one kind.

    `said` has the predicted tags by seed, sentence and word. An entity counts where kind and both
    ends are right; tags become entities as in seqeval's default mode (Nakayama 2018, after
    conlleval), where an I- tag without a beginning begins an entity. F1 = 2 TP / (said + true); 0
    where there is neither, as seqeval has it.

    Raises:
        DataError: the numbers of sentences or of words differ.
    """
    counts = np.zeros((len(said), len(golds), 3))
    for row, tags in enumerate(said):
        for column, (gold, own) in enumerate(_same_length(golds, tags)):
            truth, found = _entities(gold, kind), _entities(own, kind)
            counts[row, column] = len(truth & found), len(found), len(truth)

    def read(sums: Array) -> Array:
        return np.nan_to_num(divided(2 * sums[..., 0], sums[..., 1] + sums[..., 2]))

    return tally(counts, contexts, read)


def _same_length(
    golds: Sequence[Sequence[str]], said: Sequence[Sequence[str]]
) -> list[tuple[list[str], list[str]]]:
    if len(golds) != len(said) or any(len(g) != len(s) for g, s in zip(golds, said, strict=True)):
        raise DataError(
            "predicted tags", expected="a tag for each word", found="another number of words"
        )
    return [(list(g), list(s)) for g, s in zip(golds, said, strict=True)]


def _entities(tags: list[str], kind: str) -> set[tuple[str, int, int]]:
    return {e for e in get_entities(tags) if not kind or e[0] == kind}


def entity_kinds(tags: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the kinds of entity that tags name, sorted."""
    return tuple(sorted({tag[2:] for sentence in tags for tag in sentence if tag != "O"}))


def remembered_tags(
    words: Sequence[Sequence[str]], tags: Sequence[Sequence[str]], asked: Sequence[Sequence[str]]
) -> list[list[str]]:
    """Tag words as a memory of the training words would: its commonest tag, O if never seen.

    The baseline that says how much of a score is names spelt alike.
    """
    counts: dict[str, Counter[str]] = {}
    for sentence, sentence_tags in zip(words, tags, strict=True):
        for word, tag in zip(sentence, sentence_tags, strict=True):
            counts.setdefault(word, Counter())[tag] += 1
    best = {word: min(found, key=lambda t: (-found[t], t)) for word, found in counts.items()}
    return [[best.get(word, "O") for word in sentence] for sentence in asked]


def word_overlap(item: Inference) -> float:
    """Return the Jaccard index of premise and hypothesis: shared words over all words, 0-1.

    Words are runs of letters, marks and digits in lower case, single characters in languages that
    do not space their words; NaN where neither has any. Texts translated apart share fewer words
    than the originals do (Artetxe et al., arXiv:2004.04721).
    """
    unspaced = scripts_of_language(language(item.language)) <= UNSPACED
    one, other = (_words(text, unspaced) for text in (item.premise, item.hypothesis))
    return len(one & other) / len(one | other) if one | other else math.nan


def _words(text: str, unspaced: bool) -> set[str]:
    runs = WORD.findall(text.casefold())
    return {c for run in runs for c in run} if unspaced else set(runs)


def rank_correlation(pairs: Mapping[str, tuple[float, float]], *, seed: int = 0) -> Estimate:
    """Return Spearman's correlation over languages, with an interval of resampled languages.

    Languages without both values are left out; n is the number of the others. Fewer than three
    give NaN, fewer than four no interval; a resample of equal values is left out.
    """
    known = np.array([p for p in pairs.values() if all(map(math.isfinite, p))]).reshape(-1, 2)
    n = len(known)
    if n < 3 or np.ptp(known, axis=0).min() == 0:
        return Estimate(math.nan, math.nan, math.nan, n) if n else MISSING
    value = float(spearmanr(known[:, 0], known[:, 1]).statistic)
    if n < FEWEST_LANGUAGES:
        return Estimate(value, math.nan, math.nan, n)
    draws = np.array([np.repeat(np.arange(n), row) for row in context_draws(n, seed)])
    x, y = (rankdata(known[draws, side], axis=1) - (n + 1) / 2 for side in (0, 1))
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    assert len(scale) == DRAWS
    return Estimate(value, *interval(divided((x * y).sum(axis=1), scale)), n)
