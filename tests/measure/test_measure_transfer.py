"""Gains and ratios: closed forms, shared resamples, and the reasons for what is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from babelscope.measure import transfer
from babelscope.measure.inference import estimate
from babelscope.records import Estimate

CONTEXTS = [f"c{i // 3:03d}" for i in range(300)]


@pytest.fixture
def right() -> np.ndarray:
    return np.random.default_rng(0).random((3, 300))


def numbers(found: Estimate) -> tuple[float, float, float]:
    return found.value, found.low, found.high


def test_gain_is_the_paired_difference(right: np.ndarray) -> None:
    found = transfer.gain(right + 0.25, right, CONTEXTS)
    assert numbers(found) == pytest.approx((0.25, 0.25, 0.25))  # pairing removes all doubt
    base = right[:1]
    found = transfer.gain(right, base, CONTEXTS)
    assert found == estimate(right - base, CONTEXTS)


def test_efficiency_shares_its_resamples(right: np.ndarray) -> None:
    found, reason = transfer.transfer_efficiency(0.6 * right, CONTEXTS, right, CONTEXTS)
    assert reason == ""
    assert numbers(found) == pytest.approx((0.6, 0.6, 0.6))
    assert found.n == 300


def test_efficiency_on_other_items_of_the_same_contexts(right: np.ndarray) -> None:
    by_context = np.random.default_rng(1).random(100) + 0.5
    on_self = by_context.repeat(3)  # three questions a context
    found, reason = transfer.transfer_efficiency(0.5 * by_context, CONTEXTS[::3], on_self, CONTEXTS)
    assert reason == ""
    assert numbers(found) == pytest.approx((0.5, 0.5, 0.5))


def test_efficiency_on_other_contexts_is_wider(right: np.ndarray) -> None:
    elsewhere = [f"other-{context}" for context in CONTEXTS]
    found, reason = transfer.transfer_efficiency(right, elsewhere, right, CONTEXTS)
    assert (reason, found.value) == ("", 1.0)
    assert found.low < 0.97
    assert found.high > 1.03


def test_gain_over_self(right: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    own = 0.4 + 0.2 * rng.random((3, 300))  # gain(t,t) per item
    found, reason = transfer.gain_over_self(right + 0.5 * own, right + own, right, CONTEXTS)
    assert reason == ""
    assert numbers(found) == pytest.approx((0.5, 0.5, 0.5))
    harm, _ = transfer.gain_over_self(right - own, right + own, right, CONTEXTS)
    assert harm.value == pytest.approx(-1.0)


def test_a_ratio_without_a_sound_denominator_is_missing_with_its_reason(right: np.ndarray) -> None:
    noise = np.random.default_rng(3).normal(size=(3, 300))
    nothing = np.full((1, 300), math.nan)
    found = [
        transfer.transfer_efficiency(right, CONTEXTS, None),
        transfer.transfer_efficiency(right, CONTEXTS, 0 * right, CONTEXTS),
        transfer.transfer_efficiency(nothing, CONTEXTS, right, CONTEXTS),
        transfer.transfer_efficiency(right, CONTEXTS, right, ["c"] * 300),
        transfer.gain_over_self(right, None, right, CONTEXTS),
        transfer.gain_over_self(right + 1, right + noise, right, CONTEXTS),
    ]
    assert [reason for _, reason in found] == [
        transfer.NO_SELF_TEST,
        transfer.DENOMINATOR_ZERO,
        transfer.NO_DATA,
        transfer.DENOMINATOR_UNSURE,
        transfer.NO_SELF_TUNING,
        transfer.DENOMINATOR_ZERO,
    ]
    assert all(math.isnan(e.value) and e.n == 0 for e, _ in found)


def test_interval_of_a_ratio_covers_the_truth() -> None:
    rng = np.random.default_rng(4)
    contexts, inside = [f"c{i}" for i in range(80)], 0
    for _ in range(200):
        shared = rng.normal(1, 0.5, size=80)
        top, bottom = 0.5 * shared + rng.normal(0, 0.3, 80), shared + rng.normal(0, 0.3, 80)
        found, _ = transfer.transfer_efficiency(top, contexts, bottom, contexts)
        inside += found.low <= 0.5 <= found.high
    assert 0.90 <= inside / 200 <= 0.99


def test_gain_efficiency_leaves_out_what_the_base_knew(right: np.ndarray) -> None:
    rng = np.random.default_rng(5)
    learnt = 0.2 + 0.2 * rng.random((3, 300))
    # the base knows the target four times as well: that is in the ratio of scores alone
    far, near = 4 + right, right
    on_target = far + 0.25 * learnt, far[:1] * 0 + far
    found, reason = transfer.gain_efficiency(on_target, CONTEXTS, (near + learnt, near), CONTEXTS)
    assert reason == ""
    assert numbers(found) == pytest.approx((0.25, 0.25, 0.25))
    scores, _ = transfer.transfer_efficiency(on_target[0], CONTEXTS, near + learnt, CONTEXTS)
    assert scores.value > 5
    # a model that learnt nothing has its base's ratio of scores, and no gain to share
    idle, why = transfer.gain_efficiency((far, far), CONTEXTS, (near, near), CONTEXTS)
    assert (math.isnan(idle.value), why) == (True, transfer.DENOMINATOR_ZERO)
    lost, _ = transfer.gain_efficiency(
        (far - learnt, far), CONTEXTS, (near + learnt, near), CONTEXTS
    )
    assert lost.value == pytest.approx(-1.0)


def test_gain_efficiency_is_missing_with_its_reason(right: np.ndarray) -> None:
    pair = (right + 1, right)
    noise = np.random.default_rng(3).normal(size=(3, 300))
    found = [
        transfer.gain_efficiency(pair, CONTEXTS, None),
        transfer.gain_efficiency(pair, CONTEXTS, (right + noise, right), CONTEXTS),
        transfer.gain_efficiency(pair, CONTEXTS, pair, ["c"] * 300),
    ]
    assert [reason for _, reason in found] == [
        transfer.NO_SELF_TEST,
        transfer.DENOMINATOR_ZERO,
        transfer.DENOMINATOR_UNSURE,
    ]
    assert all(math.isnan(value.value) for value, _ in found)


def test_after_over_base_is_the_log_ratio_with_students_interval() -> None:
    rng = np.random.default_rng(3)
    contexts = [f"c{i:02d}" for i in range(40)]
    base = rng.random((1, 40)) * 0.2 + 0.2
    after = 2.5 * base + rng.normal(0, 0.3, (1, 40))
    [(found, reason)] = transfer.after_over_base([(after, base, contexts)])
    assert reason == ""
    value = math.log(after.mean() / base.mean())
    pulls = [
        (a - after.mean()) / after.mean() - (b - base.mean()) / base.mean()
        for a, b in zip(after[0], base[0], strict=True)
    ]
    error = math.sqrt(sum(p * p for p in pulls) / (40 * 39))
    half = 2.0226909 * error  # Student's 97.5 % at 39 degrees of freedom
    assert numbers(found) == pytest.approx(
        (math.exp(value), math.exp(value - half), math.exp(value + half)), rel=1e-6
    )


def test_seeds_that_differ_widen_the_ratio_and_tell_the_others() -> None:
    rng = np.random.default_rng(4)
    contexts = [f"c{i:03d}" for i in range(200)]
    base = rng.random((1, 200)) * 0.1 + 0.3
    calm = np.repeat(2.4 * base + rng.normal(0, 0.01, (1, 200)), 2, axis=0)
    wild = calm * np.array([[0.8], [1.2]])
    [(alone, _)] = transfer.after_over_base([(calm, base, contexts)])
    (moderated, _), (other, _) = transfer.after_over_base(
        [(calm, base, contexts), (wild, base, contexts)]
    )
    assert alone.low > 2  # nothing but contexts
    assert moderated.value == pytest.approx(alone.value)
    assert moderated.low < 2 < moderated.high
    assert other.low < 2 < other.high


def test_no_ratio_to_a_base_near_zero_and_the_reason_why() -> None:
    contexts = [f"c{i:02d}" for i in range(40)]
    after = np.full((2, 40), 0.5)
    rare = np.zeros((1, 40))
    rare[0, 0] = 1.0  # its standard error is as large as itself
    none, some = np.zeros((1, 40)), np.tile([0.0, 1.0], 20)[None]
    asked = [(after, rare), (after, none), (none, some), (after, some), (np.full(40, np.nan), some)]
    found = transfer.after_over_base([(a, b, contexts) for a, b in asked])
    reasons = [transfer.BASE_UNSURE, transfer.BASE_ZERO, transfer.AFTER_ZERO, "", transfer.NO_DATA]
    assert [reason for _, reason in found] == reasons
    assert [math.isnan(e.value) for e, _ in found] == [True, True, True, False, True]
    [(_, reason)] = transfer.after_over_base([(after[:, :2], some[:, :2], ["c", "c"])])
    assert reason == transfer.DENOMINATOR_UNSURE


def test_the_interval_of_a_planted_ratio_covers_it_and_doubling_is_rarely_claimed_at_two() -> None:
    rng = np.random.default_rng(5)
    contexts = [f"c{i // 2:02d}" for i in range(80)]
    covered = claimed = 0
    for _ in range(300):
        base = (rng.random((1, 80)) < 0.35).astype(float)
        runs = np.clip(0.7 + rng.normal(0, 0.03, (2, 1)), 0, 1)
        after = (rng.random((2, 80)) < runs).astype(float)
        [(found, reason)] = transfer.after_over_base([(after, base, contexts)])
        assert reason == ""
        covered += found.low <= 2 <= found.high
        claimed += found.low > 2
    assert covered / 300 >= 0.93
    assert claimed / 300 <= 0.04


def test_the_part_of_a_loss_that_overgeneration_explains() -> None:
    rng = np.random.default_rng(6)
    prefix = rng.uniform(0.5, 1, size=(3, 300))
    before = (prefix[:1] * 0 + 0.9, prefix[:1] * 0 + 0.95)
    # the best prefix falls by .1, words behind it cost .3 more than before: three quarters
    noise = rng.normal(0, 0.05, size=(3, 300))
    after = (0.9 - 0.4 + noise, 0.95 - 0.1 + noise)
    found, reason = transfer.overgeneration_of_loss(after, before, CONTEXTS)
    value = 0.3 / (0.4 - noise.mean())
    assert (reason, found.n) == ("", 300)
    assert found.value == pytest.approx(value)
    assert found.low < value < found.high
    gained = transfer.overgeneration_of_loss(before, (before[0] - 0.1, before[1]), CONTEXTS)
    assert (math.isnan(gained[0].value), gained[1]) == (True, transfer.NO_LOSS)
    few = transfer.overgeneration_of_loss(after, before, ["c"] * 300)
    assert (math.isnan(few[0].value), few[1]) == (True, transfer.DENOMINATOR_UNSURE)
    wild = rng.normal(-0.001, 1, size=(3, 300))
    unsure = transfer.overgeneration_of_loss(
        (before[0] + wild - wild.mean() - 0.001, before[1]), before, CONTEXTS
    )
    assert unsure[1] == transfer.DENOMINATOR_ZERO
