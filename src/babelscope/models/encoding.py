"""The one renderer at token level: what a model reads in tuning and in inference.

A prompt is the template's head, context and tail. If it is too long, the end of the context is
cut: by length alone, never by where the gold stands, and alike in tuning and in inference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from transformers import PreTrainedTokenizerBase

from babelscope.data.prompts import Template, prompt_parts
from babelscope.errors import DataError, ModelError, SettingError
from babelscope.identity import digest
from babelscope.models.fitting import Fitted, fit_prompt, tokenise
from babelscope.models.tokenizers import tokenizer_fingerprint
from babelscope.records import Example

Begin = Literal["tokenizer", "always", "never"]
"""Begin tokens: as the tokenizer does by default, one in any case, or none."""

Loss = Literal["answer", "all"]
"""Which tokens are learned: those of the answer, or all of prompt and answer."""

NO_LOSS = -100
"""The label of a position outside the loss, as torch's cross entropy ignores it."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """How examples become tokens; the prompt may fill `max_tokens - answer_tokens`.

    Raises:
        SettingError: a length is below 1, no room is left for the prompt, or `begin` is unknown.
    """

    template: Template
    max_tokens: int = 1024
    answer_tokens: int = 32
    begin: Begin = "tokenizer"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.begin not in get_args(Begin):
            raise SettingError(
                "begin", expected="one of " + ", ".join(get_args(Begin)), found=repr(self.begin)
            )
        if self.answer_tokens < 1:
            raise SettingError("answer_tokens", expected=">= 1", found=str(self.answer_tokens))
        if self.max_tokens <= self.answer_tokens:
            raise SettingError(
                "max_tokens",
                expected=f"more than the {self.answer_tokens} kept for the answer",
                found=str(self.max_tokens),
            )


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt's tokens; `gold_lost`: golds stood in the context, and the cut removed them all."""

    id: str
    ids: tuple[int, ...]
    truncated: bool
    gold_lost: bool


@dataclass(frozen=True, slots=True)
class EncodedTraining:
    """Prompt, answer and end token, with the label of each position (`NO_LOSS` outside the loss).

    The answer's tokens are `ids[answer_start:answer_end]`, the end token follows. Labels go by
    position, never by id, so a padding token that equals another token masks nothing.
    `answer_cut`: the answer did not fit; its end token is then not learned.
    """

    id: str
    ids: tuple[int, ...]
    labels: tuple[int, ...]
    answer_start: int
    answer_end: int
    truncated: bool
    gold_lost: bool
    answer_cut: bool


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase,
    rendering: Rendering,
    example: Example,
    demonstrations: Sequence[Example] = (),
) -> EncodedPrompt:
    """Render an example as the tokens that a model reads before it answers.

    Raises:
        SettingError: the prompt is too long even with an empty context, or begin tokens are
            asked of a tokenizer without one.
    """
    front = begin_ids(tokenizer, rendering.begin)
    fitted = _fit(tokenizer, rendering, example, demonstrations, front)
    return EncodedPrompt(example.id, front + fitted.ids, fitted.truncated, fitted.gold_lost)


def prompt_text(
    tokenizer: PreTrainedTokenizerBase,
    rendering: Rendering,
    example: Example,
    demonstrations: Sequence[Example] = (),
) -> str:
    """Return the text that `encode_prompt` turns into tokens, after any cut.

    Begin tokens have no text.

    Raises:
        SettingError: as `encode_prompt`.
    """
    front = begin_ids(tokenizer, rendering.begin)
    return _fit(tokenizer, rendering, example, demonstrations, front).text


