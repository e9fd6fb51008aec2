"""Groups of tokens that back each other off: script, or UTF-8 lead bytes, and word start.

A token that a text never uses still says something of its language: `ଓଡ଼ି` is Odia, and the bytes
E0 AC can only begin a character of U+0B00-0B3F, which is Odia too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import unicodedataplus
from numpy.typing import NDArray

from babelscope.languages import script_of
from babelscope.records import TokenForm

NO_SCRIPT = frozenset({"Zyyy", "Zinh", "Zzzz"})
LEAD_BYTES = 2  # of the three or four bytes of a character; two name a block of 64 or 4,096
SPECIAL = "special"


@dataclass(frozen=True, slots=True, eq=False)
class TokenGroups:
    """The group of each row of a vocabulary.

    `index` is (rows,); `names` and `scripts` have an item for each group: the ISO 15924 codes of
    the scripts that its tokens may belong to, empty where nothing can be said.
    """

    index: NDArray[np.intp]
    names: tuple[str, ...]
    scripts: tuple[frozenset[str], ...]


def group_tokens(forms: Sequence[TokenForm]) -> TokenGroups:
    """Group tokens by the scripts of their characters (Script_Extensions for common ones).

    A piece of a character is grouped by its UTF-8 lead bytes; special rows are one group.
    """
    numbers: dict[str, int] = {}
    scripts: list[frozenset[str]] = []
    index = np.empty(len(forms), dtype=np.intp)
    for row, form in enumerate(forms):
        name, of_group = _group(form)
        number = numbers.setdefault(name, len(numbers))
        if number == len(scripts):
            scripts.append(of_group)
        index[row] = number
    return TokenGroups(index, tuple(numbers), tuple(scripts))


def _group(form: TokenForm) -> tuple[str, frozenset[str]]:
    if form.special:
        return SPECIAL, frozenset()
    place = "start" if form.word_start else "inside"
    found = text_scripts(form.data.decode("utf-8", errors="ignore"))
    if found:
        return f"{'+'.join(sorted(found))} {place}", found
    lead = _broken_lead(form.data)
    if lead is None:
        return f"Zyyy {place}", frozenset()
    return f"bytes {lead.hex()} {place}", _scripts_of_lead(lead)


def text_scripts(text: str) -> frozenset[str]:
    """Return the scripts of a text's characters; those that it may be in if all are common.

    A danda alone may be Bengali, Devanagari, Odia, ...; beside a letter the letter decides.
    Digits and most punctuation belong to no script.
    """
    own: set[str] = set()
    extended: set[str] = set()
    for character in text:
        script, extensions = _of_character(character)
        if script not in NO_SCRIPT:
            own.add(script)
        extended |= extensions
    return frozenset(own or extended)


@lru_cache(maxsize=200_000)
def _of_character(character: str) -> tuple[str, frozenset[str]]:
    extensions = frozenset(unicodedataplus.script_extensions(character))
    return script_of(character), extensions - NO_SCRIPT


def _broken_lead(data: bytes) -> bytes | None:
    """Return the first bytes of the piece of a character in `data`, None if it has none.

    A piece that has only continuation bytes gives empty bytes.
    """
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        start = next((i for i, byte in enumerate(data) if byte >= 0xC0), len(data))
        return data[start : start + LEAD_BYTES]
    return None


@cache
def _scripts_of_lead(lead: bytes) -> frozenset[str]:
    """Return the scripts of the letters and marks whose UTF-8 begins with these bytes."""
    first, rest = lead[:1], lead[1:]
    if not first or (first[0] >= 0xF0 and not rest):
        return frozenset()  # nothing, or a quarter of a million characters
    length = 2 if first[0] < 0xE0 else 3 if first[0] < 0xF0 else 4
    bits = first[0] & (0x7F >> length)
    for byte in rest:
        bits = bits << 6 | byte & 0x3F
    free = 6 * (length - len(lead))
    points = range(bits << free, min((bits + 1) << free, 0x110000))
    # other characters mislead: one circled sign among the emoji is Hiragana
    letters = [c for c in map(chr, points) if unicodedataplus.category(c)[0] in "LM"]
    return frozenset(map(script_of, letters)) - NO_SCRIPT
