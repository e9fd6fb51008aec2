"""A straight line of gains over the quality of the data that they were tuned on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from babelscope.records import Estimate

FEWEST_SOURCES = 4
FEW, LEVEL_QUALITY = "fewer than four sources", "the sources do not differ in it"


@dataclass(frozen=True, slots=True)
class Slope:
    """The change of a gain with a unit of quality; `slope.n` is the number of sources.

    `p_value` is two-sided, NaN without a slope, which then has a `reason`.
    """

    slope: Estimate
    p_value: float
    reason: str


def quality_slope(quality: ArrayLike, gains: ArrayLike) -> Slope:
    """Return the least-squares slope of gains (sources,) on quality (sources,), NaN left out.

    Its 95 % interval is Student's with sources - 2 degrees of freedom.
    """
    x, y = (np.asarray(values, dtype=np.float64) for values in (quality, gains))
    known = np.isfinite(x) & np.isfinite(y)
    x, y, n = x[known], y[known], int(known.sum())
    if n < FEWEST_SOURCES:
        return Slope(Estimate(math.nan, math.nan, math.nan, n), math.nan, FEW)
    spread = float(((x - x.mean()) ** 2).sum())
    if spread <= n * (np.finfo(float).eps * float(np.abs(x).max())) ** 2:
        return Slope(Estimate(math.nan, math.nan, math.nan, n), math.nan, LEVEL_QUALITY)
    value = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    rest = y - y.mean() - value * (x - x.mean())
    error = math.sqrt(float((rest**2).sum()) / (n - 2) / spread)
    half = float(stdtrit(n - 2, 0.975)) * error
    p = float(2 * stdtr(n - 2, -abs(value) / error)) if error else float(value == 0)
    return Slope(Estimate(value, value - half, value + half, n), p, "")
