"""Tests that flip the signs of whole contexts: what is said of these very models.

Up to 16 contexts all flips are taken, so that p is exact. Beyond, 10,001 are drawn, the identity
being the first, and 100,001 where the first hardly ever reach what was observed: a small p must
survive the correction for many pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from babelscope.measure.resampling import FLIP_STREAM, Array, generator

FLIPS, MORE_FLIPS = 10_001, 100_001
FEW = 50
"""A p from fewer flips than this that reach the observed is asked for again with more flips."""
EXACT_CONTEXTS = 16
BLOCK = 2_000  # flips held at once
ROUNDING = 1e-9  # relative; a flip that equals the observed sum must count despite rounding

Reading = Callable[[Array], Array]


def flipped_blocks(contexts: int, flips: int, seed: int) -> Iterator[Array]:
    """Yield blocks (flips, contexts), 1 where a context is flipped: all flips of few contexts.

    Beyond, they are drawn. The first row flips nothing. All flips come up to the sign of the whole,
    which no two-sided test sees.
    """
    if contexts <= EXACT_CONTEXTS:
        every = np.arange(2 ** max(contexts - 1, 0), dtype=np.uint32)[:, None]
        for start in range(0, len(every), BLOCK):
            bits = every[start : start + BLOCK] >> np.arange(contexts, dtype=np.uint32) & 1
            yield bits.astype(np.float64)
        return
    rng = generator(seed, FLIP_STREAM)
    bytes_a_row = -(-contexts // 8)
    for start in range(0, flips, BLOCK):
        rows = min(BLOCK, flips - start)
        drawn = rng.integers(0, 256, size=(rows, bytes_a_row), dtype=np.uint8)
        if start == 0:
            drawn[0] = 0
        yield np.unpackbits(drawn, axis=1, count=contexts).astype(np.float64)


def flipped_sums(columns: Array, flips: int, seed: int) -> Iterator[Array]:
    """Yield blocks (flips, cells) of the sums of (contexts, cells) under flipped signs."""
    whole = columns.sum(axis=0)
    for flipped in flipped_blocks(len(columns), flips, seed):
        yield whole - 2.0 * (flipped @ columns)


def smallest_flip_p(contexts: int) -> float:
    """Return the smallest p that flips of so many contexts can give."""
    if contexts < 1:
        return 1.0
    return 2.0 ** (1 - contexts) if contexts <= EXACT_CONTEXTS else 1 / MORE_FLIPS


def flip_p_values(sums: Sequence[Array], *, seed: int = 0) -> Array:
    """Return the two-sided p (effects,) of the sums over contexts of each effect, (contexts,) each.

    Contexts whose sum is 0 change nothing under a flip and are left out. No contexts: NaN.
    """
    p_values = np.full(len(sums), np.nan)
    telling = [np.asarray(s)[np.asarray(s) != 0] for s in sums]
    for size in {len(s) for s in telling}:
        members = [i for i, s in enumerate(telling) if len(s) == size and len(sums[i])]
        if members:
            columns = np.stack([telling[i] for i in members], axis=1)
            p_values[members] = _p_values(columns, seed) if size else 1.0
    return p_values


def _p_values(columns: Array, seed: int) -> Array:
    """Return the p of each column of (contexts, effects) that are not 0."""
    observed = np.abs(columns.sum(axis=0)) - ROUNDING * np.abs(columns).sum(axis=0)
    reached, flips = _reached(columns, observed, FLIPS, seed)
    p_values = reached / flips
    rare = (reached < FEW) & (len(columns) > EXACT_CONTEXTS)
    if rare.any():
        reached, flips = _reached(columns[:, rare], observed[rare], MORE_FLIPS, seed)
        p_values[rare] = reached / flips
    return np.asarray(p_values)


def _reached(columns: Array, observed: Array, flips: int, seed: int) -> tuple[Array, int]:
    reached, done = np.zeros(columns.shape[1]), 0
    for sums in flipped_sums(columns, flips, seed):
        reached += (np.abs(sums) >= observed).sum(axis=0)
        done += len(sums)
    return reached, done


def exchange_p_value(left: Array, right: Array, read: Reading, *, seed: int = 0) -> float:
    """Return the two-sided p of read(left) - read(right), counts (contexts, k) exchanged.

    Approximate randomisation (Noreen 1989): the sides of whole contexts change places and both
    scores are read again; for a mean this is the flip of signs.
    """
    total, half = (left + right).sum(axis=0) / 2, (left - right) / 2
    p_value, done = 1.0, 0
    for flips in (FLIPS, MORE_FLIPS):
        reached, observed, done = 0, np.nan, 0
        for block in flipped_sums(half, flips, seed):
            gaps = np.abs(read(total + block) - read(total - block))
            if np.isnan(observed):  # the first flip is the identity
                observed = float(gaps[0]) * (1 - ROUNDING) - ROUNDING * ROUNDING
            reached += int((gaps >= observed).sum())
            done += len(block)
        p_value = reached / done
        if reached >= FEW or len(half) <= EXACT_CONTEXTS:
            break
    return p_value


def largest_deviates(columns: Array, *, seed: int = 0) -> Array:
    """Return the largest |deviate| over the columns of (contexts, cells), one a flip, sorted.

    Each column's flipped sum is divided by the root of its summed squares, which no flip changes.
    """
    scale = np.sqrt((columns**2).sum(axis=0))
    standard = np.divide(columns, scale, out=np.zeros_like(columns), where=scale > 0)
    blocks = flipped_sums(standard, FLIPS, seed)
    return np.sort(np.concatenate([np.abs(sums).max(axis=1) for sums in blocks]))
