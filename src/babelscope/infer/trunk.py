"""Hidden states of chosen positions at every depth, from one forward pass without the head.

The pass ends with the last block: no logits are made. Sequences are padded on the right, where
causal attention cannot see the padding, so it changes nothing and needs no mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn

from babelscope.errors import SettingError
from babelscope.models.loading import LoadedModel
from babelscope.models.parts import first_tensor


class _TrunkEndedError(Exception):
    """Ends a forward pass after the last block; never leaves this file."""


def check_sequences(loaded: LoadedModel, sequences: Sequence[Sequence[int]]) -> None:
    """Check that each sequence has tokens of the vocabulary, and no more than the model's room.

    Raises:
        SettingError: one has not; names its place.
    """
    room = getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None)
    rows = loaded.parts.vocabulary_rows
    for place, ids in enumerate(sequences):
        if not ids or (room and len(ids) > room):
            expected = f"1 to {room} tokens" if room else "at least one token"
            raise SettingError(f"prompt {place}", expected=expected, found=str(len(ids)))
        if min(ids) < 0 or max(ids) >= rows:
            raise SettingError(
                f"prompt {place}",
                expected=f"token ids from 0 to {rows - 1}",
                found=f"{min(ids)} to {max(ids)}",
            )


@torch.inference_mode()
def trunk_states(
    loaded: LoadedModel, sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]
) -> list[Tensor]:
    """Return the hidden states (positions, width) of a batch's wanted positions at each depth.

    Depth 0 is the input of the first block, depth d the output of block d, before the final norm;
    there are depth + 1 of them. `wanted` has each sequence's positions, which come out one
    sequence after another.
    """
    rows = [row for row, places in enumerate(wanted) for _ in places]
    columns = [place for places in wanted for place in places]
    kept: list[Tensor] = []
    with _watched(loaded.parts.blocks, lambda state: kept.append(state[rows, columns])):
        loaded.model(input_ids=_padded(sequences, loaded.device), use_cache=False)
    return kept


@contextmanager
def _watched(blocks: nn.ModuleList, see: Callable[[Tensor], None]) -> Iterator[None]:
    """Show the input of the first block and each block's output, then end the pass."""

    def before(_: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        see(first_tensor(args if args else kwargs["hidden_states"]))

    def after(block: nn.Module, _: object, output: object) -> None:
        see(first_tensor(output))
        if block is blocks[-1]:
            raise _TrunkEndedError

    handles = [block.register_forward_hook(after) for block in blocks]
    handles.append(blocks[0].register_forward_pre_hook(before, with_kwargs=True))
    try:
        with suppress(_TrunkEndedError):
            yield
    finally:
        for handle in handles:
            handle.remove()


def _padded(sequences: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    # any id will do as padding: what stands to the right is never looked at
    length = max(len(ids) for ids in sequences)
    rows = [[*ids, *[0] * (length - len(ids))] for ids in sequences]
    return torch.tensor(rows, device=device)
