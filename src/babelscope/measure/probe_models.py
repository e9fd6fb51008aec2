"""The classifiers behind the probes: one call a depth, all label sets at once.

A label set is one labelling of the training items: the real one, and those of the controls. Each
has its own strength, chosen by cross-validation on the training items alone. Ridge serves all from
one decomposition a split; logistic regression and a perceptron with one hidden layer are
scikit-learn's, fitted one by one, and take the strength as their penalty on the same scale.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from babelscope.measure.ridge import Floats, fit, folded, signs, standardised

KINDS = ("ridge", "logistic", "mlp")
STRENGTHS = (1e-3, 1e-2, 0.1, 1.0, 10.0)
HIDDEN_UNITS = 64
ITERATIONS = 300
BLOCK = 4096  # test items held as float32 at once

Codes = NDArray[np.intp]
Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Classified:
    """What the classifiers of one depth say.

    `tests` has the predicted labels (label sets, items) of each test; `strengths` and `accuracies`
    (label sets,) are what cross-validation chose and reached; `unconverged` counts fits that
    stopped before they converged.
    """

    tests: tuple[Codes, ...]
    strengths: Counts
    accuracies: Counts
    unconverged: int = 0


def classify(
    kind: str,
    features: NDArray[np.floating],
    label_sets: Codes,
    folds: Codes,
    tests: Iterable[NDArray[np.floating]],
    strengths: Sequence[float] = STRENGTHS,
) -> Classified:
    """Train on features (n, p) and label sets (sets, n), and predict tests (items, p).

    `folds` (n,) are the folds of the cross-validation. Of strengths that are equally good the
    largest is taken.
    """
    if kind == "ridge":
        return _ridge(features, label_sets, folds, tests, strengths)
    return _one_by_one(kind, features, label_sets, folds, tests, strengths)


def _ridge(
    features: NDArray[np.floating],
    label_sets: Codes,
    folds: Codes,
    tests: Iterable[NDArray[np.floating]],
    strengths: Sequence[float],
) -> Classified:
    sets, classes = len(label_sets), int(label_sets.max()) + 1
    standard, mean, scale = standardised(features)
    targets = np.hstack([signs(labels, classes) for labels in label_sets])
    right: Counts = np.zeros((len(strengths), sets))
    for items, ridge in folded(standard, targets, folds, strengths):
        said = _largest(ridge.values(standard[items]), sets)
        right += (said == label_sets[None, :, items]).sum(axis=2)
    best = _best(right)
    whole = fit(standard, targets, strengths)
    chosen = [(s, slice(i * classes, (i + 1) * classes)) for i, s in enumerate(best)]
    weights = np.hstack([whole.weights[s][:, columns] for s, columns in chosen])
    offsets = np.hstack([whole.offsets[s][columns] for s, columns in chosen])

    def predict(block: NDArray[np.floating]) -> Codes:
        values = ((block.astype(np.float32) - mean) / scale) @ weights + offsets
        return _largest(values[None], sets)[0]

    told = tuple(
        np.concatenate(
            [predict(test[i : i + BLOCK]) for i in range(0, max(len(test), 1), BLOCK)], axis=1
        )
        for test in tests
    )
    accuracies = right[best, np.arange(sets)] / len(features)
    return Classified(told, np.asarray(strengths)[best], accuracies)


def _largest(values: Floats, sets: int) -> Codes:
    """Return the labels (strengths, sets, items) with the largest values of each set."""
    strengths, items, columns = values.shape
    by_set = values.reshape(strengths, items, sets, columns // sets)
    return by_set.argmax(axis=3).transpose(0, 2, 1)


def _best(right: Counts) -> Codes:
    """Return the index of the best strength of each set (columns), the last of equals."""
    return len(right) - 1 - right[::-1].argmax(axis=0)


def _one_by_one(
    kind: str,
    features: NDArray[np.floating],
    label_sets: Codes,
    folds: Codes,
    tests: Iterable[NDArray[np.floating]],
    strengths: Sequence[float],
) -> Classified:
    wide = features.astype(np.float32)
    right: Counts = np.zeros((len(strengths), len(label_sets)))
    unconverged = 0
    for fold in np.unique(folds):
        held = folds == fold
        for i, j in np.ndindex(right.shape):
            labels = label_sets[j]
            model, failed = _fitted(kind, wide[~held], labels[~held], strengths[i])
            unconverged += failed
            right[i, j] += (model.predict(wide[held]) == labels[held]).sum()
    best = _best(right)
    models = []
    for labels, i in zip(label_sets, best, strict=True):
        model, failed = _fitted(kind, wide, labels, strengths[i])
        unconverged += failed
        models.append(model)
    said = tuple(
        np.array([model.predict(test.astype(np.float32)) for model in models], dtype=np.intp)
        for test in tests
    )
    accuracies = right[best, np.arange(len(label_sets))] / len(features)
    return Classified(said, np.asarray(strengths)[best], accuracies, unconverged)


def _fitted(kind: str, features: Floats, labels: Codes, strength: float) -> tuple[Any, bool]:
    """Return a fitted model, and whether it stopped before it converged."""
    if len(np.unique(labels)) < 2:
        return DummyClassifier(strategy="most_frequent").fit(features, labels), False
    model: LogisticRegression | MLPClassifier
    if kind == "logistic":
        model = LogisticRegression(C=1 / (strength * len(labels)), max_iter=ITERATIONS)
    else:
        model = MLPClassifier(
            (HIDDEN_UNITS,),
            alpha=strength,
            max_iter=ITERATIONS,
            early_stopping=True,
            random_state=0,
        )
    pipeline = make_pipeline(StandardScaler(), model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        pipeline.fit(features, labels)
    return pipeline, any(issubclass(w.category, ConvergenceWarning) for w in caught)
