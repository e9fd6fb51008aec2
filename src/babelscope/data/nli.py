"""Natural language inference: premises, hypotheses and labels, read, checked and counted.

The form is told by the file's content, never by its name:

    premise TAB hypothesis TAB label        without a header: XNLI's parallel rows
    a header that names the columns         XNLI (Conneau et al., 2018), AmericasNLI (Ebrahimi et
                                            al., 2022): id, language, premise, hypothesis, label
    {"premise", "hypothesis", "label"}      JSON, JSON lines, the Hub; IndoNLI's e, n, c
                                            (Mahendra et al., 2021)

Tabs part columns and nothing quotes them. Where rows have no ids their numbers, from 0, are their
ids: the same row is then the same item in all languages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from babelscope.data.atlas_tasks import inferences
from babelscope.data.hub import read_hub_items
from babelscope.data.json_values import (
    WHOLE,
    begins_json,
    flat_items,
    identity,
    is_gap,
    row_ids,
    shown,
    whole_text,
)
from babelscope.data.json_values import label as label_of
from babelscope.data.language_fields import named_so
from babelscope.data.sources import AtlasSplit, HubSet, listed, locate, read_json_items
from babelscope.errors import DataError
from babelscope.languages import Language
from babelscope.languages import language as find_language
from babelscope.reading import lines_of, read_text
from babelscope.records import LABELS, Inference

SPELLINGS = MappingProxyType(
    {name: label for n, label in enumerate(LABELS) for name in (label, label[0], str(n))}
    | {"contradictory": "contradiction"}  # so called in XNLI's machine-translated training files
)
"""How data sets write the labels; whole numbers are those of the Hub's sets."""

UNLABELLED = frozenset({"-", "-1", ""})
"""What stands where the annotators did not agree."""

COLUMNS = MappingProxyType(
    {
        "premise": ("premise", "sentence1"),
        "hypothesis": ("hypothesis", "sentence2"),
        "label": ("label", "gold_label"),
        "language": ("language", "lang"),
        "id": ("id", "pair_id", "pairid", "idx"),
    }
)
NO_LABEL, REPEATED, OTHER_LANGUAGE = "no agreed label", "repeated id", "another language"
NO_ID = "no id"

Row = tuple[str, Mapping[str, str]]
"""A row's place for messages, and its fields by the names of `COLUMNS`."""


