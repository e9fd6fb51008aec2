"""The typed records that pass between the stages: frozen, without behaviour of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Stop = Literal["newline", "eos", "length"]
"""Why an answer ended: a newline was produced, the end token was, or the room was used up."""


@dataclass(frozen=True, slots=True)
class Example:
    """One extractive question; its id is shared by its translations.

    `context_id` groups the questions asked on one context: they are resampled together.
    `kind` is the sort of question where the data set knows it (atlas does), else empty.
    `answers` is empty only for an unanswerable question that was asked for.
    """

    id: str
    language: str
    context: str
    question: str
    answers: tuple[str, ...]
    context_id: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """The examples of one data set in one language, and what was left out of them.

    `dropped` counts the records that were left out, by reason; `noted` counts those kept in
    spite of a fault (for example `span drifted`, `language field differs`).
    """

    name: str
    language: str
    examples: tuple[Example, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    noted: Mapping[str, int] = field(default_factory=dict)


POOLINGS = ("mean", "last", "increasing", "decreasing", "first", "word")
"""How the n states of a text become one; weights sum to 1 over the text's own tokens i = 1..n.

`mean`: 1/n. `last`: the last one. `increasing`: w_i = i / sum(i) (MEXA, arXiv:2410.05873).
`decreasing`: w_i = (n + 1 - i) / sum(i) (mPLM-Sim, arXiv:2305.13684, for decoders; it takes the
mean for encoders). Both papers count special tokens, we do not. `first`: the first subword of the
span. `word`: the mean of the span's subwords.
"""

SPAN_POOLINGS = ("first", "word")
"""Those that need a span; the others pool the whole text, with or without a span."""


BLOCK, NORM = "block", "norm"
"""Of which kind the states of a depth are: between blocks, or after the final norm."""


def depth_name(depth: int, norm_depth: int | None) -> str:
    """Return what people call a depth; `norm_depth` is that after the final norm."""
    return "the final norm" if depth == norm_depth else f"depth {depth}"


LABELS = ("entailment", "neutral", "contradiction")
"""The labels of natural language inference, in the order of XNLI's papers."""


@dataclass(frozen=True, slots=True)
class Inference:
    """A premise and a hypothesis with one of `LABELS`; the id is shared by translations."""

    id: str
    language: str
    premise: str
    hypothesis: str
    label: str


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """Words with their tags, one each (IOB2 or parts of speech); translations share the id."""

    id: str
    language: str
    words: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a variant said to one example; lengths are in tokens of its tokenizer.

    `tokens` are the ids of the new tokens, the one that ended the answer included; empty where
    they are not known.
    """

    id: str
    language: str
    prediction: str
    prompt_tokens: int
    new_tokens: int
    truncated: bool
    stopped: Stop
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval and the number of items behind it; no data is NaN, n = 0."""

    value: float
    low: float
    high: float
    n: int


MISSING = Estimate(math.nan, math.nan, math.nan, 0)
"""No data: never zero."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A paired difference between two variants, or two languages, on shared ids.

    `p_value` is two-sided and about tuning runs and contexts (NaN with one seed), `p_adapters` is
    about these very models, by sign flips of contexts; neither is corrected. `se_contexts` and
    `se_seeds` are the two parts of the standard error (the second NaN with one seed), `df` its
    degrees of freedom. `seed_sd` is the standard deviation of the per-seed differences (NaN for
    one seed), `same_sign` the share of seeds whose difference has the sign of the mean.
    `questions_needed` and `seeds_needed` are the numbers with which either part alone would leave
    80 % power for a difference of this size, `smallest_gain` is the difference that this design
    finds with 80 % power; all three after the correction for the pairs that are tested together.
    """

    difference: Estimate
    p_value: float
    p_adapters: float
    seeds: int
    se_contexts: float
    se_seeds: float
    df: float
    seed_sd: float
    same_sign: float
    questions_needed: float
    seeds_needed: float
    smallest_gain: float


@dataclass(frozen=True, slots=True)
class TokenForm:
    """What a row of the vocabulary stands for, whatever the tokenizer's family.

    `data` is the token's bytes without any word-start marker ("▁", "Ġ", and for WordPiece the
    absence of "##"); it may be a piece of a character. `special` is true for control tokens and
    for padding rows that no text can produce; their `data` is empty.
    """

    data: bytes
    word_start: bool
    special: bool


@dataclass(frozen=True, slots=True)
class Event:
    """What is being worked on: `done` of `total` items of a cell, `cells_done` of all cells.

    A piece of work, a stage's part in a cell, begins with an event of `done` = 0 and ends with one
    of `done` = `total`; of a piece that was there already, only the end is told.
    """

    stage: str
    cell: str
    done: int
    total: int
    cells_done: int
    cells_total: int
