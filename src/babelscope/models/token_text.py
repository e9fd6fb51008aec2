"""A token as people read it: its characters, and pieces of characters as `<E0>`."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from babelscope.records import TokenForm


def token_text(tokenizer: PreTrainedTokenizerBase, forms: Sequence[TokenForm], row: int) -> str:
    """Return the text of a row of the vocabulary, a space before it where a word starts.

    Control tokens keep their own names; a row that no text can produce is `<row N>`.
    """
    form = forms[row]
    if form.special:
        name = tokenizer.convert_ids_to_tokens(row) if row < len(tokenizer) else None
        return name or f"<row {row}>"
    return " " * form.word_start + readable(form.data)


def readable(data: bytes) -> str:
    """Decode UTF-8; each byte that is no part of a whole character becomes `<XX>`."""
    text = data.decode("utf-8", errors="surrogateescape")
    return "".join(f"<{ord(c) - 0xDC00:02X}>" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in text)
