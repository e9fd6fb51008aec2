"""Keys and values of many rows in tensors made once: rows are branched, extended and dropped.

transformers' own caches are copied whole at each token and hold one row a prompt from the start.
In a room every row ends at the same column, so each is a plain left-padded row: positions, ALiBi,
causal and sliding masks hold as they are. A sliding layer keeps all its keys, and the mask cuts
its window.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor
from transformers.cache_utils import (
    Cache,
    CacheLayerMixin,
    DynamicCache,
    DynamicLayer,
    DynamicSlidingWindowLayer,
)

from babelscope.errors import ModelError

HUGE = 2 << 20
"""Bytes of a huge page."""

FROM_PAGES = 32 << 20
"""Bytes from which tensors come from pages of their own; smaller ones are used again."""


@dataclass(slots=True)
class Room:
    """Keys and values of `len(lengths)` rows in `capacity` columns, a pair of tensors a layer.

    Row r stands in the columns `filled - lengths[r]` to `filled`. The tensors are (rows, heads,
    columns, head size) and come with the first pass through their layer; `sliding` tells which
    layers have a window.
    """

    lengths: list[int]
    filled: int
    capacity: int
    sliding: tuple[bool, ...]
    layers: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def begin(self, rows: slice) -> int:
        """Return the first column that one of some rows uses."""
        return self.filled - max(self.lengths[rows])

    def token_bytes(self) -> int:
        """Return the bytes that one token of one row takes in all layers."""
        columns = len(self.lengths) * self.capacity
        return sum(t.numel() * t.element_size() for pair in self.layers.values() for t in pair) // (
            columns
        )


@dataclass(frozen=True, slots=True)
class Source:
    """The row of another room whose tokens a new row goes on from."""

    room: Room
    row: int


def sliding_layers(config: object) -> tuple[bool, ...]:
    """Return for each layer of a model whether its attention has a window.

    Raises:
        ModelError: a layer keeps something else than keys and values, such as a recurrent state.
    """
    layers = DynamicCache(config=config).layers
    for number, layer in enumerate(layers):
        if type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer):
            raise ModelError(
                f"layer {number} of {getattr(config, 'model_type', 'the model')}",
                expected="keys and values, all of them or in a window",
                found=type(layer).__name__,
                remedy="this architecture is not supported",
            )
    return tuple(type(layer) is DynamicSlidingWindowLayer for layer in layers)


def new_room(
    sources: Sequence[Source | None], own: Sequence[int], spare: int, sliding: tuple[bool, ...]
) -> Room:
    """Return a room whose rows begin with what their sources hold and await `own` tokens each.

    `filled` counts those tokens already; `spare` columns are left behind it.
    """
    before = [s.room.lengths[s.row] if s else 0 for s in sources]
    lengths = [a + b for a, b in zip(before, own, strict=True)]
    filled = max(lengths)
    room = Room(lengths, filled, filled + spare, sliding)
    given = next((s.room.layers for s in sources if s), {})
    branches = _branches(sources, own)
    for layer, pair in given.items():
        _make_layer(room, layer, pair)
        for branch in branches:
            _copy(room, branch, layer)
    return room


@dataclass(frozen=True, slots=True)
class _Branch:
    """Neighbouring rows that go on from one room and await the same number of tokens."""

    rows: slice
    own: int
    source: Room
    source_rows: Tensor
    longest: int


def _branches(sources: Sequence[Source | None], own: Sequence[int]) -> list[_Branch]:
    """Return runs of rows whose keys and values are copied at once."""
    branches: list[_Branch] = []
    first = 0
    for (_, count), run in groupby(
        zip(sources, own, strict=True), lambda pair: (id(pair[0].room) if pair[0] else 0, pair[1])
    ):
        begun = [source for source, _ in run]
        rows = slice(first, first + len(begun))
        first = rows.stop
        if begun[0]:
            room = begun[0].room
            places = [source.row for source in begun if source]
            longest = max(room.lengths[place] for place in places)
            branches.append(_Branch(rows, count, room, torch.tensor(places), longest))
    return branches


def _make_layer(room: Room, layer: int, like: tuple[Tensor, Tensor]) -> None:
    # zeros, as padding is masked but must be a number
    keys, values = (
        _zeros(t, (len(room.lengths), t.shape[1], room.capacity, t.shape[3])) for t in like
    )
    room.layers[layer] = keys, values


def _zeros(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return zeros; on Linux from huge pages, as gigabytes in small ones take seconds to map."""
    size = math.prod(shape) * like.element_size()
    if like.device.type != "cpu" or size < FROM_PAGES or not hasattr(mmap, "MADV_HUGEPAGE"):
        return like.new_zeros(shape)
    memory = mmap.mmap(-1, -(-size // HUGE) * HUGE)
    memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=like.dtype, count=math.prod(shape)).view(shape)


def _copy(room: Room, branch: _Branch, layer: int) -> None:
    end, to, length = branch.source.filled, room.filled - branch.own, branch.longest
    for tensor, given in zip(room.layers[layer], branch.source.layers[layer], strict=True):
        # a shorter row's columns before its own are padding there as here
        part = given.narrow(2, end - length, length)
        tensor[branch.rows, :, to - length : to] = part.index_select(
            0, branch.source_rows.to(given.device)
        )


def add_column(room: Room) -> None:
    """Count one more token for every row; the next pass must bring it."""
    room.filled += 1
    room.lengths = [length + 1 for length in room.lengths]


def drop_rows(room: Room, dropped: Sequence[int]) -> list[int]:
    """Take rows out of a room; the last ones take their places, so that little is copied.

    Returns the old row of each row that stays, in the new order.
    """
    gone = set(dropped)
    stay = len(room.lengths) - len(gone)
    order = list(range(stay))
    movers = [row for row in range(stay, len(room.lengths)) if row not in gone]
    for hole, mover in zip(sorted(row for row in gone if row < stay), movers, strict=True):
        order[hole] = mover
        for pair in room.layers.values():
            for tensor in pair:
                tensor[hole, :, : room.filled] = tensor[mover, :, : room.filled]
    room.lengths = [room.lengths[row] for row in order]
    return order


def pass_cache(room: Room, rows: slice, own: Sequence[int]) -> Cache:
    """Return the cache of a pass that gives each of some rows its last `own` tokens.

    The tokens come left-padded to the longest; what is padding is not written.
    """
    return Cache(layers=[_RoomLayer(room, n, rows, own) for n in range(len(room.sliding))])


class _RoomLayer(CacheLayerMixin):
    """One layer's part in a pass: it writes the new keys and values and shows all of them."""

    def __init__(self, room: Room, number: int, rows: slice, own: Sequence[int]) -> None:
        super().__init__()
        self.room, self.number, self.rows, self.own = room, number, rows, own
        self.begin = room.begin(rows)
        self.past = room.filled - max(own) - self.begin
        self.is_sliding = room.sliding[number]
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        _make_layer(self.room, self.number, (key_states, value_states))

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        if self.number not in self.room.layers:
            self.lazy_initialization(key_states, value_states)
        keys, values = self.room.layers[self.number]
        self.past += key_states.shape[-2]
        return self._written(keys, key_states), self._written(values, value_states)

    def _written(self, tensor: Tensor, new: Tensor) -> Tensor:
        part, end = tensor[self.rows], self.room.filled
        first = 0
        for own, run in groupby(self.own):
            rows = slice(first, first + sum(1 for _ in run))
            part[rows, :, end - own : end] = new[rows, :, -own:]
            first = rows.stop
        return part[:, :, self.begin : end]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.past + query_length, 0

    def get_seq_length(self) -> int:
        return self.past

    def get_max_length(self) -> int:
        return -1
