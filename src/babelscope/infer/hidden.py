"""Hidden states of texts at every depth, pooled while the one forward pass runs.

Depth 0 is the input of the first block, depth d the output of block d, before any final norm; where
a model of L blocks has a final norm, depth L + 1 holds the states after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from babelscope.errors import ModelError
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
from babelscope.models.lengths import length_class
from babelscope.models.trunk_proof import accepts, watched
from babelscope.models.trunks import Trunk, normed
from babelscope.records import depth_name

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
    "pool_batch",
]

BATCH_TOKENS = 1024
"""Padded tokens in a batch: on a CPU more are no faster, and need more memory."""

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
    """Pooled states (depths, items, width) by pooling, and the plan that they came from.

    There are `Trunk.depths` depths: after L blocks the last one, L + 1, is that of the final norm,
    which is absent where the model has none. Every token's state passes the norm before it is
    pooled.
    """

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

    Neighbours with the same text, such as the words of a sentence, share its pass.
    Neither batch nor padding changes a state beyond rounding: texts that would change each other
    are read apart (`Trunk.hides_padding`, `models.lengths`). For many texts see
    `study.hidden_step`, which keeps them in a file.

    Raises:
        SettingError: a pooling is unknown, or the budget is below 1.
        DataError: there is no text, or a pooling needs a span that is absent.
    """
    plan = plan_hidden(trunk, texts, poolings, batch_tokens=batch_tokens)
    shape = (trunk.depths, len(texts), trunk.width)
    states = {pooling: np.empty(shape, dtype=np.float32) for pooling in poolings}
    done = 0
    for batch in plan.batches:
        found = pool_batch(trunk, texts, poolings, batch)
        for pooling, own in zip(poolings, found, strict=True):
            states[pooling][:, list(batch)] = own
        done += len(batch)
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
    passes = [list(places) for _, places in groupby(range(len(texts)), lambda n: texts[n].text)]
    own = [lengths[places[0]] for places in passes]
    # where padding is seen, only equal lengths stand together
    kinds = [length_class(trunk.model.config, n) for n in own] if trunk.hides_padding else own
    batches = plan_batches(own, batch_tokens, kinds)
    return HiddenPlan(
        batches=tuple(tuple(chain.from_iterable(passes[n] for n in batch)) for batch in batches),
        truncated=tuple(truncated),
        missing={pooling: tuple(places) for pooling, places in missing.items()},
    )


def pool_batch(
    trunk: Trunk, texts: Sequence[HiddenText], poolings: Sequence[str], batch: Sequence[int]
) -> Array:
    """Return the states (poolings, depths, places, width) of the texts at the places of a batch.

    They are NaN where there is nothing to pool. A batch that does not fit into memory is halved.

    Raises:
        ModelError: memory does not suffice for a single text.
    """

    def pooled(round_: Sequence[int]) -> list[Array]:
        asked = [texts[batch[n]] for n in round_]
        items = encode_texts(trunk, asked)
        states = _pooled(trunk, items, poolings)
        for text, item, state in zip(asked, items, states, strict=True):
            found = [column for column, p in enumerate(poolings) if item.places(p)]
            if not np.isfinite(state[:, found]).all():
                raise _overflow(text.id, state[:, found], trunk)
        return list(states)

    found = in_rounds([range(len(batch))], pooled, [texts[place].id for place in batch])
    return np.stack(found).transpose(2, 1, 0, 3)


def _overflow(name: str, states: Array, trunk: Trunk) -> ModelError:
    depth = int(np.flatnonzero(~np.isfinite(states).all(axis=(1, 2)))[0])
    return ModelError(
        f"hidden states of text {name}",
        expected="finite numbers",
        found=f"infinite ones or none at {depth_name(depth, trunk.norm_depth)} in {trunk.dtype}",
        remedy="load the model as float32 or bfloat16",
    )


@torch.inference_mode()
def _pooled(trunk: Trunk, items: Sequence[HiddenItem], poolings: Sequence[str]) -> Array:
    """Return states (items, depths, poolings, width); NaN where there is nothing to pool."""
    shape = (len(items), trunk.depths, len(poolings), trunk.width)
    states = np.full(shape, np.nan, dtype=np.float32)
    read = [n for n, item in enumerate(items) if item.ids]
    if not read:
        return states
    runs = [len(list(run)) for _, run in groupby(items[n].ids for n in read)]
    passes = np.repeat(np.arange(len(runs)), runs)  # the pass of each item, and its turn in it
    turns = np.arange(len(read)) - np.repeat(np.cumsum(runs) - runs, runs)
    sequences = [items[read[start]].ids for start in np.cumsum(runs) - runs]
    # all of them, wanted or not: so one pooling's sums do not depend on which others are asked for
    weights = pooling_weights([items[n] for n in read], POOLINGS, max(map(len, sequences)))
    columns = [POOLINGS.index(pooling) for pooling in poolings]
    shared = np.zeros((len(runs), max(runs), *weights.shape[1:]), dtype=np.float32)
    shared[passes, turns] = weights
    sums = _forward(trunk, sequences, torch.from_numpy(shared), columns)
    found = sums.cpu().numpy()[:, passes, turns]
    nothing = ~weights[:, columns].any(axis=2)
    found[:, nothing] = np.nan
    states[read] = found.swapaxes(0, 1)
    return states


def _forward(
    trunk: Trunk, sequences: Sequence[Sequence[int]], weights: Tensor, columns: Sequence[int]
) -> Tensor:
    """Run a batch and return weighted sums (depths, sequences, turns, columns, width) in float32.

    `weights` is (sequences, turns, poolings, length), `columns` the poolings that are wanted.
    """
    ids = padded(sequences, trunk.device)
    settings: dict[str, Tensor | bool] = {}
    if accepts(trunk.model, "use_cache"):
        settings["use_cache"] = False
    lengths = torch.tensor([len(row) for row in sequences], device=trunk.device)
    if not trunk.causal and int(lengths.min()) < ids.shape[1]:
        places = torch.arange(ids.shape[1], device=trunk.device)
        settings["attention_mask"] = (places < lengths[:, None]).long()
    # made before the pass: what is kept during it would pin the heap between freed activations
    shape = (trunk.depths, *weights.shape[:2], len(columns), trunk.width)
    sums = torch.empty(shape, dtype=torch.float32, device=trunk.device)
    weights = weights.to(trunk.device)

    def keep(depth: int, state: Tensor) -> None:
        # a model may be spread over devices
        found = torch.bmm(weights.flatten(1, 2).to(state.device), state.float())
        sums[depth].copy_(found.unflatten(1, weights.shape[1:3])[:, :, columns])
        if depth == trunk.depth and trunk.final_norm is not None:
            keep(depth + 1, normed(trunk.final_norm, state))

    with watched(trunk.blocks, keep):
        trunk.model(input_ids=ids, **settings)
    return sums
