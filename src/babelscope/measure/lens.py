"""What the lens saw as rows with their doubt: means over prompts, subsets, differences to the base.

Values are (seeds, prompts, positions, depths, columns), NaN = missing: language masses, or an
entropy or a probability with one column. A prompt has all depths of a column or none. `contexts`
has the context id of each prompt.

What is said of a difference follows `inference`. The cells of a grid share their seeds, so one
ratio of the variance between seeds to that over contexts, the mean over the grid's cells, stands
for all; it is moderated by the ratios of other grids, and a cell's own variance between seeds is a
lower bound. Each cell's t becomes the normal deviate of the same p, which is set beside the largest
deviates over the grid when the signs of contexts are flipped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtr, stdtrit

from babelscope.errors import DataError
from babelscope.measure.effects import context_index
from babelscope.measure.flips import ROUNDING, largest_deviates
from babelscope.measure.inference import LEVEL, PRIOR_DF
from babelscope.measure.resampling import Array, divided

Flags = NDArray[np.bool_]
CERTAIN = 1e-6
"""Masses nearer to 0 or 1 than this are as far as this when their odds are taken."""
SMALLEST_P = 1e-300  # p below this has no normal deviate


@dataclass(frozen=True, slots=True)
class LensRow:
    """The mean of a column (a language, "shared", "unknown") at a depth, or of a difference.

    `n` is the number of prompts with data; without any, the numbers are NaN. `p_value` is that of
    a difference as a claim about tuning (NaN with one seed), `p_adapters` as one about these very
    models; both are corrected over all depths and columns of their position, and NaN for a plain
    mean.
    """

    position: str
    depth: int
    language: str
    value: float
    low: float
    high: float
    n: int
    p_value: float = math.nan
    p_adapters: float = math.nan


def subset_masks(base_right: ArrayLike, variant_right: ArrayLike) -> dict[str, Flags]:
    """Return the subsets of prompts (seeds, prompts) by normalised match of base and variant.

    `base_right` is (prompts,), `variant_right` (seeds, prompts) or (prompts,).

    Raises:
        DataError: the numbers of prompts differ.
    """
    base = np.atleast_2d(np.asarray(base_right, dtype=np.bool_))
    variant = np.atleast_2d(np.asarray(variant_right, dtype=np.bool_))
    if len(base) != 1 or base.shape[1] != variant.shape[1]:
        raise DataError(
            "subsets of prompts",
            expected=f"one match of the base for each of {variant.shape[1]} prompts",
            found=f"the shape {base.shape}",
        )
    base = np.broadcast_to(base, variant.shape)
    return {
        "all": np.ones_like(variant),
        "both_right": base & variant,
        "both_wrong": ~base & ~variant,
        "turned_right": ~base & variant,
        "turned_wrong": base & ~variant,
        "base_right": base.copy(),
        "base_wrong": ~base,
    }


def lens_rows(
    values: ArrayLike,
    contexts: Sequence[str],
    positions: Sequence[str],
    columns: Sequence[str],
    *,
    subset: ArrayLike | None = None,
) -> list[LensRow]:
    """Return a row for each position, depth and column, in this order.

    `subset` (seeds, prompts) chooses prompts; values with one seed serve all of its seeds.

    Raises:
        DataError: the shapes do not fit.
    """
    array = _chosen(_checked(values, contexts, positions, columns), subset)
    rows = []
    for k, position in enumerate(positions):
        grid = _grid(array[:, :, k], contexts)
        rows += _rows(position, columns, grid, grid.halves(0.0, 0))
    return rows


def lens_differences(
    base: ArrayLike,
    variant: ArrayLike,
    contexts: Sequence[str],
    positions: Sequence[str],
    columns: Sequence[str],
    *,
    subset: ArrayLike | None = None,
    ratios: Sequence[Sequence[float]] = (),
) -> list[LensRow]:
    """Return a row for each position, depth and column of variant - base on the same prompts.

    The base may have one seed. Values and intervals are in the values' own unit; where all values
    lie in 0-1, the tests are of their log-odds, as differences of masses are skewed; where these
    change the other way than the values, p is 1. `ratios`
    holds, by position, what `seed_ratios` gave for other grids of the same kind.

    Raises:
        DataError: the shapes do not fit.
    """
    before, after = _paired(base, variant, contexts, positions, columns)
    plain, tested = _chosen(after - before, subset), _chosen(_scaled(after, before), subset)
    rows = []
    for k, position in enumerate(positions):
        grid, odds = (_grid(a[:, :, k], contexts, around_zero=True) for a in (plain, tested))
        ratio, prior_df = _moderated(odds, ratios[k] if ratios else ())
        # a few large values may turn a mean against what is tested: then nothing is told
        against = grid.value * odds.value < 0
        tuning, models = (
            np.where(against & np.isfinite(p), 1.0, p) for p in _corrected(odds, ratio, prior_df)
        )
        rows += _rows(position, columns, grid, grid.halves(ratio, prior_df), (tuning, models))
    return rows


def seed_ratios(
    base: ArrayLike,
    variant: ArrayLike,
    contexts: Sequence[str],
    positions: Sequence[str],
    columns: Sequence[str],
) -> list[float]:
    """Return, by position, the variance between seeds over that over contexts, as it is tested.

    NaN with one seed or without data.

    Raises:
        DataError: the shapes do not fit.
    """
    before, after = _paired(base, variant, contexts, positions, columns)
    scaled = _scaled(after, before)
    return [
        _ratio(_grid(scaled[:, :, k], contexts, around_zero=True)) for k in range(len(positions))
    ]


def _paired(
    base: ArrayLike,
    variant: ArrayLike,
    contexts: Sequence[str],
    positions: Sequence[str],
    columns: Sequence[str],
) -> tuple[Array, Array]:
    before = _checked(base, contexts, positions, columns)
    after = _checked(variant, contexts, positions, columns)
    if len(before) not in (1, len(after)) or before.shape[1:] != after.shape[1:]:
        raise DataError(
            "lens values of the base",
            expected=f"(1 or {len(after)} seeds, then {after.shape[1:]})",
            found=f"the shape {before.shape}",
        )
    return before, after


def _scaled(after: Array, before: Array) -> Array:
    """Return the difference on the scale that is tested."""
    ends = [(np.nanmin(a), np.nanmax(a)) for a in (after, before) if np.isfinite(a).any()]
    if all(low >= 0 and high <= 1 for low, high in ends):
        return _log_odds(after) - _log_odds(before)
    return after - before


def _log_odds(masses: Array) -> Array:
    inside = np.clip(masses, CERTAIN, 1 - CERTAIN)
    return np.asarray(np.log(inside) - np.log1p(-inside))


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Means (depths, columns) and the parts of their variance; see `inference.Spread`.

    `sums` (contexts, depths, columns) are those of seed-averaged values, `n` (columns,) counts
    prompts, `contexts` (columns,) the contexts with data.
    """

    value: Array
    over_contexts: Array
    between: Array
    noise: Array
    sums: Array
    n: NDArray[np.int64]
    contexts: NDArray[np.int64]
    seeds: int

    def variance(self, ratio: float, prior_df: int) -> tuple[Array, Array]:
        """Return variances (depths, columns) and their degrees of freedom."""
        few = np.broadcast_to(np.maximum(self.contexts - 1, 1), self.value.shape)
        df = prior_df + self.seeds - 1
        if self.seeds < 2 or not math.isfinite(ratio):
            return self.over_contexts, few * 1.0
        between = np.maximum(ratio * self.over_contexts, self.between) / self.seeds
        total = self.over_contexts + np.maximum(between - self.noise / self.seeds, 0.0)
        parts = self.over_contexts**2 / few + between**2 / df
        freedom = np.divide(total**2, parts, out=np.ones_like(total), where=parts > 0)
        return total, np.maximum(freedom, np.minimum(few, df))

    def halves(self, ratio: float, prior_df: int) -> Array:
        """Return half the widths of the 95 % intervals, NaN below two contexts."""
        variance, df = self.variance(ratio, prior_df)
        half = stdtrit(df, 1 - LEVEL / 2) * np.sqrt(variance)
        return np.asarray(np.where(self.contexts > 1, half, np.nan))


