"""What predicts transfer: a planted law is found out of sample, noise is not."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from babelscope.errors import DataError
from babelscope.measure import predictors
from babelscope.measure.predictors import ALL, BASELINE, Pair, predict_transfer

CODES = [f"l{n:02d}" for n in range(10)]


def planted(slope: float, *, noise: float = 0.05, seed: int = 0) -> list[Pair]:
    """Pairs whose score is .2 + .1 same_script + slope x telling + noise."""
    draw = np.random.default_rng(seed)
    pairs = []
    for source, target in product(CODES, CODES):
        script = float((int(source[1:]) + int(target[1:])) % 2 == 0)
        family = float(int(source[1:]) // 5 == int(target[1:]) // 5)
        telling, empty = draw.normal(size=2)
        score = 0.2 + 0.1 * script + slope * telling + noise * draw.normal()
        measures = {
            "same_script": script,
            "same_family": family,
            "telling": telling,
            "empty": empty,
        }
        pairs.append(Pair(source, target, score, measures))
    return pairs


def test_a_planted_law_is_recovered_out_of_sample() -> None:
    found = {p.name: p for p in predict_transfer(planted(0.3))}
    base, telling, empty = found["script and family"], found["telling"], found["empty"]
    assert (base.pairs, base.languages) == (90, 10)
    assert telling.explained > 0.95
    assert telling.error.value == pytest.approx(0.05, rel=0.3)
    assert telling.error.low <= telling.error.value <= telling.error.high
    assert base.error.value == pytest.approx(math.hypot(0.3, 0.05), rel=0.3)
    assert telling.gain is not None
    assert empty.gain is not None
    assert telling.gain.difference.low > 0
    assert telling.p_holm < 0.05
    assert empty.p_holm > 0.05
    # one standard deviation of a standard normal measure
    assert telling.slope.value == pytest.approx(0.3, rel=0.15)
    assert telling.slope.low > 0.2
    assert empty.slope.low < 0 < empty.slope.high
    assert found[ALL].explained > 0.95


def test_without_a_law_nothing_is_explained() -> None:
    found = predict_transfer(planted(0.0, noise=1.0, seed=3))
    assert all(p.explained < 0.1 for p in found)
    assert all(p.p_holm > 0.05 for p in found if p.gain)


def test_predictions_equal_a_slow_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictors, "STRENGTHS", (2.0,))
    pairs = [p for p in planted(0.3) if p.source != p.target]
    names = (*BASELINE, "telling")
    squares, targets = [], []
    for code in CODES:
        known = [p for p in pairs if code not in (p.source, p.target)]
        x = np.array([[p.measures[n] for n in names] for p in known])
        y = np.array([p.score for p in known])
        model = Ridge(alpha=2.0).fit((x - x.mean(0)) / x.std(0), y)
        for p in pairs:
            if p.target == code:
                asked = (np.array([p.measures[n] for n in names]) - x.mean(0)) / x.std(0)
                squares.append((model.predict(asked[None])[0] - p.score) ** 2)
                targets.append(code)
    telling = next(p for p in predict_transfer(pairs) if p.name == "telling")
    assert telling.error.value == pytest.approx(math.sqrt(np.mean(squares)), rel=1e-9)


def test_missing_measures_leave_pairs_out_and_are_compared_on_the_same() -> None:
    pairs = [
        Pair(
            p.source,
            p.target,
            math.nan if (p.source, p.target) == ("l00", "l01") else p.score,
            {**p.measures, "telling": math.nan if p.source == "l03" else p.measures["telling"]},
        )
        for p in planted(0.3)
    ]
    found = {p.name: p for p in predict_transfer(pairs)}
    assert found["script and family"].pairs == 89
    assert found["telling"].pairs == 80
    assert found["telling"].gain is not None
    assert found["telling"].gain.difference.n == 80


def test_few_languages_give_no_number() -> None:
    few = [p for p in planted(0.3) if p.source in CODES[:3] and p.target in CODES[:3]]
    for found in predict_transfer(few):
        assert math.isnan(found.error.value)
        assert found.gain is None
        assert math.isnan(found.p_holm)
        assert found.languages == 3


def test_one_source_is_enough_for_many_targets() -> None:
    # held-out targets leave pairs of the same source to learn from
    single = [p for p in planted(0.3) if p.source == "l00"]
    found = {p.name: p for p in predict_transfer(single)}
    assert found["telling"].pairs == 9
    assert math.isfinite(found["telling"].error.value)


def test_a_target_that_leaves_nothing_to_learn_from_is_not_predicted() -> None:
    # l00 is the source of all others' pairs: without it l01 -> l00 cannot be predicted
    star = [p for p in planted(0.3) if p.source == "l00"]
    back = next(p for p in planted(0.3) if (p.source, p.target) == ("l01", "l00"))
    telling = next(p for p in predict_transfer([*star, back]) if p.name == "telling")
    assert (telling.pairs, telling.error.n) == (10, 9)
    assert math.isfinite(telling.explained)


def test_faults_are_told() -> None:
    pairs = planted(0.3)
    with pytest.raises(DataError, match="each once"):
        predict_transfer([*pairs, pairs[1]])
    with pytest.raises(DataError, match="same_script and same_family"):
        predict_transfer([Pair("a", "b", 0.5, {"same_script": 1.0})])
