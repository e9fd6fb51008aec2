"""What probes are trained and tested on: words or texts with their labels, train and test apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from babelscope.data.labelled import has_split, read_by_language, read_labelled
from babelscope.data.normal_forms import nfc
from babelscope.data.prompts import rank
from babelscope.data.tagged import UPOS, read_tagged
from babelscope.errors import DataError
from babelscope.study.probe_plan import ProbeTask

ALL = "all"
"""The source of language identity, which is trained on all languages, and its overall test."""

IN_TRAINING = "also in training"
ROW_NUMBERS = "id only numbers a file's row"


@dataclass(frozen=True, slots=True)
class ProbeText:
    """A text with its label, or a word in it: `span` are its characters, `second` a pair's other.

    `group` is the sentence's id, which translations share.
    """

    id: str
    group: str
    text: str
    label: str
    word: str = ""
    span: tuple[int, int] | None = None
    second: str = ""


@dataclass(frozen=True, slots=True)
class ProbeTexts:
    """The items of one set in one language, and what was left out of it."""

    name: str
    language: str
    items: tuple[ProbeText, ...]
    dropped: Mapping[str, int]
    noted: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ProbeData:
    """One training set, and a test set a language; `classes` are all labels, sorted."""

    source: str
    train: ProbeTexts
    tests: tuple[ProbeTexts, ...]
    classes: tuple[str, ...]


def gather(task: ProbeTask, targets: Sequence[str]) -> ProbeData:
    """Read what a task is trained and tested on: its source, and the targets beside it.

    Where DATA has no split for training, ids are drawn for testing by a hash, so that a sentence
    and its translations are on the same side; items whose id stands in training are never tested.
    Where the ids of two files only number their rows, texts that stand in training are not.

    Raises:
        DataError: a set cannot be read, has nothing to test, or a label that the source lacks.
    """
    codes = tuple(dict.fromkeys((task.source, *targets)))
    apart = _keeps_apart(task)
    tests = [read_set(task, code, "test") for code in codes]
    if task.task == "language":
        parts = [read_set(task, code, "train") for code in codes] if apart else tests
        train = _together(parts)
    else:
        train = read_set(task, task.source, "train") if apart else tests[0]
    if not apart:
        train = _side(train, task, test=False)
        tests = [_side(test, task, test=True) for test in tests]
    if apart and _only_numbers(train, tests):
        seen = {nfc(item.text) for item in train.items}
        tests = [_noted(_unseen(test, seen, lambda item: nfc(item.text))) for test in tests]
    else:
        seen = {item.group for item in train.items}
        tests = [_unseen(test, seen, lambda item: item.group) for test in tests]
    for found in (train, *tests):
        if not found.items:
            raise DataError(
                f"{found.name} in {found.language}",
                expected="texts for training and others for testing",
                found="none left",
                remedy="give more texts, or another limit",
            )
    _check_labels(task, train, tests)
    classes = sorted({item.label for found in (train, *tests) for item in found.items})
    source = ALL if task.task == "language" else task.source
    return ProbeData(source, train, tuple(tests), tuple(classes))


def read_set(task: ProbeTask, code: str, split: str) -> ProbeTexts:
    """Read one language of a task: its first `limit` sentences, words one by one."""
    if task.words:
        tagged = read_tagged(task.data, code, split, repair=task.repair)
        sentences = tagged.sentences[: task.limit or None]
        items = tuple(item for s in sentences for item in _words(s.id, s.words, s.tags))
        return ProbeTexts(tagged.name, tagged.language, items, tagged.dropped, tagged.noted)
    read = read_by_language if task.task == "language" else read_labelled
    found = read(task.data, code, split)
    kept = found.items[: task.limit or None]
    if task.task == "paraphrase" and not all(item.second for item in kept):
        raise DataError(f"{found.name} in {code}", expected="pairs of texts", found="single texts")
    items = tuple(ProbeText(i.id, i.id, i.text, i.label, second=i.second) for i in kept)
    return ProbeTexts(found.name, found.language, items, found.dropped, found.noted)


def _words(identity: str, words: Sequence[str], tags: Sequence[str]) -> Iterable[ProbeText]:
    """Yield the words of a sentence, joined by spaces, with their places in it."""
    text, start = " ".join(words), 0
    for number, (word, tag) in enumerate(zip(words, tags, strict=True)):
        span = (start, start + len(word))
        yield ProbeText(f"{identity}:{number}", identity, text, tag, word, span)
        start = span[1] + 1


def _keeps_apart(task: ProbeTask) -> bool:
    if task.task == "language" and (task.data == "atlas" or Path(task.data).is_dir()):
        return False
    return has_split(task.data, task.source)


def _is_test(task: ProbeTask, group: str) -> bool:
    return int(rank(task.seed, group)[:8], 16) * 100 < task.test_percent << 32


def _together(parts: Sequence[ProbeTexts]) -> ProbeTexts:
    """Join the training sets of all languages."""
    dropped, noted = Counter[str](), Counter[str]()
    for part in parts:
        dropped.update(part.dropped)
        noted.update(part.noted)
    items = tuple(item for part in parts for item in part.items)
    return ProbeTexts(parts[0].name, ALL, items, dict(dropped), dict(noted))


def _side(found: ProbeTexts, task: ProbeTask, *, test: bool) -> ProbeTexts:
    """Keep the items whose id is drawn for testing, or the others."""
    items = tuple(item for item in found.items if _is_test(task, item.group) == test)
    return replace(found, items=items)


def _only_numbers(train: ProbeTexts, tests: Sequence[ProbeTexts]) -> bool:
    """Tell whether ids count the rows of each file: some stand in both, none with the same text."""
    texts: dict[str, set[str]] = {}
    for item in train.items:
        texts.setdefault(item.group, set()).add(nfc(item.text))
    own = tests if train.language == ALL else tests[:1]
    shared = [item for test in own for item in test.items if item.group in texts]
    return bool(shared) and not any(nfc(item.text) in texts[item.group] for item in shared)


def _noted(found: ProbeTexts) -> ProbeTexts:
    return replace(found, noted={**found.noted, ROW_NUMBERS: len(found.items)})


def _unseen(found: ProbeTexts, seen: set[str], what: Callable[[ProbeText], str]) -> ProbeTexts:
    """Leave out the items that stand in training by id, or by what else is asked, and count."""
    items = tuple(item for item in found.items if what(item) not in seen)
    lost = len(found.items) - len(items)
    dropped = {**found.dropped, IN_TRAINING: lost} if lost else found.dropped
    return replace(found, items=items, dropped=dropped)


def _check_labels(task: ProbeTask, train: ProbeTexts, tests: Sequence[ProbeTexts]) -> None:
    """Raise for a label that is neither the source's nor one of the task's own."""
    known = {item.label for item in (*train.items, *tests[0].items)}
    if task.task == "pos":
        known |= UPOS
    if task.task == "ner":
        kinds = {label[2:] for label in known if label != "O"}
        known |= {"O", *(f"{mark}-{kind}" for kind in kinds for mark in "BI")}
    if task.task == "language":
        return
    for test in tests:
        strange = sorted({item.label for item in test.items} - known)
        if strange:
            raise DataError(
                f"{test.name} in {test.language}",
                expected=f"labels of the source ({', '.join(sorted(known)[:12])})",
                found=", ".join(map(repr, strange[:3])),
            )
    if task.task == "pos" and not known <= UPOS:
        raise DataError(
            f"{train.name} in {train.language}",
            expected="universal parts of speech",
            found="others",
        )
