"""The one reader of text: UTF-8, whole or told why not, in lines that only line ends part."""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babelscope.errors import BabelscopeError, DataError, SettingError

UNFINISHED_SUFFIXES = frozenset({".incomplete", ".part", ".crdownload", ".lock", ".tmp"})
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
MARK = "\ufeff"
"""The byte-order mark, which also begins a line where marked files were joined."""

# UTF-32's little-endian mark begins with that of UTF-16, so it comes first
OTHERS: Mapping[bytes, str] = {
    codecs.BOM_UTF32_LE: "text in UTF-32",
    codecs.BOM_UTF32_BE: "text in UTF-32",
    codecs.BOM_UTF16_LE: "text in UTF-16",
    codecs.BOM_UTF16_BE: "text in UTF-16",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"PK\x03\x04": "a zip archive, as spreadsheets are",
    b"PAR1": "a parquet table",
}
"""How files begin that are no text in UTF-8 -> what they are."""


def expanded(name: str) -> Path:
    """Return a path with `~` as the home that it stands for.

    Raises:
        DataError: there is no such home.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise DataError(name, expected="a path", found="a home that is not known") from error


def read_text(
    path: Path,
    *,
    what: str = "",
    error: type[BabelscopeError] = DataError,
    may_be_empty: bool = False,
) -> str:
    """Read a whole UTF-8 text file, without its byte-order mark.

    `what` is the object of messages (the path, if not given), `error` their class.

    Raises:
        DataError, or `error`: it is missing, unreadable, empty (unless it may be), not UTF-8, or an
            unfinished download.
    """
    what = what or str(path)
    if path.suffix in UNFINISHED_SUFFIXES:
        found = f"{path.suffix}, an unfinished download"
        raise error(what, expected="a whole file", found=found)
    try:
        content = path.read_bytes()
    except OSError as reason:
        found = reason.strerror or str(reason)
        raise error(what, expected="a readable file", found=found) from reason
    text = _decoded(content, what, error).lstrip(MARK)
    if not may_be_empty and not text.strip():
        raise error(what, expected="text", found="an empty file")
    return text


def _decoded(content: bytes, what: str, error: type[BabelscopeError]) -> str:
    if content.startswith(LFS_POINTER):
        raise error(
            what,
            expected="data",
            found="a Git LFS pointer",
            remedy="fetch the file with git lfs pull",
        )
    other = next((name for start, name in OTHERS.items() if content.startswith(start)), "")
    # Latin text in UTF-16 without a mark is valid UTF-8: every other character is then a NUL
    if not other and content.count(0) * 4 > len(content):
        other = "NUL bytes, as in UTF-16 without a mark"
    if other:
        remedy = "save it as UTF-8" if "UTF" in other else "give the text that is in it"
        raise error(what, expected="text in UTF-8", found=other, remedy=remedy)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as reason:
        line = content.count(b"\n", 0, reason.start) + 1
        found = f"byte 0x{content[reason.start]:02x} in line {line}"
        remedy = "save it as UTF-8"
        raise error(what, expected="text in UTF-8", found=found, remedy=remedy) from reason


def lines_of(text: str) -> list[str]:
    r"""Return the lines of a text, without their ends; the last is empty after a final line end.

    LF and CRLF end a line; a lone CR does where the text has no LF at all (old Macintosh files),
    else it stays inside its line, as U+2028, U+2029, U+0085, VT, FF, FS, GS and RS always do.
    """
    if "\n" not in text:
        text = text.replace("\r", "\n")
    return [line.rstrip("\r").removeprefix(MARK) for line in text.split("\n")]


def read_toml(path: Path, what: str = "") -> dict[str, Any]:
    """Read a TOML file; a lone CR ends a line there, as TOML has no other use for it.

    Raises:
        SettingError: it cannot be read, or is not TOML.
    """
    what = what or str(path)
    text = read_text(path, what=what, error=SettingError, may_be_empty=True)
    try:
        return tomllib.loads(text.replace("\r\n", "\n").replace("\r", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError) as reason:
        raise SettingError(what, expected="TOML", found=str(reason)) from reason
