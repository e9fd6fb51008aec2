"""A model without its head, decoder or encoder: embedding and blocks, found and proved.

Depth 0 is the input of the first block, depth d the output of block d, before any final norm.
A model of L blocks with a final norm has one depth more, L + 1: the states after that norm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel

from babelscope.errors import ModelError
from babelscope.identity import digest
from babelscope.models.folders import folder_fingerprint
from babelscope.models.fused import fuse_activations
from babelscope.models.loading import (
    LoadedModel,
    Tokenizer,
    check_vocabulary,
    open_folder,
    raise_missing,
    read_weights,
    tokenizer_fingerprint,
)
from babelscope.models.parts import depth_of, find_blocks
from babelscope.models.trunk_proof import hides_padding, is_causal, verify_trunk, width_of

UNLIMITED = 1 << 40


@dataclass(frozen=True, slots=True)
class Trunk:
    """A model that gives hidden states, in evaluation mode, whatever its head.

    `depth` is the number of blocks. `final_norm` follows the last one; None where the last block
    ends with a norm of its own, as BERT's does: such a model has no states after a final norm.
    `causal`: a position sees none to its right. `hides_padding`: a text's states are the same
    beside a longer one, else only texts of one length are read together. `fingerprint` is that of
    the model's folder and of its adapter; `max_tokens` is the longest sequence that has positions,
    None without a limit.
    """

    model: nn.Module
    tokenizer: Tokenizer
    embed: nn.Module
    blocks: nn.ModuleList
    final_norm: nn.Module | None
    width: int
    depth: int
    causal: bool
    name: str
    fingerprint: str
    tokenizer_fingerprint: str
    dtype: torch.dtype
    device: torch.device
    max_tokens: int | None
    hides_padding: bool = True

    @property
    def depths(self) -> int:
        """The number of depths: the states between blocks, and those after a final norm."""
        return self.depth + 1 + (self.final_norm is not None)

    @property
    def norm_depth(self) -> int | None:
        """The depth of the states after the final norm; None without one."""
        return self.depth + 1 if self.final_norm is not None else None


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
    embed = model.get_input_embeddings()
    blocks = find_blocks(model, depth_of(model), name)
    fuse_activations(blocks)
    behind = verify_trunk(model, blocks)
    prefixes = tuple(f"{path}." for path, module in model.named_modules() if module in behind.idle)
    raise_missing(opened, [key for key in missing if not key.startswith(prefixes)])
    check_vocabulary(opened, int(embed.weight.shape[0]), embed)
    causal = is_causal(model, blocks)
    return Trunk(
        model=model,
        tokenizer=opened.tokenizer,
        embed=embed,
        blocks=blocks,
        final_norm=norm_of(behind.norm),
        width=width_of(model, blocks),
        depth=len(blocks),
        causal=causal,
        name=name,
        fingerprint=folder_fingerprint(opened.folder, code=trust_remote_code),
        tokenizer_fingerprint=tokenizer_fingerprint(opened.tokenizer),
        dtype=opened.dtype,
        device=embed.weight.device,
        max_tokens=token_limit(model, embed, opened.tokenizer),
        hides_padding=causal or hides_padding(model, blocks),
    )


def trunk_of(loaded: LoadedModel, *, adapter: str = "") -> Trunk:
    """Return the trunk of a loaded decoder; it looks through whatever adapter is in use.

    `adapter` is the fingerprint of that adapter, which becomes part of the trunk's own.
    """
    parts = loaded.parts
    causal = is_causal(loaded.model, parts.blocks)
    return Trunk(
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        embed=parts.embed,
        blocks=parts.blocks,
        final_norm=norm_of(parts.final_norm),
        width=parts.width,
        depth=parts.depth,
        causal=causal,
        name=loaded.name,
        fingerprint=digest([loaded.fingerprint, adapter]) if adapter else loaded.fingerprint,
        tokenizer_fingerprint=tokenizer_fingerprint(loaded.tokenizer),
        dtype=loaded.dtype,
        device=loaded.device,
        max_tokens=token_limit(loaded.model, parts.embed, loaded.tokenizer),
        hides_padding=causal or hides_padding(loaded.model, parts.blocks),
    )


def norm_of(behind: nn.Module | None) -> nn.Module | None:
    """Return the norm among what stands behind the last block, None without one.

    A projection to the unembedding's width (OPT-350m) is no norm, nor what passes on.
    """
    if isinstance(behind, nn.Sequential):
        return norm_of(behind[0])
    return None if isinstance(behind, nn.Identity | nn.Linear) else behind


def normed(norm: nn.Module, states: Tensor) -> Tensor:
    """Return states (..., width) after a norm, on the device and in the dtype of its weights."""
    weight = next(norm.parameters(), None)
    return norm(states if weight is None else states.to(weight.device, weight.dtype))


def norm_gain(trunk: Trunk) -> tuple[Tensor, Tensor] | None:
    """Return factor and shift (width,) of the final norm in float64; None without a norm.

    A norm gives factor x rescaled state + shift. +1 and -1 in turn are such a state already, and
    so is its opposite: half the sum of what they become is the shift, half the difference the
    factor, whether the norm keeps its weights as they are or, as Gemma's, less 1. An odd width
    leaves a mean of 1 / width, which a norm that centres takes away.
    """
    if trunk.final_norm is None:
        return None
    state = torch.ones(trunk.width, device=trunk.device, dtype=trunk.dtype)
    state[1::2] = -1
    with torch.inference_mode():
        up, down = (normed(trunk.final_norm, x[None, None])[0, 0].double() for x in (state, -state))
    return ((up - down) / 2 * state.to(up.device)).cpu(), ((up + down) / 2).cpu()


def token_limit(model: nn.Module, embed: nn.Module, tokenizer: Tokenizer) -> int | None:
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
    # a tokenizer without a limit says so with a huge number
    limits = [int(n) for n in (room, tokenizer.model_max_length) if n and n < UNLIMITED]
    return min(limits, default=None)