def _grid(values: Array, contexts: Sequence[str], *, around_zero: bool = False) -> _Grid:
    """Read the values (seeds, prompts, depths, columns) of one position."""
    n = np.isfinite(values[:, :, 0]).any(axis=0).sum(axis=0)
    values = values[np.isfinite(values).any(axis=(1, 2, 3))]  # the seeds with data
    shape, seeds = values.shape[2:], len(values)
    sums, counts = _context_sums(values, contexts)
    known = counts.any(axis=0).sum(axis=0)
    totals = np.broadcast_to(counts.sum(axis=1)[:, None], (seeds, *shape))
    by_seed = divided(sums.sum(axis=1), totals)
    value = divided(sums.sum(axis=(0, 1)), np.broadcast_to(counts.sum(axis=(0, 1)), shape))
    residuals = sums - by_seed[:, None] * counts[:, :, None]
    whole = np.broadcast_to(totals[:, None], residuals.shape)
    pulls = np.nan_to_num(divided(residuals, whole)) * known
    pairs, runs = np.maximum(known * (known - 1), 1), max(seeds - 1, 1)
    averaged = pulls.sum(axis=0) / max(seeds, 1)
    over_contexts = (averaged**2).sum(axis=0) / pairs
    if around_zero:
        over_contexts = np.maximum(over_contexts, np.nan_to_num(value / np.maximum(known, 1)) ** 2)
    centre = by_seed.sum(axis=0) / max(seeds, 1)
    between = np.nan_to_num(((by_seed - centre) ** 2).sum(axis=0) / runs)
    noise = ((pulls - averaged) ** 2).sum(axis=(0, 1)) / (runs * pairs)
    flipped = _averaged_sums(values, contexts)
    return _Grid(value, over_contexts, between, noise, flipped, n, known, seeds)


