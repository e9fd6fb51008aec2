"""Passes of a model over the rows of a room: what sequences share is read once, then their ends.

A pass ends with the last block, whose states are what the proved parts turn into logits; which
positions are unembedded is the caller's choice.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn

from babelscope.errors import ModelError, SettingError
from babelscope.infer.batches import plan_batches
from babelscope.infer.prefixes import PrefixTree, Stretch, prefix_tree
from babelscope.infer.room import Room, Source, new_room, pass_cache, sliding_layers
from babelscope.models.lengths import length_class
from babelscope.models.loading import LoadedModel, pad_id
from babelscope.models.parts import first_tensor

Ids = Sequence[int]

See = Callable[[Sequence[int], Tensor], None]
"""Called with the places of some sequences and the states (sequences, longest, width) of their
own ends, flush right."""


BATCH_TOKENS = 8192
"""Tokens of a pass at most, unless said otherwise."""

ROOM_BYTES = 1 << 19
"""Memory for keys and values, for each token of a pass: 4 GiB where a pass has 8,192."""

CACHED_BYTES = 4 << 20
"""On a CPU, the widest activations of a pass: larger ones leave the cache, and cost page faults."""

ENOUGH_TOKENS = 256
"""On a CPU, tokens that keep a product busy: passes whose keys are not kept take no more."""


class _PassEndedError(Exception):
    """Ends a forward pass after the last block; never leaves this file."""


def read_together(
    loaded: LoadedModel, sequences: Sequence[Ids], *, see: See, spare: int, batch_tokens: int
) -> tuple[Room, list[int]]:
    """Read sequences of one length class into one room, each stretch that some share only once.

    No pass is over more than `batch_tokens` tokens, a single sequence excepted; `spare` columns
    are left for what follows. Each sequence's last token is read with it, not with others, so
    that `see` is shown its state. Returns the room and the sequence of each of its rows.
    """
    batch_tokens = _pass_tokens(loaded, batch_tokens)
    tree = _tree(loaded, sequences)
    sources = _read_shared(loaded, sequences, tree, batch_tokens)
    room, order = _branch_off(loaded, sequences, tree.own, sources, spare)
    own = [_ids(sequences, tree.own[n]) for n in order]
    _read(loaded, room, own, batch_tokens, lambda rows, h: see([order[r] for r in rows], h))
    return room, order


def read_ends(
    loaded: LoadedModel,
    sequences: Sequence[Ids],
    *,
    see: See,
    kept: Sequence[int],
    batch_tokens: int,
) -> None:
    """Show the states of each sequence's last `kept` tokens; nothing is kept of the sequences.

    What some share before these tokens is read once. No pass is over more than `batch_tokens`
    tokens, a single sequence excepted.
    """
    config = loaded.model.config
    apart: dict[int, list[int]] = {}
    for i, ids in enumerate(sequences):
        apart.setdefault(length_class(config, len(ids)), []).append(i)
    for members in apart.values():

        def of_all(places: Sequence[int], states: Tensor, members: list[int] = members) -> None:
            see([members[n] for n in places], states)

        own = [sequences[i] for i in members]
        _read_ends(loaded, own, [kept[i] for i in members], batch_tokens, of_all)


def _read_ends(
    loaded: LoadedModel, sequences: Sequence[Ids], kept: Sequence[int], batch_tokens: int, see: See
) -> None:
    batch_tokens = _pass_tokens(loaded, batch_tokens)
    tree = _tree(loaded, sequences, kept)
    sources = _read_shared(loaded, sequences, tree, batch_tokens)
    if loaded.device.type == "cpu":
        # few rows at a time: copies of what they share stay in the cache, or near it
        batch_tokens = min(batch_tokens, ENOUGH_TOKENS)
    lengths = [stretch.end - stretch.start for stretch in tree.own]
    for batch in plan_batches(lengths, batch_tokens):
        stretches = [tree.own[i] for i in batch]
        room, order = _branch_off(loaded, sequences, stretches, sources, 0)
        own = [_ids(sequences, stretches[n]) for n in order]
        states = extend_rows(loaded, room, slice(0, len(own)), own)
        see([batch[n] for n in order], states)


def _tree(
    loaded: LoadedModel, sequences: Sequence[Ids], kept: Sequence[int] | None = None
) -> PrefixTree:
    """Return what sequences of one length class share; nothing where a stretch is too short.

    Read by itself, a shared beginning would be rotated as the short sequence that it is.
    """
    if any(length_class(loaded.model.config, len(ids)) for ids in sequences):
        return PrefixTree((), tuple(Stretch(i, 0, len(s), -1) for i, s in enumerate(sequences)))
    return prefix_tree(sequences, kept)


def _pass_tokens(loaded: LoadedModel, batch_tokens: int) -> int:
    if loaded.device.type != "cpu":
        return batch_tokens
    # a block's inner width is 4 x its own in most architectures
    return min(batch_tokens, CACHED_BYTES // (16 * loaded.parts.width))


def _read_shared(
    loaded: LoadedModel, sequences: Sequence[Ids], tree: PrefixTree, batch_tokens: int
) -> list[Source | None]:
    """Read what is shared, level by level; returns the row of each shared stretch, then none."""
    sources: list[Source | None] = [None] * (len(tree.shared) + 1)  # the last is that of -1
    for level in _levels(tree.shared):
        stretches = [tree.shared[node] for node in level]
        room, order = _branch_off(loaded, sequences, stretches, sources, 0)
        _read(loaded, room, [_ids(sequences, stretches[n]) for n in order], batch_tokens, None)
        for row, n in enumerate(order):
            sources[level[n]] = Source(room, row)
    return sources


def _branch_off(
    loaded: LoadedModel,
    sequences: Sequence[Ids],
    stretches: Sequence[Stretch],
    sources: Sequence[Source | None],
    spare: int,
) -> tuple[Room, list[int]]:
    """Return a room for some stretches, the longest first, and the stretch of each row.

    Among those of a length, what goes on from the same room stands together.
    """
    parents = [sources[stretch.parent] for stretch in stretches]
    rooms = list(dict.fromkeys(id(parent.room) if parent else 0 for parent in parents))
    places = [rooms.index(id(parent.room) if parent else 0) for parent in parents]
    order = sorted(
        range(len(stretches)),
        key=lambda n: (stretches[n].start - stretches[n].end, places[n], stretches[n].parent, n),
    )
    before = [sources[stretches[n].parent] for n in order]
    own = [len(_ids(sequences, stretches[n])) for n in order]
    return new_room(before, own, spare, sliding_layers(loaded.model.config)), order


def _levels(shared: Sequence[Stretch]) -> list[list[int]]:
    """Return the places of stretches that wait for none, then of those that wait for these."""
    depths: list[int] = []
    for stretch in shared:
        depths.append(depths[stretch.parent] + 1 if stretch.parent >= 0 else 0)
    return [
        [node for node, at in enumerate(depths) if at == depth]
        for depth in range(max(depths, default=-1) + 1)
    ]


def _ids(sequences: Sequence[Ids], stretch: Stretch) -> Ids:
    return sequences[stretch.member][stretch.start : stretch.end]


def _read(
    loaded: LoadedModel, room: Room, own: Sequence[Ids], batch_tokens: int, see: See | None
) -> None:
    """Give each row its own tokens, longest first, in batches within the budget."""
    for batch in plan_batches([len(ids) for ids in own], batch_tokens):
        rows = slice(batch[0], batch[-1] + 1)
        states = extend_rows(loaded, room, rows, own[rows])
        if see:
            see(batch, states)


@torch.inference_mode()
def extend_rows(loaded: LoadedModel, room: Room, rows: slice, own: Sequence[Ids]) -> Tensor:
    """Return the last block's states (rows, longest, width) of some rows' last tokens `own`.

    The room must count them as filled already. Rows are flush right: [:, -1] is each last token.
    """
    longest = max(len(ids) for ids in own)
    pad = pad_id(loaded.tokenizer, loaded.parts.vocabulary_rows)
    padded = [[pad] * (longest - len(ids)) + list(ids) for ids in own]
    ids = torch.tensor(padded, device=loaded.device)
    begin = room.begin(rows)
    columns = torch.arange(begin, room.filled, device=loaded.device)
    starts = torch.tensor([room.filled - n for n in room.lengths[rows]], device=loaded.device)
    mask = (columns >= starts[:, None]).long()
    extra: dict[str, Tensor] = {}
    if "position_ids" in _accepted(type(base_model(loaded))):
        positions = (columns - starts[:, None]).clamp(min=0)
        extra["position_ids"] = positions[:, -longest:]
    with _last_states(loaded.parts.blocks) as kept:
        loaded.model(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=pass_cache(room, rows, [len(ids) for ids in own]),
            use_cache=True,
            **extra,
        )
    return kept[0]


def room_tokens(loaded: LoadedModel, batch_tokens: int) -> int:
    """Return how many tokens may be held while passes have `batch_tokens` at most.

    It depends on the model's shape, not on the machine: an interrupted plan can go on elsewhere.

    Raises:
        SettingError: `batch_tokens` is below 1.
    """
    if batch_tokens < 1:
        raise SettingError("batch_tokens", expected=">= 1", found=str(batch_tokens))
    return batch_tokens * ROOM_BYTES // token_bytes(loaded)


def token_bytes(loaded: LoadedModel) -> int:
    """Return the bytes of keys and values that a token takes, by reading one.

    Raises:
        ModelError: the model keeps none, or something else.
    """
    room = new_room([None], [1], 0, sliding_layers(loaded.model.config))
    extend_rows(loaded, room, slice(0, 1), [[0]])
    check_kept(loaded, room)
    return room.token_bytes()


def check_kept(loaded: LoadedModel, room: Room) -> None:
    """Check that a pass left keys and values in a room.

    Raises:
        ModelError: it left none.
    """
    if not room.layers:
        raise ModelError(
            f"model {loaded.name}",
            expected="keys and values to go on from",
            found="none: it keeps a state of another kind",
            remedy="this architecture cannot be asked questions here",
        )


@contextmanager
def _last_states(blocks: nn.ModuleList) -> Iterator[list[Tensor]]:
    """Keep the last block's output and end the pass with it."""
    kept: list[Tensor] = []

    def after(_: nn.Module, __: object, output: object) -> None:
        kept.append(first_tensor(output))
        raise _PassEndedError

    handle = blocks[-1].register_forward_hook(after)
    try:
        with suppress(_PassEndedError):
            yield kept
    finally:
        handle.remove()


def _accepted(kind: type[nn.Module]) -> frozenset[str]:
    return frozenset(inspect.signature(kind.forward).parameters)


def base_model(loaded: LoadedModel) -> nn.Module:
    """Return the model itself, without what an attached adapter wraps it in."""
    wrapped = getattr(loaded.model, "get_base_model", None)
    return wrapped() if wrapped else loaded.model
