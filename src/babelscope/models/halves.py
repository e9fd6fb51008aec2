"""The state between a block's attention and its feed-forward step, found by structure and proved.

A sequential block adds attention to its input, then a feed-forward step to that. The state in
between is the input of one of the block's own modules (usually a norm). Which one is told by two
proofs that know no architecture: with all that runs before it zeroed, it is the block's input;
with all that runs from it on zeroed, it is the block's output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from transformers import PreTrainedModel

from babelscope.errors import ModelError
from babelscope.models.parts import ModelParts, first_tensor, run_probe

TOLERANCE = 1e-3  # relative to the largest entry; half precisions round sums of two terms by less


@dataclass(frozen=True, slots=True)
class _Call:
    """What a block was called with."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def hidden(self) -> Tensor:
        """The hidden states that went in."""
        return first_tensor(self.args if self.args else self.kwargs["hidden_states"])


def locate_middle(model: PreTrainedModel, parts: ModelParts) -> str | None:
    """Return the path, within each block, of the module that reads the state after attention.

    None where attention and feed-forward run side by side (GPT-NeoX), or where the sum is normed
    before it is read (OPT-350m): there is no such state.

    Raises:
        ModelError: the first and the last block differ in it.
    """
    calls = _block_calls(model, parts)
    found = [_middle_of(parts.blocks[place], call) for place, call in calls.items()]
    if len(set(found)) > 1:
        raise ModelError(
            f"blocks of {type(model).__name__}",
            expected="one module after attention in all of them",
            found=", ".join(str(path) for path in found),
            remedy="leave half depths out",
        )
    return found[0]


def _block_calls(model: PreTrainedModel, parts: ModelParts) -> dict[int, _Call]:
    """Return how the first and the last block are called in a tiny forward pass."""
    calls: dict[int, _Call] = {}
    handles = []
    for place in sorted({0, parts.depth - 1}):

        def keep(_: nn.Module, args: Any, kwargs: Any, place: int = place) -> None:
            calls[place] = _Call(args, dict(kwargs))

        handles.append(parts.blocks[place].register_forward_pre_hook(keep, with_kwargs=True))
    try:
        run_probe(model, parts.vocabulary_rows)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _middle_of(block: nn.Module, call: _Call) -> str | None:
    order, inputs, _ = _run(block, call, {})
    start = call.hidden
    for place, path in enumerate(order):
        state = inputs[path]
        if state is None or state.shape != start.shape or _same(state, start):
            continue
        before, after = order[:place], order[place:]
        unmoved = _run(block, call, _zeroed(block, before))[1][path]
        ended = _run(block, call, _zeroed(block, after))[2]
        if unmoved is not None and _same(unmoved, start) and _same(ended, state):
            return path
    return None


def _run(
    block: nn.Module, call: _Call, replaced: dict[str, Tensor]
) -> tuple[list[str], dict[str, Tensor | None], Tensor]:
    """Run a block with some parameters replaced.

    Returns the paths of its modules in the order of their calls, the first tensor that each was
    given, and the block's output.
    """
    order: list[str] = []
    inputs: dict[str, Tensor | None] = {}

    def watch(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def see(_: nn.Module, args: Any, kwargs: Any) -> None:
            if path not in inputs:
                order.append(path)
                given = (*args, *kwargs.values())
                inputs[path] = next((x for x in given if isinstance(x, Tensor)), None)

        return see

    handles = [
        module.register_forward_pre_hook(watch(path), with_kwargs=True)
        for path, module in block.named_modules()
        if path
    ]
    try:
        with torch.no_grad():
            output = functional_call(block, replaced, call.args, call.kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return order, inputs, first_tensor(output)


def _zeroed(block: nn.Module, paths: Iterable[str]) -> dict[str, Tensor]:
    """Return zeros for the parameters that the modules at these paths hold themselves."""
    return {
        f"{path}.{name}": torch.zeros_like(tensor)
        for path in paths
        for name, tensor in block.get_submodule(path).named_parameters(recurse=False)
    }


def _same(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape:
        return False
    size = max(float(b.abs().max()), 1e-6)
    return float((a.float() - b.float()).abs().max()) <= TOLERANCE * size
