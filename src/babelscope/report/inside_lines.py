"""A measure by depth in two studies, and their difference at matching depths.

Two models need not have as many blocks: depth d of L blocks stands at the relative depth d / L.
A difference is paired over items where both studies kept what each item is worth on the same
texts; else the two intervals are taken as independent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from babelscope.measure.inference import estimate
from babelscope.records import MISSING, Estimate
from babelscope.report.depths import NORM_NAME
from babelscope.report.names import is_number

RELATIVE = (0.0, 0.25, 0.5, 0.75, 1.0)

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Line:
    """One study's means by depth, their controls, and what each item is worth if that is known.

    `blocks` is the number of blocks, `norm` the depth after the final norm; `items` by depth are
    (items,) values in the order of the match's contexts.
    """

    blocks: int
    norm: int | None
    found: Mapping[int, Estimate]
    control: Mapping[int, float] = field(default_factory=dict)
    items: Mapping[int, Values] = field(default_factory=dict)

    @property
    def depths(self) -> tuple[int, ...]:
        """The depths between blocks, in order."""
        return tuple(sorted(depth for depth in self.found if depth != self.norm))

    def relative(self, depth: int) -> float:
        """Return where a depth stands from the first block's input, 0, to the last's output, 1."""
        return depth / self.blocks if self.blocks else 0.0

    def nearest(self, place: float) -> int | None:
        """Return the measured depth nearest to a relative one, the lower of two; None without."""
        # rounded, so that halfway between two depths is halfway
        return min(
            self.depths, key=lambda d: (round(abs(self.relative(d) - place), 9), d), default=None
        )

    @property
    def highest(self) -> int | None:
        """The depth with the highest value, that after the final norm among them."""
        known = {d: e.value for d, e in self.found.items() if is_number(e.value)}
        return max(known, key=lambda d: (known[d], -d)) if known else None


@dataclass(frozen=True, eq=False)
class Match:
    """One measure that both studies have: of what, over what, and how it is paired.

    `contexts` are those of the items of both lines, empty where nothing is paired; `pairing` says
    so in words.
    """

    title: str
    over: str
    scale: float
    first: Line
    second: Line
    pairing: str
    contexts: tuple[str, ...] = ()
    control: str = ""

    @property
    def is_level(self) -> bool:
        """Whether the same depths of both have the same values."""
        values = [{d: e.value for d, e in line.found.items()} for line in (self.first, self.second)]
        return values[0] == values[1]

    def difference(self, one: int, other: int) -> Estimate:
        """Return second at depth `other` minus first at depth `one`."""
        a, b = self.first.items.get(one), self.second.items.get(other)
        if self.contexts and a is not None and b is not None:
            return estimate((b - a)[None], self.contexts)
        return apart(self.first.found.get(one, MISSING), self.second.found.get(other, MISSING))


@dataclass(frozen=True)
class Place:
    """Where two models are compared: words for it, and the depth of each.

    `is_fixed` is false where the depths were chosen by their values.
    """

    name: str
    first: int
    second: int
    is_fixed: bool = True


def places(match: Match, *, same_depths: bool) -> list[Place]:
    """Return where a match is compared: each one's highest depth, then equal relative depths.

    `same_depths` compares every depth of one with that of the other, which is the same model's.
    """
    first, second = match.first, match.second
    found = []
    if first.highest is not None and second.highest is not None:
        found.append(Place("highest of each", first.highest, second.highest, False))
    if same_depths:
        shared = sorted(set(first.depths) & set(second.depths))
        found += [Place(f"depth {depth}", depth, depth) for depth in shared]
    else:
        for place in RELATIVE:
            one, other = first.nearest(place), second.nearest(place)
            if one is not None and other is not None:
                found.append(Place(f"relative depth {place:g}", one, other))
    one, other = first.norm, second.norm
    if one is not None and other is not None and one in first.found and other in second.found:
        found.append(Place(f"after the final {NORM_NAME}", one, other))
    return found


def apart(one: Estimate, other: Estimate) -> Estimate:
    """Return other - one with the interval of independent estimates."""
    if not (is_number(one.value) and is_number(other.value)):
        return MISSING
    value, n = other.value - one.value, min(one.n, other.n)
    ends = (one.low, one.high, other.low, other.high)
    if not all(map(is_number, ends)):
        return Estimate(value, math.nan, math.nan, n)
    low = math.hypot(other.value - other.low, one.high - one.value)
    high = math.hypot(other.high - other.value, one.value - one.low)
    return Estimate(value, value - low, value + high, n)


def together(found: Sequence[Estimate]) -> Estimate:
    """Return the mean of estimates; its ends are the means of their ends.

    That is their interval if all move together, and too wide if they do not.
    """
    known = [e for e in found if is_number(e.value)]
    if not known:
        return MISSING
    return Estimate(
        float(np.mean([e.value for e in known])),
        float(np.mean([e.low for e in known])),
        float(np.mean([e.high for e in known])),
        min(e.n for e in known),
    )
