"""Tuned adapters beside their base: the card, the checks, and switching between them.

An adapter is a peft folder with one more file, its card: what it was made from and for.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from peft import PeftConfig, PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError, safe_open

from babelscope.errors import AdapterError
from babelscope.identity import digest, digest_files
from babelscope.models.cards import (
    CARD,
    AdapterCard,
    answering_rendering,
    check_rendering,
    present_file,
    read_adapter_card,
    read_object,
    write_adapter_card,
)
from babelscope.models.exact_names import exact_names
from babelscope.models.loading import LoadedModel

__all__ = [
    "CARD",
    "AdapterCard",
    "adapter_fingerprint",
    "answering_rendering",
    "attach_adapters",
    "check_rendering",
    "detach_adapters",
    "read_adapter_card",
    "use_adapter",
    "write_adapter_card",
]

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def adapter_fingerprint(folder: Path) -> str:
    """Return 32 hex digits over an adapter's configuration and weights.

    Raises:
        AdapterError: one of the files is missing.
    """
    return digest_files([present_file(folder, CONFIG), present_file(folder, WEIGHTS)])


def attach_adapters(loaded: LoadedModel, folders: Mapping[str, Path]) -> LoadedModel:
    """Put adapters beside one loaded base; none is active until `use_adapter` says so.

    The base's own modules are wrapped in place: until `detach_adapters`, use what this returns.

    Raises:
        AdapterError: a folder is missing or broken, or its adapter was made for another base.
    """
    for folder in folders.values():
        _check_adapter(loaded, folder)
    attached = loaded
    for name, folder in folders.items():
        attached = _wrap(attached, folder, _inner(name))
        try:
            with exact_names():
                attached.model.load_adapter(str(folder), adapter_name=_inner(name))
            _check_keys(attached.model, _inner(name), folder)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            detach_adapters(attached)
            raise AdapterError(
                f"adapter {folder}", expected="an adapter that fits its base", found=str(error)
            ) from error
    if isinstance(attached.model, PeftModel):
        attached.model.eval()
        attached.model.base_model.disable_adapter_layers()
    return attached


def detach_adapters(loaded: LoadedModel) -> LoadedModel:
    """Take all adapters away again and return the base as it was."""
    if not isinstance(loaded.model, PeftModel):
        return loaded
    return dataclasses.replace(loaded, model=loaded.model.unload())


@contextmanager
def use_adapter(loaded: LoadedModel, name: str | None) -> Iterator[None]:
    """Answer as the named adapter within the block, or as the base for None; do not nest.

    Raises:
        AdapterError: no adapter of that name is attached.
    """
    if name is None:
        yield
        return
    model = loaded.model
    if not isinstance(model, PeftModel) or _inner(name) not in model.peft_config:
        raise AdapterError(f"adapter {name}", expected="an attached adapter", found="none")
    model.base_model.enable_adapter_layers()
    model.set_adapter(_inner(name), inference_mode=True)
    try:
        yield
    finally:
        model.base_model.disable_adapter_layers()


def _wrap(loaded: LoadedModel, folder: Path, inner: str) -> LoadedModel:
    """Return the model wrapped by peft, which can then be unwrapped whatever fails later."""
    if isinstance(loaded.model, PeftModel):
        return loaded
    try:
        config = PeftConfig.from_pretrained(str(folder))
        config.inference_mode = True
        with warnings.catch_warnings(), exact_names():
            # peft reads an attribute that transformers 5 has renamed
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            return dataclasses.replace(loaded, model=PeftModel(loaded.model, config, inner))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AdapterError(
            f"{folder / CONFIG}", expected="an adapter that fits its base", found=str(error)
        ) from error


def _inner(name: str) -> str:
    # peft makes module names of adapters' names: dots and slashes would break them
    return "a" + digest(name)[:16]


def _check_adapter(loaded: LoadedModel, folder: Path) -> None:
    card = read_adapter_card(folder)
    # what lies beside the weights changes answers and their keys, but makes no adapter unfit
    if card.base_fingerprint not in (loaded.base_fingerprint, loaded.fingerprint):
        raise AdapterError(
            f"adapter {folder}",
            expected=f"its base {card.base_name} ({card.base_fingerprint[:12]})",
            found=f"{loaded.name} ({loaded.base_fingerprint[:12]})",
            remedy="load the base that it was tuned from",
        )
    if not read_object(folder, CONFIG).get("peft_type"):
        raise AdapterError(f"{folder / CONFIG}", expected="a peft_type", found="none")
    try:
        with safe_open(present_file(folder, WEIGHTS), framework="pt") as tensors:
            tensors.keys()
    except (SafetensorError, OSError) as error:
        raise AdapterError(
            f"{folder / WEIGHTS}", expected="a whole safetensors file", found=str(error)
        ) from error


def _check_keys(model: PeftModel, inner: str, folder: Path) -> None:
    # peft only warns of tensors that the file lacks, and leaves them at their fresh values
    with safe_open(folder / WEIGHTS, framework="pt") as tensors:
        given = set(tensors.keys())
    wrong = sorted(given ^ _adapter_keys(model, inner))
    if wrong:
        raise ValueError(f"{len(wrong)} tensors missing or unknown, first {wrong[0]}")


def _adapter_keys(model: PeftModel, inner: str) -> set[str]:
    # without the switch peft asks the Hub about the base, even about one in a folder
    return set(get_peft_model_state_dict(model, adapter_name=inner, save_embedding_layers=False))
