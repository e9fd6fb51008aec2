"""A token as people read it: its characters, and pieces of characters as `<E0>`."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from babelscope.controls import PIECE, piece_name
from babelscope.records import TokenForm


def token_text(tokenizer: PreTrainedTokenizerBase, forms: Sequence[TokenForm], row: int) -> str:
    """Return the text of a row of the vocabulary, a space before it where a word starts.

    Control tokens keep their own names; a row that no text can produce is `<row N>`.
    """
    return readable(token_bytes(tokenizer, forms, row))


def token_bytes(tokenizer: PreTrainedTokenizerBase, forms: Sequence[TokenForm], row: int) -> bytes:
    """Return the bytes of a row of the vocabulary, a space before them where a word starts.

    Control tokens have the bytes of their own names; a row that no text can produce, of `<row N>`.
    """
    form = forms[row]
    if form.special:
        name = tokenizer.convert_ids_to_tokens(row) if row < len(tokenizer) else None
        return (name or f"<row {row}>").encode()
    return b" " * form.word_start + form.data


def readable(data: bytes) -> str:
    """Decode UTF-8; each byte that is no part of a whole character becomes `<XX>`."""
    text = data.decode("utf-8", errors="surrogateescape")
    return PIECE.sub(lambda match: piece_name(match[0]), text)
