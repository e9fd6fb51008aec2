"""The one seam to a model's insides: its parts are found by structure, then proved.

Everything that looks into a model (lens, hidden states, adapters) goes through `ModelParts`; no
other file knows how an architecture names its modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from babelscope.errors import ModelError

PROBE_ROWS = 2
PROBE_LENGTH = 5


@dataclass(frozen=True, slots=True)
class ModelParts:
    """A decoder's parts: embed -> blocks -> final norm -> unembed -> scale -> soft cap -> logits.

    `vocabulary_rows` counts the rows of the unembedding, padding rows included; `width` is the
    size of a hidden state; `depth` is the number of blocks. `soft_cap` c replaces a logit x by
    c tanh(x / c) (Gemma 2, arXiv:2408.00118).
    """

    embed: nn.Module
    blocks: nn.ModuleList
    final_norm: nn.Module
    unembed: nn.Module
    logit_scale: float
    soft_cap: float | None
    vocabulary_rows: int
    width: int
    depth: int


def locate_parts(model: PreTrainedModel) -> ModelParts:
    """Find the parts of a causal language model by structure and one tiny forward pass.

    Raises:
        ModelError: a part is absent or there is more than one candidate; says what was found.
    """
    name = type(model).__name__
    config = model.config.get_text_config()
    embed, unembed = model.get_input_embeddings(), model.get_output_embeddings()
    if embed is None or unembed is None or getattr(unembed, "weight", None) is None:
        raise ModelError(
            f"model {name}",
            expected="input and output embeddings",
            found=f"{type(embed).__name__} and {type(unembed).__name__}",
            remedy="only causal language models are supported",
        )
    blocks = find_blocks(model, int(config.num_hidden_layers), name)
    rows, width = unembed.weight.shape
    soft_cap = getattr(config, "final_logit_softcapping", None)
    return ModelParts(
        embed=embed,
        blocks=blocks,
        final_norm=_final_norm(model, blocks, unembed, name),
        unembed=unembed,
        logit_scale=_logit_scale(config),
        soft_cap=None if soft_cap is None else float(soft_cap),
        vocabulary_rows=int(rows),
        width=int(width),
        depth=len(blocks),
    )


def verify_parts(model: PreTrainedModel, parts: ModelParts) -> None:
    """Prove the parts: last block -> norm -> unembed must give the model's own logits.

    The tolerance is relative to the largest logit: 1e-4 in float32, 2e-2 in half precisions,
    whose rounding alone differs that much between two orders of the same sums.

    Raises:
        ModelError: the logits differ, with the size of the difference.
    """
    with block_outputs(parts, [parts.depth - 1]) as kept:
        logits = run_probe(model, parts.vocabulary_rows)
    hidden = kept[parts.depth - 1].flatten(0, 1)
    own = logits.flatten(0, 1).float()
    with torch.no_grad():
        ours = unembed_hidden(parts, normalise(parts, hidden)).to(own.device)
    what = f"parts of {type(model).__name__}"
    if ours.shape != own.shape:
        raise ModelError(what, expected=f"logits {tuple(own.shape)}", found=f"{tuple(ours.shape)}")
    tolerance = 1e-4 if parts.unembed.weight.dtype == torch.float32 else 2e-2
    size = max(float(own.abs().max()), 1e-6)
    gap = float((ours - own).abs().max()) / size
    if not gap <= tolerance:
        raise ModelError(
            what,
            expected="last block -> final norm -> unembedding to give the model's own logits",
            found=f"a relative difference of {gap:.2g} (norm {type(parts.final_norm).__name__}, "
            f"{parts.depth} blocks of {type(parts.blocks[0]).__name__})",
            remedy="this architecture is not supported",
        )


def part_names(model: PreTrainedModel, parts: ModelParts) -> dict[str, str]:
    """Return where each part stands in a model, with its kind: for people, not for programs."""
    found = {
        "embedding": parts.embed,
        "blocks": parts.blocks,
        "final_norm": parts.final_norm,
        "unembedding": parts.unembed,
    }
    paths = {id(module): path for path, module in model.named_modules()}
    told = {k: f"{paths.get(id(m), '?')} ({type(m).__name__})" for k, m in found.items()}
    told["blocks"] = f"{paths.get(id(parts.blocks), '?')} ({parts.depth} {_kind(parts.blocks)})"
    if parts.unembed.weight is parts.embed.weight:
        told["unembedding"] += ", tied to the embedding"
    return told


def positions_of(model: PreTrainedModel) -> int | None:
    """Return the most tokens that a model's configuration allows; None where it sets no limit."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return int(limit) if limit else None


def _kind(blocks: nn.ModuleList) -> str:
    return type(blocks[0]).__name__


