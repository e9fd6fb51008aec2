"""Hidden states of chosen positions at every depth, from one forward pass without the head.

The pass ends with the last block: no logits are made. Sequences are padded on the right, where
causal attention cannot see the padding, so it changes nothing and needs no mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from babelscope.errors import SettingError
from babelscope.models.loading import LoadedModel
from babelscope.models.parts import first_tensor
from babelscope.models.trunk_proof import Keep, watched


def check_sequences(
    loaded: LoadedModel, sequences: Sequence[Sequence[int]], names: Sequence[str]
) -> None:
    """Check that each sequence has tokens of the vocabulary, and no more than the model's room.

    Raises:
        SettingError: one has not; says its name.
    """
    room = getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None)
    rows = loaded.parts.vocabulary_rows
    for name, ids in zip(names, sequences, strict=True):
        if not ids or (room and len(ids) > room):
            expected = f"1 to {room} tokens" if room else "at least one token"
            raise SettingError(f"prompt {name}", expected=expected, found=str(len(ids)))
        if min(ids) < 0 or max(ids) >= rows:
            raise SettingError(
                f"prompt {name}",
                expected=f"token ids from 0 to {rows - 1}",
                found=f"{min(ids)} to {max(ids)}",
            )


@dataclass(frozen=True, slots=True)
class TrunkStates:
    """Hidden states of a batch's wanted positions, before the final norm.

    `depths` is (depth + 1, positions, width): 0 is the input of the first block, d the output of
    block d. `middles` (depth, positions, width) has the state after the attention step of each
    block, None unless asked for.
    """

    depths: Tensor
    middles: Tensor | None


@torch.inference_mode()
def trunk_states(
    loaded: LoadedModel,
    sequences: Sequence[Sequence[int]],
    wanted: Sequence[Sequence[int]],
    *,
    middle: str | None = None,
) -> TrunkStates:
    """Return the hidden states of each sequence's wanted positions, one sequence after another.

    `middle` is the path in a block of the module that reads the state after attention.
    """
    rows = [row for row, places in enumerate(wanted) for _ in places]
    columns = [place for places in wanted for place in places]
    parts, weight = loaded.parts, next(loaded.parts.embed.parameters())
    # made before the pass: what is kept during it would pin the heap between freed activations
    shape = (len(rows), parts.width)
    depths = torch.empty(parts.depth + 1, *shape, dtype=weight.dtype, device=weight.device)
    middles = depths.new_empty(parts.depth, *shape) if middle is not None else None

    def keep(depth: int, state: Tensor) -> None:
        depths[depth].copy_(state[rows, columns])

    def keep_middle(block: int, state: Tensor) -> None:
        if middles is not None:
            middles[block].copy_(state[rows, columns])

    with watched(parts.blocks, keep), _watched_middles(parts.blocks, middle, keep_middle):
        loaded.model(input_ids=padded(sequences, loaded.device), use_cache=False)
    return TrunkStates(depths, middles)


@contextmanager
def _watched_middles(blocks: nn.ModuleList, middle: str | None, keep: Keep) -> Iterator[None]:
    """Give `keep` what the module `middle` of each block is given; nothing without one."""
    handles = []
    for place, block in enumerate(blocks if middle is not None else ()):

        def between(_: nn.Module, args: Any, kwargs: Any, place: int = place) -> None:
            keep(place, first_tensor((*args, *kwargs.values())))

        inner = block.get_submodule(middle or "")
        handles.append(inner.register_forward_pre_hook(between, with_kwargs=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def padded(sequences: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Return sequences as one tensor of ids (sequences, longest), padded on the right."""
    # any id will do as padding: what stands to the right is never looked at
    length = max(len(ids) for ids in sequences)
    rows = [[*ids, *[0] * (length - len(ids))] for ids in sequences]
    return torch.tensor(rows, device=device)
