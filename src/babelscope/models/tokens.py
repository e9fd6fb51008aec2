"""A tokenizer's vocabulary as bytes, whatever its family, and how often each row is used."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from babelscope.errors import ModelError
from babelscope.models.tokenizers import idle_rows
from babelscope.records import TokenForm

SPACE_MARK = "▁"
PIECE_MARK = "##"
BATCH_TEXTS = 1000
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_NOTHING = TokenForm(b"", False, True)


def token_forms(tokenizer: PreTrainedTokenizerBase, rows: int) -> list[TokenForm]:
    """Return what each of the `rows` rows of a vocabulary stands for.

    Byte-level BPE, SentencePiece (byte fallback included) and WordPiece are told apart by the
    tokenizer's own decoder. For a text that the tokenizer keeps whole, the forms of its tokens,
    each after a space where `word_start` is true, spell the text; the first token may bring a
    space that the tokenizer itself put there. Rows without a token are special.

    Raises:
        ModelError: the tokenizer is of no known family, or an entry that texts use has no row.
    """
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    form = _FORM[_family(spec)]
    forms = [_NOTHING] * rows
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    idle = idle_rows(tokenizer) if max(vocabulary.values(), default=-1) >= rows else frozenset()
    over = max((row for row in vocabulary.values() if row not in idle), default=-1)
    if over >= rows:
        raise ModelError("tokenizer", expected=f"ids below {rows}", found=f"id {over}")
    for token, row in vocabulary.items():
        if row < rows:
            forms[row] = form(token)
    for row, added in tokenizer.added_tokens_decoder.items():
        if row < rows:
            forms[row] = _NOTHING if added.special else _literal(added.content)
    for row in tokenizer.all_special_ids:
        if row < rows:
            forms[row] = _NOTHING
    return forms


def count_tokens(
    tokenizer: PreTrainedTokenizerBase, texts: Mapping[str, Iterable[str]], rows: int
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Count each row's use in each language's texts, without tokens that the tokenizer adds.

    Returns the languages in the mapping's order and counts of shape (rows, languages). The name
    of a special token that has no row is not counted.
    """
    languages = tuple(texts)
    counts = np.zeros((rows, len(languages)), dtype=np.int64)
    for column, language in enumerate(languages):
        for batch in _batches(texts[language]):
            encoded = tokenizer(
                batch, add_special_tokens=False, return_attention_mask=False, verbose=False
            )
            ids = np.fromiter((i for row in encoded["input_ids"] for i in row), dtype=np.int64)
            counts[:, column] += np.bincount(ids[ids < rows], minlength=rows)
    return languages, counts


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    source = iter(texts)
    while batch := list(islice(source, BATCH_TEXTS)):
        yield batch


def _family(spec: Mapping[str, object]) -> str:
    decoder = json.dumps(spec.get("decoder"), ensure_ascii=False)
    model = spec.get("model")
    kind = model.get("type") if isinstance(model, Mapping) else None
    if '"ByteLevel"' in decoder:
        return "byte_level"
    if '"WordPiece"' in decoder or kind == "WordPiece":
        return "word_piece"
    if '"Metaspace"' in decoder or SPACE_MARK in decoder:
        return "sentence_piece"
    raise ModelError(
        "tokenizer",
        expected="byte-level BPE, SentencePiece or WordPiece",
        found=f"model {kind} with decoder {decoder[:80]}",
    )


def _byte_of_character() -> dict[str, int]:
    """GPT-2's table: printable bytes stand for themselves, the others are numbered from 256."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    table = {chr(b): b for b in printable}
    return table | {chr(256 + n): b for n, b in enumerate(others)}


_BYTES = _byte_of_character()


def _byte_level(token: str) -> TokenForm:
    try:
        data = bytes([_BYTES[c] for c in token])
    except KeyError:  # an entry outside the byte alphabet can only be a literal
        return _literal(token)
    return TokenForm(data[1:], True, False) if data[:1] == b" " else TokenForm(data, False, False)


def _sentence_piece(token: str) -> TokenForm:
    if match := _BYTE_TOKEN.fullmatch(token):
        return TokenForm(bytes([int(match[1], 16)]), False, False)
    start = token.startswith(SPACE_MARK)
    return TokenForm(token[start:].replace(SPACE_MARK, " ").encode(), start, False)


def _word_piece(token: str) -> TokenForm:
    start = not token.startswith(PIECE_MARK) or token == PIECE_MARK
    return TokenForm((token if start else token[2:]).encode(), start, False)


def _literal(text: str) -> TokenForm:
    start = text.startswith(" ") and len(text) > 1
    return TokenForm(text[start:].encode(), start, False)


_FORM = {"byte_level": _byte_level, "sentence_piece": _sentence_piece, "word_piece": _word_piece}