@dataclass(frozen=True, slots=True)
class InferenceSet:
    """The items of one data set in one language, and what was left out of them.

    `dropped` counts the rows that were left out, by reason; `noted` the ids that were not used.
    """

    name: str
    language: str
    items: tuple[Inference, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    noted: Mapping[str, int] = field(default_factory=dict)


def read_inferences(data: str, language: str, split: str = "test") -> InferenceSet:
    """Read the items that DATA (see `sources.locate`) holds in a language, and check them.

    Left out and counted in `dropped`: `another language` (by the file's own column), `no agreed
    label` (a gap too), `empty premise`, `empty hypothesis`, `no id` (where most have one) and
    `repeated id` (the first one stays).

    Raises:
        DataError: the data cannot be found or read, a row lacks a column or has an unknown label
            (with its line), or nothing is left.
        LanguageError: the language is unknown.
    """
    lang = find_language(language)
    place = locate(data, language, split)
    if isinstance(place, AtlasSplit):
        found = tuple(inferences(lang.code, place.split))
        return InferenceSet(f"atlas:{place.split}", lang.code, found)
    name = place.name if isinstance(place, HubSet) else place.stem
    dropped: Counter[str] = Counter()
    items: dict[str, Inference] = {}
    rows = list(_rows(place, language))
    ids, noted = row_ids([row.get("id", "") for _, row in rows])
    for (where, row), own in zip(rows, ids, strict=True):
        label = _label(where, row["label"])
        reason = _reason_to_drop(row, label, lang) or ("" if own else NO_ID)
        if not reason and own in items:
            reason = REPEATED
        if reason:
            dropped[reason] += 1
            continue
        items[own] = Inference(own, lang.code, row["premise"], row["hypothesis"], label)
    if not items:
        counts = ", ".join(f"{reason} {n}" for reason, n in sorted(dropped.items()))
        raise DataError(
            f"{data} for {lang.code}", expected="premises with hypotheses and labels", found=counts
        )
    return InferenceSet(
        name, lang.code, tuple(items.values()), dict(sorted(dropped.items())), noted
    )


def are_parallel(one: Sequence[Inference], other: Sequence[Inference]) -> bool:
    """Tell whether two languages hold translations: ids are shared, and those agree in label."""
    labels = {item.id: item.label for item in one}
    shared = [item for item in other if item.id in labels]
    return bool(shared) and all(item.label == labels[item.id] for item in shared)


def _rows(place: Path | HubSet, language: str) -> Iterator[Row]:
    if isinstance(place, HubSet):
        yield from _json_rows(read_hub_items(place, language))
        return
    text = read_text(place)
    if begins_json(text):
        yield from _json_rows(read_json_items(place))
    else:
        yield from _tab_rows(place, text)


def _json_rows(items: Iterator[tuple[str, object]]) -> Iterator[Row]:
    for where, item in flat_items(items):
        if not isinstance(item, dict):
            raise DataError(where, expected="an inference record", found=repr(item)[:40])
        named = {str(key).lower(): value for key, value in item.items()}
        yield where, _fields(where, {k: _text(where, k, v) for k, v in named.items() if _used(k)})


def _used(name: str) -> bool:
    return any(name in names for names in COLUMNS.values())


def _text(where: str, name: str, value: object) -> str:
    """Return a field's text, "" for a gap; 1.0 is 1 where an id or a label is meant."""
    if name in COLUMNS["id"]:
        return identity(where, name, value)
    if name in COLUMNS["label"]:
        return label_of(where, value)
    if is_gap(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(where, expected=f"{name}, a text or a number", found=shown(value))
    return whole_text(where, str(value))


def _tab_rows(path: Path, text: str) -> Iterator[Row]:
    """Yield the rows of a file of tabs; lines that hold nothing are passed over."""
    lines = enumerate(lines_of(text), 1)
    filled = [(n, line.split("\t")) for n, line in lines if line.strip()]
    head = [name.strip().lower() for name in filled[0][1]]
    named = any(name in head for name in COLUMNS["premise"])
    columns = head if named else ["premise", "hypothesis", "label"]
    for number, cells in filled[1:] if named else filled:
        where = f"{path} line {number}"
        if len(cells) != len(columns):
            raise DataError(
                where,
                expected=f"{len(columns)} columns ({', '.join(columns)})",
                found=f"{len(cells)}",
                remedy="" if named else "part premise, hypothesis and label by tabs",
            )
        yield where, _fields(where, dict(zip(columns, cells, strict=True)))


def _fields(where: str, given: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for field_name, names in COLUMNS.items():
        there = [given[name] for name in names if name in given]
        # tables that were put together have gaps in the columns of the other
        value = next((text for text in there if text.strip()), there[0] if there else None)
        if value is not None:
            found[field_name] = value.strip()
    missing = [name for name in ("premise", "hypothesis", "label") if name not in found]
    if missing:
        raise DataError(
            where, expected=f"a {missing[0]}", found=listed([str(name) for name in given])
        )
    return found


def _label(where: str, written: str) -> str:
    """Return the label that a data set's spelling means, "" where there is none."""
    if WHOLE.sub(r"\1", written) in UNLABELLED:
        return ""
    label = SPELLINGS.get(WHOLE.sub(r"\1", written.lower()))
    if label is None:
        raise DataError(
            where, expected=f"a label ({', '.join(LABELS)}, or e, n, c)", found=repr(written)
        )
    return label


def _reason_to_drop(row: Mapping[str, str], label: str, lang: Language) -> str:
    if row.get("language") and not named_so(row["language"], lang):
        return OTHER_LANGUAGE
    if not label:
        return NO_LABEL
    if not row["premise"]:
        return "empty premise"
    return "" if row["hypothesis"] else "empty hypothesis"
