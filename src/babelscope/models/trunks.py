"""A model without its head, decoder or encoder: embedding and blocks, found and proved.

Depth 0 is the input of the first block, depth d the output of block d, before any final norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from babelscope.errors import ModelError
from babelscope.identity import digest
from babelscope.models.folders import folder_fingerprint
from babelscope.models.loading import (
    LoadedModel,
    Tokenizer,
    check_vocabulary,
    open_folder,
    raise_missing,
    read_weights,
    tokenizer_fingerprint,
)
from babelscope.models.parts import PROBE_LENGTH, PROBE_ROWS, find_blocks, first_tensor
from babelscope.models.tokenizers import short

Keep = Callable[[int, Tensor], None]
"""Is given each depth and its state (batch, length, width) while the pass runs."""


@dataclass(frozen=True, slots=True)
class Trunk:
    """A model that gives hidden states, in evaluation mode, whatever its head.

    `causal`: a position sees none to its right. `fingerprint` is that of configuration, weights
    and adapter; `max_tokens` is the longest sequence that has positions, None without a limit.
    """

    model: nn.Module
    tokenizer: Tokenizer
    embed: nn.Module
    blocks: nn.ModuleList
    width: int
    depth: int
    causal: bool
    name: str
    fingerprint: str
    tokenizer_fingerprint: str
    dtype: torch.dtype
    device: torch.device
    max_tokens: int | None


class _PassEndedError(Exception):
    """Ends a forward pass after the last block; never leaves this file."""


def load_trunk(
    name: str,
    *,
    dtype: str = "auto",
    device: str = "auto",
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> Trunk:
    """Load a decoder or an encoder without its head; arguments and checks as `load_model`.

    A checkpoint with any head will do. Weights that only modules after the final norm use, such
    as a pooler's, may be missing: they cannot change a hidden state.

    Raises:
        SettingError: the dtype or the device is unknown or absent.
        ModelError: it cannot be had, is not whole, is pickled, or its blocks cannot be proved.
    """
    opened = open_folder(
        name, dtype=dtype, device=device, revision=revision, trust_remote_code=trust_remote_code
    )
    model, missing = read_weights(opened, AutoModel, "a decoder or an encoder")
    if model.config.is_encoder_decoder:
        raise ModelError(
            f"model {name}", expected="a decoder or an encoder", found="both in one model"
        )
    config = model.config.get_text_config()
    embed = model.get_input_embeddings()
    blocks = find_blocks(model, int(config.num_hidden_layers), name)
    idle = verify_trunk(model, blocks)
    prefixes = tuple(f"{path}." for path, module in model.named_modules() if module in idle)
    raise_missing(opened, [key for key in missing if not key.startswith(prefixes)])
    check_vocabulary(opened, int(embed.weight.shape[0]))
    return Trunk(
        model=model,
        tokenizer=opened.tokenizer,
        embed=embed,
        blocks=blocks,
        width=int(config.hidden_size),
        depth=len(blocks),
        causal=_is_causal(model, blocks),
        name=name,
        fingerprint=folder_fingerprint(opened.folder),
        tokenizer_fingerprint=tokenizer_fingerprint(opened.tokenizer),
        dtype=opened.dtype,
        device=embed.weight.device,
        max_tokens=_max_tokens(model, embed, opened.tokenizer),
    )


def trunk_of(loaded: LoadedModel, *, adapter: str = "") -> Trunk:
    """Return the trunk of a loaded decoder; it looks through whatever adapter is in use.

    `adapter` is the fingerprint of that adapter, which becomes part of the trunk's own.
    """
    parts = loaded.parts
    return Trunk(
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        embed=parts.embed,
        blocks=parts.blocks,
        width=parts.width,
        depth=parts.depth,
        causal=_is_causal(loaded.model, parts.blocks),
        name=loaded.name,
        fingerprint=digest([loaded.fingerprint, adapter]) if adapter else loaded.fingerprint,
        tokenizer_fingerprint=tokenizer_fingerprint(loaded.tokenizer),
        dtype=loaded.dtype,
        device=loaded.device,
        max_tokens=_max_tokens(loaded.model, parts.embed, loaded.tokenizer),
    )


def verify_trunk(model: PreTrainedModel, blocks: nn.ModuleList) -> list[nn.Module]:
    """Prove the blocks: the last one's output is the model's own last hidden state.

    At most one module may stand between them, the final norm. Tolerances are those of
    `verify_parts`. Returns the modules that run after it and change nothing (a pooler's).

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
            own = run_ids(model, _probe(model)).last_hidden_state
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
            return [m for m in order[place:] if m not in order[:place]]
        if place < len(order):
            gaps.append(_gap(_applied(order[place], kept[len(blocks)]), own))
    raise ModelError(
        what,
        expected="the last block, or a norm after it, to give the model's own last hidden state",
        found=f"a relative difference of {min(gaps):.2g} ({len(blocks)} blocks of "
        f"{type(blocks[0]).__name__})",
        remedy="this architecture is not supported",
    )


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
def run_ids(model: nn.Module, ids: Tensor) -> Any:
    """Return what a model gives for ids (rows, length) without padding."""
    return model(input_ids=ids)


def _probe(model: nn.Module) -> Tensor:
    embed = model.get_input_embeddings()  # type: ignore[operator]  # every model here has it
    ids = torch.arange(PROBE_ROWS * PROBE_LENGTH).view(PROBE_ROWS, PROBE_LENGTH)
    return (ids % embed.weight.shape[0]).to(embed.weight.device)


def _last_state(model: nn.Module, blocks: nn.ModuleList, ids: Tensor) -> Tensor:
    kept: dict[int, Tensor] = {}
    with watched(blocks, kept.__setitem__):
        run_ids(model, ids)
    return kept[len(blocks)]


def _is_causal(model: nn.Module, blocks: nn.ModuleList) -> bool:
    """Tell by trial whether another last token leaves the states before it as they were."""
    ids = _probe(model)
    other = ids.clone()
    other[:, -1] = ids[:, 0]
    a, b = (_last_state(model, blocks, x)[:, :-1] for x in (ids, other))
    return _gap(a, b) <= _tolerance(model)


def _max_tokens(model: nn.Module, embed: nn.Module, tokenizer: Tokenizer) -> int | None:
    """Return the most tokens that both the configuration and the tokenizer allow."""
    config: Any = model.config
    room = getattr(config.get_text_config(), "max_position_embeddings", None)
    if room:
        # RoBERTa counts positions from the one behind that of padding
        tables = [m for m in model.modules() if isinstance(m, nn.Embedding) and m is not embed]
        spent = [
            m.padding_idx + 1
            for m in tables
            if m.num_embeddings == room and m.padding_idx is not None
        ]
        room -= max(spent, default=0)
    limits: Sequence[int] = [n for n in (room, tokenizer.model_max_length) if n]
    least = min(limits, default=0)
    # a tokenizer without a limit says so with a huge number
    return int(least) if 0 < least < 1 << 40 else None


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
