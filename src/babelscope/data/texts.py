"""Plain text by language: a folder with one file a language, one sentence a line."""

from __future__ import annotations

from pathlib import Path

from babelscope.errors import DataError, LanguageError
from babelscope.languages import language

SUFFIXES = (".txt", ".devtest", ".dev", ".train")


def read_texts(folder: Path) -> dict[str, list[str]]:
    """Read `CODE.txt` or `CODE.devtest` files; returns lines by language code, empty ones left out.

    Files whose name is no language code are an error, so that no text is left out unseen; other
    suffixes (a licence, a readme) are passed over.

    Raises:
        DataError: the folder is missing or holds no text, a file is not UTF-8, or two files are
            of one language.
    """
    texts: dict[str, list[str]] = {}
    for code, path in text_files(folder).items():
        found = [line for line in _lines(path) if line]
        if not found:
            raise DataError(str(path), expected="text", found="an empty file")
        texts[code] = found
    return texts


def text_files(folder: Path) -> dict[str, Path]:
    """Return the text files of a folder by language code.

    Raises:
        DataError: as `read_texts`.
    """
    if not folder.is_dir():
        raise DataError(str(folder), expected="a folder of text files", found="none")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix not in SUFFIXES or path.name.startswith("."):
            continue
        code = _code(path)
        if code in files:
            raise DataError(str(path), expected="one file a language", found=f"a second of {code}")
        files[code] = path
    if not files:
        raise DataError(
            str(folder), expected="files such as ory_Orya.txt or or.devtest", found="none"
        )
    return files


def read_lines(folder: Path, code: str) -> list[str]:
    """Return all lines of a language's file, empty ones in their place but not at the end.

    Raises:
        DataError: as `read_texts`, or the language has no file.
    """
    files = text_files(folder)
    if code not in files:
        raise DataError(f"folder {folder}", expected=f"a file of {code}", found=", ".join(files))
    lines = _lines(files[code])
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _code(path: Path) -> str:
    try:
        return language(path.stem).code
    except LanguageError as error:
        raise DataError(
            str(path), expected="a language code as its name", found=path.stem, remedy=str(error)
        ) from error


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(str(path), expected="UTF-8 text", found=str(error)) from error
    except OSError as error:
        raise DataError(str(path), expected="a readable file", found=str(error)) from error
    return [line.strip() for line in text.replace("\r\n", "\n").split("\n")]
