"""Loading a model and its tokenizer from the package, a folder or the Hub; safetensors only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from babelscope.errors import ModelError, SettingError
from babelscope.identity import digest
from babelscope.models.folders import (
    MINI,
    check_model_folder,
    folder_fingerprint,
    read_json,
    resolve_folder,
)
from babelscope.models.parts import ModelParts, locate_parts, verify_parts

DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
    "float16": torch.float16,
    "fp16": torch.float16,
}
MESSAGE_CHARACTERS = 240
SPREAD = "spread"
"""The device that means: over all devices that accelerate finds."""

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
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

    `name` is as it was asked for, `fingerprint` that of configuration and weights, `device` where
    ids go in. The parts stay valid when adapters are attached.
    """

    model: PreTrainedModel
    tokenizer: Tokenizer
    parts: ModelParts
    name: str
    fingerprint: str
    dtype: torch.dtype
    device: torch.device


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
    place = _place(device)
    kind = _dtype(dtype, "cpu" if name == MINI else place)
    folder = resolve_folder(name, revision=revision, code=trust_remote_code)
    check_model_folder(folder)
    _check_config(folder, name, trust_remote_code)
    tokenizer = _tokenizer(folder, name, trust_remote_code)
    model = _model(folder, name, kind, place, trust_remote_code)
    parts = locate_parts(model)
    verify_parts(model, parts)
    largest = max(tokenizer.get_vocab().values(), default=-1)
    if largest >= parts.vocabulary_rows:
        raise ModelError(
            f"model {name}",
            expected=f"token ids below its {parts.vocabulary_rows} rows",
            found=f"id {largest} in the tokenizer",
            remedy="the tokenizer belongs to another model",
        )
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        parts=parts,
        name=name,
        fingerprint=folder_fingerprint(folder),
        dtype=kind,
        device=next(parts.embed.parameters()).device,
    )


def load_tokenizer(
    name: str, *, revision: str | None = None, trust_remote_code: bool = False
) -> Tokenizer:
    """Load a model's tokenizer; a folder that holds a tokenizer alone suffices.

    Raises:
        ModelError: it is missing or broken, or has no fast form.
    """
    folder = resolve_folder(name, revision=revision, weights=False, code=trust_remote_code)
    return _tokenizer(folder, name, trust_remote_code)


def tokenizer_fingerprint(tokenizer: Tokenizer) -> str:
    """Return 32 hex digits over what turns text into ids: rules, vocabulary, special tokens."""
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    # settings of the last call, not of the tokenizer
    spec["truncation"] = spec["padding"] = None
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    return digest({"spec": spec, "special": special})


def pad_id(tokenizer: Tokenizer, rows: int) -> int:
    """Return an id to pad with, other than the end token, without resizing the model.

    The padding token if it is not the end token, else the unknown token, another special token,
    a row without a token, or row 0. Any id will do: padding is masked from attention, and labels
    go by position.
    """
    eos = tokenizer.eos_token_id
    used = tokenizer.get_vocab().values()
    spare = max(used, default=-1) + 1
    for candidate in (
        tokenizer.pad_token_id,
        tokenizer.unk_token_id,
        *sorted(tokenizer.all_special_ids),
        spare,
    ):
        if candidate is not None and candidate != eos and 0 <= candidate < rows:
            return int(candidate)
    return 0 if eos != 0 else 1


def _dtype(name: str, place: str) -> torch.dtype:
    if name == "auto":
        return torch.float32 if place == "cpu" else torch.bfloat16
    if name not in DTYPES:
        raise SettingError("dtype", expected="auto, " + ", ".join(DTYPES), found=repr(name))
    return DTYPES[name]


def _place(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
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
        AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trust_remote_code
        )
    except _LOAD_FAULTS as error:
        raise ModelError(
            f"model {name}", expected="a known configuration", found=_short(error)
        ) from error


def _model(
    folder: Path, name: str, dtype: torch.dtype, place: str, trust_remote_code: bool
) -> PreTrainedModel:
    try:
        with _silent():
            model, report = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                device_map="auto" if place == SPREAD else {"": place},
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=trust_remote_code,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported, and raised below with their names
            )
    except _LOAD_FAULTS as error:
        raise ModelError(
            f"model {name}", expected="a causal language model", found=_short(error)
        ) from error
    # weights that the file lacks would be random: a warning elsewhere, an error here
    missing = sorted(report["missing_keys"]) + sorted(k[0] for k in report["mismatched_keys"])
    if missing:
        raise ModelError(
            f"model {name}",
            expected="weights for every parameter",
            found=f"{len(missing)} missing or of another shape, first {missing[0]}",
        )
    return model.eval().requires_grad_(False)


def _tokenizer(folder: Path, name: str, trust_remote_code: bool) -> Tokenizer:
    if not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        raise ModelError(
            f"tokenizer {name}", expected="tokenizer.json in its folder", found="no such file"
        )
    for file in ("tokenizer.json", "tokenizer_config.json"):
        if (folder / file).is_file():
            read_json(folder / file)
    try:
        with _silent():
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=trust_remote_code
            )
    except Exception as error:  # the tokenizers library raises bare Exceptions
        raise ModelError(
            f"tokenizer {name}", expected="a tokenizer", found=_short(error)
        ) from error
    if not tokenizer.is_fast:
        raise ModelError(
            f"tokenizer {name}",
            expected="a fast tokenizer (tokenizer.json)",
            found=type(tokenizer).__name__,
        )
    return tokenizer


@contextmanager
def _silent() -> Iterator[None]:
    """Keep transformers' progress bars and warnings off: faults are raised as errors."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:MESSAGE_CHARACTERS]}"
