"""Hidden states of chosen positions at every depth, from one forward pass without the head.

The pass ends with the last block: no logits are made. Sequences are padded on the right, where
causal attention cannot see the padding, so it changes nothing and needs no mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from babelscope.errors import SettingError
from babelscope.models.loading import LoadedModel
from babelscope.models.parts import first_tensor


class _TrunkEndedError(Exception):
    """Ends a forward pass after the last block; never leaves this file."""


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
    """Hidden states (positions, width) of a batch's wanted positions, before the final norm.

    `depths` has depth + 1 of them: 0 is the input of the first block, d the output of block d.
    `middles` has the state after the attention step of each block, none unless asked for.
    """

    depths: list[Tensor]
    middles: list[Tensor]


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
    states = TrunkStates([], [])
    with _watched(loaded.parts.blocks, middle, states, lambda state: state[rows, columns]):
        loaded.model(input_ids=padded(sequences, loaded.device), use_cache=False)
    return states


@contextmanager
def _watched(
    blocks: nn.ModuleList,
    middle: str | None,
    states: TrunkStates,
    pick: Callable[[Tensor], Tensor],
) -> Iterator[None]:
    """Keep what is picked of the block's inputs and outputs, then end the pass."""

    def before(_: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        states.depths.append(pick(first_tensor(args if args else kwargs["hidden_states"])))

    def between(_: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        states.middles.append(pick(first_tensor((*args, *kwargs.values()))))

    def after(block: nn.Module, _: object, output: object) -> None:
        states.depths.append(pick(first_tensor(output)))
        if block is blocks[-1]:
            raise _TrunkEndedError

    handles = [block.register_forward_hook(after) for block in blocks]
    handles.append(blocks[0].register_forward_pre_hook(before, with_kwargs=True))
    if middle is not None:
        inner = [block.get_submodule(middle) for block in blocks]
        handles += [m.register_forward_pre_hook(between, with_kwargs=True) for m in inner]
    try:
        with suppress(_TrunkEndedError):
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
