"""Classification's scores against scikit-learn, seqeval, closed forms and planted effects."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy.stats import spearmanr
from seqeval.metrics import f1_score as seqeval_f1
from sklearn.metrics import accuracy_score, f1_score

from babelscope.errors import DataError
from babelscope.measure.classification import (
    accuracy_tally,
    chance_accuracy,
    constant_tally,
    ece_tally,
    entity_kinds,
    entity_tally,
    macro_f1_tally,
    rank_correlation,
    remembered_tags,
    word_overlap,
)
from babelscope.measure.inference import (
    compare,
    compare_tallies,
    compare_tally_pairs,
    estimate,
    score_interval,
    tally_estimate,
    tally_scores,
)
from babelscope.measure.tallies import (
    resampled_scores,
    tally,
    value_of,
)
from babelscope.measure.transfer import DENOMINATOR_ZERO, tally_ratio, transfer_efficiency
from babelscope.records import Inference

KINDS = ("PER", "LOC", "ORG")


def one_hot(said: np.ndarray, k: int = 3) -> np.ndarray:
    return np.eye(k)[said]


def drawn(n: int, right: float, seed: int, seeds: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 3, n)
    other = rng.integers(0, 3, (seeds, n))
    return one_hot(np.where(rng.random((seeds, n)) < right, gold, other)), gold


def ids(n: int, group: int = 1) -> list[str]:
    return [f"c{i // group:04d}" for i in range(n)]


def test_accuracy_and_macro_f1_are_those_of_scikit_learn() -> None:
    probability, gold = drawn(90, 0.5, 0)
    said = probability.argmax(-1)
    assert value_of(accuracy_tally(probability, gold, ids(90))) == pytest.approx(
        np.mean([accuracy_score(gold, s) for s in said])
    )
    assert value_of(macro_f1_tally(probability, gold, ids(90))) == pytest.approx(
        np.mean([f1_score(gold, s, average="macro") for s in said])
    )


def test_macro_f1_leaves_out_a_label_that_nobody_names() -> None:
    gold, said = np.array([0, 0, 1, 1]), np.array([[0, 1, 1, 1]])
    found = value_of(macro_f1_tally(one_hot(said), gold, ids(4)))
    assert found == pytest.approx(f1_score(gold, said[0], average="macro"))
    assert found == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_the_interval_is_that_of_the_mean() -> None:
    probability, gold = drawn(120, 0.5, 1)
    right = (probability.argmax(-1) == gold).astype(float)
    ours = tally_estimate(accuracy_tally(probability, gold, ids(120, 3)))
    other = estimate(right, ids(120, 3))
    assert (ours.value, ours.n) == (pytest.approx(other.value), other.n)
    assert (ours.low, ours.high) == (pytest.approx(other.low), pytest.approx(other.high))


def test_calibration_in_closed_form() -> None:
    # ten items said with .8, of which six are right; five with .6, all right
    top = np.array([0.8] * 10 + [0.6] * 5)
    probability = np.stack([top, (1 - top) / 2, (1 - top) / 2], axis=-1)[None]
    gold = np.array([0] * 6 + [1] * 4 + [0] * 5)
    expected = (10 * abs(0.6 - 0.8) + 5 * abs(1.0 - 0.6)) / 15
    assert value_of(ece_tally(probability, gold, ids(15))) == pytest.approx(expected)
    sure = one_hot(gold[None])
    assert value_of(ece_tally(sure, gold, ids(15))) == 0.0
    assert value_of(ece_tally(one_hot((gold[None] + 1) % 3), gold, ids(15))) == 1.0


def test_baselines() -> None:
    gold = np.array([0, 0, 0, 1])
    assert value_of(constant_tally(0, 3, gold, ids(4))) == 0.75
    said = one_hot(np.array([[0, 0, 1, 1]]))
    assert chance_accuracy(said, gold) == pytest.approx(0.5 * 0.75 + 0.5 * 0.25)


def random_tags(draw: random.Random, words: int) -> list[str]:
    """Any tags, broken sequences too."""
    return draw.choices(["O", "O", *(f"{p}-{k}" for k in KINDS for p in "BI")], k=words)


def test_entity_f1_is_seqevals_number() -> None:
    draw = random.Random(0)
    golds = [random_tags(draw, draw.randint(1, 12)) for _ in range(80)]
    said = [[t if draw.random() < 0.7 else random_tags(draw, 1)[0] for t in gold] for gold in golds]
    found = entity_tally(golds, [said], ids(80))
    assert value_of(found) == pytest.approx(seqeval_f1(golds, said), abs=1e-12)
    assert 0.2 < value_of(found) < 0.8
    by_kind = [value_of(entity_tally(golds, [said], ids(80), kind)) for kind in KINDS]
    assert np.mean(by_kind) == pytest.approx(seqeval_f1(golds, said, average="macro"), abs=1e-12)
    # a resample is seqeval's number of the drawn sentences
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, 80, 80)
    summed = found.counts[0][chosen].sum(axis=0)
    assert found.read(summed) == pytest.approx(
        seqeval_f1([golds[i] for i in chosen], [said[i] for i in chosen]), abs=1e-12
    )
    bounds = tally_estimate(found)
    assert bounds.low < bounds.value < bounds.high


def test_no_entity_at_all_is_zero_as_in_seqeval() -> None:
    assert value_of(entity_tally([["O"]], [[["O"]]], ["a"])) == 0.0


def test_missing_words_are_an_error() -> None:
    with pytest.raises(DataError, match="tag for each word"):
        entity_tally([["O", "O"]], [[["O"]]], ["a"])


def test_kinds_and_memory() -> None:
    assert entity_kinds([["B-PER", "O"], ["B-LOC"]]) == ("LOC", "PER")
    words = [["Paris", "is", "Paris"], ["Paris", "Hilton"]]
    tags = [["B-LOC", "O", "B-LOC"], ["B-PER", "I-PER"]]
    found = remembered_tags(words, tags, [["Paris", "was"], ["Hilton"]])
    assert found == [["B-LOC", "O"], ["I-PER"]]


def test_a_planted_efficiency_is_recovered() -> None:
    n = 900
    at_home, gold = drawn(n, 0.75, 2)  # a third of the rest is right by chance: .833
    abroad, _ = drawn(n, 0.25, 3)
    abroad = np.where(np.arange(n)[None, :, None] % 2 == 0, at_home, abroad)
    home, away = accuracy_tally(at_home, gold, ids(n)), accuracy_tally(abroad, gold, ids(n))
    found, reason = tally_ratio(away, home)
    assert reason == ""
    assert found.value == pytest.approx(value_of(away) / value_of(home))
    # half as at home, half at chance (another gold): (.833 + .333) / 2 / .833
    assert found.low < (0.8333 + 0.3333) / 2 / 0.8333 < found.high
    right = [(p.argmax(-1) == gold).astype(float) for p in (abroad, at_home)]
    other, _ = transfer_efficiency(right[0], ids(n), right[1], ids(n))
    assert (found.low, found.high) == (pytest.approx(other.low), pytest.approx(other.high))
    itself, _ = tally_ratio(home, home)
    assert (itself.value, itself.low, itself.high) == (1.0, 1.0, 1.0)


def test_the_papers_ratio_is_computed_not_copied() -> None:
    gold = np.zeros(100, dtype=int)
    scores = {
        value: accuracy_tally(
            one_hot((np.arange(100) >= value * 100)[None].astype(int)), gold, ids(100)
        )
        for value in (0.7, 0.59)
    }
    assert round(tally_ratio(scores[0.59], scores[0.7])[0].value, 3) == 0.843


def test_a_ratio_to_nothing_is_missing_with_its_reason() -> None:
    gold = np.zeros(30, dtype=int)
    wrong = accuracy_tally(one_hot(np.ones((1, 30), dtype=int)), gold, ids(30))
    found, reason = tally_ratio(wrong, wrong)
    assert math.isnan(found.value)
    assert found.n == 0
    assert reason == DENOMINATOR_ZERO
    assert tally_ratio(wrong, None)[1]


def test_different_contexts_are_drawn_together() -> None:
    probability, gold = drawn(60, 0.5, 4)
    whole = accuracy_tally(probability, gold, ids(60))
    part = accuracy_tally(probability[:, :30], gold[:30], ids(60)[:30])
    universe = sorted({*whole.contexts, *part.contexts})
    assert np.isfinite(resampled_scores(part, universe=universe)).all()
    assert tally_ratio(part, whole)[0].value == pytest.approx(value_of(part) / value_of(whole))


def test_comparison_flips_signs_for_a_mean() -> None:
    one, gold = drawn(150, 0.7, 5)
    other, _ = drawn(150, 0.4, 6)
    right = [(p.argmax(-1) == gold).astype(float) for p in (one, other)]
    ours = compare_tallies(
        accuracy_tally(one, gold, ids(150)), accuracy_tally(other, gold, ids(150))
    )
    theirs = compare(right[0], right[1], ids(150))
    assert ours.difference.value == pytest.approx(theirs.difference.value)
    # the jackknife of a mean is its residuals: the same interval and p to rounding
    assert ours.p_adapters == pytest.approx(theirs.p_adapters, abs=1e-15)
    assert ours.p_value == pytest.approx(theirs.p_value, abs=1e-15)
    assert ours.difference.low == pytest.approx(theirs.difference.low, abs=1e-15)
    (score,) = tally_scores([accuracy_tally(one, gold, ids(150))])
    plain = score_interval(right[0], ids(150))
    assert (score.low, score.high) == pytest.approx((plain.low, plain.high), abs=1e-15)


def test_pairs_of_tallies_moderate_one_another() -> None:
    one, gold = drawn(150, 0.7, 5)
    other, _ = drawn(150, 0.4, 6)
    tallies = [accuracy_tally(p, gold, ids(150)) for p in (one, other)]
    alone = compare_tallies(*tallies)
    first, second = compare_tally_pairs([tuple(tallies), (tallies[1], tallies[0])])
    assert first.difference.value == -second.difference.value == alone.difference.value
    assert first.df > alone.df  # two pairs know more of seeds than one


def test_equal_systems_do_not_differ_and_strangers_are_not_compared() -> None:
    probability, gold = drawn(60, 0.5, 7)
    found = macro_f1_tally(probability, gold, ids(60))
    same = compare_tallies(found, found)
    assert (same.difference.value, same.p_value, same.p_adapters) == (0.0, 1.0, 1.0)
    strange = macro_f1_tally(probability, gold, [f"x{i}" for i in range(60)])
    assert compare_tallies(found, strange).difference.n == 0


def test_a_false_alarm_is_as_rare_as_it_says() -> None:
    rng = np.random.default_rng(8)
    alarms = 0
    for _ in range(60):
        counts = rng.integers(0, 3, (2, 1, 40, 3)).astype(float)
        counts[..., 0] = np.minimum(counts[..., 0], counts[..., 1:].min(axis=-1))
        sides = [
            tally(c, ids(40), lambda s: 2 * s[..., 0] / (s[..., 1] + s[..., 2])) for c in counts
        ]
        alarms += compare_tallies(*sides).p_adapters < 0.05
    assert alarms <= 9  # 3 expected; above 9 in one of a thousand


def test_one_context_has_no_interval() -> None:
    probability, gold = drawn(6, 0.5, 9)
    found = tally_estimate(accuracy_tally(probability, gold, ["a"] * 6))
    assert math.isnan(found.low)
    assert found.n == 6


def test_counts_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match="shape"):
        tally(np.zeros((1, 3, 2)), ["a"], lambda s: s[..., 0])


@pytest.mark.parametrize(
    ("language", "premise", "hypothesis", "expected"),
    [
        ("eng_Latn", "The dog runs.", "the DOG sleeps", 2 / 4),
        ("zho_Hans", "我爱你", "你爱他", 2 / 4),
        ("hin_Deva", "नई दिल्ली", "दिल्ली!", 1 / 2),
        ("eng_Latn", "...", "!", math.nan),
    ],
)
def test_overlap(language: str, premise: str, hypothesis: str, expected: float) -> None:
    found = word_overlap(Inference("a", language, premise, hypothesis, "neutral"))
    assert found == pytest.approx(expected, nan_ok=True)


def test_rank_correlation_is_scipys() -> None:
    rng = np.random.default_rng(0)
    pairs = {str(i): (float(x), float(x + rng.normal())) for i, x in enumerate(range(8))}
    found = rank_correlation({**pairs, "none": (math.nan, 1.0)})
    assert found.value == pytest.approx(spearmanr(*zip(*pairs.values(), strict=True)).statistic)
    assert found.n == 8
    assert found.low <= found.value <= found.high
    straight = rank_correlation({str(i): (float(i), float(i)) for i in range(6)})
    assert (straight.low, straight.high) == (pytest.approx(1.0), pytest.approx(1.0))
    assert math.isnan(rank_correlation({"a": (1.0, 2.0), "b": (2.0, 1.0)}).value)
    assert math.isnan(rank_correlation({"a": (1, 2), "b": (2, 1), "c": (3, 0)}).low)
