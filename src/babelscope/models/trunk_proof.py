"""The blocks of a model without its head: watching them in a forward pass, and proving them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from babelscope.errors import ModelError
from babelscope.models.parts import PROBE_LENGTH, PROBE_ROWS, first_tensor
from babelscope.models.tokenizers import short, silent

Keep = Callable[[int, Tensor], None]
"""Is given each depth and its state (batch, length, width) while the pass runs."""


class _PassEndedError(Exception):
    """Ends a forward pass after the last block; never leaves this file."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What follows the last block: the final norm, None where its output is the last state.

    `idle` are the modules that run after it and change no hidden state (a pooler's).
    """

    norm: nn.Module | None
    idle: tuple[nn.Module, ...]


def verify_trunk(model: PreTrainedModel, blocks: nn.ModuleList) -> Behind:
    """Prove the blocks: the last one's output is the model's own last hidden state.

    At most one module may stand between them, the final norm. Tolerances are those of
    `verify_parts`. Returns what follows the last block.

    Raises:
        ModelError: the states differ, or the blocks do not run once each in their order.
    """
    order: list[nn.Module] = []
    kept: dict[int, Tensor] = {}
    leaves = [m for m in model.modules() if not any(True for _ in m.children())]
    hooks = [
        m.register_forward_hook(lambda m, *_: order.append(m)) for m in (*leaves, *list(blocks))
    ]
    what = f"trunk of {type(model).__name__}"
    try:
        with watched(blocks, kept.__setitem__, end=False):
            own = _run(model, _probe(model)).last_hidden_state
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise ModelError(
            what, expected="a model that reads token ids alone", found=short(error)
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    ran = [place for m in order for place, block in enumerate(blocks) if block is m]
    if ran != list(range(len(blocks))):
        raise ModelError(what, expected="each block to run once, in order", found=str(ran))
    start = order.index(blocks[-1]) + 1
    gaps = [_gap(kept[len(blocks)], own)]
    for place in range(start, len(order) + 1):
        if gaps[-1] <= _tolerance(model):
            norm = order[place - 1] if place > start else None
            return Behind(norm, tuple(m for m in order[place:] if m not in order[:place]))
        if place < len(order):
            gaps.append(_gap(_applied(order[place], kept[len(blocks)]), own))
    raise ModelError(
        what,
        expected="the last block, or a norm after it, to give the model's own last hidden state",
        found=f"a relative difference of {min(gaps):.2g} ({len(blocks)} blocks of "
        f"{type(blocks[0]).__name__})",
        remedy="this architecture is not supported",
    )


def is_causal(model: nn.Module, blocks: nn.ModuleList) -> bool:
    """Tell by trial whether another last token leaves all states before it exactly as they were."""
    ids = _probe(model)
    other = ids.clone()
    other[:, -1] = ids[:, 0]
    a, b = (_last_state(model, blocks, x)[:, :-1] for x in (ids, other))
    return torch.equal(a, b)


@contextmanager
def watched(blocks: nn.ModuleList, keep: Keep, *, end: bool = True) -> Iterator[None]:
    """Give `keep` the first block's input and each block's output of the pass inside.

    With `end` the pass ends with the last block: neither final norm nor head is computed.
    """

    def before(_: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        keep(0, first_tensor(args if args else kwargs["hidden_states"]))

    handles = [blocks[0].register_forward_pre_hook(before, with_kwargs=True)]
    for place, block in enumerate(blocks, 1):

        def after(_: nn.Module, __: object, output: object, place: int = place) -> None:
            keep(place, first_tensor(output))
            if end and place == len(blocks):
                raise _PassEndedError

        handles.append(block.register_forward_hook(after))
    try:
        with suppress(_PassEndedError):
            yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def _run(model: nn.Module, ids: Tensor) -> Any:
    with silent():  # transformers warns of ids that could be padding
        return model(input_ids=ids)


def _probe(model: nn.Module) -> Tensor:
    embed = model.get_input_embeddings()  # type: ignore[operator]  # every model here has it
    ids = torch.arange(PROBE_ROWS * PROBE_LENGTH).view(PROBE_ROWS, PROBE_LENGTH)
    return (ids % embed.weight.shape[0]).to(embed.weight.device)


def _last_state(model: nn.Module, blocks: nn.ModuleList, ids: Tensor) -> Tensor:
    kept: dict[int, Tensor] = {}
    with watched(blocks, kept.__setitem__):
        _run(model, ids)
    return kept[len(blocks)]


def _applied(module: nn.Module, hidden: Tensor) -> Tensor | None:
    try:
        with torch.no_grad():
            return module(hidden)
    except (RuntimeError, TypeError):  # a module of another width or call
        return None


def _gap(ours: Tensor | None, own: Tensor) -> float:
    """Return the largest difference relative to the largest entry."""
    if not isinstance(ours, Tensor) or ours.shape != own.shape:
        return float("inf")
    own = own.float()
    size = max(float(own.abs().max()), 1e-6)
    return float((ours.to(own.device).float() - own).abs().max()) / size


def _tolerance(model: nn.Module) -> float:
    return 1e-4 if next(model.parameters()).dtype == torch.float32 else 2e-2