def _averaged_sums(values: Array, contexts: Sequence[str]) -> Array:
    """Return sums over prompts (contexts, depths, columns) of the means over seeds."""
    present = np.isfinite(values[:, :, 0])
    seeds = present.sum(axis=0)[:, None, :]
    summed = np.where(present[:, :, None], values, 0.0).sum(axis=0)
    # over the seeds that have the prompt
    averaged = divided(summed, np.broadcast_to(seeds, summed.shape))
    return np.asarray(_context_sums(averaged[None], contexts)[0][0])


def _ratio(grid: _Grid) -> float:
    """Return the mean over the cells of the variance between seeds over that over contexts."""
    told = (grid.over_contexts > 0) & (grid.contexts > 1)
    if grid.seeds < 2 or not told.any():
        return math.nan
    return float((grid.between[told] / grid.over_contexts[told]).mean())


def _moderated(grid: _Grid, others: Sequence[float]) -> tuple[float, int]:
    """Return a grid's ratio, moderated by those of other grids, and what these weigh."""
    own, known = _ratio(grid), [r for r in others if math.isfinite(r)]
    if math.isnan(own) or not known:
        return own, 0
    runs = grid.seeds - 1
    prior_df = min(PRIOR_DF, len(known) * runs)
    return (prior_df * float(np.mean(known)) + runs * own) / (prior_df + runs), prior_df


