"""Inference by prompt: a decoder's probability for the words of the three labels, untrained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from babelscope.data.label_words import LabelWords, inference_prompt
from babelscope.errors import ModelError
from babelscope.infer.options import Choice, encode_choice, score_options
from babelscope.models.loading import LoadedModel
from babelscope.models.trunk_proof import is_causal
from babelscope.records import Inference


def encode_prompts(
    loaded: LoadedModel, items: Sequence[Inference], words: LabelWords, max_tokens: int
) -> tuple[list[Choice], int]:
    """Return the items as choices, and how many had the end of their premise cut."""
    choices, cut = [], 0
    for item in items:
        choice = _choice(loaded, item, words)
        whole = len(choice.prompt)
        premise = item.premise
        while premise and len(choice.prompt) + max(map(len, choice.options)) > max_tokens:
            # at least a character goes; a share at a time, until it fits
            premise = premise[: min(len(premise) - 1, len(premise) * max_tokens // whole)]
            shorter = Inference(item.id, item.language, premise, item.hypothesis, item.label)
            choice = _choice(loaded, shorter, words)
            whole = max(len(choice.prompt), max_tokens + 1)
        cut += premise != item.premise
        choices.append(choice)
    return choices, cut


def _choice(loaded: LoadedModel, item: Inference, words: LabelWords) -> Choice:
    return encode_choice(loaded.tokenizer, item.id, *inference_prompt(item, words))


def prompt_probabilities(
    loaded: LoadedModel, choices: Sequence[Choice], *, batch_tokens: int = 8192
) -> NDArray[np.float64]:
    """Return (items, labels): softmax of the whole words' log-probabilities after the prompt.

    Words of several tokens are not favoured or punished by a length rule: their tokens'
    log-probabilities are added up.

    Raises:
        ModelError: the model is no decoder.
    """
    if not is_causal(loaded.model, loaded.parts.blocks):
        raise ModelError(
            f"model {loaded.name}",
            expected="a decoder for the method prompt",
            found="an encoder",
            remedy="train a head: --method head, lora or full",
        )
    scores = score_options(loaded, choices, batch_tokens=batch_tokens)
    nats = np.array([s.nats for s in scores]).reshape(len(choices), -1)
    weights = np.exp(nats - nats.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
