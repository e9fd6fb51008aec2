"""Parallel texts, words or sentences: item by item the same meaning in several languages.

DATA is `atlas` or `atlas:SPLIT`; a folder of line-parallel files (FLORES), of `tatoeba.A-B.A`
pairs or of CoNLL-U treebanks with common `sent_id` (PUD); a path with `{language}` to such files;
or a table of two columns, which translates the first language into each other one (GATITOS).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from babelscope.data.bitext_files import Side, read_sides
from babelscope.data.carriers import Span, carried, read_carriers
from babelscope.errors import DataError, SettingError
from babelscope.languages import language as find_language

Kind = TypeVar("Kind")

UNITS = ("sentence", "word")
FEWEST = 4


@dataclass(frozen=True, slots=True)
class Bitext:
    """Texts by language code, each in the order of `ids`; `contexts` are resampled together.

    `spans` are the characters of the word in each text; empty for sentences. `dropped` counts
    items left out, `noted` what is kept but makes retrieval ambiguous.
    """

    name: str
    ids: tuple[str, ...]
    contexts: tuple[str, ...]
    texts: Mapping[str, tuple[str, ...]]
    spans: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    noted: Mapping[str, int] = field(default_factory=dict)


def read_bitext(
    data: str,
    languages: Sequence[str],
    unit: str = "sentence",
    *,
    carrier: str = "",
    limit: int = 0,
) -> tuple[Bitext, ...]:
    """Read the texts that all languages share; for data in pairs, one bitext a pair.

    A pair is the first language with each other one. `carrier` puts words into a sentence:
    `atlas`, or a table of a language code and a sentence with `{word}`. `limit` keeps the first
    items (0: all).

    Raises:
        DataError: the data cannot be found or read, files have different numbers of lines, or
            fewer than 4 items are left.
        SettingError: fewer than two languages, an unknown unit, or a carrier for sentences.
        LanguageError: a language is unknown.
    """
    codes = tuple(dict.fromkeys(find_language(code).code for code in languages))
    if len(codes) < 2:
        raise SettingError(
            "languages to align", expected="two or more", found=", ".join(codes) or "none"
        )
    if unit not in UNITS:
        raise SettingError("unit", expected=" or ".join(UNITS), found=unit)
    if carrier and unit != "word":
        raise SettingError("carrier", expected="the unit word", found=unit)
    if limit < 0:
        raise SettingError("limit", expected="0 or more items", found=str(limit))
    found = tuple(
        _joined(name, sides, limit) for name, sides in read_sides(data, codes, unit).items()
    )
    if unit == "sentence":
        return found
    sentences = read_carriers(carrier, data, codes)
    return tuple(_in_carriers(bitext, sentences) for bitext in found)


def _joined(name: str, sides: Mapping[str, Side], limit: int) -> Bitext:
    """Keep the items that every language has, in the order of the first."""
    first = next(iter(sides.values()))
    everywhere = [i for i in first.texts if all(i in side.texts for side in sides.values())]
    kept = [i for i in everywhere if all(side.texts[i] for side in sides.values())]
    every_id = {i for side in sides.values() for i in side.texts}
    dropped = Counter(
        {
            "not in every language": len(every_id) - len(everywhere),
            "empty in a language": len(everywhere) - len(kept),
        }
    )
    for side in sides.values():
        dropped.update(side.dropped)
    kept = kept[: limit or len(kept)]
    if len(kept) < FEWEST:
        counts = ", ".join(f"{reason} {n}" for reason, n in dropped.items() if n)
        raise DataError(
            f"{name} in {', '.join(sides)}",
            expected=f"{FEWEST} items or more that all languages have",
            found=f"{len(kept)}; left out: {counts or 'none'}",
        )
    texts = {code: tuple(side.texts[i] for i in kept) for code, side in sides.items()}
    repeated = {
        f"repeated text in {code}": len(found) - len(set(found)) for code, found in texts.items()
    }
    return Bitext(
        name,
        tuple(kept),
        tuple(first.contexts.get(i, i) for i in kept),
        texts,
        dropped={reason: n for reason, n in dropped.items() if n},
        noted={reason: n for reason, n in repeated.items() if n},
    )


def _in_carriers(bitext: Bitext, sentences: Mapping[str, Mapping[str, str]]) -> Bitext:
    texts, spans = {}, {}
    for code, words in bitext.texts.items():
        placed = [
            carried(word, identity, sentences.get(code, {}))
            for word, identity in zip(words, bitext.ids, strict=True)
        ]
        texts[code] = tuple(text for text, _ in placed)
        spans[code] = tuple(span for _, span in placed)
    return replace(bitext, texts=texts, spans=spans)


def without(bitext: Bitext, absent: Sequence[int], reason: str) -> Bitext:
    """Leave items out by their place, counted under a reason.

    Raises:
        DataError: fewer than 4 items are left.
    """
    if not absent:
        return bitext
    left_out = set(absent)
    kept = [i for i in range(len(bitext.ids)) if i not in left_out]
    if len(kept) < FEWEST:
        raise DataError(
            bitext.name, expected=f"{FEWEST} items or more", found=f"{reason} {len(left_out)}"
        )

    def chosen(column: Sequence[Kind]) -> tuple[Kind, ...]:
        return tuple(column[i] for i in kept)

    return replace(
        bitext,
        ids=chosen(bitext.ids),
        contexts=chosen(bitext.contexts),
        texts={code: chosen(texts) for code, texts in bitext.texts.items()},
        spans={code: chosen(spans) for code, spans in bitext.spans.items()},
        dropped={**bitext.dropped, reason: len(left_out)},
    )
