"""The blocks of a model without its head: watching them in a forward pass, and proving them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from babelscope.errors import ModelError
from babelscope.models.lengths import rotation_limits
from babelscope.models.parts import (
    PROBE_LENGTH,
    PROBE_ROWS,
    READS_IDS,
    as_one_line,
    first_tensor,
    overflow,
)
from babelscope.models.tokenizers import silent

ALONE, TOGETHER = 4, 16
"""Tokens of a short probe, and of a long one that begins with it or stands beside it."""

UNSEEN, UNSEEN_IN_HALF = 1e-3, 0.1
"""The most that a state may move, relative to its length, where nothing but rounding moves it.

Rounding moves it by 1e-6 in float32 and by 1e-2 in half precisions; what a model sees of other
tokens, by more than either."""

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
        with as_one_line(what, READS_IDS), watched(blocks, kept.__setitem__, end=False):
            own = _run(model, _probe(model)).last_hidden_state
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
    if not bool(own.isfinite().all()) or not bool(kept[len(blocks)].isfinite().all()):
        raise overflow(what, own.dtype)
    raise ModelError(
        what,
        expected="the last block, or a norm after it, to give the model's own last hidden state",
        found=f"a relative difference of {min(gaps):.2g} ({len(blocks)} blocks of "
        f"{type(blocks[0]).__name__})",
        remedy="this architecture is not supported",
    )


def is_causal(model: nn.Module, blocks: nn.ModuleList) -> bool:
    """Tell by trial whether a text's states are the same whatever stands behind it.

    So neither later tokens nor padding on the right is seen, and no mask is needed.

    Raises:
        ModelError: a position sees no other, as where a kernel that attention needs is missing.
    """
    ids = spread_ids(model)
    alone = last_state(model, blocks, ids[:, :ALONE])
    # many tokens: one may be lost where activations are rounded to 8 bits
    other, half = ids.clone(), ids.shape[1] // 2
    other[:, :half] = ids[:, -half:]
    states = last_state(model, blocks, torch.cat([ids, other]))
    if torch.equal(states[0, half:], states[1, half:]):
        raise ModelError(
            f"blocks of {type(model).__name__}",
            expected="positions that see others",
            found="states that hang on their own token alone",
            remedy="this architecture is not supported here",
        )
    followed = states[:1, :ALONE]
    # the middle one: an expert chosen otherwise for a rounding may move one position
    return float(moved(followed, alone).median()) <= unseen(model)


def hides_padding(model: nn.Module, blocks: nn.ModuleList) -> bool:
    """Tell by trial whether a text's states are the same padded on the right, under a mask.

    They are not where convolutions, transforms or means run over the whole row (ConvBERT, FNet,
    MobileBERT), or where the model takes no mask.
    """
    if not accepts(model, "attention_mask"):
        return False
    ids = spread_ids(model)
    alone = last_state(model, blocks, ids[:, :ALONE])
    padded, mask = ids.clone(), torch.ones_like(ids)
    padded[:, ALONE:] = 0
    mask[:, ALONE:] = 0
    beside = torch.cat([padded, ids]), torch.cat([mask, torch.ones_like(ids)])
    found = last_state(model, blocks, beside[0], attention_mask=beside[1])
    return float(moved(found[: len(ids), :ALONE], alone).max()) <= unseen(model)


def width_of(model: nn.Module, blocks: nn.ModuleList) -> int:
    """Return the size of the states that the blocks give, whatever the configuration calls it."""
    return int(last_state(model, blocks, spread_ids(model)[:, :ALONE]).shape[-1])


def accepts(model: nn.Module, argument: str) -> bool:
    """Tell whether a model's forward pass names an argument; looks through an adapter."""
    inner = getattr(model, "get_base_model", None)
    kind = type(inner() if inner else model)
    return argument in inspect.signature(kind.forward).parameters


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
def _run(model: nn.Module, ids: Tensor, **settings: Tensor) -> Any:
    extra: dict[str, Any] = {**settings}
    if accepts(model, "use_cache"):
        extra["use_cache"] = False
    with silent():  # transformers warns of ids that could be padding
        return model(input_ids=ids, **extra)


def _probe(model: nn.Module) -> Tensor:
    embed = model.get_input_embeddings()  # type: ignore[operator]  # every model here has it
    ids = torch.arange(PROBE_ROWS * PROBE_LENGTH).view(PROBE_ROWS, PROBE_LENGTH)
    return (ids % embed.weight.shape[0]).to(embed.weight.device)


def spread_ids(model: nn.Module) -> Tensor:
    """Return ids (1, 16) from all over the vocabulary: its first rows are special tokens'."""
    embed = model.get_input_embeddings()  # type: ignore[operator]  # every model here has it
    rows = int(embed.weight.shape[0])
    config: Any = model.config
    room = getattr(config.get_text_config(), "max_position_embeddings", None)
    # RoBERTa spends some of its positions on padding; beyond a limit, length itself is seen
    limits = [limit for _, limit in rotation_limits(config)]
    if room:
        limits.append(int(room) - ALONE)
    count = min(TOGETHER, max(min(limits, default=TOGETHER), ALONE + 1))
    ids = (torch.arange(1, count + 1) * rows // (count + 1)).clamp(max=rows - 1)
    return ids[None].to(embed.weight.device)


def last_state(model: nn.Module, blocks: nn.ModuleList, ids: Tensor, **settings: Tensor) -> Tensor:
    """Return the last block's float32 states (rows, length, width) of a pass that ends there.

    Raises:
        ModelError: they are not finite, or the pass does not go through the blocks.
    """
    kept: dict[int, Tensor] = {}
    with as_one_line(f"model {type(model).__name__}", READS_IDS), watched(blocks, kept.__setitem__):
        _run(model, ids, **settings)
    if len(blocks) not in kept:
        raise ModelError(
            f"blocks of {type(model).__name__}",
            expected="each block to run once, in order",
            found="a pass that does not reach the last one",
            remedy="this architecture is not supported here",
        )
    state = kept[len(blocks)]
    if not bool(state.isfinite().all()):
        raise overflow(f"states of {type(model).__name__}", state.dtype)
    # a model that works in windows (Longformer) pads its rows to whole ones
    return state.float()[:, : ids.shape[1]]


def moved(found: Tensor, own: Tensor) -> Tensor:
    """Return each position's change, relative to the length of its state."""
    return ((found - own).norm(dim=-1) / own.norm(dim=-1).clamp(min=1e-6)).flatten()


def unseen(model: nn.Module) -> float:
    """Return the most that rounding moves a state, relative to its length."""
    return UNSEEN if next(model.parameters()).dtype == torch.float32 else UNSEEN_IN_HALF


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
