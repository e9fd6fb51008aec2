"""Probes: what can be read linearly from each depth, in the language of training and in others.

A classifier is trained on the states of one language and tested in all; its strength is chosen by
cross-validation in the language of training. Two controls are trained in the same way on the same
states: on shuffled labels (tested on the true ones), and for words on labels that are drawn once a
word type, whatever the context (Hewitt and Liang, 2019, arXiv:1909.03368), which only a probe that
memorises words can learn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babelscope.errors import DataError, SettingError
from babelscope.measure.probe_models import KINDS, STRENGTHS, Codes, classify
from babelscope.measure.resampling import Array

FOLDS = 5
SHUFFLES = 10
"""Shuffled labellings whose accuracies are averaged: where states form clusters, a single one gives
each cluster some label at random, and its accuracy is anything; only their mean is at chance."""

SHUFFLE_STREAM, TYPE_STREAM, FOLD_STREAM = range(10, 13)


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """The probed items of one language.

    `read(depth)` gives their states (items, width); `labels` are numbers of classes; `groups` names
    each item's sentence, which is resampled whole; `words` are the word types of a task on words,
    else empty; `pieces` are the subword ids of each item, for the baseline.
    """

    language: str
    read: Callable[[int], NDArray[np.floating]]
    labels: Codes
    groups: tuple[str, ...]
    words: tuple[str, ...] = ()
    pieces: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """How probes are trained; `depths` are those probed."""

    depths: tuple[int, ...]
    kind: str = "ridge"
    folds: int = FOLDS
    strengths: tuple[float, ...] = STRENGTHS
    shuffles: int = SHUFFLES
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        if self.kind not in KINDS:
            raise SettingError("probe", expected=" or ".join(KINDS), found=repr(self.kind))
        if self.folds < 2 or self.shuffles < 1 or not self.strengths or not self.depths:
            raise SettingError(
                "probe",
                expected="2 folds or more, a shuffle, a strength and a depth",
                found=f"{self.folds}, {self.shuffles}, {len(self.strengths)}, {len(self.depths)}",
            )


@dataclass(frozen=True, slots=True, eq=False)
class Probed:
    """What the probes say of one language's test items, all (depths, items).

    `said` are the predicted labels; `shuffled` is the share of shuffled-label probes that are
    right; `control` tells where the word-type probe is right about the word types' drawn labels,
    None where there is no such control.
    """

    items: Items
    said: NDArray[np.int16]
    shuffled: Array
    control: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, eq=False)
class ProbeRun:
    """All tests, and of each depth the strength and the accuracy of the cross-validation."""

    settings: ProbeSettings
    tests: tuple[Probed, ...]
    strengths: Array
    accuracies: Array
    unconverged: int


def probe(
    train: Items,
    tests: Sequence[Items],
    settings: ProbeSettings,
    progress: Callable[[int, int], None] | None = None,
) -> ProbeRun:
    """Train probes at each depth and test them in each language.

    The word-type control is tested where train and test are of one language. Labels of the tests
    that never occur in training cannot be predicted and count as wrong.

    Raises:
        DataError: fewer than two labels, or fewer sentences than folds, to train on.
    """
    _check(train, settings)
    owner = [bool(test.words) and test.language == train.language for test in tests]
    drawn = type_labels(train, [t for t, own in zip(tests, owner, strict=True) if own], settings)
    sets = _label_sets(train, drawn, settings)
    folds = assign_folds(train.groups, settings.folds, settings.seed)
    said, strengths, accuracies, unconverged = [], [], [], 0
    for done, depth in enumerate(settings.depths):
        features = (test.read(depth) for test in tests)
        found = classify(
            settings.kind, train.read(depth), sets, folds, features, settings.strengths
        )
        said.append([test.astype(np.int16) for test in found.tests])
        strengths.append(found.strengths[0])
        accuracies.append(found.accuracies[0])
        unconverged += found.unconverged
        if progress is not None:
            progress(done + 1, len(settings.depths))
    probed = tuple(
        _probed(test, np.stack([depth[i] for depth in said]), settings, drawn if own else {})
        for i, (test, own) in enumerate(zip(tests, owner, strict=True))
    )
    return ProbeRun(settings, probed, np.array(strengths), np.array(accuracies), unconverged)


def _check(train: Items, settings: ProbeSettings) -> None:
    classes = len(np.unique(train.labels))
    if classes < 2:
        raise DataError(
            f"probe trained on {train.language}", expected="two labels or more", found=str(classes)
        )
    groups = len(set(train.groups))
    if groups < settings.folds:
        raise DataError(
            f"probe trained on {train.language}",
            expected=f"at least {settings.folds} texts, one a fold",
            found=str(groups),
        )


def assign_folds(groups: Sequence[str], folds: int, seed: int) -> Codes:
    """Return each item's fold: whole groups, as many in each fold as in the next or one more."""
    names, index = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    order = np.random.default_rng([seed, FOLD_STREAM]).permutation(len(names))
    return (order % folds)[index]


def type_labels(train: Items, tests: Sequence[Items], settings: ProbeSettings) -> dict[str, int]:
    """Draw a label for every word type from the labels of the training items; {} without words."""
    if not train.words:
        return {}
    types = sorted({word for items in (train, *tests) for word in items.words})
    rng = np.random.default_rng([settings.seed, TYPE_STREAM])
    return dict(zip(types, rng.choice(train.labels, size=len(types)).tolist(), strict=True))


def _label_sets(train: Items, drawn: dict[str, int], settings: ProbeSettings) -> Codes:
    """Return the real labels, the shuffled ones, and those of the word types if any."""
    rng = np.random.default_rng([settings.seed, SHUFFLE_STREAM])
    shuffled = [rng.permutation(train.labels) for _ in range(settings.shuffles)]
    control = [np.array([drawn[word] for word in train.words])] if drawn else []
    return np.stack([train.labels, *shuffled, *control]).astype(np.intp)


def _probed(
    test: Items, said: NDArray[np.int16], settings: ProbeSettings, drawn: dict[str, int]
) -> Probed:
    """Split the predictions (depths, label sets, items) of one test by label set."""
    shuffled = said[:, 1 : 1 + settings.shuffles] == test.labels
    control = None
    if drawn:
        wanted = np.array([drawn[word] for word in test.words])
        control = (said[:, -1] == wanted).astype(np.float32)
    return Probed(test, said[:, 0], shuffled.mean(axis=1), control)
