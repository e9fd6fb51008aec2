"""Texts, and pairs of texts, with one label each: topics, paraphrases, a user's own classes.

Rows are TSV with a head or JSON, columns by their usual names (`COLUMNS`): SIB-200 (Adelani et
al., 2024) has `index_id`, `category`, `text`; PAWS-X (Yang et al., 2019) has `sentence1`,
`sentence2`, `label`, with or without a head.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from babelscope.data import atlas
from babelscope.data.hub import read_hub_items
from babelscope.data.json_values import (
    begins_json,
    flat_items,
    identity,
    is_gap,
    plain_labels,
    row_ids,
    shown,
    whole_text,
)
from babelscope.data.json_values import label as label_of
from babelscope.data.sources import AtlasSplit, HubSet, locate, read_json_items
from babelscope.data.texts import read_lines
from babelscope.errors import DataError
from babelscope.languages import language as find_language
from babelscope.reading import expanded, lines_of, read_text

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "index_id", "idx", "guid"),
    "text": ("text", "sentence", "sentence1", "premise"),
    "second": ("second", "sentence2", "hypothesis"),
    "label": ("label", "category", "topic", "class"),
}
"""What is read -> the names that files give it."""

PAWSX = ("text", "second", "label")
EMPTY = "empty text"
NO_ID = "no id"
EMPTY_TEXTS = ("", "NS")


@dataclass(frozen=True, slots=True)
class TextItem:
    """A text with its label; of a pair, `second` is the other text. Translations share the id."""

    id: str
    text: str
    label: str
    second: str = ""


@dataclass(frozen=True, slots=True)
class TextSet:
    """The labelled texts of one data set in one language, and what was left out of them."""

    name: str
    language: str
    items: tuple[TextItem, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    noted: Mapping[str, int] = field(default_factory=dict)


def read_labelled(data: str, language: str, split: str = "test") -> TextSet:
    """Read labelled texts of a language: atlas, a file, a folder, a pattern or a Hub name.

    Atlas's texts are single facts, labelled by the fact's kind (currency, language, ...). Rows
    without ids take their numbers. Rows with an empty text (PAWS-X writes NS where a translation
    is missing) are dropped and counted, as are those without an id where most have one. Labels and
    ids that went through a data frame are what they were: 1.0 is 1.

    Raises:
        DataError: a column is missing, a row has too many or too few, a label is empty or NaN, an
            id repeats, or there is no row.
        LanguageError: the language is unknown.
    """
    return _read(data, language, split, labelled=True)


def read_by_language(data: str, language: str, split: str = "test") -> TextSet:
    """Read texts with their language as label, for language identity; other labels are ignored.

    Besides what `read_labelled` takes, DATA may be a folder of line-parallel text, one file a
    language: the id is the number of the line.
    """
    code = find_language(language).code
    folder = expanded(data)
    if data == "atlas":
        lines = list(atlas.sentences(code))
        found = TextSet("atlas", code, _lines(lines, code))
    elif folder.is_dir():
        lines = read_lines(folder, code)
        items = _lines(lines, code)
        dropped = {EMPTY: len(lines) - len(items)} if len(items) < len(lines) else {}
        found = TextSet(folder.name, code, items, dropped)
    else:
        found = _read(data, language, split, labelled=False)
    return replace(found, items=tuple(replace(i, label=code, second="") for i in found.items))


def has_split(data: str, language: str) -> bool:
    """Tell whether DATA keeps texts for training apart from those for testing."""
    return locate(data, language, "train") != locate(data, language, "test")


def _lines(lines: list[str], code: str) -> tuple[TextItem, ...]:
    return tuple(TextItem(f"{n:05d}", line, code) for n, line in enumerate(lines) if line)


def _read(data: str, language: str, split: str, *, labelled: bool) -> TextSet:
    code = find_language(language).code
    place = locate(data, language, split)
    if isinstance(place, AtlasSplit):
        return TextSet(f"atlas:{place.split}", code, _atlas(code, place.split))
    name = place.name
    rows = list(read_hub_items(place, language) if isinstance(place, HubSet) else _rows(place))
    read = [_item(where, row) for where, row in rows]
    ids, noted = row_ids([item.id for item in read])
    labels = plain_labels([item.label for item in read])
    items: dict[str, TextItem] = {}
    dropped: Counter[str] = Counter()
    for (where, row), item, own, label in zip(rows, read, ids, labels, strict=True):
        texts = (item.text, item.second) if _pair(row) else (item.text,)
        if reason := _reason_to_drop(own, texts):
            dropped[reason] += 1
            continue
        if own in items:
            raise DataError(where, expected="a new id", found=repr(own))
        if labelled and not label:
            raise DataError(where, expected="a label", found="nothing, a gap")
        items[own] = replace(item, id=own, label=label)
    if not items:
        counts = ", ".join(f"{reason} {n}" for reason, n in dropped.items())
        raise DataError(data, expected="labelled texts", found=counts or "none")
    return TextSet(name, code, tuple(items.values()), dict(dropped), noted)


def _reason_to_drop(identity: str, texts: tuple[str, ...]) -> str:
    if any(text in EMPTY_TEXTS for text in texts):
        return EMPTY
    return "" if identity else NO_ID


def _atlas(code: str, split: str) -> tuple[TextItem, ...]:
    written = atlas.known(code)
    if split not in atlas.SPLITS:
        raise DataError(f"atlas split {split!r}", expected=", ".join(atlas.SPLITS), found=split)
    return tuple(
        TextItem(f"{t.code}-{f}", atlas.write_fact(atlas.Fact(t, f), written), f)
        for t in atlas.split_territories(split)
        for f in atlas.FIELDS
    )


def _rows(path: Path) -> Iterator[tuple[str, object]]:
    """Yield a file's rows as mappings of column to value, each with its place."""
    text = read_text(path)
    if begins_json(text):
        yield from flat_items(read_json_items(path))
        return
    lines = [(n, line) for n, line in enumerate(lines_of(text), 1) if line.strip()]
    head = lines[0][1].split("\t")
    known = {name for names in COLUMNS.values() for name in names}
    if len(set(head) & known) >= 2:
        lines = lines[1:]
    elif len(head) == len(PAWSX) and head[2] in ("0", "1"):
        head = list(PAWSX)
    else:
        raise DataError(
            str(path), expected="a head with text and label, TABs between", found=repr(lines[0][1])
        )
    for number, line in lines:
        values = line.split("\t")
        where = f"{path} line {number}"
        if len(values) != len(head):
            raise DataError(where, expected=f"{len(head)} columns", found=str(len(values)))
        yield where, dict(zip(head, values, strict=True))


def _item(where: str, row: object) -> TextItem:
    """Return a row as it is written: gaps are empty texts, a number is the text of it."""
    if not isinstance(row, dict):
        raise DataError(where, expected="text and label", found=type(row).__name__)
    for wanted in ("text", "label"):
        if not any(name in row for name in COLUMNS[wanted]):
            raise DataError(
                where,
                expected=f"a column {' or '.join(COLUMNS[wanted])}",
                found=", ".join(map(str, row)),
            )
    return TextItem(
        identity(where, "id", _value(row, "id")),
        _text(where, row, "text"),
        label_of(where, _value(row, "label")),
        _text(where, row, "second"),
    )


def _text(where: str, row: Mapping[str, object], wanted: str) -> str:
    value = _value(row, wanted)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise DataError(where, expected=f"a {wanted}", found=shown(value))
    return whole_text(where, str(value).strip())


def _value(row: Mapping[str, object], wanted: str) -> object:
    """Return the first of a row's columns that means what is wanted and is no gap."""
    return next((row[name] for name in COLUMNS[wanted] if not is_gap(row.get(name))), None)


def _pair(row: object) -> bool:
    return isinstance(row, dict) and any(name in row for name in COLUMNS["second"])
