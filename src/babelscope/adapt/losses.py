"""The loss of tuning: only labelled positions are unembedded, and never all of many at once.

The model's own head makes logits of one position a row, which nobody reads; the states before it
are caught at the final norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from babelscope.models.encoding import NO_LOSS
from babelscope.models.parts import ModelParts, first_tensor, unembed_hidden

CHUNK_BYTES = 128 << 20
"""Logits that are held at once, at most; more positions are taken in chunks."""

Loss = Callable[..., Tensor]


@contextmanager
def headless_loss(parts: ModelParts) -> Iterator[Loss]:
    """Yield a loss for transformers' Trainer over the states of the forward pass before it.

    It takes outputs (unread), labels and the labelled tokens of the step, `num_items_in_batch`.
    """
    caught: list[Tensor] = []

    def catch(_: nn.Module, __: object, output: object) -> None:
        caught[:] = [first_tensor(output)]

    def loss(_: Any, labels: Tensor, num_items_in_batch: Tensor | int) -> Tensor:
        return token_loss(parts, caught.pop(), labels, num_items_in_batch)

    handle = parts.final_norm.register_forward_hook(catch)
    try:
        yield loss
    finally:
        handle.remove()


def token_loss(
    parts: ModelParts, normed: Tensor, labels: Tensor, num_items: Tensor | int
) -> Tensor:
    """Return the loss in nats: summed over a batch's labelled tokens, divided by the step's.

    So each labelled token of a step weighs the same, however the step is cut into batches.
    `normed` is (rows, length, width) after the final norm; a position predicts the next label.
    """
    targets = labels[:, 1:]
    kept = targets != NO_LOSS
    return summed_loss(parts, normed[:, :-1][kept], targets[kept]) / num_items


def summed_loss(parts: ModelParts, normed: Tensor, targets: Tensor) -> Tensor:
    """Return the summed cross entropy in nats of states (n, width) that predict tokens (n,)."""
    rows = max(CHUNK_BYTES // (4 * parts.vocabulary_rows), 1)
    head = parts.unembed
    linear = parts.logit_scale == 1.0 and parts.soft_cap is None
    # absent from older torch
    kernel = getattr(torch.nn.functional, "linear_cross_entropy", None)
    if kernel and linear and isinstance(head, nn.Linear):
        chunked = len(normed) > rows
        options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=rows) if chunked else None
        states = normed.to(head.weight.dtype)
        bias = head.bias
        total: Tensor = kernel(
            states, head.weight, targets, linear_bias=bias, reduction="sum", options=options
        )
        return total.float()
    parts_of = zip(normed.split(rows), targets.split(rows), strict=True)
    return torch.stack([_piece(parts, states, told) for states, told in parts_of]).sum()


def _piece(parts: ModelParts, states: Tensor, targets: Tensor) -> Tensor:
    """Return a chunk's summed loss; its logits are made again for the gradient.

    Nothing is drawn in it: keeping the generators would make a GPU wait.
    """

    def forward(states: Tensor) -> Tensor:
        return cross_entropy(unembed_hidden(parts, states), targets, reduction="sum")

    loss: Tensor = checkpoint(forward, states, use_reentrant=False, preserve_rng_state=False)
    return loss
