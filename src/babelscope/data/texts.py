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
    if not folder.is_dir():
        raise DataError(str(folder), expected="a folder of text files", found="none")
    texts: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix not in SUFFIXES or path.name.startswith("."):
            continue
        code = _code(path)
        if code in texts:
            raise DataError(str(path), expected="one file a language", found=f"a second of {code}")
        texts[code] = _lines(path)
    if not texts:
        raise DataError(
            str(folder), expected="files such as ory_Orya.txt or or.devtest", found="none"
        )
    return texts


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
    lines = [line.strip() for line in text.replace("\r\n", "\n").split("\n")]
    found = [line for line in lines if line]
    if not found:
        raise DataError(str(path), expected="text", found="an empty file")
    return found
