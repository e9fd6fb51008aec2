"""How the next token is chosen: the most probable, or a seeded draw of its own for each answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from babelscope.errors import ModelError, SettingError
from babelscope.identity import digest

ROWS = 64
"""Rows of which few tokens are left that are looked at at once."""

WHOLE_ROWS = 4
"""The same where whole rows are sorted or summed up: they are held several times."""

BLOCK = 64
"""Scores whose maximum tells whether any of them need be looked at."""


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
    """Choose one token for each row of logits (rows, vocabulary), each by its own generator.

    Raises:
        ModelError: a row has no largest finite number.
    """
    leading = logits.argmax(dim=-1, keepdim=True)
    # not a number counts as the largest
    if not bool(logits.gather(1, leading).isfinite().all()):
        raise ModelError(
            "the scores of the next token",
            expected="finite numbers",
            found="nan or infinity",
            remedy="load the model with dtype float32",
        )
    if decoding.temperature == 0:
        return [int(token) for token in leading[:, 0].tolist()]
    # drawn on the CPU: a device's generator gives other numbers than another's
    draws = torch.tensor([_uniform(generator) for generator in generators], dtype=torch.float64)
    # Apple's GPUs have no double precision
    device = torch.device("cpu") if logits.device.type == "mps" else logits.device
    rows = ROWS if 0 < decoding.top_k < logits.shape[1] else WHOLE_ROWS
    chosen: list[int] = []
    for part, own in zip(logits.split(rows), draws.to(device).split(rows), strict=True):
        probabilities, places = cut_tail(part.float() / decoding.temperature, decoding)
        places = None if places is None else places.to(device)
        reached = probabilities.to(device).double().cumsum(dim=1)
        wanted = own[:, None] * reached[:, -1:]
        found = torch.searchsorted(reached, wanted, right=True)
        found = found.clamp(max=reached.shape[1] - 1)  # a product may round up to the whole
        chosen += (found if places is None else places.gather(1, found))[:, 0].tolist()
    return chosen


def _uniform(generator: torch.Generator | None) -> float:
    return float(torch.rand((), generator=generator, dtype=torch.float64))


def cut_tail(scores: Tensor, decoding: Decoding) -> tuple[Tensor, Tensor | None]:
    """Return the probabilities (rows, n) left after top-k, then top-p, and their tokens (rows, n).

    The most probable stands first, equal ones by token; those cut are 0, and a row need not sum
    to 1. Without a cut the tokens are None: all, in their own order. Tokens as probable as the
    k-th are kept. Top-p: Holtzman et al., arXiv:1904.09751.
    """
    whole = scores.shape[1]
    few = 0 < decoding.top_k < whole
    if not few and decoding.top_p >= 1:
        return scores.softmax(dim=-1), None
    if few:
        values, places = _largest(scores, decoding.top_k)
    else:
        values, places = scores.sort(dim=1, descending=True, stable=True)
    probabilities = values.softmax(dim=-1)
    if decoding.top_p < 1:
        before = probabilities.cumsum(dim=-1) - probabilities
        probabilities = probabilities.masked_fill(before >= decoding.top_p, 0.0)
    return probabilities, places


def _largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest scores of each row and their equals, sorted, with their places.

    Rows with fewer equals of the k-th than others are filled with -inf. The k-th largest maximum
    of short blocks is a bar that no score wanted is below, and few others reach.
    """
    size = max(1, min(BLOCK, scores.shape[1] // (2 * k)))
    even = scores.shape[1] - scores.shape[1] % size
    blocks = scores[:, :even].unflatten(1, (-1, size)).amax(dim=2)
    maxima = torch.cat([blocks, scores[:, even:]], dim=1)
    bar = maxima.topk(k, dim=1).values[:, -1:]
    rows, places = (scores >= bar).nonzero(as_tuple=True)
    count = torch.bincount(rows, minlength=len(scores))
    column = torch.arange(len(rows), device=rows.device) - (count.cumsum(0) - count)[rows]
    values = scores.new_full((len(scores), int(count.max())), -torch.inf)
    tokens = rows.new_zeros(values.shape)
    values[rows, column], tokens[rows, column] = scores[rows, places], places
    # places ascend, so a stable sort leaves equals in the order of their tokens
    values, order = values.sort(dim=1, descending=True, stable=True)
    return values.masked_fill(values < values[:, k - 1 : k], -torch.inf), tokens.gather(1, order)
