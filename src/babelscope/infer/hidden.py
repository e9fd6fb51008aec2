"""Hidden states of texts at every depth, pooled while the one forward pass runs.

Depth 0 is the input of the first block, depth d the output of block d, before any final norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from babelscope.infer.batches import plan_batches
from babelscope.infer.hidden_items import (
    POOLINGS,
    SPAN_POOLINGS,
    HiddenItem,
    HiddenText,
    check_poolings,
    check_texts,
    encode_texts,
    pooling_weights,
)
from babelscope.infer.memory import in_rounds
from babelscope.infer.trunk import padded
from babelscope.models.trunks import Trunk, watched

__all__ = [
    "BATCH_TOKENS",
    "POOLINGS",
    "SPAN_POOLINGS",
    "HiddenPlan",
    "HiddenStates",
    "HiddenText",
    "check_poolings",
    "hidden_states",
    "plan_hidden",
    "pooled_batches",
]

BATCH_TOKENS = 2048
"""Padded tokens in a batch."""

ENCODED_AT_ONCE = 256

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HiddenPlan:
    """The batches of texts, longest first, and what happens to some texts.

    `truncated` were longer than the model's room; `missing` by pooling: without a token to pool,
    NaN at every depth. Both are places in the list of texts.
    """

    batches: tuple[tuple[int, ...], ...]
    truncated: tuple[int, ...]
    missing: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class HiddenStates:
    """Pooled states (depths, items, width) by pooling, and the plan that they came from."""

    states: Mapping[str, Array]
    plan: HiddenPlan


def hidden_states(
    trunk: Trunk,
    texts: Sequence[HiddenText],
    poolings: Sequence[str],
    *,
    batch_tokens: int = BATCH_TOKENS,
    progress: Callable[[int, int], None] | None = None,
) -> HiddenStates:
    """Return the states of texts in memory, all poolings from one forward pass a text.

    Neither batch nor padding changes a state beyond rounding. For many texts see
    `study.hidden_step`, which keeps them in a file.

    Raises:
        SettingError: a pooling is unknown, or the budget is below 1.
        DataError: there is no text, or a pooling needs a span that is absent.
    """
    plan = plan_hidden(trunk, texts, poolings, batch_tokens=batch_tokens)
    shape = (trunk.depth + 1, len(texts), trunk.width)
    states = {pooling: np.empty(shape, dtype=np.float32) for pooling in poolings}
    done = 0
    for places, found in pooled_batches(trunk, texts, poolings, plan.batches):
        for pooling, own in zip(poolings, found, strict=True):
            states[pooling][:, places] = own
        done += len(places)
        if progress:
            progress(done, len(texts))
    return HiddenStates(states, plan)


def plan_hidden(
    trunk: Trunk,
    texts: Sequence[HiddenText],
    poolings: Sequence[str],
    *,
    batch_tokens: int = BATCH_TOKENS,
) -> HiddenPlan:
    """Tokenise texts once for their lengths, and plan the batches.

    Raises:
        SettingError: a pooling is unknown, or the budget is below 1.
        DataError: there is no text, or a pooling needs a span that is absent.
    """
    check_texts(texts, poolings)
    lengths: list[int] = []
    truncated: list[int] = []
    missing: dict[str, list[int]] = {pooling: [] for pooling in poolings}
    for start in range(0, len(texts), ENCODED_AT_ONCE):
        items = encode_texts(trunk, texts[start : start + ENCODED_AT_ONCE])
        truncated += [start + n for n, item in enumerate(items) if item.truncated]
        lengths += [len(item.ids) for item in items]
        for pooling in poolings:
            missing[pooling] += [start + n for n, i in enumerate(items) if not i.places(pooling)]
    return HiddenPlan(
        batches=tuple(plan_batches(lengths, batch_tokens)),
        truncated=tuple(truncated),
        missing={pooling: tuple(places) for pooling, places in missing.items()},
    )


def pooled_batches(
    trunk: Trunk,
    texts: Sequence[HiddenText],
    poolings: Sequence[str],
    batches: Sequence[Sequence[int]],
) -> Iterator[tuple[list[int], Array]]:
    """Give each batch's places and states (poolings, depths, places, width), one after another.

    A batch that does not fit into memory is halved.

    Raises:
        ModelError: memory does not suffice for a single text.
    """

    def pool(places: Sequence[int]) -> list[Array]:
        items = encode_texts(trunk, [texts[place] for place in places])
        return list(_pooled(trunk, items, poolings).transpose(2, 0, 1, 3))

    for batch in batches:
        names = [texts[place].id for place in batch]

        def of_round(round_: Sequence[int], batch: Sequence[int] = batch) -> list[Array]:
            return pool([batch[n] for n in round_])

        found = in_rounds([range(len(batch))], of_round, names)
        yield list(batch), np.stack(found, axis=2)


@torch.inference_mode()
def _pooled(trunk: Trunk, items: Sequence[HiddenItem], poolings: Sequence[str]) -> Array:
    """Return states (poolings, depths, items, width); NaN where there is nothing to pool."""
    read = [n for n, item in enumerate(items) if item.ids]
    shape = (trunk.depth + 1, len(items), len(poolings), trunk.width)
    states = np.full(shape, np.nan, dtype=np.float32)
    if read:
        sequences = [items[n].ids for n in read]
        length = max(map(len, sequences))
        weights, nothing = pooling_weights([items[n] for n in read], poolings, length)
        states[:, read] = _forward(trunk, sequences, torch.from_numpy(weights)).cpu().numpy()
        states[:, read] = np.where(nothing[:, :, None], np.nan, states[:, read])
    return states.transpose(2, 0, 1, 3)


def _forward(trunk: Trunk, sequences: Sequence[Sequence[int]], weights: Tensor) -> Tensor:
    """Run a batch and return weighted sums (depths, items, poolings, width) in float32."""
    ids = padded(sequences, trunk.device)
    settings: dict[str, Tensor | bool] = {"use_cache": False} if trunk.causal else {}
    lengths = torch.tensor([len(row) for row in sequences], device=trunk.device)
    if not trunk.causal and int(lengths.min()) < ids.shape[1]:
        columns = torch.arange(ids.shape[1], device=trunk.device)
        settings["attention_mask"] = (columns < lengths[:, None]).long()
    # made before the pass: what is kept during it would pin the heap between freed activations
    shape = (trunk.depth + 1, *weights.shape[:2], trunk.width)
    sums = torch.empty(shape, dtype=torch.float32, device=trunk.device)
    weights = weights.to(trunk.device)

    def keep(depth: int, state: Tensor) -> None:
        # a model may be spread over devices
        sums[depth].copy_(torch.bmm(weights.to(state.device), state.float()))

    with watched(trunk.blocks, keep):
        trunk.model(input_ids=ids, **settings)
    return sums
