"""The multilingual logit lens: language masses at each depth of chosen positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from babelscope.errors import DataError, ModelError, SettingError
from babelscope.infer.batches import plan_batches
from babelscope.infer.projection import language_masses
from babelscope.infer.trunk import check_sequences, trunk_states
from babelscope.models.loading import LoadedModel

POSITIONS = ("last", "gold")
Ids = Sequence[int]


@dataclass(frozen=True, slots=True, eq=False)
class LensReading:
    """What the lens saw.

    `mass` is float32 (prompts, positions, depths, columns of the map), 0-1, summing to 1 over the
    columns; `entropy_bits` is float32 (prompts, positions, depths), of the distribution over
    tokens. There are as many depths as blocks + 1. A prompt without gold has NaN at `gold`.
    """

    positions: tuple[str, ...]
    mass: NDArray[np.float32]
    entropy_bits: NDArray[np.float32]


def lens_masses(
    loaded: LoadedModel,
    prompts: Sequence[Ids],
    golds: Sequence[Ids],
    probability: ArrayLike,
    *,
    positions: Sequence[str] = POSITIONS,
    tokens_per_batch: int = 4096,
) -> LensReading:
    """Look at prompts through a language map's `probability` (rows, languages + 2).

    `last` is the last prompt token; `gold` is the mean over the positions that predict the gold's
    tokens, the first of which is `last`, after prompt + gold as given (token ids). Depth 0 is the
    input of the first block, the last depth the model's own logits; all pass the final norm. Rows
    of the vocabulary beyond the map's are unknown. The adapter in use is looked through.

    Raises:
        SettingError: a position is unknown, or a prompt is empty or too long.
        DataError: there is not one gold for each prompt.
        ModelError: the map has more rows than the model, or the unembedding is not linear.
    """
    sizes = _sizes(prompts, golds, positions)
    sequences = [[*p, *g[: n - 1]] for p, g, n in zip(prompts, golds, sizes, strict=True)]
    check_sequences(loaded, sequences)
    table = _table(loaded, probability)
    shape = (len(prompts), len(positions), loaded.parts.depth + 1)
    entropy = np.full(shape, np.nan, dtype=np.float32)
    mass = np.full((*shape, table.shape[1]), np.nan, dtype=np.float32)
    for batch in plan_batches([len(ids) for ids in sequences], tokens_per_batch):
        places = [range(len(prompts[i]) - 1, len(sequences[i])) for i in batch]
        states = trunk_states(loaded, [sequences[i] for i in batch], places)
        seen, doubt = _look(loaded, states, table)
        ends = np.cumsum([sizes[i] for i in batch])
        for i, end in zip(batch, ends, strict=True):
            first = end - sizes[i]
            for k, position in enumerate(positions):
                if position == "last" or len(golds[i]):
                    span = slice(first, first + 1 if position == "last" else end)
                    mass[i, k] = seen[:, span].mean(axis=1)
                    entropy[i, k] = doubt[:, span].mean(axis=1)
    return LensReading(tuple(positions), mass, entropy)


def _sizes(prompts: Sequence[Ids], golds: Sequence[Ids], positions: Sequence[str]) -> list[int]:
    """Return how many positions, from the last prompt token on, each prompt needs."""
    unknown = [position for position in positions if position not in POSITIONS]
    if unknown or not positions or len(set(positions)) < len(positions):
        raise SettingError(
            "positions of the lens",
            expected=f"some of {', '.join(POSITIONS)}",
            found=", ".join(positions) or "none",
        )
    if len(prompts) != len(golds):
        raise DataError(
            "golds", expected=f"one for each of {len(prompts)} prompts", found=str(len(golds))
        )
    for place, ids in enumerate(prompts):
        if not len(ids):
            raise SettingError(f"prompt {place}", expected="at least one token", found="none")
    return [max(len(gold), 1) if "gold" in positions else 1 for gold in golds]


def _table(loaded: LoadedModel, probability: ArrayLike) -> Tensor:
    """Return the map with a row for each row of the vocabulary, on the model's device."""
    given = np.asarray(probability, dtype=np.float32)
    rows = loaded.parts.vocabulary_rows
    if given.ndim != 2 or given.shape[1] < 3:
        raise DataError(
            "language map",
            expected="(rows, languages + 2) probabilities",
            found=f"the shape {given.shape}",
        )
    surplus = given[rows:]
    if surplus.size and not (surplus[:, -1] == 1).all():
        raise ModelError(
            "language map",
            expected=f"at most the model's {rows} rows",
            found=f"{len(given)}",
            remedy="make a map with this model's tokenizer",
        )
    table = np.zeros((rows, given.shape[1]), dtype=np.float32)
    table[: len(given)] = given[:rows]
    table[len(given) :, -1] = 1.0
    return torch.from_numpy(table).to(next(loaded.parts.unembed.parameters()).device)


def _look(
    loaded: LoadedModel, states: Sequence[Tensor], table: Tensor
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return masses (depths, positions, columns) and entropies (depths, positions)."""
    hidden = torch.cat([state.to(table.device) for state in states])
    mass, entropy = language_masses(loaded.parts, hidden, table)
    shape = (len(states), len(states[0]))
    return mass.view(*shape, -1).cpu().numpy(), entropy.view(shape).cpu().numpy()
