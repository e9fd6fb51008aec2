"""Carrier sentences: a word is put where `{word}` stands, and its place is remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from babelscope.errors import DataError, SettingError
from babelscope.languages import language as find_language
from babelscope.reading import lines_of, read_text

WORD = "{word}"
ANY = ""
"""The kind of words that a sentence carries where it carries all."""

Span = tuple[int, int]
"""Start and end of a word in its text, in characters."""


def read_carriers(carrier: str, data: str, codes: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the carrier sentences by language and kind of word; none where words stand alone.

    `atlas` names a kind's label before the word ("currency: Indian Rupee."), for atlas's words
    only. Otherwise a file with a line a language: its code, a tab, a sentence with `{word}` once.

    Raises:
        DataError: the file is broken, lacks a language, or has two sentences of one.
        SettingError: atlas's carriers are asked for other data.
    """
    if not carrier:
        return {}
    if carrier == "atlas":
        if data.partition(":")[0] != "atlas":
            raise SettingError(
                "carrier atlas",
                expected="the data atlas",
                found=data,
                remedy="give a file: a language code, a tab, a sentence with {word}",
            )
        from babelscope.data import atlas_tasks  # only here: it loads Babel

        return {code: atlas_tasks.carriers(code) for code in codes}
    path = Path(carrier)
    found: dict[str, dict[str, str]] = {}
    for number, line in enumerate(lines_of(read_text(path)), 1):
        code, tab, sentence = line.partition("\t")
        if not line.strip():
            continue
        if not tab or sentence.count(WORD) != 1:
            raise DataError(
                f"{path} line {number}",
                expected=f"a language code, a tab and a sentence with {WORD} once",
                found=line[:60],
            )
        known = find_language(code).code
        if known in found:
            raise DataError(
                f"{path} line {number}",
                expected="one sentence a language",
                found=f"a second of {known}",
            )
        found[known] = {ANY: sentence.strip()}
    absent = [code for code in codes if code not in found]
    if absent:
        raise DataError(
            str(path), expected=f"a sentence in {', '.join(absent)}", found=", ".join(found)
        )
    return found


def carried(word: str, identity: str, sentences: Mapping[str, str]) -> tuple[str, Span]:
    """Return a word in its language's carrier sentence and where it stands there.

    The kind of a word is what stands before the colon of its id.
    """
    kind = identity.partition(":")[0]
    sentence = sentences.get(kind) or sentences.get(ANY) or WORD
    start = sentence.index(WORD)
    return sentence.replace(WORD, word), (start, start + len(word))
