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
