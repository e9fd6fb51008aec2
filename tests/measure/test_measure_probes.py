"""Laws of the probes: chance for shuffled labels, a planted label found where it was planted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler

from babelscope.errors import DataError, SettingError
from babelscope.measure.probe_models import classify
from babelscope.measure.probe_tables import (
    ProbeRow,
    baseline_rows,
    group_means,
    probe_rows,
    tied_depths,
)
from babelscope.measure.probes import Items, ProbeSettings, assign_folds, probe
from babelscope.measure.resampling import context_draws

CLASSES, WIDTH, DEPTHS = 3, 12, 4
PLANTED = 2
CENTRES = np.random.default_rng(9).standard_normal((CLASSES, WIDTH))


def _states(labels: NDArray, seed: int, strength: float = 3.0) -> Callable[[int], NDArray]:
    """Noise at every depth; at one, the label's centre beside it."""

    def read(depth: int) -> NDArray:
        noise = np.random.default_rng([seed, depth]).standard_normal((len(labels), WIDTH))
        found = noise + strength * CENTRES[labels] if depth == PLANTED else noise
        return found.astype(np.float16)

    return read


def _items(language: str, n: int = 300, seed: int = 0, words: bool = False) -> Items:
    labels = np.random.default_rng([seed, 99]).integers(CLASSES, size=n)
    groups = tuple(f"s{i // 3:04d}" for i in range(n))
    types = tuple(f"w{i % 40}" for i in range(n)) if words else ()
    return Items(language, _states(labels, seed), labels, groups, types)


def _value(rows: list[ProbeRow], measure: str, target: str, depth: int | None = None) -> float:
    (row,) = [r for r in rows if (r.measure, r.target, r.depth) == (measure, target, depth)]
    return row.estimate.value


@pytest.fixture(scope="module")
def planted() -> list[ProbeRow]:
    train = _items("eng_Latn")
    tests = [_items("eng_Latn", 240, 1), _items("ory_Orya", 240, 2)]
    settings = ProbeSettings(tuple(range(DEPTHS)), shuffles=60)
    return probe_rows(probe(train, tests, settings), train, "eng_Latn")


@pytest.mark.parametrize("target", ["eng_Latn", "ory_Orya"])
def test_a_planted_label_is_found_at_its_depth_only(planted: list[ProbeRow], target: str) -> None:
    for depth in range(DEPTHS):
        accuracy = _value(planted, "accuracy", target, depth)
        macro = _value(planted, "macro_f1", target, depth)
        if depth == PLANTED:
            assert accuracy > 0.95
            assert macro > 0.95
        else:
            assert abs(accuracy - 1 / CLASSES) < 0.1
    assert _value(planted, "best_depth", target) == PLANTED
    assert _value(planted, "best_share", target, PLANTED) == 1.0


def test_shuffled_labels_are_at_chance(planted: list[ProbeRow]) -> None:
    """At the planted depth a shuffle gives each cluster some label: sd .27, of 60 shuffles .035."""
    controls = [r for r in planted if r.measure == "control_accuracy"]
    assert len(controls) == 2 * DEPTHS
    for row in controls:
        assert row.control == "shuffled"
        assert abs(row.estimate.value - 1 / CLASSES) < (0.1 if row.depth == PLANTED else 0.03)
        assert row.estimate.low < row.estimate.value < row.estimate.high


def test_selectivity_is_the_difference_with_its_own_interval(planted: list[ProbeRow]) -> None:
    for target in ("eng_Latn", "ory_Orya"):
        for depth in range(DEPTHS):
            gap = _value(planted, "accuracy", target, depth)
            gap -= _value(planted, "control_accuracy", target, depth)
            assert _value(planted, "selectivity", target, depth) == pytest.approx(gap)


def test_word_types_are_learnt_where_the_states_name_the_word() -> None:
    """States that name the word, not its label: the control is as good as the task."""
    rng = np.random.default_rng(4)
    vectors = rng.standard_normal((30, 64))
    named = rng.integers(30, size=600)
    labels = named % 2

    def items(part: slice) -> Items:
        def read(depth: int) -> NDArray:
            return vectors[named[part]] if depth else np.zeros((len(named[part]), 64))

        words = tuple(f"w{i}" for i in named[part])
        groups = tuple(str(i) for i in range(len(words)))
        return Items("eng_Latn", read, labels[part], groups, words)

    train, test = items(slice(400)), items(slice(400, 600))
    rows = probe_rows(probe(train, [test], ProbeSettings((0, 1))), train, "eng_Latn")
    word_type = {
        r.depth: r.estimate.value
        for r in rows
        if r.measure == "control_accuracy" and r.control == "word type"
    }
    assert _value(rows, "accuracy", "eng_Latn", 1) > 0.95
    assert word_type[1] > 0.95
    assert abs(_value(rows, "selectivity", "eng_Latn", 1)) < 0.05
    assert _value(rows, "accuracy", "eng_Latn", 0) < 0.6


