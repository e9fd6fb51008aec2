"""Pairs of sentences and tagged words as tokens for a classification head.

Pairs are joined by the tokenizer's own template where it has one for pairs (`[SEP]`, `</s></s>`),
else by a new line. Too long a pair loses the end of its premise, and of its hypothesis only when
nothing of the premise is left.

Words are joined by single spaces and find their tokens through character offsets: the first token
that touches a word carries its label, the word's other tokens carry none and are not read. A word
that was cut off, or that has no token, has no prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from babelscope.errors import DataError
from babelscope.models.loading import Tokenizer
from babelscope.records import Inference, TaggedSentence

NO_LABEL = -100
"""The label of a position that is not trained."""
NO_TOKEN = -1


@dataclass(frozen=True, slots=True)
class ClassItem:
    """One text as a head reads it.

    `labels` is one label of a text, or one a token (`NO_LABEL`: none). `words` has the token that
    carries each word's label, `NO_TOKEN` where none does; empty for a pair. `text_tokens` and
    `unknown` count the whole text's tokens without special ones, before anything is cut.
    """

    id: str
    ids: tuple[int, ...]
    types: tuple[int, ...]
    labels: tuple[int, ...]
    words: tuple[int, ...]
    truncated: bool
    text_tokens: int
    unknown: int


def encode_pairs(
    tokenizer: Tokenizer, items: Sequence[Inference], labels: Sequence[str], max_tokens: int
) -> list[ClassItem]:
    """Return pairs as tokens, at most `max_tokens` each."""
    joint = has_pair_template(tokenizer)
    found = []
    for item in items:
        whole = _counts(tokenizer, f"{item.premise}\n{item.hypothesis}")
        ids, types, truncated = _pair(tokenizer, item, max_tokens, joint)
        label = labels.index(item.label)
        found.append(ClassItem(item.id, ids, types, (label,), (), truncated, *whole))
    return found


def has_pair_template(tokenizer: Tokenizer) -> bool:
    """Tell whether the tokenizer itself puts something between two texts."""
    whole = tokenizer("a", "a")["input_ids"]
    return len(whole) > len(tokenizer("a")["input_ids"]) + len(_plain(tokenizer, "a"))


def _pair(
    tokenizer: Tokenizer, item: Inference, max_tokens: int, joint: bool
) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    premise, hypothesis, truncated = item.premise, item.hypothesis, False
    while True:
        given = (premise, hypothesis) if joint else (f"{premise}\n{hypothesis}",)
        encoded = tokenizer(*given)
        ids = tuple(encoded["input_ids"])
        excess = len(ids) - max_tokens
        if excess <= 0:
            return ids, tuple(encoded.get("token_type_ids") or ()), truncated
        truncated = True
        if premise:
            premise = _shortened(tokenizer, premise, excess)
        elif hypothesis:
            hypothesis = _shortened(tokenizer, hypothesis, excess)
        else:
            raise DataError(
                f"item {item.id}", expected="room for more than marks", found=f"{max_tokens} tokens"
            )


def _shortened(tokenizer: Tokenizer, text: str, excess: int) -> str:
    """Cut at least `excess` tokens, and at least one character, from a text's end."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    kept = len(offsets) - excess
    end = int(offsets[kept][0]) if kept > 0 else 0
    return text[: min(end, len(text) - 1)].rstrip()


def encode_words(
    tokenizer: Tokenizer, items: Sequence[TaggedSentence], tags: Sequence[str], max_tokens: int
) -> list[ClassItem]:
    """Return tagged sentences as tokens; a tag that is not among `tags` is not trained."""
    places = {tag: number for number, tag in enumerate(tags)}
    found = []
    for item in items:
        text = " ".join(item.words)
        encoded = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
        ids, words, truncated = _first_tokens(encoded, text, item.words, max_tokens)
        labels = [NO_LABEL] * len(ids)
        for word, token in enumerate(words):
            if token != NO_TOKEN and labels[token] == NO_LABEL:
                labels[token] = places.get(item.tags[word], NO_LABEL)
        types = (0,) * len(ids)
        whole = _counts(tokenizer, text)
        found.append(ClassItem(item.id, ids, types, tuple(labels), words, truncated, *whole))
    return found


def _first_tokens(
    encoded: object, text: str, words: Sequence[str], max_tokens: int
) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    """Return the kept ids, the first token of each word, and whether tokens were cut."""
    ids = list(encoded["input_ids"])  # type: ignore[index]  # transformers leaves it untyped
    special = encoded["special_tokens_mask"]  # type: ignore[index]
    offsets = encoded["offset_mapping"]  # type: ignore[index]
    # special tokens behind the text stay, the text's last tokens go
    tail = next((n for n, mark in enumerate(reversed(special)) if not mark), 0)
    body = len(ids) - tail
    kept = min(body, max(max_tokens - tail, 0))
    first = [NO_TOKEN] * len(words)
    owner = [n for n, word in enumerate(words) for _ in range(len(word) + 1)]
    for token in range(kept):
        start, end = offsets[token]
        if special[token]:
            continue
        touched = {owner[at] for at in range(start, end) if not text[at].isspace()}
        for word in touched:
            if first[word] == NO_TOKEN:
                first[word] = token
    return tuple(ids[:kept] + ids[body:]), tuple(first), kept < body


def _counts(tokenizer: Tokenizer, text: str) -> tuple[int, int]:
    """Return the number of a text's tokens and of those that are unknown."""
    ids = _plain(tokenizer, text)
    return len(ids), sum(i == tokenizer.unk_token_id for i in ids)


def _plain(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
