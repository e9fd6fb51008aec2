"""Plain text by language: a folder of files, or of folders, named by language codes."""

from __future__ import annotations

from pathlib import Path

from babelscope.errors import DataError, LanguageError
from babelscope.languages import language

SUFFIXES = (".txt", ".devtest", ".dev", ".train")
PAIRS = "tatoeba."


def read_texts(folder: Path) -> dict[str, list[str]]:
    """Read text by language code, a sentence a line, empty lines left out.

    Three forms, which may stand side by side: `CODE.txt`, `CODE.devtest` and the like (FLORES);
    folders `CODE/` of such files with any names (Common Voice); pairs `tatoeba.A-B.A` and
    `tatoeba.A-B.B`, whose English is repeated and so is read once a line. Files and folders of
    text whose name is no language code are an error, so that no text is left out unseen; other
    suffixes (a licence, a readme) are passed over.

    Raises:
        DataError: the folder is missing or holds no text, a file is not UTF-8, a language has no
            text, or two files are of one language.
    """
    if not folder.is_dir():
        raise DataError(str(folder), expected="a folder of text files", found="none")
    texts: dict[str, list[str]] = {}
    pairs: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.name.startswith(PAIRS):
            pairs.setdefault(_code(path, path.suffix[1:]), []).append(path)
        elif files := _files(path):
            _add(texts, path, _code(path, path.name if path.is_dir() else path.stem), files)
    for code, files in pairs.items():
        _add(texts, files[0], code, files, once=True)
    if not texts:
        raise DataError(
            str(folder),
            expected="files such as ory_Orya.txt or or.devtest, or folders such as or",
            found="none",
        )
    return texts


def _files(path: Path) -> list[Path]:
    """Return a path if it is a text file, the text files in it if it is a folder."""
    if not path.is_dir():
        return [path] if path.suffix in SUFFIXES else []
    return [p for p in sorted(path.iterdir()) if p.suffix in SUFFIXES and p.name[0] != "."]


def _add(
    texts: dict[str, list[str]], path: Path, code: str, files: list[Path], *, once: bool = False
) -> None:
    if code in texts:
        raise DataError(str(path), expected="one file a language", found=f"a second of {code}")
    lines = [line for file in files for line in _lines(file)]
    if not lines:
        raise DataError(str(path), expected="text", found="an empty file")
    texts[code] = list(dict.fromkeys(lines)) if once else lines


def _code(path: Path, name: str) -> str:
    try:
        return language(name).code
    except LanguageError as error:
        raise DataError(
            str(path), expected="a language code as its name", found=name, remedy=str(error)
        ) from error


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(str(path), expected="UTF-8 text", found=str(error)) from error
    except OSError as error:
        raise DataError(str(path), expected="a readable file", found=str(error)) from error
    return [line for line in (line.strip() for line in text.split("\n")) if line]
