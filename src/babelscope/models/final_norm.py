"""What stands between a decoder's last block and its unembedding, found by the flow of numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from babelscope.errors import ModelError


@dataclass(frozen=True, slots=True)
class _Call:
    module: nn.Module
    given: Tensor | None
    gave: Tensor | None


def modules_between(
    model: nn.Module, last: nn.Module, unembed: nn.Module, run: Callable[[], object]
) -> tuple[nn.Module, int]:
    """Return what turns the last block's states into the unembedding's input, and their width.

    A norm, with or without weights; a projection to a narrower embedding, alone or behind a norm
    (OPT-350m); nothing at all where the blocks end with a norm of their own. `run` makes one
    small forward pass of the model. It is a guess that `verify_parts` proves.

    Raises:
        ModelError: the unembedding does not read what the last block gave.
    """
    calls = _calls(model, last, unembed, run)
    order = [call.module for call in calls]
    if last not in order or unembed not in order[order.index(last) :]:
        raise ModelError(
            f"model {type(model).__name__}",
            expected="a last block whose states the unembedding reads",
            found="an unembedding that is not called after it",
            remedy="this architecture is not supported",
        )
    start = order.index(last)
    end = order.index(unembed, start)
    states = calls[start].gave
    width = 0 if states is None else int(states.shape[-1])
    between = calls[start + 1 : end]
    chain = _chain(between, calls[end].given, states)
    if chain is None or not _is_plain(chain):
        # a guess for the proof to refuse with its figure, or to accept
        weighted = [c.module for c in between if _weighted(c.module)]
        return (weighted[-1] if weighted else nn.Identity()), width
    if not chain:
        return nn.Identity(), width
    return (chain[0] if len(chain) == 1 else nn.Sequential(*chain)), width


def _calls(
    model: nn.Module, last: nn.Module, unembed: nn.Module, run: Callable[[], object]
) -> list[_Call]:
    """Return the calls of modules without children, of the last block and of the unembedding."""
    calls: list[_Call] = []

    def keep(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        calls.append(_Call(module, _first((*args, *kwargs.values())), _first(output)))

    leaves = [
        m for m in model.modules() if m is not unembed and not any(True for _ in m.children())
    ]
    hooks = [
        m.register_forward_hook(keep, with_kwargs=True)
        for m in dict.fromkeys([*leaves, last, unembed])
    ]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _chain(
    calls: list[_Call], wanted: Tensor | None, states: Tensor | None
) -> list[nn.Module] | None:
    """Return the modules that lead from the states to what is wanted; None if they do not."""
    chain: list[nn.Module] = []
    for call in reversed(calls):
        if _same(wanted, states):
            break
        if _same(call.gave, wanted) and not _same(call.given, call.gave):
            chain.insert(0, call.module)
            wanted = call.given
    return chain if _same(wanted, states) else None


def _is_plain(chain: list[nn.Module]) -> bool:
    """Tell a norm, a projection, or both in this order from a head with layers of its own."""
    kinds = [isinstance(module, nn.Linear) for module in chain]
    return kinds in ([], [False], [True], [False, True])


def _first(value: Any) -> Tensor | None:
    items = value if isinstance(value, (tuple, list)) else (value,)
    return next((item for item in items if isinstance(item, Tensor)), None)


def _same(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None or a.shape != b.shape:
        return False
    return a is b or torch.equal(a.to(b.device), b)


def _weighted(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None
