"""Where data lies: a file, a folder, a pattern with `{language}`, the Hub, or the built-in atlas.

Text is read here, and every way in which a file can be broken ends here in one `DataError`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelscope.errors import DataError, LanguageError
from babelscope.languages import Language, spellings
from babelscope.languages import language as find_language
from babelscope.reading import UNFINISHED_SUFFIXES, lines_of, read_text

DATA_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson"})
HUB_NAME = re.compile(r"([\w.-]+/[\w.-]+)(?::([\w.-]+))?(?:@(\w+))?")
MAX_LISTED = 8

# "train" asked of a file named "..._validation_..." is a different split, and so on
SPLIT_WORDS = {
    "train": frozenset({"train", "training"}),
    "dev": frozenset({"dev", "validation", "valid", "val"}),
    "validation": frozenset({"dev", "validation", "valid", "val"}),
    "test": frozenset({"test", "testing"}),
}
ATLAS_SPLITS = {"train": "tune"}
"""Atlas calls its territories for training sets by what they are for."""

ALL_SPLIT_WORDS = frozenset().union(*SPLIT_WORDS.values())


@dataclass(frozen=True, slots=True)
class AtlasSplit:
    """A split of the built-in atlas."""

    split: str


@dataclass(frozen=True, slots=True)
class HubSet:
    """A data set on the Hub; an empty `config` means the one that is named for the language.

    A set that has one split only is read whatever `split` says, as a single file is.
    """

    name: str
    config: str
    split: str


def locate(data: str, language: str, split: str = "test") -> Path | AtlasSplit | HubSet:
    """Return what DATA means for a language.

    DATA is `atlas`, `atlas:SPLIT`, a file, a folder that holds one file of the language (and of
    the split, where its files name theirs), a path with `{language}`, which is filled with
    any usual code of the language, or a Hub name `owner/name`, `owner/name:CONFIG`, either with
    `@SPLIT`. In a path with `{language}`, `{split}` is filled with any usual name of the split, and
    `*` stands for any part of a name.

    Raises:
        DataError: nothing, or more than one thing, fits; the message lists the candidates.
        LanguageError: the language is unknown.
    """
    lang = find_language(language)
    if data == "atlas" or data.startswith("atlas:"):
        return AtlasSplit(data.partition(":")[2] or ATLAS_SPLITS.get(split, split))
    if "{language}" in data:
        return _fill_pattern(data, language, lang, split)
    path = Path(data).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        return _search_folder(path, lang, split)
    hub = HUB_NAME.fullmatch(data)
    if hub and path.suffix.lower() not in DATA_SUFFIXES | UNFINISHED_SUFFIXES:
        return HubSet(hub[1], hub[2] or "", hub[3] or split)
    raise DataError(data, expected="atlas, a file, a folder or a Hub name", found="no such file")


def _fill_pattern(pattern: str, language: str, lang: Language, split: str) -> Path:
    codes = dict.fromkeys([language, *spellings(lang)])
    names = sorted(SPLIT_WORDS.get(split, {split})) if "{split}" in pattern else [""]
    filled = [
        str(Path(pattern.replace("{language}", code).replace("{split}", name)).expanduser())
        for code in codes
        for name in names
    ]
    found = [path for name in filled for path in _matching(Path(name)) if path.is_file()]
    distinct = [p for i, p in enumerate(found) if not any(p.samefile(q) for q in found[:i])]
    if len(distinct) == 1:
        return distinct[0]
    raise DataError(
        f"{pattern} for {lang.code}" + (f" ({split})" if "{split}" in pattern else ""),
        expected=f"one file with {{language}} among {', '.join(codes)}",
        found=listed([str(path) for path in distinct]),
    )


def _matching(path: Path) -> list[Path]:
    if "*" not in str(path):
        return [path]
    return sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))


def _search_folder(folder: Path, lang: Language, split: str) -> Path:
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in DATA_SUFFIXES)
    named = {path: languages_named(path.relative_to(folder)) for path in files}
    found = [path for path in files if lang in named[path]]
    # dev-context-de-question-en.json names two languages, dev-context-de-question-de.json one
    found = [path for path in found if named[path] == {lang}] or found
    wanted = SPLIT_WORDS.get(split, frozenset({split}))
    split_words = {path: ALL_SPLIT_WORDS & _words(path.relative_to(folder)) for path in found}
    of_split = [path for path in found if wanted & split_words[path]]
    # a file of no named split is good for any, but a file named "train" never stands for a test
    matching = of_split or [path for path in found if not split_words[path]]
    if len(matching) == 1:
        return matching[0]
    candidates = [str(path.relative_to(folder)) for path in matching or found or files]
    raise DataError(
        f"folder {folder} for {lang.code} ({split})",
        expected="one file named for the language (JSON or JSON lines)",
        found=("" if matching else "none of it, but ") + listed(candidates),
        remedy="give the file, or a path with {language}",
    )


def _words(path: Path) -> frozenset[str]:
    """Split a path into its words; `en2ru` (translated from en) counts as `ru`."""
    words = re.split(r"[^a-z0-9]+", path.with_suffix("").as_posix().lower())
    return frozenset(re.sub(r"^[a-z]{2,3}2(?=[a-z]{2,3}$)", "", word) for word in words)


def languages_named(path: Path) -> set[Language]:
    """Return the languages that the words of a path could name."""
    codes = re.findall(r"[a-z]{2,3}[-_][A-Z][a-z]{3}(?![a-z])", path.as_posix())
    named = set(filter(None, map(_language_or_none, codes)))
    return named or set(filter(None, map(_language_or_none, _words(path))))


def _language_or_none(word: str) -> Language | None:
    try:
        return find_language(word)
    except LanguageError:
        return None


def listed(names: list[str]) -> str:
    """Join names for a message, the first few of many."""
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return (", ".join(names[:MAX_LISTED]) + more) or "none"


def read_json_items(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the JSON values of a file, each with its place for messages.

    A file whose first line is a whole JSON value, and not its only one, is JSON lines.

    Raises:
        DataError: as `read_text`, or the JSON is broken; with line and column.
    """
    text = read_text(path)
    filled = [(number, line) for number, line in enumerate(lines_of(text), 1) if line.strip()]
    if len(filled) == 1 or not _is_json(filled[0][1]):
        yield str(path), _parse(text, path, 1)
        return
    for number, line in filled:
        yield f"{path} line {number}", _parse(line, path, number)


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _parse(text: str, path: Path, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        short = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        raise DataError(
            f"{path} line {line} column {error.colno}",
            expected="JSON",
            found=error.msg,
            remedy="the file may be cut short: fetch it again" if short else "",
        ) from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 100,000 brackets
        raise DataError(str(path), expected="JSON", found=str(error)) from error
