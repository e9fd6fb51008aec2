"""The training, dev and test sets of a classification, and what belongs together in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from babelscope.data.draws import draw_places
from babelscope.data.nli import are_parallel, read_inferences
from babelscope.data.sources import HubSet, locate
from babelscope.data.tagged import read_tagged
from babelscope.errors import DataError
from babelscope.measure.classification import entity_kinds
from babelscope.records import LABELS, Inference, TaggedSentence
from babelscope.study.classify_plan import ClassifyPlan
from babelscope.study.classify_sets import (
    Item,
    SourceSet,
    TargetSet,
    context_of,
    seen_in_training,
    set_sizes,
    untrained_kinds,
)

DEV_SHARE = 5
"""Every fifth context of a training set is its dev set, where none is given."""
DRAWING_SEED = 0
"""Of the items that are tested, where not all are."""
HALVES = "even rows train, odd rows test"


@dataclass(frozen=True, slots=True)
class ClassifyData:
    """All sets of a plan; `notes` is what the settings file tells of them."""

    sources: Mapping[str, SourceSet]
    targets: Mapping[str, TargetSet]
    notes: Mapping[str, object]


def gather_sets(plan: ClassifyPlan, targets: Sequence[str]) -> ClassifyData:
    """Read and check every set of a plan; the sources are tested too.

    Raises:
        DataError: a language has no data, a training set has one label only, or is the test set.
    """
    first = plan.sources[0]
    tested = tuple(dict.fromkeys((*plan.sources, *targets)))
    counts: dict[str, object] = {}
    whole = {code: _read(plan, plan.data, code, "test", counts) for code in tested}
    halved = not plan.train and isinstance(locate(plan.data, first, "test"), Path)
    even = {item.id for item in whole[first][::2]} if halved else set[str]()
    known = {item.id for item in whole[first]}
    sources, tests = {}, {}
    for code in tested:
        train, test = _halves(whole[code], even, known) if halved else ((), whole[code])
        tests[code] = test
        if code in plan.sources:
            train = train if halved else _training(plan, code, counts)
            sources[code] = _source_set(plan, code, train, counts)
    home = tests[first]
    whole_sets = {code: _target_set(code, home, items) for code, items in tests.items()}
    found = {code: _drawn(target, plan.test_items) for code, target in whole_sets.items()}
    notes = {
        "split": HALVES if halved else "the data's own splits",
        "dev": plan.dev or _dev_words(plan, first, halved),
        "counts": counts,
        "sets": set_sizes(sources, found),
        "seen_in_training": seen_in_training(sources, found),
        "untrained_kinds": untrained_kinds(sources[first], found),
    }
    return ClassifyData(sources, found, notes)


def _read(
    plan: ClassifyPlan, data: str, code: str, split: str, counts: dict[str, object], what: str = ""
) -> tuple[Item, ...]:
    """Read a set; what was left out or noted goes into `counts`, by its kind and language."""
    if plan.task == "nli":
        pairs = read_inferences(data, code, split)
        items: tuple[Item, ...] = pairs.items
        left = {**pairs.dropped, **pairs.noted}
    else:
        tagged = read_tagged(data, code, split, repair=plan.repair)
        items = tagged.sentences
        left = {**tagged.dropped, **tagged.noted}
        _check_entities(data, tagged.sentences)
    if left:
        counts[f"{what or split} {code}"] = left
    return items


def _check_entities(data: str, sentences: Sequence[TaggedSentence]) -> None:
    for sentence in sentences:
        for tag in sentence.tags:
            if tag != "O" and tag[:2] not in ("B-", "I-"):
                raise DataError(data, expected="entities in IOB2", found=f"the tag {tag!r}")


def _halves(
    items: tuple[Item, ...], even: set[str], known: set[str]
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Return even and odd rows: by the first source's rows, else by the item's own place."""
    sides: tuple[list[Item], list[Item]] = ([], [])
    for number, item in enumerate(items):
        odd = item.id not in even if item.id in known else number % 2
        sides[int(odd)].append(item)
    return tuple(sides[0]), tuple(sides[1])


