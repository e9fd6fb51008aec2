"""How the next token is chosen: the most probable, or a seeded draw of its own for each answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from babelscope.errors import SettingError
from babelscope.identity import digest


@dataclass(frozen=True, slots=True)
class Decoding:
    """How an answer is produced; temperature 0 is greedy, top_k 0 and top_p 1 cut nothing.

    A sampled answer depends on `seed` and the example's id alone, not on its batch.

    Raises:
        SettingError: a value is out of range.
    """

    max_new_tokens: int = 32
    stop_at_newline: bool = True
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        checks = (
            ("max_new_tokens", self.max_new_tokens, self.max_new_tokens >= 1, ">= 1"),
            ("temperature", self.temperature, 0 <= self.temperature <= 100, "0 to 100"),
            ("top_k", self.top_k, self.top_k >= 0, ">= 0"),
            ("top_p", self.top_p, 0 < self.top_p <= 1, "above 0, at most 1"),
        )
        for name, value, holds, expected in checks:
            if not holds:
                raise SettingError(name, expected=expected, found=str(value))


def answer_generator(decoding: Decoding, answer_id: str) -> torch.Generator | None:
    """Return the source of one answer's draws; None for greedy answers."""
    if decoding.temperature == 0:
        return None
    return torch.Generator().manual_seed(int(digest([decoding.seed, answer_id])[:15], 16))


def choose_tokens(
    logits: Tensor, generators: Sequence[torch.Generator | None], decoding: Decoding
) -> list[int]:
    """Choose one token for each row of logits (rows, vocabulary), each by its own generator."""
    if decoding.temperature == 0:
        return [int(token) for token in logits.argmax(dim=-1).tolist()]
    chosen = []
    # on the CPU: a device's generator gives other draws than another's
    for scores, generator in zip(logits.cpu(), generators, strict=True):
        probabilities = cut_tail(scores / decoding.temperature, decoding)
        chosen.append(int(torch.multinomial(probabilities, 1, generator=generator)))
    return chosen


def cut_tail(scores: Tensor, decoding: Decoding) -> Tensor:
    """Return probabilities (rows,) after top-k, then top-p, not summing to 1 again.

    Top-p: Holtzman et al., arXiv:1904.09751.
    """
    if 0 < decoding.top_k < len(scores):
        scores = scores.masked_fill(scores < scores.topk(decoding.top_k).values[-1], -torch.inf)
    probabilities = scores.softmax(dim=-1)
    if decoding.top_p < 1:
        ordered, places = probabilities.sort(descending=True, stable=True)
        before = ordered.cumsum(dim=-1) - ordered
        probabilities[places[before >= decoding.top_p]] = 0.0
    return probabilities
