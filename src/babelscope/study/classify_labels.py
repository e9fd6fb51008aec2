"""The right labels of a set, the labels that were said, and what checkpoints are chosen by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from babelscope.measure.classification import accuracy_tally, entity_tally
from babelscope.measure.tallies import value_of
from babelscope.records import Inference, TaggedSentence
from babelscope.study.classify_sets import Item, SourceSet

Array = NDArray[np.float64]


def dev_score(source: SourceSet, probability: Array) -> float:
    """Return what checkpoints are chosen by: accuracy of pairs, entity F1 of sentences."""
    ids = [item.id for item in source.dev]
    if isinstance(source.dev[0], Inference):
        return value_of(accuracy_tally(probability[None], golds(source.dev, source.labels), ids))
    tags = said_tags(source.dev, source.labels, probability)
    return value_of(entity_tally(true_tags(source.dev), [tags], ids))


def golds(items: Sequence[Item], labels: Sequence[str]) -> list[int]:
    """Return the places of the pairs' labels."""
    return [labels.index(item.label) for item in items if isinstance(item, Inference)]


def true_tags(items: Sequence[Item]) -> list[list[str]]:
    """Return the tags of sentences."""
    return [list(item.tags) for item in items if isinstance(item, TaggedSentence)]


def said_tags(items: Sequence[Item], labels: Sequence[str], probability: Array) -> list[list[str]]:
    """Return each word's most probable tag, O where it has no token."""
    known = np.isfinite(probability[:, 0])
    best = np.where(known, np.nan_to_num(probability, nan=-1.0).argmax(axis=1), 0)
    tags, start = [], 0
    for item in items:
        if isinstance(item, TaggedSentence):
            end = start + len(item.words)
            tags.append([labels[place] for place in best[start:end]])
            start = end
    return tags