def _training(plan: ClassifyPlan, code: str, counts: dict[str, object]) -> tuple[Item, ...]:
    return _read(plan, plan.train or plan.data, code, "train", counts)


def _source_set(
    plan: ClassifyPlan, code: str, train: tuple[Item, ...], counts: dict[str, object]
) -> SourceSet:
    """Return a source's training and dev set; the dev set is never trained on."""
    if plan.dev or _has_validation(plan, code):
        split = "dev" if plan.dev else "validation"
        dev = _read(plan, plan.dev or plan.train or plan.data, code, split, counts, "dev")
    else:
        order = {context: n for n, context in enumerate(dict.fromkeys(map(context_of, train)))}
        held = [order[context_of(item)] % DEV_SHARE == DEV_SHARE - 1 for item in train]
        dev = tuple(item for item, out in zip(train, held, strict=True) if out)
        train = tuple(item for item, out in zip(train, held, strict=True) if not out)
    train = train[: plan.train_items] if plan.train_items else train
    labels = _labels(plan, code, train)
    if not dev:
        raise DataError(f"dev set of {code}", expected="items to choose by", found="none")
    return SourceSet(code, train, dev, labels)


def _has_validation(plan: ClassifyPlan, code: str) -> bool:
    """Whether the training set lies on the Hub, where a validation set stands beside it."""
    return isinstance(locate(plan.train or plan.data, code, "train"), HubSet)


def _labels(plan: ClassifyPlan, code: str, train: Sequence[Item]) -> tuple[str, ...]:
    what = f"training set of {code}"
    if plan.task == "nli":
        labels = Counter(item.label for item in train if isinstance(item, Inference))
        if len(labels) < 2:
            found = ", ".join(f"{label} {n}" for label, n in labels.items()) or "nothing"
            raise DataError(what, expected="two labels at least", found=found)
        return LABELS
    kinds = entity_kinds([item.tags for item in train if isinstance(item, TaggedSentence)])
    if not kinds:
        raise DataError(what, expected="an entity at least", found="the tag O only")
    return ("O", *(f"{mark}-{kind}" for kind in kinds for mark in "BI"))


def _target_set(code: str, home: Sequence[Item], items: tuple[Item, ...]) -> TargetSet:
    """Name each item's context by the first source's id of its premise, or by its own."""
    if not items:
        raise DataError(f"test set of {code}", expected="items", found="none")
    parallel = _are_parallel(home, items)
    groups = {item.id: context_of(item) for item in (home if parallel else items)}
    named: dict[str, str] = {}
    for identity, context in groups.items():
        named.setdefault(context, identity)
    mark = "" if parallel else f"{code}:"
    contexts = tuple(f"{mark}{named.get(groups.get(i.id, ''), i.id)}" for i in items)
    return TargetSet(code, items, contexts, parallel)


def _drawn(target: TargetSet, n: int) -> TargetSet:
    """Draw n items (0: all) from as many contexts as there are, the same in parallel sets."""
    places = draw_places([item.id for item in target.items], target.contexts, n, DRAWING_SEED)
    items = tuple(target.items[place] for place in places)
    return replace(target, items=items, contexts=tuple(target.contexts[place] for place in places))


def _are_parallel(home: Sequence[Item], items: Sequence[Item]) -> bool:
    one = [item for item in home if isinstance(item, Inference)]
    other = [item for item in items if isinstance(item, Inference)]
    if one and other:
        return are_parallel(one, other)
    return bool({item.id for item in home} & {item.id for item in items})


def _dev_words(plan: ClassifyPlan, code: str, halved: bool) -> str:
    if not halved and _has_validation(plan, code):
        return "the training set's validation split"
    return f"every {DEV_SHARE}th context of the training set, not trained on"
