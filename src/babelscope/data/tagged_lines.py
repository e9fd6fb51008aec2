"""The words of tagged sentences, from lines or from JSON, each with its place and its tag."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from babelscope.data.json_values import (
    first_of,
    flat_items,
    identity,
    plain_numbers,
    shown,
    whole_text,
)
from babelscope.data.language_fields import means
from babelscope.errors import DataError
from babelscope.languages import Language
from babelscope.reading import lines_of

UPOS = frozenset(
    (
        *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART"),
        *("PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
    )
)
"""The seventeen universal parts of speech."""

IOB2 = re.compile(r"O|[BI]-[^\s-]\S*")
LIKE_A_TAG = re.compile(r"[A-Za-z][-_]\S+|o")
"""A tag in another scheme or spelling: S-LOC, b-loc, B_LOC."""

SENT_ID = re.compile(r"#\s*sent_id\s*=\s*(\S.*?)\s*")
KEYED = re.compile(r"#\s*[^\s=]+(\s+id)?\s+=\s|#\s*new(doc|par)\b|#\s*$")
FIRST_NUMBER = re.compile(r"1|1-\d+|0\.\d+")
CONLLU_COLUMNS = 10
WORDS, TAGS = ("tokens", "words"), ("tags", "ner_tags", "upos")
PREFIX = re.compile(r"([a-z]{2,}(?:-[a-z]+)*):")
"""What PAN-X puts before each word: `en:London`."""

DOCUMENT = "-DOCSTART-"
MULTIWORD = "multiword token line skipped"
EMPTY_NODE = "empty node skipped"
COMMENT = "comment line skipped"
NO_WORD = "empty word left out"


@dataclass(frozen=True, slots=True)
class TaggedLine:
    """One word of a sentence: where it stands, its text and its tag."""

    place: str
    word: str
    tag: str


Sentence = tuple[str, tuple[TaggedLine, ...]]
"""A sentence's id, "" without one, and its words."""


def from_lines(
    path: Path, text: str, dropped: Counter[str], noted: Counter[str]
) -> Iterator[Sentence]:
    """Yield the sentences of a text; `dropped` counts -DOCSTART- marks, `noted` skipped lines.

    Raises:
        DataError: a line has the wrong columns, with its number.
    """
    name, words = "", list[TaggedLine]()
    # the empty line ends the last sentence
    lines = [(f"{path} line {n}", line) for n, line in enumerate([*lines_of(text), ""], 1)]
    form = _form([line for _, line in lines])
    for place, line in lines:
        cells = _columns(line)
        ends = not line.strip() or cells[0] == DOCUMENT
        if ends:
            if words:
                yield name, tuple(words)
            name, words = "", []
            dropped[DOCUMENT] += cells[0] == DOCUMENT
        elif _is_comment(line, cells, form):
            named = SENT_ID.fullmatch(line)
            name = named[1] if named else name
            noted[COMMENT] += not form.numbered and not KEYED.match(line) and not named
        else:
            word = _word(place, cells, len(words) + 1, form, noted)
            if word is not None:
                words.append(word)


@dataclass(frozen=True, slots=True)
class _Form:
    """How a file writes words: after their number, or first in a line of `width` columns."""

    numbered: bool
    width: int


def _form(lines: Iterable[str]) -> _Form:
    found = (_columns(line) for line in lines if line.strip() and not line.startswith("#"))
    first = next((cells for cells in found if cells[0] != DOCUMENT), [])
    numbered = len(first) > 2 and FIRST_NUMBER.fullmatch(first[0]) is not None
    return _Form(numbered, max(len(first), 2))


def _columns(line: str) -> list[str]:
    """Part a line by TABs or, where it has none, by ASCII spaces; other spaces are of words."""
    bare = line.rstrip(" \t")
    if "\t" not in bare:
        return re.split(" +", bare.lstrip(" "))
    cells = line.split("\t")
    # of CoNLL-U's ten columns the last may be empty; else a TAB at the end parts nothing
    cells = cells if len(cells) == CONLLU_COLUMNS else bare.split("\t")
    return [cell.strip(" ") for cell in cells]


def _is_comment(line: str, cells: Sequence[str], form: _Form) -> bool:
    """Tell a comment from a word that begins with `#`, whose line ends with a tag."""
    if not line.startswith("#") or "\t" in line.rstrip(" \t"):
        return False
    if form.numbered or KEYED.match(line) or SENT_ID.fullmatch(line):
        return True
    tag = cells[-1]
    tagged = IOB2.fullmatch(tag) or tag in UPOS or LIKE_A_TAG.fullmatch(tag)
    return not tagged or len(cells) != form.width


