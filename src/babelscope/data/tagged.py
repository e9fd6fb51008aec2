"""Sentences whose words carry tags: named entities in IOB2, parts of speech in CoNLL-U.

The form is told by the lines, never by a file's name; `# sent_id = ...` gives the sentence's id, an
empty line ends a sentence, other lines that begin with `#` are comments, unless a tag ends them and
they have the columns of the file's words:

    id TAB word TAB tag [TAB ...]       IOB2 as in Universal NER (Mayhew et al., 2024)
    word TAB tag                        IOB2 without numbers; a space may stand for the TAB
    word ... tag                        CoNLL-2003: the word first, its tag last in each line
    ten columns                         CoNLL-U (Nivre et al., 2020): the form and its UPOS
    {"id", "tokens", "tags"}            JSON lines; `words`, `ner_tags` and `upos` are known too
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from babelscope.data.atlas_tasks import tagged_sentences
from babelscope.data.hub import read_hub_items
from babelscope.data.json_values import begins_json
from babelscope.data.sources import AtlasSplit, HubSet, locate, read_json_items
from babelscope.data.tagged_lines import (
    DOCUMENT,
    EMPTY_NODE,
    IOB2,
    MULTIWORD,
    UPOS,
    Sentence,
    TaggedLine,
    from_items,
    from_lines,
    without_prefixes,
)
from babelscope.errors import DataError
from babelscope.languages import Language
from babelscope.languages import language as find_language
from babelscope.reading import read_text
from babelscope.records import TaggedSentence

__all__ = ["EMPTY_NODE", "MULTIWORD", "REPAIRED", "UPOS", "TaggedSet", "read_tagged"]

REPAIRED = "I- without a beginning taken as B-"
NUMBERED = "no id: numbered"
IOB1_REMEDY = (
    "mend the file or, if it is in IOB1, take such tags as B- with --repair-tags, in a study with "
    "repair = true"
)


@dataclass(frozen=True, slots=True)
class TaggedSet:
    """The tagged sentences of one data set in one language, and what was left out of them.

    `dropped` counts what was left out, by reason; `noted` counts lines that were skipped, tags that
    were repaired and prefixes that were taken off.
    """

    name: str
    language: str
    sentences: tuple[TaggedSentence, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    noted: Mapping[str, int] = field(default_factory=dict)


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
    the line; with `repair` it is taken as B- and counted, which makes IOB2 of IOB1. CoNLL-U's
    multiword token lines (`1-2`) and empty nodes (`1.1`) are skipped and counted: their words stand
    on lines of their own. -DOCSTART- marks are left out and counted, PAN-X's prefixes (`en:London`)
    taken off and noted. A sentence without an id takes its number.

    Raises:
        DataError: a line has the wrong columns, a tag is unknown or broken, an id repeats, or
            there is no sentence.
        LanguageError: the language is unknown.
    """
    lang = find_language(language)
    place = locate(data, language, split)
    if isinstance(place, AtlasSplit):
        found = tuple(tagged_sentences(lang.code, place.split))
        return TaggedSet(f"atlas:{place.split}", lang.code, found)
    dropped, noted = Counter[str](), Counter[str]()
    if isinstance(place, HubSet):
        read: Iterable[Sentence] = from_items(read_hub_items(place, language))
    elif begins_json(text := read_text(place)):
        read = from_items(read_json_items(place))
    else:
        read = from_lines(place, text, dropped, noted)
    words = _words(read, lang, dropped, noted)
    sentences: dict[str, TaggedSentence] = {}
    for number, (given, lines) in enumerate(words):
        identity = given or f"{number:05d}"
        if identity in sentences:
            raise DataError(lines[0].place, expected="a new sentence id", found=repr(identity))
        tags = _checked(lines, types, repair, noted)
        sentences[identity] = TaggedSentence(
            identity, lang.code, tuple(w.word for w in lines), tags
        )
    if not sentences:
        raise DataError(str(data), expected="tagged sentences", found="none")
    _check_one_kind(data, sentences)
    return TaggedSet(place.name, lang.code, tuple(sentences.values()), +dropped, +noted)


def _words(
    read: Iterable[Sentence], lang: Language, dropped: Counter[str], noted: Counter[str]
) -> Sequence[Sentence]:
    """Return the sentences without document marks and prefixes of words."""
    found = []
    for name, lines in read:
        if [line.word for line in lines] == [DOCUMENT]:
            dropped[DOCUMENT] += 1
        else:
            found.append((name, lines))
    unnamed = sum(not name for name, _ in found)
    noted[NUMBERED] += unnamed if unnamed < len(found) else 0
    return without_prefixes(found, lang, noted)


def _checked(
    lines: tuple[TaggedLine, ...], types: Collection[str] | None, repair: bool, noted: Counter[str]
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
                    remedy=IOB1_REMEDY,
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
