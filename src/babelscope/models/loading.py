"""Loading a model and its tokenizer from the package, a folder or the Hub; safetensors only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from babelscope.errors import ModelError, SettingError
from babelscope.models.folders import (
    MINI,
    base_fingerprint,
    check_model_folder,
    folder_fingerprint,
    resolve_folder,
)
from babelscope.models.fused import fuse_activations
from babelscope.models.parts import (
    ModelParts,
    depth_of,
    find_blocks,
    locate_parts,
    verify_parts,
)
from babelscope.models.tokenizers import (
    Tokenizer,
    idle_rows,
    load_tokenizer,
    pad_id,
    short,
    silent,
    tokenizer_fingerprint,
    tokenizer_in,
)
from babelscope.models.trunk_proof import is_causal

__all__ = [
    "LoadedModel",
    "Opened",
    "Tokenizer",
    "check_vocabulary",
    "load_model",
    "load_tokenizer",
    "open_folder",
    "pad_id",
    "raise_missing",
    "read_weights",
    "tokenizer_fingerprint",
]

DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
    "float16": torch.float16,
    "fp16": torch.float16,
}
SPREAD = "spread"
"""The device that means: over all devices that accelerate finds."""

_LOAD_FAULTS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    ImportError,
    SafetensorError,
    StrictDataclassError,
)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model with its tokenizer and proved parts, in evaluation mode.

    `name` is as it was asked for, `fingerprint` that of all that was read of its folder, `device`
    where ids go in, `weights_fingerprint` that of configuration and weights alone ("": not told).
    The parts stay valid when adapters are attached.
    """

    model: PreTrainedModel
    tokenizer: Tokenizer
    parts: ModelParts
    name: str
    fingerprint: str
    dtype: torch.dtype
    device: torch.device
    weights_fingerprint: str = ""

    @property
    def base_fingerprint(self) -> str:
        """What an adapter is made for: the weights, whatever their tokenizer or end tokens are."""
        return self.weights_fingerprint or self.fingerprint


@dataclass(frozen=True, slots=True)
class Opened:
    """A checked model folder whose weights are not read yet; `place` is a device or `spread`."""

    name: str
    folder: Path
    tokenizer: Tokenizer
    dtype: torch.dtype
    place: str
    trust_remote_code: bool


def load_model(
    name: str,
    *,
    dtype: str = "auto",
    device: str = "auto",
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> LoadedModel:
    """Load a causal language model by the name `mini`, a folder, or a Hub name.

    `dtype` auto is float32 on the CPU and for `mini`, bfloat16 elsewhere; `device` is auto, cpu,
    cuda, cuda:N, mps or `spread`.

    Raises:
        SettingError: the dtype or the device is unknown or absent.
        ModelError: it cannot be had, is not whole, is pickled, or its parts cannot be proved.
    """
    opened = open_folder(
        name,
        dtype=dtype,
        device=device,
        revision=revision,
        trust_remote_code=trust_remote_code,
    )
    model, missing = read_weights(opened, AutoModelForCausalLM, "a causal language model")
    _check_decoder(opened, model)
    raise_missing(opened, missing)
    parts = locate_parts(model)
    fuse_activations(parts.blocks)
    verify_parts(model, parts)
    check_vocabulary(opened, parts.vocabulary_rows, parts.embed)
    return LoadedModel(
        model=model,
        tokenizer=opened.tokenizer,
        parts=parts,
        name=name,
        fingerprint=folder_fingerprint(opened.folder, code=trust_remote_code),
        dtype=opened.dtype,
        device=next(parts.embed.parameters()).device,
        weights_fingerprint=base_fingerprint(opened.folder),
    )


def _check_decoder(opened: Opened, model: PreTrainedModel) -> None:
    if not is_causal(model, find_blocks(model, depth_of(model), type(model).__name__)):
        raise ModelError(
            f"model {opened.name}",
            expected="a decoder, whose positions see none to their right",
            found="an encoder",
            remedy="it can be aligned, probed and trained to classify, but neither asked nor "
            "looked into by the lens",
        )


def open_folder(
    name: str, *, dtype: str, device: str, revision: str | None, trust_remote_code: bool
) -> Opened:
    """Find and check a model's folder, and read all but its weights; arguments as `load_model`.

    Raises:
        SettingError: the dtype or the device is unknown or absent.
        ModelError: the folder cannot be had, is not whole, or is pickled.
    """
    place = place_of(device)
    kind = _dtype(dtype, "cpu" if name == MINI else place)
    folder = resolve_folder(name, revision=revision, code=trust_remote_code)
    check_model_folder(folder)
    _check_config(folder, name, trust_remote_code)
    tokenizer = tokenizer_in(folder, name, trust_remote_code)
    return Opened(name, folder, tokenizer, kind, place, trust_remote_code)


def _dtype(name: str, place: str) -> torch.dtype:
    if name == "auto":
        return torch.float32 if place == "cpu" else torch.bfloat16
    if name not in DTYPES:
        raise SettingError("dtype", expected="auto, " + ", ".join(DTYPES), found=repr(name))
    return DTYPES[name]


def place_of(device: str) -> str:
    """Return the device that `auto`, or a device's name, means here.

    Raises:
        SettingError: it is unknown or absent.
    """
    # a launcher's processes have a GPU each
    own = f"cuda:{os.environ['LOCAL_RANK']}" if os.environ.get("LOCAL_RANK") else "cuda"
    if device == "auto":
        return own if torch.cuda.is_available() else "cpu"
    device = own if device == "cuda" else device
    if device in ("cpu", SPREAD):
        return device
    kind, _, number = device.partition(":")
    present = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if kind not in present or not (number or "0").isdigit():
        raise SettingError("device", expected="auto, cpu, cuda, cuda:N, mps, spread", found=device)
    if int(number or 0) >= present[kind]:
        raise SettingError(
            "device", expected=f"one of {present[kind]} {kind} devices", found=device
        )
    return device


def _check_config(folder: Path, name: str, trust_remote_code: bool) -> None:
    try:
        with silent():
            AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=trust_remote_code
            )
    except _LOAD_FAULTS as error:
        raise ModelError(
            f"model {name}", expected="a known configuration", found=short(error)
        ) from error


