"""Fitting a prompt into its room: the end of the context is cut, by length alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from babelscope.data.normal_forms import stands_in
from babelscope.data.prompts import PromptParts
from babelscope.errors import SettingError
from babelscope.records import Example

JOINERS = "\u200c\u200d"


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt's text and tokens after any cut, without begin tokens."""

    text: str
    ids: tuple[int, ...]
    truncated: bool
    gold_lost: bool


def fit_prompt(
    tokenizer: PreTrainedTokenizerBase,
    parts: PromptParts,
    example: Example,
    room: int,
) -> Fitted:
    """Cut the end of the context until the prompt's tokens fit `room`.

    Raises:
        SettingError: they do not fit even with an empty context.
    """
    context = parts.context
    while True:
        text = parts.head + context + parts.tail
        ids, starts = tokenise(tokenizer, text)
        if len(ids) <= room:
            break
        if not context:
            raise SettingError(
                f"example {example.id}",
                expected=f"at most {room} tokens in the prompt",
                found=f"{len(ids)} with an empty context",
                remedy="raise max_tokens",
            )
        context = context[: _cut(parts, context, starts, len(ids) - room)]
    had_gold = any(stands_in(gold, parts.context) for gold in example.answers)
    return Fitted(
        text=text,
        ids=ids,
        truncated=len(context) < len(parts.context),
        gold_lost=had_gold and not any(stands_in(gold, context) for gold in example.answers),
    )


def _cut(parts: PromptParts, context: str, starts: Sequence[int], excess: int) -> int:
    """Return how many characters of the context to keep, so that `excess` tokens fall away.

    The cut falls before the first token to drop, and before a whole character as readers see it:
    marks and joiners stay with their base.
    """
    end = len(parts.head) + len(context)
    before_tail = sum(start < end for start in starts)
    first_dropped = max(before_tail - excess, 0)
    cut = starts[first_dropped] - len(parts.head) if first_dropped < len(starts) else 0
    cut = min(max(cut, 0), len(context) - 1)
    while cut and (
        unicodedata.category(context[cut]).startswith("M")
        or context[cut] in JOINERS
        or context[cut - 1] in JOINERS
    ):
        cut -= 1
    return cut


def tokenise(
    tokenizer: PreTrainedTokenizerBase, text: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return a text's ids and the character at which each token starts."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return tuple(encoded["input_ids"]), tuple(start for start, _ in encoded["offset_mapping"])
