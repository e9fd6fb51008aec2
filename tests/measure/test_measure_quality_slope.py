"""The slope of gains over quality: against another least-squares fit, and where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import linregress, t

from babelscope.measure.quality_slope import FEW, LEVEL_QUALITY, quality_slope


@pytest.mark.parametrize("sources", [4, 7, 30])
def test_the_slope_is_that_of_least_squares_with_students_interval(sources: int) -> None:
    rng = np.random.default_rng(sources)
    x = rng.uniform(10, 60, sources)
    y = 0.01 * x + rng.normal(0, 0.05, sources)
    found, known = quality_slope(x, y), linregress(x, y)
    half = t.ppf(0.975, sources - 2) * known.stderr
    assert found.slope.value == pytest.approx(known.slope)
    assert found.slope.low == pytest.approx(known.slope - half)
    assert found.slope.high == pytest.approx(known.slope + half)
    assert found.p_value == pytest.approx(known.pvalue)
    assert (found.slope.n, found.reason) == (sources, "")


def test_no_slope_is_covered_as_often_as_claimed() -> None:
    rng = np.random.default_rng(1)
    x = np.array([1.0, 2.0, 4.0, 8.0, 9.0])
    found = [quality_slope(x, rng.normal(0, 1, 5)).slope for _ in range(2000)]
    assert np.mean([e.low <= 0 <= e.high for e in found]) == pytest.approx(0.95, abs=0.015)


def test_sources_without_a_value_are_left_out_and_too_few_are_told() -> None:
    x = [1.0, 2.0, math.nan, 3.0, 5.0]
    y = [0.1, 0.2, 9.0, 0.2, math.nan]
    found = quality_slope(x, y)
    assert (found.slope.n, found.reason) == (3, FEW)
    assert math.isnan(found.slope.value)
    assert math.isnan(found.p_value)
    found = quality_slope([0.3] * 5, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert found.reason == LEVEL_QUALITY
    assert math.isnan(found.slope.value)
    same = quality_slope([1.0, 2.0, 3.0, 4.0], [0.2] * 4)
    assert (same.slope.value, same.p_value) == (0.0, 1.0)
