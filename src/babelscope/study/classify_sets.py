"""The sets of a classification as records, and what is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from babelscope.data.normal_forms import nfc
from babelscope.errors import DataError
from babelscope.identity import digest
from babelscope.measure.classification import entity_kinds
from babelscope.records import Inference, TaggedSentence

Item = Inference | TaggedSentence


@dataclass(frozen=True, slots=True)
class SourceSet:
    """What one language trains on: `labels` are those of a text, or the tags of a word."""

    language: str
    train: tuple[Item, ...]
    dev: tuple[Item, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetSet:
    """What is tested in one language.

    `contexts` has each item's: premises with all their hypotheses, or sentences; translations
    share them. `parallel` tells whether the set has the ids of the first source's.
    """

    language: str
    items: tuple[Item, ...]
    contexts: tuple[str, ...]
    parallel: bool


def context_of(item: Item) -> str:
    """Return what an item is resampled with: its premise's other hypotheses, or itself."""
    return item.premise if isinstance(item, Inference) else item.id


def set_sizes(
    sources: Mapping[str, SourceSet], targets: Mapping[str, TargetSet]
) -> dict[str, dict[str, object]]:
    """Return the sizes and digests of all sets by language."""
    found: dict[str, dict[str, object]] = {}
    for code, target in targets.items():
        found[code] = {
            "test": len(target.items),
            "contexts": len(set(target.contexts)),
            "parallel": target.parallel,
            "digest": digest(target.items),
        }
    for code, source in sources.items():
        found[code] |= {
            "train": len(source.train),
            "dev": len(source.dev),
            "train_digest": digest(source.train),
        }
    return found


def seen_in_training(
    sources: Mapping[str, SourceSet], targets: Mapping[str, TargetSet]
) -> dict[str, dict[str, int]]:
    """Count what a source's training set has of the test sets: whole items, and premises.

    Raises:
        DataError: it has half of a test set or more.
    """
    counts = {}
    for code, source in sources.items():
        whole = {_content(item) for item in source.train}
        contexts = {context_of(item) for item in source.train if isinstance(item, Inference)}
        for other, target in targets.items():
            items = sum(_content(item) in whole for item in target.items)
            premises = sum(context_of(item) in contexts for item in target.items)
            if items * 2 >= len(target.items):
                raise DataError(
                    f"training set of {code}",
                    expected="other items than the test set's",
                    found=f"{items} of {len(target.items)} items of the test set of {other}",
                    remedy="name another file with --train",
                )
            if items or premises:
                counts[f"{code} {other}"] = {"items": items, "premises": premises}
    return counts


def untrained_kinds(source: SourceSet, targets: Mapping[str, TargetSet]) -> list[str]:
    """Return the kinds of entity that are tested but cannot be said."""
    tags = [i.tags for t in targets.values() for i in t.items if isinstance(i, TaggedSentence)]
    return [kind for kind in entity_kinds(tags) if f"B-{kind}" not in source.labels]


def _content(item: Item) -> tuple[str, ...]:
    texts = (item.premise, item.hypothesis) if isinstance(item, Inference) else item.words
    return tuple(map(nfc, texts))