def normalise(parts: ModelParts, hidden: Tensor) -> Tensor:
    """Apply the final norm to hidden states (n, width) after any block."""
    return parts.final_norm(_beside(parts.final_norm, hidden))


def unembed_hidden(parts: ModelParts, hidden: Tensor) -> Tensor:
    """Project normed hidden states (n, width) to float32 logits (n, rows), scaled and capped."""
    return finish_logits(parts, parts.unembed(_beside(parts.unembed, hidden)).float())


def finish_logits(parts: ModelParts, raw: Tensor) -> Tensor:
    """Apply scale and soft cap to what the unembedding gave; elementwise, so chunks may come."""
    if parts.logit_scale != 1.0:
        raw = raw * parts.logit_scale
    if parts.soft_cap is not None:
        raw = parts.soft_cap * torch.tanh(raw / parts.soft_cap)
    return raw


@contextmanager
def block_outputs(parts: ModelParts, which: Iterable[int]) -> Iterator[dict[int, Tensor]]:
    """Keep the outputs (batch, length, width) of the blocks `which` of a forward pass inside.

    The index -1 stands for the input of the first block.
    """
    kept: dict[int, Tensor] = {}
    handles = []
    for index in which:

        def keep(_: nn.Module, __: object, out: object, index: int = index) -> None:
            kept[index] = first_tensor(out).detach()

        def keep_input(_: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
            kept[-1] = first_tensor(args if args else kwargs["hidden_states"]).detach()

        block = parts.blocks[max(index, 0)]
        handles.append(
            block.register_forward_pre_hook(keep_input, with_kwargs=True)
            if index < 0
            else block.register_forward_hook(keep)
        )
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def first_tensor(output: object) -> Tensor:
    """Return a module's output, or its first item where it gives a tuple (blocks differ in this).

    Raises:
        ModelError: the output holds no tensor first.
    """
    value = output[0] if isinstance(output, (tuple, list)) else output
    if not isinstance(value, Tensor):
        raise ModelError("a block's output", expected="a tensor", found=type(value).__name__)
    return value


def _beside(module: nn.Module, hidden: Tensor) -> Tensor:
    weight = next(module.parameters(), None)
    return hidden if weight is None else hidden.to(device=weight.device, dtype=weight.dtype)


def _logit_scale(config: object) -> float:
    # Cohere multiplies its logits, Granite divides them
    scale = float(getattr(config, "logit_scale", None) or 1.0)
    return scale / float(getattr(config, "logits_scaling", None) or 1.0)


def find_blocks(model: PreTrainedModel, depth: int, name: str) -> nn.ModuleList:
    """Return the largest list of `depth` modules of one kind.

    Raises:
        ModelError: there is none; says what lists there are.
    """
    lists = [
        (path, module)
        for path, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
    ]
    fits = [m for _, m in lists if len(m) == depth and len({type(b) for b in m}) == 1]
    sized = sorted(fits, key=lambda m: -sum(p.numel() for p in m.parameters()))
    if not sized:
        found = ", ".join(f"{path} of {len(m)}" for path, m in lists) or "none"
        raise ModelError(f"model {name}", expected=f"one list of {depth} blocks", found=found)
    return sized[0]


def _final_norm(
    model: PreTrainedModel, blocks: nn.ModuleList, unembed: nn.Module, name: str
) -> nn.Module:
    """Return the leaf module that runs last between the last block and the unembedding."""
    calls: list[nn.Module] = []
    leaves = [
        m for m in model.modules() if m is not unembed and not any(True for _ in m.children())
    ]
    watched = [*leaves, blocks[-1], unembed]
    hooks = [m.register_forward_hook(lambda module, *_: calls.append(module)) for m in watched]
    try:
        run_probe(model, int(model.get_output_embeddings().weight.shape[0]))
    finally:
        for hook in hooks:
            hook.remove()
    between = calls[calls.index(blocks[-1]) + 1 :] if blocks[-1] in calls else []
    between = between[: between.index(unembed)] if unembed in between else []
    weighted = [m for m in between if next(m.parameters(recurse=False), None) is not None]
    if not weighted:
        raise ModelError(
            f"model {name}",
            expected="a norm between the last block and the unembedding",
            found=", ".join(type(m).__name__ for m in between) or "nothing",
        )
    return weighted[-1]


def run_probe(model: PreTrainedModel, rows: int) -> Tensor:
    """Return the logits (2, 5, rows) of two fixed rows of ids; hooks see one small pass."""
    ids = torch.arange(PROBE_ROWS * PROBE_LENGTH).view(PROBE_ROWS, PROBE_LENGTH) % rows
    device = model.get_input_embeddings().weight.device
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return model(input_ids=ids.to(device), use_cache=False).logits
    finally:
        model.train(training)
