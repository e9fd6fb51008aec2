"""Tuning in several processes, as `accelerate launch` starts them: which ways give one's steps.

Each process takes every n-th batch of a step and gradients are averaged (data parallel), so the
steps are those of one process, up to rounding and to the noise of dropout.
"""

from __future__ import annotations

import os

import torch
from accelerate import PartialState

from babelscope.adapt.recipes import Recipe
from babelscope.errors import SettingError

OTHER_WAYS = {
    "ACCELERATE_USE_FSDP": "FSDP, which on CPUs is silently something else",
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism configuration",
}
"""Environment variables by which accelerate is asked for something else than data parallel."""


def process_count() -> int:
    """Return how many processes a launcher has started, 1 without one.

    Raises:
        SettingError: `WORLD_SIZE` is no positive number.
    """
    told = os.environ.get("WORLD_SIZE") or "1"
    if not told.isdigit() or int(told) < 1:
        raise SettingError("WORLD_SIZE", expected="a positive number", found=told)
    return int(told)


def is_main_process() -> bool:
    """Tell whether this is the process that writes and speaks: the only one, or the first."""
    return os.environ.get("RANK", "0") in ("", "0")


def check_processes(recipe: Recipe) -> None:
    """Check that the processes give the steps of one.

    Raises:
        SettingError: they are asked for something else than data parallel, or a step's batches
            cannot be shared out evenly.
    """
    for variable, way in OTHER_WAYS.items():
        if os.environ.get(variable, "").lower() in ("1", "true", "yes"):
            raise SettingError(
                "processes for tuning",
                expected="data parallel",
                found=way,
                remedy="launch with --multi_gpu, or with --cpu --num_processes N",
            )
    count = process_count()
    if recipe.accumulation % count:
        raise SettingError(
            f"recipe {recipe.name!r}, accumulation",
            expected=f"a multiple of the {count} processes, which share a step's batches",
            found=str(recipe.accumulation),
            remedy="set accumulation, and batch_size so that their product stays",
        )


def wait_for_all(device: torch.device) -> None:
    """Wait until every process has come here; nothing where there is one."""
    if process_count() > 1:
        PartialState(cpu=device.type == "cpu").wait_for_everyone()
