"""Texts whose hidden states are wanted: their tokens, and the weights that pool them.

One rule for special tokens: those that the tokenizer itself adds (CLS, SEP, BOS) are read by the
model but left out of every pooling, unless a text has no other token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babelscope.errors import DataError, SettingError
from babelscope.models.loading import Tokenizer
from babelscope.models.tokens import SPACE_MARK
from babelscope.models.trunks import Trunk
from babelscope.records import POOLINGS, SPAN_POOLINGS

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class HiddenText:
    """A text, and the characters [start, end) of a word in it where `first` or `word` is wanted."""

    id: str
    text: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class HiddenItem:
    """A text's tokens after any cut; `pooled` and `span` are places in `ids`.

    `span` has the tokens that share a character with the text's span, empty if there are none.
    """

    ids: tuple[int, ...]
    pooled: tuple[int, ...]
    span: tuple[int, ...]
    truncated: bool

    def places(self, pooling: str) -> tuple[int, ...]:
        """Return what a pooling pools."""
        return self.span if pooling in SPAN_POOLINGS else self.pooled


def _even(n: int) -> NDArray[np.float64]:
    return np.ones(n)


def _rising(n: int) -> NDArray[np.float64]:
    return np.arange(1.0, n + 1)


def _falling(n: int) -> NDArray[np.float64]:
    return np.arange(float(n), 0.0, -1.0)


def _only_first(n: int) -> NDArray[np.float64]:
    return np.eye(1, n, 0)[0]


def _only_last(n: int) -> NDArray[np.float64]:
    return np.eye(1, n, n - 1)[0]


_WEIGHTS: dict[str, Callable[[int], NDArray[np.float64]]] = {
    "mean": _even,
    "last": _only_last,
    "increasing": _rising,
    "decreasing": _falling,
    "first": _only_first,
    "word": _even,
}
"""Weights of n tokens by `records.POOLINGS`, before they are divided by their sum."""


def check_poolings(poolings: Sequence[str]) -> None:
    """Check that poolings are known, each once.

    Raises:
        SettingError: they are not.
    """
    if not poolings or set(poolings) - set(POOLINGS) or len(set(poolings)) < len(poolings):
        raise SettingError(
            "pooling",
            expected=f"different ones of {', '.join(POOLINGS)}",
            found=", ".join(poolings) or "none",
        )


def check_texts(texts: Sequence[HiddenText], poolings: Sequence[str]) -> None:
    """Check that there are texts, with spans inside them where a pooling needs one.

    Raises:
        SettingError: a pooling is unknown.
        DataError: there is no text, or a span is absent or outside its text.
    """
    check_poolings(poolings)
    if not texts:
        raise DataError("texts", expected="at least one", found="none")
    if not set(poolings) & set(SPAN_POOLINGS):
        return
    for text in texts:
        if text.span is None or not 0 <= text.span[0] <= text.span[1] <= len(text.text):
            raise DataError(
                f"text {text.id}",
                expected=f"a span within its {len(text.text)} characters for pooling a word",
                found=str(text.span or "none"),
            )


def encode_texts(trunk: Trunk, texts: Sequence[HiddenText]) -> list[HiddenItem]:
    """Return texts as tokens; too long ones lose the end of the text, not special tokens."""
    if not texts:
        return []
    # the words of a sentence share its text: it is tokenised once
    places = {text: place for place, text in enumerate(dict.fromkeys(t.text for t in texts))}
    encoded = trunk.tokenizer(
        list(places),
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    offsets, blank = encoded["offset_mapping"], _space_ids(trunk.tokenizer)
    rows = [(text, places[text.text]) for text in texts]
    return [
        _item(text, ids[n], special[n], offsets[n], blank, trunk.max_tokens) for text, n in rows
    ]


def pooling_weights(
    items: Sequence[HiddenItem], poolings: Sequence[str], length: int
) -> NDArray[np.float32]:
    """Return weights (items, poolings, length); all zero where there is nothing to pool."""
    weights = np.zeros((len(items), len(poolings), length), dtype=np.float32)
    for row, item in enumerate(items):
        for column, pooling in enumerate(poolings):
            places = item.places(pooling)
            if places:
                own = _WEIGHTS[pooling](len(places))
                weights[row, column, list(places)] = own / own.sum()
    return weights


def _item(
    text: HiddenText,
    ids: Sequence[int],
    special: Sequence[int],
    offsets: Sequence[Span],
    blank: frozenset[int],
    room: int | None,
) -> HiddenItem:
    own = [place for place, mark in enumerate(special) if not mark]
    excess = max(len(ids) - room, 0) if room else 0
    cut = set(own[max(len(own) - excess, 0) :])
    kept = [place for place in range(len(ids)) if place not in cut]
    own = [place for place, old in enumerate(kept) if not special[old]]
    ids, offsets = [ids[old] for old in kept], [offsets[old] for old in kept]
    return HiddenItem(
        ids=tuple(ids),
        pooled=tuple(own or range(len(ids))),
        span=_span_places(text, ids, offsets, own, blank) if text.span else (),
        truncated=bool(cut),
    )


def _span_places(
    text: HiddenText,
    ids: Sequence[int],
    offsets: Sequence[Span],
    own: Sequence[int],
    blank: frozenset[int],
) -> tuple[int, ...]:
    """Return the places of the tokens that share a character other than space with the span."""
    start, end = text.span or (0, 0)
    found = []
    for place in own:
        left, right = max(offsets[place][0], start), min(offsets[place][1], end)
        # SentencePiece may give the space before a word a token of its own, on its first character
        if ids[place] not in blank and text.text[left : max(left, right)].strip():
            found.append(place)
    return tuple(found)


def _space_ids(tokenizer: Tokenizer) -> frozenset[int]:
    row = tokenizer.convert_tokens_to_ids(SPACE_MARK)
    known = row is not None and tokenizer.convert_ids_to_tokens(row) == SPACE_MARK
    return frozenset({row} if known else ())
