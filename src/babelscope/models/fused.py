"""An activation written in several passes over memory, replaced by torch's single one.

BLOOM and GPT-2 write out the tanh form of GELU (arXiv:1606.08415) operation by operation, each of
which reads and writes the widest states of a block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLOSE = 1e-6
"""Largest difference from the module's own float32 values for inputs from -8 to 8."""


def fuse_activations(blocks: nn.ModuleList) -> int:
    """Replace every activation of the blocks that proves to be the tanh form of GELU.

    Only modules without weights and children are tried, with float32 numbers in evaluation mode.
    Returns how many were replaced.
    """
    places = [
        (owner, name, module)
        for owner in blocks.modules()
        for name, module in owner.named_children()
        if not isinstance(module, nn.GELU) and _is_bare(module)
    ]
    known: dict[type[nn.Module], bool] = {}
    replaced = 0
    for owner, name, module in places:
        kind = type(module)
        if kind not in known:
            known[kind] = _is_tanh_gelu(module)
        if known[kind]:
            setattr(owner, name, nn.GELU(approximate="tanh").train(module.training))
            replaced += 1
    return replaced


def _is_bare(module: nn.Module) -> bool:
    return not any(True for _ in (*module.children(), *module.parameters(), *module.buffers()))


@torch.no_grad()
def _is_tanh_gelu(module: nn.Module) -> bool:
    # three dimensions, as a block gives them
    states = torch.linspace(-8, 8, 257).view(1, 1, -1)
    try:
        own = module(states)
    except (TypeError, ValueError, RuntimeError, IndexError):
        return False  # it takes something else than states: no activation
    if not isinstance(own, Tensor) or own.shape != states.shape:
        return False
    fused = nn.functional.gelu(states, approximate="tanh")
    return bool(((own - fused).abs() <= CLOSE * (1 + states.abs())).all())
