"""Plain text by language: a folder of files, or of folders, named by language codes."""

from __future__ import annotations

from pathlib import Path

from babelscope.errors import DataError, LanguageError
from babelscope.languages import language
from babelscope.reading import lines_of, read_text

SUFFIXES = (".txt", ".devtest", ".dev", ".train")
PAIRS = "tatoeba."


def read_texts(folder: Path) -> dict[str, list[str]]:
    """Read lines by language code from the files of `text_files`, empty ones left out.

    The lines of several pairs are read once each: English stands in every pair.

    Raises:
        DataError: as `text_files`, a file is not UTF-8, or a language has no text.
    """
    texts: dict[str, list[str]] = {}
    for code, paths in text_files(folder).items():
        found = [line for path in paths for line in file_lines(path, may_be_empty=True) if line]
        if not found:
            raise DataError(str(paths[0]), expected="text", found="an empty file")
        paired = paths[0].name.startswith(PAIRS)
        texts[code] = list(dict.fromkeys(found)) if paired else found
    return texts


def text_files(folder: Path) -> dict[str, list[Path]]:
    """Return the text files of a folder by language code.

    Three forms, which may stand side by side: `CODE.txt`, `CODE.devtest` and the like (FLORES);
    folders `CODE/` of such files with any names (Common Voice); pairs `tatoeba.A-B.A` and
    `tatoeba.A-B.B`. Files and folders of text whose name is no language code are an error, so
    that no text is left out unseen; other suffixes (a licence, a readme) are passed over.

    Raises:
        DataError: the folder is missing or holds no text, a name is no language code, or two
            files are of one language.
    """
    if not folder.is_dir():
        raise DataError(str(folder), expected="a folder of text files", found="none")
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        found, name = _named(path)
        if not found:
            continue
        code = _code(path, name)
        pair = path.name.startswith(PAIRS)
        if code in files and not (pair and files[code][0].name.startswith(PAIRS)):
            raise DataError(str(path), expected="one file a language", found=f"a second of {code}")
        files.setdefault(code, []).extend(found)
    if not files:
        raise DataError(
            str(folder),
            expected="files such as ory_Orya.txt or or.devtest, or folders such as or",
            found="none",
        )
    return files


def read_lines(folder: Path, code: str) -> list[str]:
    """Return all lines of a language's one file, empty ones in their place but not at the end.

    Raises:
        DataError: as `read_texts`, or the language has no file, or several.
    """
    files = text_files(folder)
    if code not in files:
        raise DataError(f"folder {folder}", expected=f"a file of {code}", found=", ".join(files))
    if len(files[code]) > 1:
        raise DataError(
            f"folder {folder}", expected=f"one file of {code}", found=f"{len(files[code])}"
        )
    return file_lines(files[code][0], may_be_empty=True)


def _named(path: Path) -> tuple[list[Path], str]:
    """Return the text files that a path is or holds, and the language's name in the path's."""
    if path.is_dir():
        inside = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and p.name[0] != ".")
        return inside, path.name
    if path.name.startswith(PAIRS):
        return [path], path.suffix[1:]
    return ([path] if path.suffix in SUFFIXES else []), path.stem


def _code(path: Path, name: str) -> str:
    try:
        return language(name).code
    except LanguageError as error:
        raise DataError(
            str(path), expected="a language code as its name", found=name, remedy=str(error)
        ) from error


def file_lines(path: Path, *, may_be_empty: bool = False) -> list[str]:
    """Return a file's lines without spaces around them, and without empty ones at its end.

    Raises:
        DataError: as `read_text`.
    """
    lines = [line.strip() for line in lines_of(read_text(path, may_be_empty=may_be_empty))]
    while lines and not lines[-1]:
        lines.pop()
    return lines
