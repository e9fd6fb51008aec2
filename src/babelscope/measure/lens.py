"""What the lens saw as rows with their doubt: means over prompts, subsets, differences to the base.

Values are (seeds, prompts, positions, depths, columns), NaN = missing: language masses, or an
entropy or a probability with one column. A prompt has all depths of a column or none. `contexts`
has the context id of each prompt. Draws and flips are those of `stats`, so a cell here equals
`stats.estimate` of its values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from babelscope.errors import DataError
from babelscope.measure.resampling import (
    DRAWS,
    Array,
    context_draws,
    divided,
    resampled_sums,
    seed_draws,
)
from babelscope.measure.stats import PERCENTILES, max_t

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LensRow:
    """The mean of a column (a language, "shared", "unknown") at a depth, or of a difference.

    `n` is the number of prompts with data; without any, the numbers are NaN. `p_value` is that of
    a difference, corrected over all depths and columns of its position; NaN for a plain mean.
    """

    position: str
    depth: int
    language: str
    value: float
    low: float
    high: float
    n: int
    p_value: float = math.nan


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
    seed: int = 0,
) -> list[LensRow]:
    """Return a row for each position, depth and column, in this order.

    `subset` (seeds, prompts) chooses prompts; values with one seed serve all of its seeds.

    Raises:
        DataError: the shapes do not fit.
    """
    array = _chosen(_checked(values, contexts, positions, columns), subset)
    return _rows(array, contexts, positions, columns, seed=seed, tested=False)


def lens_differences(
    base: ArrayLike,
    variant: ArrayLike,
    contexts: Sequence[str],
    positions: Sequence[str],
    columns: Sequence[str],
    *,
    subset: ArrayLike | None = None,
    seed: int = 0,
) -> list[LensRow]:
    """Return a row for each position, depth and column of variant - base on the same prompts.

    The base may have one seed. Tests flip the signs of whole contexts' seed-averaged differences.

    Raises:
        DataError: the shapes do not fit.
    """
    before = _checked(base, contexts, positions, columns)
    after = _checked(variant, contexts, positions, columns)
    if len(before) not in (1, len(after)) or before.shape[1:] != after.shape[1:]:
        raise DataError(
            "lens values of the base",
            expected=f"(1 or {len(after)} seeds, then {after.shape[1:]})",
            found=f"the shape {before.shape}",
        )
    array = _chosen(after - before, subset)
    return _rows(array, contexts, positions, columns, seed=seed, tested=True)


def _rows(
    array: Array,
    contexts: Sequence[str],
    positions: Sequence[str],
    columns: Sequence[str],
    *,
    seed: int,
    tested: bool,
) -> list[LensRow]:
    rows = []
    for k, position in enumerate(positions):
        value, low, high, n = _grid_estimates(array[:, :, k], contexts, seed)
        p_values = np.full(value.shape, np.nan)
        if tested and n.any():
            p_values = _corrected(array[:, :, k], contexts, seed)
        for depth, column in np.ndindex(value.shape):
            at = (depth, column)
            found = (float(value[at]), float(low[at]), float(high[at]), int(n[column]))
            rows.append(LensRow(position, depth, columns[column], *found, float(p_values[at])))
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


def _grid_estimates(
    values: Array, contexts: Sequence[str], seed: int
) -> tuple[Array, Array, Array, NDArray[np.int64]]:
    """Return mean, low and high (depths, columns) of (seeds, prompts, depths, columns), and n.

    n is (columns,): the prompts that any seed has.
    """
    sums, counts = _context_sums(values, contexts)
    n = np.isfinite(values[:, :, 0]).any(axis=0).sum(axis=0)
    mean = divided(sums.sum(axis=(0, 1)), counts.sum(axis=(0, 1)))
    weights, by_seed = context_draws(sums.shape[1], seed), seed_draws(len(sums), seed)
    tops = np.zeros((DRAWS, *sums.shape[2:]))
    for s, per_context in enumerate(sums):
        drawn = weights.astype(np.float64) @ per_context.reshape(len(per_context), -1)
        tops += (by_seed[:, s, None] * drawn).reshape(tops.shape)
    low, high = np.full((2, *mean.shape), np.nan)
    for column, several in enumerate(counts.any(axis=0).sum(axis=0) > 1):
        if several:  # one context: nothing to resample
            bottoms = resampled_sums(counts[:, :, column], seed)
            draws = tops[bottoms > 0, :, column] / bottoms[bottoms > 0, None]
            low[:, column], high[:, column] = np.percentile(draws, PERCENTILES, axis=0)
    return mean, low, high, n


def _context_sums(values: Array, contexts: Sequence[str]) -> tuple[Array, Array]:
    """Return sums (seeds, contexts, depths, columns) and numbers of prompts with data.

    The numbers are (seeds, contexts, columns).
    """
    names, place = np.unique(np.asarray(contexts, dtype=np.str_), return_inverse=True)
    present = np.isfinite(values[:, :, 0])
    member = np.zeros((len(names), len(contexts)))
    member[place, np.arange(len(contexts))] = 1.0
    filled = np.where(present[:, :, None], values, 0.0)
    sums = member @ filled.reshape(*values.shape[:2], -1)
    return sums.reshape(len(values), len(names), *values.shape[2:]), member @ present


def _corrected(values: Array, contexts: Sequence[str], seed: int) -> Array:
    """Return the p-values (depths, columns) of the grid, by max-|t| over shared flips."""
    present = np.isfinite(values[:, :, 0])
    seeds = present.sum(axis=0)[:, None, :]
    summed = np.where(present[:, :, None], values, 0.0).sum(axis=0)
    # over the seeds that have the prompt
    averaged = divided(summed, np.broadcast_to(seeds, summed.shape))
    sums, counts = _context_sums(averaged[None], contexts)
    known = np.broadcast_to(counts[0][:, None, :] > 0, sums[0].shape)
    grid = np.where(known, sums[0], np.nan).reshape(len(sums[0]), -1)
    return max_t(grid, seed=seed).reshape(values.shape[2:])
