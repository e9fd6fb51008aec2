"""The ridge of the probes against scikit-learn's, and its folds against a slow reference."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler

from babelscope.measure.ridge import fit, folded, signs, standardised

STRENGTHS = (1e-3, 1e-2, 0.1, 1.0, 10.0)


def _toy(n: int, p: int, classes: int, seed: int = 0) -> tuple[NDArray, NDArray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    centres = rng.standard_normal((classes, p))
    # scales and means differ by feature, as those of hidden states do
    features = (centres[labels] + 2 * rng.standard_normal((n, p))) * rng.uniform(0.1, 50, p)
    return (features + 100 * rng.standard_normal(p)).astype(np.float32), labels


@pytest.mark.parametrize(("n", "p"), [(200, 30), (40, 90)])
@pytest.mark.parametrize("classes", [2, 4])
def test_every_strength_is_that_of_scikit_learn(n: int, p: int, classes: int) -> None:
    features, labels = _toy(n, p, classes)
    test, _ = _toy(150, p, classes, seed=1)
    standard, mean, scale = standardised(features)
    found = fit(standard, signs(labels, classes), STRENGTHS).values((test - mean) / scale)
    scaler = StandardScaler().fit(features.astype(np.float64))
    for values, strength in zip(found, STRENGTHS, strict=True):
        reference = RidgeClassifier(alpha=strength * n).fit(scaler.transform(features), labels)
        expected = reference.decision_function(scaler.transform(test.astype(np.float64)))
        mine = values[:, 1] if classes == 2 else values
        np.testing.assert_allclose(mine, expected, atol=2e-3 * np.abs(expected).max())
        same = values.argmax(axis=1) == reference.predict(scaler.transform(test))
        assert same.mean() > 0.99  # but for ties within float32


@pytest.mark.parametrize(("n", "p"), [(200, 30), (40, 90)])
def test_folds_are_those_of_a_slow_loop(n: int, p: int) -> None:
    features, labels = _toy(n, p, 3)
    features[:, 3] = 7.0  # constant
    standard, _, _ = standardised(features)
    targets = signs(labels, 3)
    folds = np.random.default_rng(2).integers(5, size=n)
    seen = np.zeros(n, dtype=int)
    for items, ridge in folded(standard, targets, folds, STRENGTHS):
        seen[items] += 1
        rest = folds != folds[items[0]]
        scaler = StandardScaler().fit(features[rest].astype(np.float64))
        x = scaler.transform(features[rest].astype(np.float64))
        centred = targets[rest] - targets[rest].mean(axis=0)
        held = scaler.transform(features[items].astype(np.float64))
        for values, strength in zip(ridge.values(standard[items]), STRENGTHS, strict=True):
            penalty = strength * rest.sum() * np.eye(p)
            slow = held @ np.linalg.solve(x.T @ x + penalty, x.T @ centred)
            slow += targets[rest].mean(axis=0)
            np.testing.assert_allclose(values, slow, atol=2e-3)
    assert (seen == 1).all()


def test_a_feature_constant_in_one_split_only_does_no_harm() -> None:
    features, labels = _toy(200, 10, 2)
    folds = np.repeat(np.arange(4), 50)
    features[:, 4] = np.where(folds == 1, np.arange(200), 3.0)
    standard, _, _ = standardised(features)
    for items, ridge in folded(standard, signs(labels, 2), folds, (0.1,)):
        if folds[items[0]] == 1:
            assert not ridge.weights[0, 4].any()
        assert np.abs(ridge.values(standard[items])).max() < 10


def test_label_sets_do_not_disturb_each_other() -> None:
    features, labels = _toy(200, 30, 3)
    standard, _, _ = standardised(features)
    others = signs(np.random.default_rng(3).integers(2, size=200), 2)
    alone = fit(standard, signs(labels, 3), STRENGTHS).weights
    together = fit(standard, np.hstack([signs(labels, 3), others]), STRENGTHS).weights
    np.testing.assert_allclose(together[:, :, :3], alone, atol=1e-6)
