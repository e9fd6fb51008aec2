"""Sentences whose words carry tags: named entities in IOB2, parts of speech in CoNLL-U.

The form is told by the lines, never by a file's name; `#` lines are comments, `# sent_id = ...`
gives the sentence's id, an empty line ends a sentence:

    id TAB word TAB tag [TAB ...]       IOB2 as in Universal NER (Mayhew et al., 2024)
    word TAB tag                        IOB2 without numbers; a space may stand for the TAB
    ten columns                         CoNLL-U (Nivre et al., 2020): the form and its UPOS
    {"id", "tokens", "tags"}            JSON lines; `words`, `ner_tags` and `upos` are known too
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from babelscope.data.atlas_tasks import tagged_sentences
from babelscope.data.hub import read_hub_items
from babelscope.data.sources import AtlasSplit, HubSet, locate, read_json_items, read_text
from babelscope.errors import DataError
from babelscope.languages import language as find_language
from babelscope.records import TaggedSentence

UPOS = frozenset(
    (
        *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART"),
        *("PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
    )
)
"""The seventeen universal parts of speech."""

IOB2 = re.compile(r"O|[BI]-[^\s-]\S*")
SENT_ID = re.compile(r"#\s*sent_id\s*=\s*(\S.*?)\s*")
CONLLU_COLUMNS = 10
WORDS, TAGS = ("tokens", "words"), ("tags", "ner_tags", "upos")

MULTIWORD = "multiword token line skipped"
EMPTY_NODE = "empty node skipped"
REPAIRED = "I- without a beginning taken as B-"


@dataclass(frozen=True, slots=True)
class TaggedSet:
    """The tagged sentences of one data set in one language, and what was left out of them.

    `dropped` counts sentences that were left out, by reason; `noted` counts lines that were
    skipped and tags that were repaired.
    """

    name: str
    language: str
    sentences: tuple[TaggedSentence, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    noted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Line:
    """One word of a sentence: where it stands, its text and its tag."""

    place: str
    word: str
    tag: str


def read_tagged(
    data: str,
    language: str,
    split: str = "test",
    *,
    types: Collection[str] | None = None,
    repair: bool = False,
) -> TaggedSet:
    """Read the tagged sentences of a language: atlas, a file, a pattern or a Hub name.

    Tags are all IOB2 or all UPOS. `types` are the kinds of entity that may stand (PER, LOC, ...),
    any if not given. An I- tag that follows neither B- nor I- of its kind is an error that names
    the line; with `repair` it is taken as B- and counted. CoNLL-U's multiword token lines (`1-2`)
    and empty nodes (`1.1`) are skipped and counted: their words stand on lines of their own.
    A sentence without an id takes its number.

    Raises:
        DataError: a line has the wrong columns, a tag is unknown or broken, an id repeats, or
            there is no sentence.
        LanguageError: the language is unknown.
    """
    code = find_language(language).code
    place = locate(data, language, split)
    noted: Counter[str] = Counter()
    if isinstance(place, AtlasSplit):
        found = tuple(tagged_sentences(code, place.split))
        return TaggedSet(f"atlas:{place.split}", code, found)
    if isinstance(place, HubSet):
        name = place.name
        read = _from_items(read_hub_items(place, language))
    else:
        name = place.name
        text = read_text(place)
        read = (
            _from_items(read_json_items(place))
            if text.lstrip()[:1] in ("{", "[")
            else _from_lines(place, text, noted)
        )
    sentences: dict[str, TaggedSentence] = {}
    for number, (identity, lines) in enumerate(read):
        identity = identity or f"{number:05d}"
        if identity in sentences:
            raise DataError(lines[0].place, expected="a new sentence id", found=repr(identity))
        tags = _checked(lines, types, repair, noted)
        sentences[identity] = TaggedSentence(identity, code, tuple(w.word for w in lines), tags)
    if not sentences:
        raise DataError(str(data), expected="tagged sentences", found="none")
    _check_one_kind(data, sentences)
    return TaggedSet(name, code, tuple(sentences.values()), {}, dict(noted))


def _from_lines(
    path: Path, text: str, noted: Counter[str]
) -> Iterator[tuple[str, tuple[_Line, ...]]]:
    """Yield the id and the words of each sentence."""
    identity, words = "", list[_Line]()
    # not splitlines(): U+2028 may stand inside a word; the empty line ends the last sentence
    for number, raw in enumerate([*text.split("\n"), ""], 1):
        line = raw.rstrip("\r")
        place = f"{path} line {number}"
        if not line.strip():
            if words:
                yield identity, tuple(words)
            identity, words = "", []
        elif line.startswith("#") and "\t" not in line:
            named = SENT_ID.fullmatch(line)
            identity = named[1] if named else identity
        else:
            word = _word(place, line, len(words) + 1, noted)
            if word is not None:
                words.append(word)


def _word(place: str, line: str, number: int, noted: Counter[str]) -> _Line | None:
    """Return the word of a line, None for a line of CoNLL-U that carries none."""
    columns = line.split("\t") if "\t" in line else line.split()
    if len(columns) == 2:
        word, tag = columns
    elif len(columns) < 3:
        raise DataError(place, expected="id, word and tag, or word and tag", found=repr(line))
    else:
        if len(columns) == CONLLU_COLUMNS and re.fullmatch(r"\d+[-.]\d+", columns[0]):
            noted[MULTIWORD if "-" in columns[0] else EMPTY_NODE] += 1
            return None
        if columns[0] != str(number):
            raise DataError(place, expected=f"word {number} of the sentence", found=columns[0])
        word, tag = columns[1], columns[3 if len(columns) == CONLLU_COLUMNS else 2]
    if not word.strip():
        raise DataError(place, expected="a word", found="nothing")
    return _Line(place, word, tag)


def _from_items(items: Iterator[tuple[str, object]]) -> Iterator[tuple[str, tuple[_Line, ...]]]:
    for place, item in items:
        if isinstance(item, list):
            whole = ((f"{place} [{number}]", part) for number, part in enumerate(item))
            yield from _from_items(whole)
            continue
        if not isinstance(item, dict):
            raise DataError(place, expected="words with their tags", found=type(item).__name__)
        words, tags = _texts(place, item, WORDS), _texts(place, item, TAGS)
        if len(words) != len(tags) or not words:
            raise DataError(
                place, expected="a tag for each word", found=f"{len(words)} and {len(tags)}"
            )
        pairs = zip(words, tags, strict=True)
        identity = item.get("id", item.get("idx", ""))
        lines = tuple(_Line(f"{place} word {n}", *pair) for n, pair in enumerate(pairs, 1))
        yield str(identity), lines


def _texts(place: str, item: Mapping[str, object], names: tuple[str, ...]) -> list[str]:
    found = next((item[name] for name in names if name in item), None)
    if not isinstance(found, list) or not all(isinstance(x, str) and x.strip() for x in found):
        raise DataError(
            place,
            expected=f"a list of texts named {' or '.join(names)}",
            found="none" if found is None else "something else",
            remedy="write tags as words, not as numbers",
        )
    return found


def _checked(
    lines: tuple[_Line, ...], types: Collection[str] | None, repair: bool, noted: Counter[str]
) -> tuple[str, ...]:
    """Return a sentence's tags, each known, each I- begun by its own kind."""
    tags: list[str] = []
    for line in lines:
        tag, kind = line.tag, line.tag[2:]
        if tag in UPOS and types is None:
            tags.append(tag)
            continue
        if not IOB2.fullmatch(tag) or (kind and types is not None and kind not in types):
            known = "" if types is None else f" with {', '.join(sorted(types))}"
            raise DataError(line.place, expected=f"O, B- or I-{known}, or UPOS", found=repr(tag))
        if tag.startswith("I-") and (not tags or tags[-1] not in (f"B-{kind}", f"I-{kind}")):
            if not repair:
                raise DataError(
                    line.place,
                    expected=f"B-{kind} or I-{kind} before I-{kind}",
                    found=tags[-1] if tags else "the start of a sentence",
                    remedy="mend the file, or let such tags be taken as B-",
                )
            noted[REPAIRED] += 1
            tag = f"B-{kind}"
        tags.append(tag)
    return tuple(tags)


def _check_one_kind(data: str, sentences: Mapping[str, TaggedSentence]) -> None:
    tags = {tag for sentence in sentences.values() for tag in sentence.tags}
    parts = sorted(tags & UPOS)
    if parts and len(parts) < len(tags):
        entity = sorted(tags - UPOS)
        raise DataError(
            data, expected="parts of speech or entities", found=f"{parts[0]} and {entity[0]}"
        )