def read_weights(
    opened: Opened, auto: Any, expected: str, **settings: object
) -> tuple[PreTrainedModel, list[str]]:
    """Return a model in evaluation mode and the parameters that the file does not give.

    `auto` is the class of `transformers` that knows the model's, `expected` what people call it,
    `settings` change its configuration.
    Parameters of another shape than the file's count as missing; missing ones hold random numbers.

    Raises:
        ModelError: the folder holds no such model.
    """
    try:
        with silent():
            model, report = auto.from_pretrained(
                opened.folder,
                dtype=opened.dtype,
                device_map="auto" if opened.place == SPREAD else {"": opened.place},
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=opened.trust_remote_code,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported, and raised with their names
                **settings,
            )
    except _LOAD_FAULTS as error:
        raise ModelError(f"model {opened.name}", expected=expected, found=short(error)) from error
    missing = sorted(report["missing_keys"]) + sorted(k[0] for k in report["mismatched_keys"])
    return model.eval().requires_grad_(False), missing


def raise_missing(opened: Opened, missing: Sequence[str]) -> None:
    """Refuse a model whose file lacks weights: a warning elsewhere, but they would be random.

    Raises:
        ModelError: something is missing.
    """
    if missing:
        raise ModelError(
            f"model {opened.name}",
            expected="weights for every parameter",
            found=f"{len(missing)} missing or of another shape, first {missing[0]}",
        )


def check_vocabulary(opened: Opened, rows: int, embed: nn.Module) -> None:
    """Check that a model's embedding has a row for each entry of its tokenizer.

    Special tokens that no text uses, such as a padding token added later, may lie behind the
    rows; `embed` then refuses a text that holds one by its name.

    Raises:
        ModelError: an entry that texts use has no row.
    """
    tokenizer = opened.tokenizer
    beyond = {row: token for token, row in tokenizer.get_vocab().items() if row >= rows}
    if not beyond:
        return
    idle = idle_rows(tokenizer)
    used = sorted(row for row in beyond if row not in idle)
    if used:
        raise ModelError(
            f"model {opened.name}",
            expected=f"token ids below its {rows} rows",
            found=f"id {used[-1]} in the tokenizer",
            remedy="the tokenizer belongs to another model",
        )

    def refuse(_: nn.Module, args: tuple[Any, ...]) -> None:
        largest = int(args[0].max()) if args and args[0].numel() else 0
        if largest >= rows:
            raise ModelError(
                f"a text for {opened.name}",
                expected=f"tokens that its {rows} rows have",
                found=f"{beyond.get(largest, '?')} (id {largest})",
                remedy="take this special token out of the text",
            )

    embed.register_forward_pre_hook(refuse)
