"""Adapters name modules as they are: peft must not take the names for those of older models.

Where transformers packs a layer's experts into one parameter, peft takes every name that ends in
`gate_proj`, `up_proj` or `down_proj` for that of an expert of the time before, also where it is a
shared expert's or a dense layer's, and moves the adapter onto the packed experts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

try:
    from peft.utils import transformers_weight_conversion as _conversion
except ImportError:  # an older peft converts nothing
    _conversion = None

CONFIGURATION = "convert_peft_config_for_transformers"
TENSORS = "convert_peft_adapter_state_dict_for_transformers"


@contextmanager
def exact_names() -> Iterator[None]:
    """Let peft put adapters on, and read them for, the very modules that are named."""
    known: ModuleType | None = _conversion
    replaced = {name: getattr(known, name, None) for name in (CONFIGURATION, TENSORS)}

    def keep_configuration(*_: object, **__: object) -> None:
        return None

    def keep_tensors(
        model: Any, peft_config: Any, adapter_state_dict: Any, adapter_name: str = "default"
    ) -> Any:
        return adapter_state_dict

    own = {CONFIGURATION: keep_configuration, TENSORS: keep_tensors}
    for name, function in replaced.items():
        if function is not None:
            setattr(known, name, own[name])
    try:
        yield
    finally:
        for name, function in replaced.items():
            if function is not None:
                setattr(known, name, function)
