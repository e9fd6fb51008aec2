"""Distributions of values against scipy and planted outliers, common directions and norms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from babelscope.measure.alignment import align_depth
from babelscope.measure.distribution import (
    QUANTILES,
    Gain,
    distribution,
    distribution_readings,
)
from babelscope.measure.geometry import half_masks
from babelscope.measure.pair_alignment import Reading
from babelscope.measure.resampling import halves

N, WIDTH = 60, 100
CODES = ("eng_Latn", "hin_Deva")
CONTEXTS = [f"c{n // 2}" for n in range(N)]
Array = NDArray[np.float64]


def _read(states: dict[str, Array], gain: Gain | None = None) -> dict[tuple[str, str], Reading]:
    found = distribution_readings(states, CONTEXTS, gain=gain)
    return {(r.measure, r.source): r for r in found}


def _parallel(seed: int = 0, noise: float = 1.0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    meaning = rng.standard_normal((N, WIDTH))
    return {code: meaning + noise * rng.standard_normal((N, WIDTH)) for code in CODES}


def test_measures_of_a_language_are_those_of_scipy_and_numpy() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_t(5, (N, WIDTH)) * rng.uniform(0.5, 3, WIDTH) + rng.normal(0, 2, WIDTH)
    found = distribution(x, half_masks(halves(N, 100), N))
    norms = np.linalg.norm(x, axis=1)
    variances = x.var(axis=0)
    truth = {
        "kurtosis": stats.kurtosis(x, axis=1, fisher=False).mean(),
        "norm_spread": norms.std() / norms.mean(),
        "mean_ratio": (np.abs(x.mean(axis=0)) / x.std(axis=0)).max(),
        "top_variance_share": np.sort(variances)[-1:].sum() / variances.sum(),
    }
    for name, value in truth.items():
        estimate = getattr(found, name)
        assert estimate.value == pytest.approx(value, rel=1e-9), name
        assert estimate.low <= value <= estimate.high
        assert estimate.n == N


def test_quantiles_and_the_largest_dimension() -> None:
    states = _parallel()
    states[CODES[0]][:, 17] += 40
    found = _read(states)
    for name, share in QUANTILES.items():
        assert found[name, CODES[0]].estimate.value == pytest.approx(
            np.quantile(states[CODES[0]], share)
        )
    assert found["largest_dim", CODES[0]].estimate.value == 17
    assert found["value_max", CODES[0]].estimate.value == states[CODES[0]].max()
    assert math.isnan(found["value_p50", CODES[0]].estimate.low)


def test_normal_numbers_have_the_kurtosis_of_normal_numbers() -> None:
    found = _read(_parallel())
    assert found["kurtosis_normal", ""].estimate.value == pytest.approx(
        3 - 6 / (WIDTH + 1), abs=0.1
    )
    assert found["kurtosis", CODES[0]].estimate.value == pytest.approx(
        3 - 6 / (WIDTH + 1), abs=0.15
    )


def test_a_cosine_that_hangs_on_one_dimension_is_gone_without_it() -> None:
    plain = _parallel()
    states = {code: x.copy() for code, x in plain.items()}
    for x in states.values():
        x[:, 3] += 50
    raw = {r.measure: r.estimate.value for r in align_depth(states, CONTEXTS)}
    clean = {r.measure: r.estimate.value for r in align_depth(plain, CONTEXTS)}
    trimmed = _read(states)["trimmed_cosine", CODES[0]].estimate.value
    keep = np.arange(WIDTH) != 3
    x, y = (states[code][:, keep] for code in CODES)
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    assert trimmed == pytest.approx(((x * y).sum(axis=1) / lengths).mean())
    assert raw["cosine"] > 0.9 > clean["cosine"] + 0.2
    assert trimmed == pytest.approx(clean["cosine"], abs=0.03)
    assert abs(_read(states)["trimmed_cosine_random", CODES[0]].estimate.value) < 0.05


def test_what_the_norms_factors_did_is_undone() -> None:
    states = _parallel()
    rng = np.random.default_rng(2)
    gain = Gain(np.exp(rng.normal(0, 1.5, WIDTH)), rng.normal(0, 3, WIDTH))
    normed = {code: x * gain.factor + gain.shift for code, x in states.items()}
    found = _read(normed, gain)["ungained_cosine", CODES[0]].estimate
    before = {r.measure: r.estimate for r in align_depth(states, CONTEXTS)}["cosine"]
    after = {r.measure: r.estimate for r in align_depth(normed, CONTEXTS)}["cosine"]
    assert found.value == pytest.approx(before.value, abs=1e-9)
    assert abs(after.value - before.value) > 0.01
    assert (found.low, found.high) == pytest.approx((before.low, before.high), abs=1e-9)
    assert ("ungained_cosine", CODES[0]) not in _read(normed), "only after a final norm"


def test_a_factor_of_zero_and_states_without_spread_are_no_numbers_elsewhere() -> None:
    states = _parallel()
    gain = Gain(np.where(np.arange(WIDTH) == 5, 0.0, 1.0), np.zeros(WIDTH))
    found = _read(states, gain)["ungained_cosine", CODES[0]].estimate
    assert math.isfinite(found.value)
    flat = {code: np.ones((N, WIDTH)) for code in CODES}
    told = _read(flat)
    assert (
        math.isnan(told["mean_ratio", CODES[0]].estimate.value)
        or told["mean_ratio", CODES[0]].estimate.n
    )
    assert math.isnan(told["top_variance_share", CODES[0]].estimate.value)