def encode_training(
    tokenizer: PreTrainedTokenizerBase,
    rendering: Rendering,
    example: Example,
    *,
    train_eos: bool,
    loss: Loss,
    demonstrations: Sequence[Example] = (),
) -> EncodedTraining:
    """Render an example with its first gold and the end token, as a model is tuned on it.

    An answer longer than `answer_tokens` is kept whole as long as all fits `max_tokens`.

    Raises:
        SettingError: as `encode_prompt`.
        DataError: the example has no answer.
        ModelError: the tokenizer has no end token.
    """
    if not example.answers:
        raise DataError(f"example {example.id}", expected="an answer to train on", found="none")
    if tokenizer.eos_token_id is None:
        raise ModelError("tokenizer", expected="an end token", found="none")
    front = begin_ids(tokenizer, rendering.begin)
    fitted = _fit(tokenizer, rendering, example, demonstrations, front)
    prompt = front + fitted.ids
    answer = _continuation(tokenizer, fitted, rendering.template.answer_prefix + example.answers[0])
    kept = answer[: rendering.max_tokens - len(prompt) - 1]
    ids = (*prompt, *kept, tokenizer.eos_token_id)
    start, end = len(prompt), len(ids) - 1
    first = start if loss == "answer" else 0
    # a cut answer does not end where it was cut: learning to stop there would be wrong
    last = len(ids) if train_eos and len(kept) == len(answer) else end
    labels = (NO_LOSS,) * first + ids[first:last] + (NO_LOSS,) * (len(ids) - last)
    return EncodedTraining(
        id=example.id,
        ids=ids,
        labels=labels,
        answer_start=start,
        answer_end=end,
        truncated=fitted.truncated,
        gold_lost=fitted.gold_lost,
        answer_cut=len(kept) < len(answer),
    )


def encode_verbatim(
    tokenizer: PreTrainedTokenizerBase, prompt: str, answer: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the tokens of a prompt as it stands, and of the answer that follows it.

    The prompt gets the tokenizer's own begin tokens, and no end token: it is to be continued.
    Nothing is cut.
    """
    bare, _ = tokenise(tokenizer, prompt)
    ids = begin_ids(tokenizer, "tokenizer") + bare
    if not answer:
        return ids, ()
    return ids, _continuation(tokenizer, Fitted(prompt, bare, False, False), answer)


def rendering_fingerprint(tokenizer: PreTrainedTokenizerBase, rendering: Rendering) -> str:
    """Digest what decides a prompt's tokens: template, room for the prompt, tokenizer.

    `begin` is left out: the recipe `seed` tunes with a begin token and answers without one on
    purpose. An adapter's card names both, and they are compared apart from this.
    """
    return digest(
        {
            "template": rendering.template.text,
            "answer_prefix": rendering.template.answer_prefix,
            "prompt_tokens": rendering.max_tokens - rendering.answer_tokens,
            "tokenizer": tokenizer_fingerprint(tokenizer),
        }
    )


def _fit(
    tokenizer: PreTrainedTokenizerBase,
    rendering: Rendering,
    example: Example,
    demonstrations: Sequence[Example],
    front: Sequence[int],
) -> Fitted:
    parts = prompt_parts(rendering.template, example, demonstrations)
    room = rendering.max_tokens - rendering.answer_tokens - len(front)
    return fit_prompt(tokenizer, parts, example, room)


def _continuation(
    tokenizer: PreTrainedTokenizerBase, prompt: Fitted, answer: str
) -> tuple[int, ...]:
    """Return the tokens of an answer as it follows its prompt.

    Tokenised together where the prompt's own tokens stay as they are, because some tokenizers
    put a space before a text that stands alone.
    """
    joint, _ = tokenise(tokenizer, prompt.text + answer)
    if joint[: len(prompt.ids)] == prompt.ids:
        return joint[len(prompt.ids) :]
    return tokenise(tokenizer, answer)[0]


def begin_ids(tokenizer: PreTrainedTokenizerBase, begin: Begin) -> tuple[int, ...]:
    """Return the tokens that stand before a prompt.

    Raises:
        SettingError: a begin token is asked of a tokenizer without one.
    """
    if begin == "never":
        return ()
    probe = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    # a tokenizer that writes "a" otherwise behind its begin tokens puts none that could be told
    own = next((n for n in range(len(whole)) if whole[n : n + len(probe)] == probe), 0)
    front = tuple(whole[:own])
    if begin == "tokenizer":
        return front
    if tokenizer.bos_token_id is None:
        raise SettingError(
            "begin = always",
            expected="a tokenizer with a begin token",
            found="none",
            remedy="use begin = tokenizer",
        )
    return front if tokenizer.bos_token_id in front else (tokenizer.bos_token_id, *front)
