"""Texts compared in NFC: one letter may be one code point or several, and is the same letter."""

from __future__ import annotations

import unicodedata
from typing import Final

NFC: Final = "NFC"


def is_nfc(text: str) -> bool:
    """Tell whether a text is in NFC, Unicode's composed normal form."""
    return unicodedata.is_normalized(NFC, text)


def nfc(text: str) -> str:
    """Return a text in NFC; its length in code points may differ, what readers see does not."""
    return text if is_nfc(text) else unicodedata.normalize(NFC, text)


def stands_in(part: str, text: str) -> bool:
    """Tell whether `part` stands in `text`, as it is written or in NFC."""
    return part in text or nfc(part) in nfc(text)


def stands_at(part: str, text: str, start: int) -> bool:
    """Tell whether `part` stands in `text` at a place in code points of `text` as it is written."""
    if text.startswith(part, start):
        return True
    # NFC never makes more than three code points of one, nor one of more than a few
    near = text[start : start + 4 * len(part) + 8]
    return nfc(near).startswith(nfc(part))
