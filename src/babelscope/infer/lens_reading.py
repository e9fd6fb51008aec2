"""What the lens saw: arrays by prompt, position and depth, and single positions in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babelscope.infer.lens_items import Item

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class PlaceReading:
    """One token position of one prompt: `position` is its name, "all" in a whole example.

    `place` counts tokens from 0; `token` stands there, `expected` follows (-1: not known). The
    arrays have a row for each depth: `entropy_bits`, `expected_probability`, `expected_rank`
    (depths,), `top_ids`, `top_probability` (depths, k), and `mass` by map (depths, columns).
    """

    prompt: int
    position: str
    place: int
    token: int
    expected: int
    entropy_bits: Array
    expected_probability: Array
    expected_rank: Array
    top_ids: NDArray[np.int64]
    top_probability: Array
    mass: Mapping[str, Array]


@dataclass(frozen=True, slots=True, eq=False)
class LensReading:
    """What the lens saw; all arrays are float32, NaN where a prompt lacks the position.

    `mass` has, by map, (prompts, positions, depths, columns), 0-1, summing to 1 over the columns;
    `half_mass` the same after the attention step of each block (prompts, positions, blocks,
    columns), empty unless asked for or where blocks are parallel. `entropy_bits` of the
    distribution over tokens, `next_probability` and `next_reciprocal_rank` of the token that
    follows are (prompts, positions, depths). All are means over a position's tokens.
    `contrasts` (prompts, depths, `gold_languages`, 2) has P(gold in l) and P(own gold) at the last
    prompt token, without tokens that begin both; `equal_golds` counts the pairs left out because
    they are the same. `places` tells of single positions.
    """

    positions: tuple[str, ...]
    mass: dict[str, Array]
    half_mass: dict[str, Array]
    entropy_bits: Array
    next_probability: Array
    next_reciprocal_rank: Array
    gold_languages: tuple[str, ...]
    contrasts: Array
    equal_golds: int
    places: tuple[PlaceReading, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What some places showed, (depths, places) and further axes as in `LensReading`."""

    mass: Array
    entropy_bits: Array
    expected_probability: Array
    expected_rank: Array
    top_ids: NDArray[np.int64]
    top_probability: Array
    half_mass: Array | None

    def part(self, start: int, stop: int) -> Seen:
        """Return what the places from `start` to before `stop` showed."""
        values: dict[str, Any] = {}
        for name in (f.name for f in fields(self)):
            array = getattr(self, name)
            values[name] = None if array is None else array[:, start:stop]
        return Seen(**values)


@dataclass(eq=False)
class Gathering:
    """Arrays in the making, for `shape` (prompts, depths): items are taken in, in any order.

    With `details` each position is told of singly, with `halves` the half depths.
    """

    positions: tuple[str, ...]
    columns: Mapping[str, slice]
    gold_languages: tuple[str, ...]
    shape: tuple[int, int]
    halves: bool
    details: bool

    def __post_init__(self) -> None:
        """Start with everything missing."""
        prompts, depths = self.shape
        across = (prompts, len(self.positions))
        width = {name: s.stop - s.start for name, s in self.columns.items()}
        self._mass = {n: _missing(*across, depths, w) for n, w in width.items()}
        self._half = {n: _missing(*across, depths - 1, w) for n, w in width.items()}
        self._entropy, self._chance, self._rank = (_missing(*across, depths) for _ in range(3))
        self._contrasts = _missing(prompts, depths, len(self.gold_languages), 2)
        self._places: list[PlaceReading] = []

    def contrast(self, prompt: int, values: Mapping[str, Array]) -> None:
        """Put in a prompt's (depths, 2) by language."""
        for code, found in values.items():
            self._contrasts[prompt, :, self.gold_languages.index(code)] = found

    def take(self, item: Item, seen: Seen, *, every: bool) -> None:
        """Put in what an item showed."""
        row = item.prompt
        for k, position in enumerate(self.positions):
            if position not in item.spans:
                continue
            span = list(item.spans[position])
            for name, columns in self.columns.items():
                self._mass[name][row, k] = seen.mass[:, span, columns].mean(axis=1)
                if seen.half_mass is not None:
                    self._half[name][row, k] = seen.half_mass[:, span, columns].mean(axis=1)
            self._entropy[row, k] = seen.entropy_bits[:, span].mean(axis=1)
            self._chance[row, k] = seen.expected_probability[:, span].mean(axis=1)
            self._rank[row, k] = (1 / seen.expected_rank[:, span]).mean(axis=1)
        if self.details:
            for position, places in item.spans.items():
                self._tell(item, seen, position, places)
        if every:
            self._tell(item, seen, "all", range(len(item.places)))

    def _tell(self, item: Item, seen: Seen, position: str, indices: Sequence[int]) -> None:
        self._places += [
            PlaceReading(
                prompt=item.prompt,
                position=position,
                place=item.places[i],
                token=item.ids[item.places[i]],
                expected=item.expected[i],
                entropy_bits=seen.entropy_bits[:, i],
                expected_probability=seen.expected_probability[:, i],
                expected_rank=seen.expected_rank[:, i],
                top_ids=seen.top_ids[:, i],
                top_probability=seen.top_probability[:, i],
                mass={name: seen.mass[:, i, s] for name, s in self.columns.items()},
            )
            for i in indices
        ]

    def reading(self, equal_golds: int) -> LensReading:
        """Return what was gathered."""
        return LensReading(
            positions=self.positions,
            mass=self._mass,
            half_mass=self._half if self.halves else {},
            entropy_bits=self._entropy,
            next_probability=self._chance,
            next_reciprocal_rank=self._rank,
            gold_languages=self.gold_languages,
            contrasts=self._contrasts,
            equal_golds=equal_golds,
            places=tuple(sorted(self._places, key=lambda p: (p.prompt, p.position, p.place))),
        )


def _missing(*shape: int) -> Array:
    return np.full(shape, np.nan, dtype=np.float32)