def _word(
    place: str, cells: Sequence[str], number: int, form: _Form, noted: Counter[str]
) -> TaggedLine | None:
    """Return the word of a line, None for a line of CoNLL-U that carries none."""
    conllu = len(cells) == CONLLU_COLUMNS
    if len(cells) < 2 or (len(cells) == 2 and form.width > 2):
        wanted = f"{form.width} columns" if form.width > 2 else "id, word and tag, or word and tag"
        raise DataError(place, expected=wanted, found=repr(" ".join(cells)))
    if len(cells) == 2:
        word, tag = cells
    elif form.numbered:
        if conllu and re.fullmatch(r"\d+[-.]\d+", cells[0]):
            noted[MULTIWORD if "-" in cells[0] else EMPTY_NODE] += 1
            return None
        if cells[0] != str(number):
            raise DataError(place, expected=f"word {number} of the sentence", found=cells[0])
        word, tag = cells[1], cells[3 if conllu else 2]
    else:
        if len(cells) != form.width:
            expected = f"{form.width} columns, the word first and its tag last"
            raise DataError(place, expected=expected, found=f"{len(cells)}: {' '.join(cells)!r}")
        word, tag = cells[0], cells[-1]
    if not word.strip():
        raise DataError(place, expected="a word", found=repr(word) if word else "nothing")
    return TaggedLine(place, word, tag)


def from_items(items: Iterable[tuple[str, Any]]) -> Iterator[Sentence]:
    """Yield the sentences of JSON values, each a record of words and tags.

    Raises:
        DataError: a value is none, or has another number of tags than of words.
    """
    names, sentences = [], []
    for place, item in flat_items(items):
        if not isinstance(item, dict):
            raise DataError(place, expected="words with their tags", found=type(item).__name__)
        words, tags = _texts(place, item, WORDS), _texts(place, item, TAGS)
        if len(words) != len(tags) or not words:
            raise DataError(
                place, expected="a tag for each word", found=f"{len(words)} and {len(tags)}"
            )
        pairs = zip(words, tags, strict=True)
        names.append(identity(place, *(first_of(item, ("id", "idx")) or ("id", None))))
        sentences.append(tuple(TaggedLine(f"{place} word {n}", *p) for n, p in enumerate(pairs, 1)))
    yield from zip(plain_numbers(names), sentences, strict=True)


def _texts(place: str, item: Mapping[str, object], names: tuple[str, ...]) -> list[str]:
    _, found = first_of(item, names) or ("", None)
    strange = [x for x in found if not isinstance(x, str)] if isinstance(found, list) else [found]
    if not isinstance(found, list) or strange:
        raise DataError(
            place,
            expected=f"a list of texts named {' or '.join(names)}",
            found="none" if found is None else shown(strange[0]),
            remedy="write tags as words, not as numbers" if names == TAGS else "",
        )
    blank = [n for n, text in enumerate(found, 1) if not text.strip()]
    if blank:
        what = "a word" if names == WORDS else "a tag"
        raise DataError(f"{place} word {blank[0]}", expected=what, found=repr(found[blank[0] - 1]))
    return [whole_text(place, text) for text in found]


def without_prefixes(
    sentences: Sequence[Sentence], asked: Language, noted: Counter[str]
) -> Sequence[Sentence]:
    """Take the prefix off words, if most begin with the same one, as PAN-X's do: `en:London`.

    Counted in `noted`: the words it was taken off, and those that had none, had nothing else (and
    no entity), or had the prefix of another language than the one asked for.

    Raises:
        DataError: a word of an entity has nothing but its prefix.
    """
    marks = [PREFIX.match(line.word) for _, lines in sentences for line in lines]
    prefix, count = (Counter(m[0] for m in marks if m).most_common(1) or [("", 0)])[0]
    if count < 2 or 2 * count <= len(marks):
        return sentences
    noted[f"language prefix {prefix} taken off"] = count
    noted["word without a language prefix"] = len(marks) - count
    if not means(prefix[:-1], asked):
        noted[f"language prefix is not of {asked.code}"] = count
    found = []
    for name, lines in sentences:
        bare = [replace(line, word=line.word.removeprefix(prefix)) for line in lines]
        kept = tuple(line for line in bare if line.word.strip())
        lost = [line for line in bare if not line.word.strip()]
        if tagged := [line for line in lost if line.tag != "O"]:
            raise DataError(tagged[0].place, expected="a word", found=f"{prefix} alone")
        noted[NO_WORD] += len(lost)
        found += [(name, kept)] if kept else []
    return found
