"""Batched, left-padded, exact answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from babelscope.models.encoding import EncodedPrompt
from babelscope.models.loading import LoadedModel
from babelscope.records import Answer


@dataclass(frozen=True, slots=True)
class Decoding:
    max_new_tokens: int = 32
    stop_at_newline: bool = True
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0


def plan_batches(prompts: Sequence[EncodedPrompt], tokens_per_batch: int = 8192) -> list[tuple[int, ...]]: ...
def generate_answers(loaded: LoadedModel, prompts: Sequence[EncodedPrompt], decoding: Decoding, *, language: str) -> list[Answer]: ...
