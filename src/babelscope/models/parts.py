"""The one seam to a model's insides: its parts are found by structure, then proved.

Everything that looks into a model (lens, hidden states, adapters) goes through `ModelParts`; no
other file knows how an architecture names its modules.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from babelscope.errors import ModelError
from babelscope.models.final_norm import modules_between
from babelscope.models.tokenizers import short

PROBE_ROWS = 2
PROBE_LENGTH = 5
READS_IDS = "a model that reads token ids alone"


_NUMBER_FORMATS = ("BFloat16", "Half", "bfloat16", "float16", "dtype")
"""What torch names where an operation lacks a number format."""
_MODEL_FAULTS = (ValueError, TypeError, KeyError, AttributeError, RuntimeError, IndexError)


@dataclass(frozen=True, slots=True)
class ModelParts:
    """A decoder's parts: embed -> blocks -> final norm -> unembed -> scale -> soft cap -> logits.

    `vocabulary_rows` counts the rows of the unembedding, padding rows included; `width` is the
    size of a hidden state, which may differ from the unembedding's: `final_norm` is all between
    the last block and it, a projection included (OPT-350m), and passes on where the blocks end
    with a norm. `depth` is the number of blocks. `soft_cap` c replaces a logit x by c tanh(x / c)
    (Gemma 2, arXiv:2408.00118).
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
    blocks = find_blocks(model, depth_of(model), name)
    rows = int(unembed.weight.shape[0])
    final_norm, width = modules_between(model, blocks[-1], unembed, lambda: run_probe(model, rows))
    soft_cap = getattr(config, "final_logit_softcapping", None)
    return ModelParts(
        embed=embed,
        blocks=blocks,
        final_norm=final_norm,
        unembed=unembed,
        logit_scale=_logit_scale(config),
        soft_cap=None if soft_cap is None else float(soft_cap),
        vocabulary_rows=rows,
        width=width,
        depth=len(blocks),
    )


def verify_parts(model: PreTrainedModel, parts: ModelParts) -> None:
    """Prove the parts: last block -> norm -> unembed must give the model's own logits.

    The tolerance is relative to the largest logit: 1e-4 in float32, 2e-2 in half precisions,
    whose rounding alone differs that much between two orders of the same sums.

    Raises:
        ModelError: the logits differ, with the size of the difference.
    """
    what = f"parts of {type(model).__name__}"
    with block_outputs(parts, [parts.depth - 1]) as kept:
        logits = run_probe(model, parts.vocabulary_rows)
    hidden = kept[parts.depth - 1].flatten(0, 1)
    own = logits.flatten(0, 1).float()
    with torch.no_grad(), as_one_line(what, "a norm and an unembedding that fit the last block"):
        ours = unembed_hidden(parts, normalise(parts, hidden)).to(own.device)
    if ours.shape != own.shape:
        raise ModelError(what, expected=f"logits {tuple(own.shape)}", found=f"{tuple(ours.shape)}")
    tolerance = 1e-4 if parts.unembed.weight.dtype == torch.float32 else 2e-2
    size = max(float(own.abs().max()), 1e-6)
    gap = float((ours - own).abs().max()) / size
    if not math.isfinite(gap):
        raise overflow(what, logits.dtype)
    if not gap <= tolerance:
        raise ModelError(
            what,
            expected="last block -> final norm -> unembedding to give the model's own logits",
            found=f"a relative difference of {gap:.2g} (norm {type(parts.final_norm).__name__}, "
            f"{parts.depth} blocks of {type(parts.blocks[0]).__name__})",
            remedy="this architecture is not supported",
        )


@contextmanager
def as_one_line(what: str, expected: str) -> Iterator[None]:
    """Turn what a model's own code raises inside, for a shape or an argument, into one line.

    Raises:
        ModelError: it raised something.
    """
    try:
        yield
    except _MODEL_FAULTS as error:
        found = short(error)
        numbers = any(word in found for word in _NUMBER_FORMATS)
        remedy = "load it as float32" if numbers else "this architecture is not supported"
        raise ModelError(what, expected=expected, found=found, remedy=remedy) from error


def overflow(what: str, dtype: torch.dtype) -> ModelError:
    """Return the error of a pass that gave infinity, or no number, in a number format."""
    if dtype == torch.float16:
        found, remedy = "numbers beyond float16's 65,504", "load the model as bfloat16 or float32"
    else:
        found = f"infinity or no number in {str(dtype).removeprefix('torch.')}"
        remedy = "its weights are broken, or need dtype float32"
    return ModelError(what, expected="finite numbers", found=found, remedy=remedy)


def part_names(model: PreTrainedModel, parts: ModelParts) -> dict[str, str]:
    """Return where each part stands in a model, with its kind: for people, not for programs."""
    found = {
        "embedding": parts.embed,
        "blocks": parts.blocks,
        "final_norm": parts.final_norm,
        "unembedding": parts.unembed,
    }
    paths = {id(module): path for path, module in model.named_modules()}

    def place(module: nn.Module) -> str:
        return f"{paths.get(id(module), '?')} ({type(module).__name__})"

    told = {name: place(module) for name, module in found.items()}
    if type(parts.final_norm) is nn.Sequential:
        told["final_norm"] = ", ".join(place(module) for module in parts.final_norm)
    elif id(parts.final_norm) not in paths:
        told["final_norm"] = "none: the blocks end with a norm"
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


def depth_of(model: PreTrainedModel) -> int:
    """Return how many blocks a model's configuration counts.

    Raises:
        ModelError: it counts none.
    """
    depth = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    if not isinstance(depth, int) or depth < 1:
        raise ModelError(
            f"model {type(model).__name__}",
            expected="num_hidden_layers in its configuration",
            found=str(depth),
            remedy="this architecture is not supported",
        )
    return depth


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
        told = [f"{path} of {len(m)}" + _mixture(m) for path, m in lists]
        found = ", ".join(told) or "none"
        raise ModelError(f"model {name}", expected=f"one list of {depth} blocks", found=found)
    return sized[0]


def _mixture(modules: nn.ModuleList) -> str:
    kinds = list(dict.fromkeys(type(module).__name__ for module in modules))
    return f" ({' and '.join(kinds)})" if len(kinds) > 1 else ""


def run_probe(model: PreTrainedModel, rows: int) -> Tensor:
    """Return the logits (2, 5, rows) of two fixed rows of ids; hooks see one small pass."""
    ids = torch.arange(PROBE_ROWS * PROBE_LENGTH).view(PROBE_ROWS, PROBE_LENGTH) % rows
    device = model.get_input_embeddings().weight.device
    training = model.training
    model.eval()
    try:
        with torch.no_grad(), as_one_line(f"model {type(model).__name__}", READS_IDS):
            return model(input_ids=ids.to(device), use_cache=False).logits
    finally:
        model.train(training)
