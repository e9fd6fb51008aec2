"""Lens rows: each cell is what the plain statistics say, missing stays missing."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from babelscope.errors import DataError
from babelscope.measure.inference import compare, estimate
from babelscope.measure.lens import lens_differences, lens_rows, seed_ratios, subset_masks

POSITIONS = ("last", "gold")
COLUMNS = ("deu_Latn", "ory_Orya", "shared", "unknown")
SEEDS, PROMPTS, DEPTHS = 3, 20, 4
CONTEXTS = [f"c{i // 2}" for i in range(PROMPTS)]


def _masses(seed: int, seeds: int = SEEDS) -> NDArray[np.float64]:
    draw = np.random.default_rng(seed)
    return draw.dirichlet(np.ones(4), size=(seeds, PROMPTS, 2, DEPTHS))


def _with_gaps(masses: NDArray[np.float64]) -> NDArray[np.float64]:
    gaps = masses.copy()
    gaps[:, 3, 1] = np.nan
    gaps[1, 7, 1] = np.nan
    return gaps


def test_each_cell_is_the_plain_estimate() -> None:
    masses = _with_gaps(_masses(0))
    rows = lens_rows(masses, CONTEXTS, POSITIONS, COLUMNS)
    assert len(rows) == 2 * DEPTHS * 4
    for row in rows:
        k, column = POSITIONS.index(row.position), COLUMNS.index(row.language)
        plain = estimate(masses[:, :, k, row.depth, column], CONTEXTS)
        assert (row.value, row.low, row.high) == pytest.approx((plain.value, plain.low, plain.high))
        assert row.n == plain.n == (20 if row.position == "last" else 19)


def test_rows_sum_to_one_and_stand_in_order() -> None:
    rows = lens_rows(_masses(1), CONTEXTS, POSITIONS, COLUMNS)
    assert [(r.position, r.depth, r.language) for r in rows] == [
        (p, d, c) for p in POSITIONS for d in range(DEPTHS) for c in COLUMNS
    ]
    for start in range(0, len(rows), 4):
        assert sum(row.value for row in rows[start : start + 4]) == pytest.approx(1)
        assert all(row.low <= row.value <= row.high for row in rows[start : start + 4])


def test_a_subset_is_the_same_as_its_prompts_alone() -> None:
    masses = _masses(2)
    taken = np.array([i % 4 < 2 for i in range(PROMPTS)])  # whole contexts of two
    chosen = lens_rows(masses, CONTEXTS, POSITIONS, COLUMNS, subset=taken)
    alone = [c for c, t in zip(CONTEXTS, taken, strict=True) if t]
    for row, plain in zip(
        chosen, lens_rows(masses[:, taken], alone, POSITIONS, COLUMNS), strict=True
    ):
        assert row.value == pytest.approx(plain.value)
        assert row.n == plain.n == 10


def test_a_subset_that_differs_by_seed_takes_each_seeds_own_prompts() -> None:
    base = _masses(3, seeds=1)
    flags = np.random.default_rng(3).random((SEEDS, PROMPTS)) < 0.4
    row = lens_rows(base, CONTEXTS, POSITIONS, COLUMNS, subset=flags)[0]
    values = np.broadcast_to(base[0, :, 0, 0, 0], flags.shape)
    assert row.value == pytest.approx(values[flags].mean())
    assert row.n == flags.any(axis=0).sum()


def test_an_empty_subset_is_missing_not_zero() -> None:
    none = np.zeros((SEEDS, PROMPTS), dtype=bool)
    for row in lens_rows(_masses(4), CONTEXTS, POSITIONS, COLUMNS, subset=none):
        assert row.n == 0
        assert np.isnan([row.value, row.low, row.high]).all()
    for gap in lens_differences(
        _masses(4, 1), _masses(5), CONTEXTS, POSITIONS, COLUMNS, subset=none
    ):
        assert gap.n == 0
        assert np.isnan([gap.value, gap.low, gap.high, gap.p_value]).all()


def test_one_context_has_no_interval() -> None:
    row = lens_rows(_masses(5), ["only"] * PROMPTS, POSITIONS, COLUMNS)[0]
    assert row.value > 0
    assert np.isnan([row.low, row.high]).all()


def test_subsets_by_match() -> None:
    base = np.array([True, True, False, False])
    variant = np.array([[True, False, True, False], [True, True, True, True]])
    masks = subset_masks(base, variant)
    expected = {
        "all": [[1, 1, 1, 1], [1, 1, 1, 1]],
        "both_right": [[1, 0, 0, 0], [1, 1, 0, 0]],
        "both_wrong": [[0, 0, 0, 1], [0, 0, 0, 0]],
        "turned_right": [[0, 0, 1, 0], [0, 0, 1, 1]],
        "turned_wrong": [[0, 1, 0, 0], [0, 0, 0, 0]],
        "base_right": [[1, 1, 0, 0], [1, 1, 0, 0]],
        "base_wrong": [[0, 0, 1, 1], [0, 0, 1, 1]],
    }
    assert {name: mask.astype(int).tolist() for name, mask in masks.items()} == expected


def test_differences_are_the_paired_ones() -> None:
    base, variant = _masses(6, seeds=1), _with_gaps(_masses(7))
    rows = lens_differences(base, variant, CONTEXTS, POSITIONS, COLUMNS)
    for row in rows:
        at = (slice(None), slice(None), POSITIONS.index(row.position), row.depth)
        column = COLUMNS.index(row.language)
        plain = compare(variant[(*at, column)], base[(*at, column)], CONTEXTS)
        expected = plain.difference
        assert (row.value, row.n) == (pytest.approx(expected.value), expected.n)
        # what the grid knows of its seeds can only widen a cell's interval
        assert row.low <= expected.low + 1e-12
        assert row.high >= expected.high - 1e-12
        assert row.high - row.value == pytest.approx(row.value - row.low)


def test_with_one_seed_a_cell_is_the_plain_comparison() -> None:
    base, variant = _masses(6, seeds=1) - 2, _masses(7, seeds=1)  # not within 0-1: tested as it is
    for row in lens_differences(base, variant, CONTEXTS, POSITIONS, COLUMNS):
        at = (slice(None), slice(None), POSITIONS.index(row.position), row.depth)
        column = COLUMNS.index(row.language)
        plain = compare(variant[(*at, column)], base[(*at, column)], CONTEXTS)
        expected = plain.difference
        assert (row.low, row.high) == pytest.approx((expected.low, expected.high))
        assert math.isnan(row.p_value)  # one seed says nothing of tuning
        assert row.p_adapters >= plain.p_adapters  # corrected


def test_masses_are_tested_as_log_odds() -> None:
    base, variant = _masses(6, seeds=1), _masses(7, seeds=1)
    odds = [np.log(x / (1 - x)) for x in (base, variant)]
    found = lens_differences(base, variant, CONTEXTS, POSITIONS, COLUMNS)
    slow = lens_differences(*odds, CONTEXTS, POSITIONS, COLUMNS)
    assert [r.p_adapters for r in found] == pytest.approx([r.p_adapters for r in slow])


def seed_shifts(draw: np.random.Generator, size: float) -> NDArray[np.float64]:
    """Two seeds of one source: the same questions, and a shift of each seed for all cells alike."""
    noise = draw.normal(size=(2, 40, 1, 6, 4))
    return noise + size * draw.normal(size=(2, 1, 1, 1, 1))


@pytest.mark.parametrize("size", [0.0, 0.3, 1.0])
def test_a_seed_effect_is_no_finding(size: float) -> None:
    """Nothing but seeds: the smallest p about tuning is below .05 in about 5 % of studies."""
    draw, contexts = np.random.default_rng(16), [str(i) for i in range(40)]
    tuning = adapters = 0
    for _ in range(60):
        rows = lens_differences(
            np.zeros((1, 40, 1, 6, 4)), seed_shifts(draw, size), contexts, ["last"], list("abcd")
        )
        tuning += min(row.p_value for row in rows) < 0.05
        adapters += min(row.p_adapters for row in rows) < 0.05
    assert tuning <= 8  # P(> 8 | 60, .05) = .003
    assert adapters <= 8 if size == 0 else adapters >= 24  # what seeds as contexts would claim


def test_other_grids_tell_how_seeds_differ() -> None:
    draw, contexts = np.random.default_rng(17), [str(i) for i in range(40)]
    base = np.zeros((1, 40, 1, 6, 4))
    shape = (contexts, ["last"], list("abcd"))
    others = [seed_ratios(base, seed_shifts(draw, 0.0), *shape) for _ in range(8)]
    # noise alone: one seed's mean varies twice as much as the mean of two
    assert np.mean(others) == pytest.approx(2, abs=0.5)
    variant = seed_shifts(draw, 0.0) + 1.0
    alone = lens_differences(base, variant, *shape)
    helped = lens_differences(base, variant, *shape, ratios=list(zip(*others, strict=True)))
    assert np.median([r.p_value for r in helped]) < np.median([r.p_value for r in alone]) / 2


def test_a_mean_that_goes_against_what_is_tested_tells_nothing() -> None:
    """A sixth of the prompts rises far, the rest falls by much of little."""
    rng = np.random.default_rng(3)
    before, after = np.full(42, 0.04), np.full(42, 0.008)
    before[::6], after[::6] = 0.25, 0.6
    base, tuned = (
        np.clip(x[None, :, None, None, None] + rng.normal(0, 1e-3, (2, 42, 1, 1, 1)), 1e-4, 1)
        for x in (before, after)
    )
    contexts = [f"c{i}" for i in range(42)]
    [row] = lens_differences(base, tuned, contexts, ["last"], ["or"])
    assert row.value > 0.02
    assert (row.p_value, row.p_adapters) == (1.0, 1.0)
    # without the few the fall is told
    rest = np.arange(42) % 6 > 0
    named = [c for c, kept in zip(contexts, rest, strict=True) if kept]
    [row] = lens_differences(base[:, rest], tuned[:, rest], named, ["last"], ["or"])
    assert row.value < 0
    assert row.p_value < 0.05


def test_a_column_may_lack_prompts_that_others_have() -> None:
    base, variant = _masses(14, seeds=1), _masses(15)
    for values in (base, variant):
        values[:, 4:9, :, :, 1] = np.nan  # two whole contexts and half of one
        values[:, :, 1, :, 2] = np.nan
    for row in lens_differences(base, variant, CONTEXTS, POSITIONS, COLUMNS):
        k, column = POSITIONS.index(row.position), COLUMNS.index(row.language)
        at = (slice(None), slice(None), k, row.depth, column)
        plain = compare(variant[at], base[at], CONTEXTS)
        expected = plain.difference
        assert row.value == pytest.approx(expected.value, nan_ok=True)
        assert row.n == 0 or row.low - 1e-12 <= expected.low <= expected.high <= row.high + 1e-12
        assert (
            row.n == plain.difference.n == (0 if (k, column) == (1, 2) else 15 + 5 * (column != 1))
        )
        assert math.isnan(row.p_value) == (row.n == 0)


def test_a_variant_equal_to_its_base_differs_by_nothing() -> None:
    masses = _masses(8)
    for row in lens_differences(masses, masses, CONTEXTS, POSITIONS, COLUMNS):
        assert (row.value, row.low, row.high) == (0, 0, 0)
        assert (row.p_value, row.p_adapters) == (1, 1)


def test_one_planted_shift_is_found_and_chance_is_not() -> None:
    base = np.random.default_rng(9).normal(size=(1, 200, 1, 6, 5))
    variant = base + np.random.default_rng(10).normal(size=base.shape)
    variant[:, :, 0, 2, 3] += 1.0
    contexts = [str(i) for i in range(200)]
    rows = lens_differences(base, variant, contexts, ["last"], list("abcde"))
    found = {(row.depth, row.language): row.p_adapters for row in rows}
    assert found.pop((2, "d")) < 0.001
    assert min(found.values()) > 0.05


def test_the_grid_keeps_its_error_rate() -> None:
    """Under no difference, the smallest of 40 p-values is below .05 in about 5 % of studies."""
    draw = np.random.default_rng(11)
    below = 0
    for _ in range(100):
        noise = draw.normal(size=(1, 30, 1, 8, 5))
        rows = lens_differences(
            np.zeros_like(noise), noise, [str(i) for i in range(30)], ["last"], list("abcde")
        )
        below += min(row.p_adapters for row in rows) < 0.05
    assert 0 < below <= 12  # P(> 12 | 100, .05) = .0015


def test_order_of_prompts_changes_nothing() -> None:
    masses, order = _masses(12), np.random.default_rng(12).permutation(PROMPTS)
    rows = lens_rows(masses, CONTEXTS, POSITIONS, COLUMNS)
    shuffled = lens_rows(masses[:, order], [CONTEXTS[i] for i in order], POSITIONS, COLUMNS)
    for row, other in zip(rows, shuffled, strict=True):
        assert (row.value, row.low, row.high) == pytest.approx((other.value, other.low, other.high))


def test_a_real_grid_takes_seconds() -> None:
    masses = np.random.default_rng(13).random((2, 500, 2, 31, 32))
    contexts = [str(i // 5) for i in range(500)]
    columns = [str(i) for i in range(32)]
    start = time.process_time()
    assert len(lens_rows(masses, contexts, POSITIONS, columns)) == 2 * 31 * 32
    assert time.process_time() - start < 20


def test_wrong_shapes_are_told() -> None:
    with pytest.raises(DataError, match="20 prompts"):
        lens_rows(_masses(0)[:, :5], CONTEXTS, POSITIONS, COLUMNS)
    with pytest.raises(DataError, match="lens values of the base"):
        lens_differences(_masses(0, seeds=2), _masses(1), CONTEXTS, POSITIONS, COLUMNS)
    with pytest.raises(DataError, match="a subset of prompts"):
        lens_rows(_masses(0), CONTEXTS, POSITIONS, COLUMNS, subset=np.ones(7, dtype=bool))
    with pytest.raises(DataError, match="subsets of prompts"):
        subset_masks([True], [True, False])