def test_the_strength_is_that_of_a_slow_cross_validation() -> None:
    train, test = _items("eng_Latn"), _items("eng_Latn", 60, 1)
    noisy = _states(train.labels, 0, strength=0.4)(PLANTED).astype(np.float64)
    folds = assign_folds(train.groups, 5, seed=0)
    strengths = (1e-3, 1e-1, 10.0, 1000.0)
    held = _states(test.labels, 1, strength=0.4)(PLANTED)
    found = classify("ridge", noisy, train.labels[None], folds, [held], strengths)
    scores = []
    for strength in strengths:
        right = 0
        for fold in range(5):
            rest = folds != fold
            scaler = StandardScaler().fit(noisy[rest])
            model = RidgeClassifier(alpha=strength * rest.sum())
            model.fit(scaler.transform(noisy[rest]), train.labels[rest])
            said = model.predict(scaler.transform(noisy[~rest]))
            right += (said == train.labels[~rest]).sum()
        scores.append(right / len(noisy))
    best = max(range(4), key=lambda i: (scores[i], i))
    assert found.strengths[0] == strengths[best]
    assert found.accuracies[0] == pytest.approx(scores[best])
    scaler = StandardScaler().fit(noisy)
    whole = RidgeClassifier(alpha=strengths[best] * len(noisy))
    whole.fit(scaler.transform(noisy), train.labels)
    assert (found.tests[0][0] == whole.predict(scaler.transform(held.astype(float)))).all()


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_other_classifiers_find_the_planted_label_too(kind: str) -> None:
    train, test = _items("eng_Latn"), _items("eng_Latn", 120, 1)
    settings = ProbeSettings((0, PLANTED), kind, folds=2, strengths=(0.001, 0.1), shuffles=1)
    run = probe(train, [test], settings)
    accuracies = (run.tests[0].said == test.labels).mean(axis=1)
    assert accuracies[1] > 0.9
    assert abs(accuracies[0] - 1 / CLASSES) < 0.15
    assert abs(run.tests[0].shuffled[0].mean() - 1 / CLASSES) < 0.15


def test_folds_keep_sentences_whole_and_even() -> None:
    groups = [f"s{i // 7}" for i in range(100)]
    folds = assign_folds(groups, 5, seed=0)
    for group in set(groups):
        assert len({f for f, g in zip(folds, groups, strict=True) if g == group}) == 1
    assert sorted(np.bincount(folds[::7]).tolist()) == [3, 3, 3, 3, 3]


def test_resampled_means_are_those_of_a_slow_loop() -> None:
    values = np.random.default_rng(0).random((2, 9))
    groups = ("b", "b", "a", "c", "c", "c", "a", "d", "d")
    draws = context_draws(4, 0)
    weights = np.array([draws[:, "abcd".index(g)] for g in groups], dtype=float)
    slow = (values @ weights) / weights.sum(axis=0)
    np.testing.assert_allclose(group_means(values, groups, 0), slow.T)


def test_macro_f1_is_that_of_scikit_learn() -> None:
    train, test = _items("eng_Latn"), _items("ory_Orya", 60, 5)
    run = probe(train, [test], ProbeSettings((0, PLANTED)))
    rows = probe_rows(run, train, "eng_Latn")
    for said, depth in zip(run.tests[0].said, (0, PLANTED), strict=True):
        expected = f1_score(test.labels, said, average="macro")
        assert _value(rows, "macro_f1", "ory_Orya", depth) == pytest.approx(expected)


def test_baselines_by_hand() -> None:
    def items(labels: list[int], pieces: list[tuple[int, ...]], words: bool) -> Items:
        names = tuple("w" for _ in labels) if words else ()
        groups = tuple(map(str, range(len(labels))))
        return Items(
            "eng_Latn", lambda depth: np.zeros(0), np.array(labels), groups, names, tuple(pieces)
        )

    train = items([0, 0, 1, 1, 0], [(5, 1), (5, 2), (6, 1), (6,), (5,)], True)
    test = items([0, 1, 1, 1], [(5, 9), (6, 9), (7,), ()], True)
    # the commonest label is 0; subword 5 -> 0, 6 -> 1, a new one or none -> 0
    assert _value(baseline_rows(train, test, 0), "majority", "eng_Latn") == 0.25
    assert _value(baseline_rows(train, test, 0), "subword", "eng_Latn") == 0.5
    bags = items([0, 0, 1, 1], [(5, 1), (5, 2), (6, 1), (6, 2)], False)
    asked = items([0, 1, 1], [(1, 5, 5), (6, 2, 99), (6, 6)], False)
    assert _value(baseline_rows(bags, asked, 0), "subword", "eng_Latn") == 1.0


def test_tied_depths_are_the_fewest_that_win_nine_tenths() -> None:
    assert tied_depths({0: 0.05, 1: 0.5, 2: 0.45}) == (1, 2)
    assert tied_depths({0: 0.05, 1: 0.92, 2: 0.03}) == (1,)


def test_equal_depths_share_their_resamples() -> None:
    train, test = _items("eng_Latn"), _items("eng_Latn", 60, 1)
    still = Items(train.language, lambda d: train.read(PLANTED), train.labels, train.groups)
    same = Items(test.language, lambda d: test.read(PLANTED), test.labels, test.groups)
    rows = probe_rows(probe(still, [same], ProbeSettings((0, 1))), still, "eng_Latn")
    assert _value(rows, "best_share", "eng_Latn", 0) == pytest.approx(0.5)


def test_what_cannot_be_probed_is_told() -> None:
    items = _items("eng_Latn", 30)
    one = Items("eng_Latn", items.read, np.zeros(30, dtype=int), items.groups)
    with pytest.raises(DataError, match="expected two labels or more, found 1"):
        probe(one, [items], ProbeSettings((0,)))
    few = Items("eng_Latn", items.read, items.labels, ("a",) * 30)
    with pytest.raises(DataError, match="at least 5 texts, one a fold, found 1"):
        probe(few, [items], ProbeSettings((0,)))
    with pytest.raises(SettingError, match="ridge or logistic or mlp"):
        ProbeSettings((0,), "svm")
