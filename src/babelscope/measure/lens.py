"""Lens masses as rows with their doubt: means over prompts, subsets, differences to the base.

Masses are (seeds, prompts, positions, depths, columns), NaN = missing; an entropy is a mass with
one column. `contexts` has the context id of each prompt. Draws and flips are those of `stats`, so
a cell here equals `stats.estimate` of its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from babelscope.errors import DataError
from babelscope.measure.resampling import DRAWS, Array, context_draws, resampled_sums, seed_draws
from babelscope.measure.stats import PERCENTILES, max_t

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LensRow:
    """The mean mass of a language (or "shared", "unknown") at a depth, with its interval, 0-1.

    `n` is the number of prompts with data; without any, the numbers are NaN.
    """

    position: str
    depth: int
    language: str
    mass: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class LensDifference:
    """The mean of a variant's mass minus the base's, over prompts that both have.

    `p_value` is corrected over all depths and columns of its position.
    """

    position: str
    depth: int
    language: str
    difference: float
    low: float
    high: float
    p_value: float
    n: int


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
    masses: ArrayLike,
    contexts: Sequence[str],
    positions: Sequence[str],
    columns: Sequence[str],
    *,
    subset: ArrayLike | None = None,
    seed: int = 0,
) -> list[LensRow]:
    """Return a row for each position, depth and column, in this order.

    `subset` (seeds, prompts) chooses prompts; masses with one seed serve all of its seeds.

    Raises:
        DataError: the shapes do not fit.
    """
    array = _chosen(_checked(masses, contexts, positions, columns), subset)
    rows = []
    for k, position in enumerate(positions):
        value, low, high, n = _grid_estimates(array[:, :, k], contexts, seed)
        for depth, column in np.ndindex(value.shape):
            at = (depth, column)
            mean, below, above = float(value[at]), float(low[at]), float(high[at])
            rows.append(LensRow(position, depth, columns[column], mean, below, above, n))
    return rows


def lens_differences(
    base: ArrayLike,
    variant: ArrayLike,
    contexts: Sequence[str],
    positions: Sequence[str],
    columns: Sequence[str],
    *,
    subset: ArrayLike | None = None,
    seed: int = 0,
) -> list[LensDifference]:
    """Return a row for each position, depth and column of variant - base on the same prompts.

    The base may have one seed. Tests flip the signs of whole contexts' seed-averaged differences.

    Raises:
        DataError: the shapes do not fit.
    """
    before = _checked(base, contexts, positions, columns)
    after = _checked(variant, contexts, positions, columns)
    if len(before) not in (1, len(after)) or before.shape[1:] != after.shape[1:]:
        raise DataError(
            "masses of the base",
            expected=f"(1 or {len(after)} seeds, then {after.shape[1:]})",
            found=f"the shape {before.shape}",
        )
    array = _chosen(after - before, subset)
    rows = []
    for k, position in enumerate(positions):
        value, low, high, n = _grid_estimates(array[:, :, k], contexts, seed)
        p_values = _corrected(array[:, :, k], contexts, seed)
        for depth, column in np.ndindex(value.shape):
            at = (depth, column)
            mean, below, above = float(value[at]), float(low[at]), float(high[at])
            row = (position, depth, columns[column], mean, below, above, float(p_values[at]), n)
            rows.append(LensDifference(*row))
    return rows


def _checked(
    masses: ArrayLike, contexts: Sequence[str], positions: Sequence[str], columns: Sequence[str]
) -> Array:
    array = np.asarray(masses, dtype=np.float64)
    if array.ndim == 4:
        array = array[None]
    sizes = (len(contexts), len(positions), len(columns))
    if array.ndim != 5 or (*array.shape[1:3], array.shape[4]) != sizes:
        raise DataError(
            "lens masses",
            expected="(seeds, {} prompts, {} positions, depths, {} columns)".format(*sizes),
            found=f"the shape {array.shape}",
        )
    return array


def _chosen(array: Array, subset: ArrayLike | None) -> Array:
    """Return the masses with those outside the subset made missing."""
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
) -> tuple[Array, Array, Array, int]:
    """Return mean, low and high (depths, columns) of (seeds, prompts, depths, columns), and n."""
    sums, counts = _context_sums(values, contexts)
    shape = values.shape[2:]
    missing = np.full(shape, np.nan)
    n = int(np.isfinite(values[:, :, 0, 0]).any(axis=0).sum())
    if n == 0:
        return missing, missing, missing, 0
    mean = (sums.sum(axis=(0, 1)) / counts.sum()).reshape(shape)
    if counts.any(axis=0).sum() < 2:  # one context: nothing to resample
        return mean, missing, missing, n
    weights, by_seed = context_draws(len(sums[0]), seed), seed_draws(len(sums), seed)
    tops = np.zeros((DRAWS, sums.shape[2]))
    for s, per_context in enumerate(sums):
        tops += by_seed[:, s, None] * (weights.astype(np.float64) @ per_context)
    bottoms = resampled_sums(counts, seed)
    draws = tops[bottoms > 0] / bottoms[bottoms > 0, None]
    low, high = np.percentile(draws, PERCENTILES, axis=0)
    return mean, low.reshape(shape), high.reshape(shape), n


def _context_sums(values: Array, contexts: Sequence[str]) -> tuple[Array, Array]:
    """Return sums (seeds, contexts, cells) and numbers of prompts with data (seeds, contexts)."""
    names, place = np.unique(np.asarray(contexts, dtype=np.str_), return_inverse=True)
    cells = values.reshape(*values.shape[:2], -1)
    present = np.isfinite(cells[:, :, 0])  # a prompt has all cells or none
    member = np.zeros((len(names), len(contexts)))
    member[place, np.arange(len(contexts))] = 1.0
    return member @ np.where(present[:, :, None], cells, 0.0), present @ member.T


def _corrected(values: Array, contexts: Sequence[str], seed: int) -> Array:
    """Return the p-values (depths, columns) of the grid, by max-|t| over shared flips."""
    present = np.isfinite(values[:, :, 0, 0])
    seeds = present.sum(axis=0)
    summed = np.where(present[:, :, None, None], values, 0.0).sum(axis=0)
    averaged = np.full(values.shape[1:], np.nan)  # over the seeds that have the prompt
    averaged[seeds > 0] = summed[seeds > 0] / seeds[seeds > 0, None, None]
    sums, counts = _context_sums(averaged[None], contexts)
    size = counts[0][:, None]
    means = np.divide(sums[0], size, out=np.full_like(sums[0], np.nan), where=size > 0)
    return max_t(means, counts[0], seed=seed).reshape(values.shape[2:])