def _corrected(grid: _Grid, ratio: float, prior_df: int) -> tuple[Array, Array]:
    """Return p (depths, columns) about tuning and about these models, corrected over the grid."""
    shape = grid.value.shape
    missing = np.full(shape, np.nan)
    tested = np.broadcast_to(grid.contexts > 1, shape)
    columns = grid.sums.reshape(len(grid.sums), math.prod(shape))
    columns = columns[(columns != 0).any(axis=1)]
    if not len(columns):  # nothing differs anywhere
        nothing = np.where(tested, 1.0, np.nan)
        return (nothing if grid.seeds > 1 else missing), nothing
    largest = largest_deviates(columns)
    scale = np.sqrt((columns**2).sum(axis=0)).reshape(shape)
    flipped = np.nan_to_num(divided(np.abs(grid.sums.sum(axis=0)), scale))
    adapters = np.where(tested, _share_reached(largest, flipped), np.nan)
    if grid.seeds < 2:
        return missing, adapters
    variance, df = grid.variance(ratio, prior_df)
    t = np.nan_to_num(divided(np.abs(grid.value), np.sqrt(variance)))
    tail = np.maximum(stdtr(df, -t), SMALLEST_P)
    # few contexts have few flips: Bonferroni's bound goes below what they can tell
    p_values = np.minimum(_share_reached(largest, -ndtri(tail)), 2 * tail * tested.sum())
    return np.where(tested, p_values, np.nan), adapters


def _share_reached(largest: Array, deviates: Array) -> Array:
    """Return the share of flips whose largest deviate reaches each of the deviates; never 0."""
    below = np.searchsorted(largest, deviates - ROUNDING * np.abs(deviates))
    return np.asarray(np.maximum(len(largest) - below, 1) / len(largest))


def _rows(
    position: str,
    columns: Sequence[str],
    grid: _Grid,
    halves: Array,
    p_values: tuple[Array, Array] | None = None,
) -> list[LensRow]:
    rows = []
    for depth, column in np.ndindex(grid.value.shape):
        at = (depth, column)
        value, half = float(grid.value[at]), float(halves[at])
        tests = [float(p[at]) for p in p_values] if p_values else []
        found = (value, value - half, value + half, int(grid.n[column]))
        rows.append(LensRow(position, depth, columns[column], *found, *tests))
    return rows


def _checked(
    values: ArrayLike, contexts: Sequence[str], positions: Sequence[str], columns: Sequence[str]
) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 4:
        array = array[None]
    sizes = (len(contexts), len(positions), len(columns))
    if array.ndim != 5 or (*array.shape[1:3], array.shape[4]) != sizes:
        raise DataError(
            "lens values",
            expected="(seeds, {} prompts, {} positions, depths, {} columns)".format(*sizes),
            found=f"the shape {array.shape}",
        )
    return array


def _chosen(array: Array, subset: ArrayLike | None) -> Array:
    """Return the values with those outside the subset made missing."""
    if subset is None:
        return array
    flags = np.atleast_2d(np.asarray(subset, dtype=np.bool_))
    if flags.shape[1] != array.shape[1] or (len(array) != 1 and len(flags) not in (1, len(array))):
        raise DataError(
            "a subset of prompts",
            expected=f"({len(array)} seeds, {array.shape[1]} prompts)",
            found=f"the shape {flags.shape}",
        )
    return np.where(flags[:, :, None, None, None], array, np.nan)


def _context_sums(values: Array, contexts: Sequence[str]) -> tuple[Array, Array]:
    """Return sums (seeds, contexts, depths, columns) and numbers of prompts with data.

    The numbers are (seeds, contexts, columns).
    """
    place = context_index(tuple(contexts))
    present = np.isfinite(values[:, :, 0])
    member = np.zeros((int(place.max(initial=-1)) + 1, len(contexts)))
    member[place, np.arange(len(contexts))] = 1.0
    filled = np.where(present[:, :, None], values, 0.0)
    sums = member @ filled.reshape(*values.shape[:2], math.prod(values.shape[2:]))
    return sums.reshape(len(values), len(member), *values.shape[2:]), member @ present
