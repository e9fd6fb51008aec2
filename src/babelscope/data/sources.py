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

from babelscope.data.naming import ALL_SPLIT_WORDS, SPLIT_WORDS, Named, languages_named, words_of
from babelscope.data.patterns import Slots, files_of, is_file, is_folder
from babelscope.errors import DataError
from babelscope.languages import Language, region, spellings
from babelscope.languages import language as find_language
from babelscope.reading import UNFINISHED_SUFFIXES, expanded, lines_of, read_text

DATA_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson"})
HUB_NAME = re.compile(r"([\w.-]+/[\w.-]+)(?::([\w.-]+))?(?:@(\w+))?")
MAX_LISTED = 8

ATLAS_SPLITS = {"train": "tune"}
"""Atlas calls its territories for training sets by what they are for."""


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
    the split, where its files name theirs), a path with `{language}`, where any code of the
    language may stand, or a Hub name `owner/name`, `owner/name:CONFIG`, either with `@SPLIT`. In a
    path with `{language}`, `{split}` is filled with any usual name of the split, and `*` stands for
    any part of a name; all else stands for itself.

    How a name names its language is told in `naming`. Where `language` has a region, a file of
    another region is not taken; of several, that of the region counts, else that of none.

    Raises:
        DataError: nothing, or more than one thing, fits; the message lists the candidates.
        LanguageError: the language is unknown.
    """
    lang = find_language(language)
    if data == "atlas" or data.startswith("atlas:"):
        return AtlasSplit(data.partition(":")[2] or ATLAS_SPLITS.get(split, split))
    if "{language}" in data:
        return _of_pattern(data, language, lang, split)
    path = expanded(data)
    if is_file(path):
        return path
    if is_folder(path):
        return _of_folder(path, language, lang, split)
    hub = HUB_NAME.fullmatch(data)
    if hub and path.suffix.lower() not in DATA_SUFFIXES | UNFINISHED_SUFFIXES:
        return HubSet(hub[1], hub[2] or "", hub[3] or split)
    raise DataError(data, expected="atlas, a file, a folder or a Hub name", found="no such file")


def _of_pattern(pattern: str, language: str, lang: Language, split: str) -> Path:
    names = sorted(SPLIT_WORDS.get(split, {split}))
    path = expanded(pattern)
    slots = Slots.of(language, lang, names)
    found = _of_region(files_of(path, slots), region(language))
    distinct = [p for i, p in enumerate(found) if not any(p.samefile(q) for q in found[:i])]
    if len(distinct) == 1:
        return distinct[0]
    others = [str(p) for p in _nearest([p for p, _ in files_of(path, slots.any_language())], lang)]
    raise DataError(
        f"{pattern} for {lang.code}" + (f" ({split})" if "{split}" in pattern else ""),
        expected=f"one file with {{language}} among {', '.join(slots.codes)}",
        found=listed([str(p) for p in distinct])
        + (f", but {listed(others)}" if others and not distinct else ""),
        remedy="give the file, or ask by the code in its name",
    )


def _of_folder(folder: Path, language: str, lang: Language, split: str) -> Path:
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in DATA_SUFFIXES)
    named = {path: languages_named(path.relative_to(folder)) for path in files}
    sole = [(p, next(iter(names))) for p, names in named.items() if len(_codes(names)) == 1]
    found = _of_region([(p, name) for p, name in sole if name.language == lang], region(language))
    wanted = SPLIT_WORDS.get(split, frozenset({split}))
    split_words = {path: ALL_SPLIT_WORDS & words_of(_words(path, folder)) for path in found}
    of_split = [path for path in found if wanted & split_words[path]]
    # a file of no named split is good for any, but a file named "train" never stands for a test
    matching = of_split or [path for path in found if not split_words[path]]
    if len(matching) == 1:
        return matching[0]
    several = [path for path, names in named.items() if lang.code in _codes(names)]
    candidates = matching or found or several or _nearest(files, lang)
    raise DataError(
        f"folder {folder} for {lang.code} ({split})",
        expected="one file named for the language alone (JSON or JSON lines)",
        found=("" if matching else "none of it, but ")
        + listed([str(path.relative_to(folder)) for path in candidates]),
        remedy="give the file, or a path with {language}",
    )


def _words(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _codes(names: set[Named]) -> set[str]:
    return {named.language.code if named.language else "" for named in names}


def _nearest(files: list[Path], lang: Language) -> list[Path]:
    """Put first the files whose names hold a code of the language, wherever it stands."""
    codes = set(spellings(lang))
    return sorted(files, key=lambda path: not codes & words_of("/".join(path.parts[-2:])))


def _of_region(found: list[tuple[Path, Named]], wanted: str) -> list[Path]:
    """Keep the files of the region, else those of none; all where no region is asked for."""
    same = [path for path, named in found if named.region == wanted]
    if same or not wanted:
        return same or [path for path, _ in found]
    return [path for path, named in found if not named.region]


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
