"""Natural language inference: premises, hypotheses and labels, read, checked and counted.

The form is told by the file's content, never by its name:

    premise TAB hypothesis TAB label        without a header: XNLI's parallel rows
    a header that names the columns         XNLI (Conneau et al., 2018), AmericasNLI (Ebrahimi et
                                            al., 2022): id, language, premise, hypothesis, label
    {"premise", "hypothesis", "label"}      JSON, JSON lines, the Hub; IndoNLI's e, n, c
                                            (Mahendra et al., 2021)

Tabs part columns and nothing quotes them. Where a row has no id its number, from 0, is its id: the
same row is then the same item in all languages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from babelscope.data.atlas_tasks import inferences
from babelscope.data.hub import read_hub_items
from babelscope.data.sources import AtlasSplit, HubSet, listed, locate, read_json_items, read_text
from babelscope.errors import DataError, LanguageError
from babelscope.languages import language as find_language
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

Row = tuple[str, Mapping[str, str]]
"""A row's place for messages, and its fields by the names of `COLUMNS`."""


@dataclass(frozen=True, slots=True)
class InferenceSet:
    """The items of one data set in one language, and what was left out of them.

    `dropped` counts the rows that were left out, by reason; `noted` is empty so far.
    """

    name: str
    language: str
    items: tuple[Inference, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    noted: Mapping[str, int] = field(default_factory=dict)


def read_inferences(data: str, language: str, split: str = "test") -> InferenceSet:
    """Read the items that DATA (see `sources.locate`) holds in a language, and check them.

    Left out and counted in `dropped`: `another language` (by the file's own column), `no agreed
    label`, `empty premise`, `empty hypothesis`, `repeated id` (the first one stays).

    Raises:
        DataError: the data cannot be found or read, a row lacks a column or has an unknown label
            (with its line), or nothing is left.
        LanguageError: the language is unknown.
    """
    code = find_language(language).code
    place = locate(data, language, split)
    if isinstance(place, AtlasSplit):
        return InferenceSet(f"atlas:{place.split}", code, tuple(inferences(code, place.split)))
    name = place.name if isinstance(place, HubSet) else place.stem
    dropped: Counter[str] = Counter()
    items: dict[str, Inference] = {}
    for number, (where, row) in enumerate(_rows(place, language)):
        identity = row.get("id") or f"{number:05d}"
        label = _label(where, row["label"])
        reason = _reason_to_drop(row, label, code)
        if not reason and identity in items:
            reason = REPEATED
        if reason:
            dropped[reason] += 1
            continue
        items[identity] = Inference(identity, code, row["premise"], row["hypothesis"], label)
    if not items:
        counts = ", ".join(f"{reason} {n}" for reason, n in sorted(dropped.items()))
        raise DataError(
            f"{data} for {code}", expected="premises with hypotheses and labels", found=counts
        )
    return InferenceSet(name, code, tuple(items.values()), dict(sorted(dropped.items())))


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
    if text.lstrip()[:1] in ("{", "["):
        yield from _json_rows(read_json_items(place))
    else:
        yield from _tab_rows(place, text)


def _json_rows(items: Iterator[tuple[str, object]]) -> Iterator[Row]:
    for where, item in items:
        if isinstance(item, list):
            parts = ((f"{where} [{number}]", part) for number, part in enumerate(item))
            yield from _json_rows(parts)
            continue
        if not isinstance(item, dict):
            raise DataError(where, expected="an inference record", found=repr(item)[:40])
        named = {str(key).lower(): value for key, value in item.items()}
        yield where, _fields(where, {k: _text(where, k, v) for k, v in named.items() if _used(k)})


def _used(name: str) -> bool:
    return any(name in names for names in COLUMNS.values())


def _text(where: str, name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(where, expected=f"{name}, a text or a number", found=repr(value)[:40])
    return str(value)


def _tab_rows(path: Path, text: str) -> Iterator[Row]:
    """Yield the rows of a file of tabs; lines that hold nothing are passed over."""
    lines = [(n, line.rstrip("\r")) for n, line in enumerate(text.split("\n"), 1)]
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
        value = next((given[name] for name in names if name in given), None)
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
    if written in UNLABELLED:
        return ""
    label = SPELLINGS.get(written.lower())
    if label is None:
        raise DataError(
            where, expected=f"a label ({', '.join(LABELS)}, or e, n, c)", found=repr(written)
        )
    return label


def _reason_to_drop(row: Mapping[str, str], label: str, code: str) -> str:
    if "language" in row and _code(row["language"]) != code:
        return OTHER_LANGUAGE
    if not label:
        return NO_LABEL
    if not row["premise"]:
        return "empty premise"
    return "" if row["hypothesis"] else "empty hypothesis"


def _code(written: str) -> str:
    try:
        return find_language(written).code
    except LanguageError:
        return written
