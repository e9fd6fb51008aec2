"""Names that may leave a machine: paths without their folders, commands that others can give."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

ABSOLUTE = re.compile(r"^(?:/|~|[A-Za-z]:[\\/]|\\\\)")
QUOTED = re.compile(r"""(?P<quote>["'])(?P<path>(?:/|~|[A-Za-z]:[\\/]|\\\\)[^"']*)(?P=quote)""")


def portable_path(text: str) -> str:
    """Return a path as others may read it: an absolute one by its way from here, or its last name.

    What is no absolute path stays as it is.
    """
    if not ABSOLUTE.match(text):
        return text
    try:
        return str(Path(text).relative_to(Path.cwd()))
    except (ValueError, OSError):
        kind = PurePosixPath if text[0] in "/~" else PureWindowsPath
        return kind(text).name or "FOLDER"


def portable_word(word: str) -> str:
    """Return a word of a command without absolute paths, those in a `key=value` among them."""
    key, equals, value = word.partition("=")
    if equals and not ABSOLUTE.match(word):
        quoted = QUOTED.sub(lambda m: f"{m['quote']}{portable_path(m['path'])}{m['quote']}", value)
        return f"{key}={portable_path(quoted)}"
    return portable_path(word)


def portable_command(words: Sequence[str] | str) -> str:
    """Return a command, as words or one line, that names no folder of this machine.

    A path below the working folder is told from there, any other absolute one by its last name.
    """
    return shlex.join(portable_word(word) for word in _split(words))


def _split(words: Sequence[str] | str) -> Sequence[str]:
    if not isinstance(words, str):
        return words
    try:
        return shlex.split(words)
    except ValueError:  # not a command of ours
        return words.split()


def portable_names(names: Sequence[str]) -> dict[str, str]:
    """Return how each of several names is told, by `portable_path`; no two are told alike."""
    told: dict[str, str] = {}
    for name in dict.fromkeys(names):
        short, number = portable_path(name), 2
        label = short
        while label in told.values():
            label, number = f"{short} ({number})", number + 1
        told[name] = label
    return told
