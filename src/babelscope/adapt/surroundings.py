"""What surrounds a training: the precision that a device has, and the global generators."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch


def precision_used(wanted: str, device: torch.device) -> Literal["bf16", "fp32"]:
    """Return the precision that a device can train in: bf16 where it has units for it.

    On a CPU these are AVX512-BF16 or AMX: without them bf16 is emulated, many times slower.
    """
    if wanted != "bf16":
        return "fp32"
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    # absent from older torch
    able: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16" if able.get("avx512_bf16") or able.get("amx_bf16") else "fp32"


@contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Restore the global generators, which the Trainer seeds and draws from."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
