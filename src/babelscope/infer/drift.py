"""Whether a model's answers hang on how they are computed: batch, padding, number format."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from babelscope.infer.generate import Decoding, generate_answers
from babelscope.infer.passes import BATCH_TOKENS, read_ends
from babelscope.models.encoding import EncodedPrompt
from babelscope.models.loading import LoadedModel
from babelscope.models.parts import normalise, unembed_hidden
from babelscope.records import Answer


@dataclass(frozen=True, slots=True)
class Drift:
    """How answers made in one way differ from those made one at a time.

    `differing` of `items` have other tokens. `widest_gap` is the largest gap of the two best
    logits, one at a time, where such an answer first differs: how clear a call was turned over.
    It is NaN if none differs.
    """

    way: str
    items: int
    differing: int
    widest_gap: float


def measure_drift(
    loaded: LoadedModel,
    prompts: Sequence[EncodedPrompt],
    decoding: Decoding,
    other: LoadedModel | None = None,
) -> list[Drift]:
    """Compare greedy answers one at a time with those in batches, padded, and of `other`.

    `other` is the same model in another number format.

    Raises:
        ModelError: memory does not suffice for a single prompt.
        SettingError: prompt and answer are longer than the model's positions.
    """
    if not prompts:
        return []
    alone = [_answers(loaded, [prompt], decoding)[0] for prompt in prompts]
    longest = max(prompts, key=lambda p: len(p.ids))
    ways = {
        "batched": _answers(loaded, prompts, decoding),
        "padded": [_answers(loaded, [prompt, longest], decoding)[0] for prompt in prompts],
    }
    if other is not None:
        name = str(other.dtype).removeprefix("torch.")
        ways[name] = [_answers(other, [prompt], decoding)[0] for prompt in prompts]
    return [_drift(loaded, way, prompts, alone, found) for way, found in ways.items()]


def _answers(
    loaded: LoadedModel, prompts: Sequence[EncodedPrompt], decoding: Decoding
) -> list[Answer]:
    return generate_answers(loaded, prompts, decoding, language="")


def _drift(
    loaded: LoadedModel,
    way: str,
    prompts: Sequence[EncodedPrompt],
    alone: Sequence[Answer],
    found: Sequence[Answer],
) -> Drift:
    gaps = []
    for prompt, a, b in zip(prompts, alone, found, strict=True):
        if a.tokens != b.tokens:
            same = next(
                (n for n, (x, y) in enumerate(zip(a.tokens, b.tokens, strict=False)) if x != y),
                min(len(a.tokens), len(b.tokens)),
            )
            gaps.append(top_two_gap(loaded, [*prompt.ids, *a.tokens[:same]]))
    return Drift(way, len(prompts), len(gaps), max(gaps, default=math.nan))


@torch.inference_mode()
def top_two_gap(loaded: LoadedModel, ids: Sequence[int]) -> float:
    """Return the gap of the two largest logits after some tokens, read alone."""
    gaps: list[float] = []

    def see(_: Sequence[int], states: Tensor) -> None:
        logits = unembed_hidden(loaded.parts, normalise(loaded.parts, states[:, -1]))
        best = torch.topk(logits[0], 2).values
        gaps.append(float(best[0] - best[1]))

    read_ends(loaded, [ids], see=see, kept=[1], batch_tokens=BATCH_TOKENS)
    return gaps[0]
