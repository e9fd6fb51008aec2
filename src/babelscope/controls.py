"""Characters that steer a page or a terminal instead of being read, shown by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Controls (tab and line feed apart), what reorders text, breaks of lines and paragraphs, lone
# surrogates, marks of byte order and of annotations. Joiners and the two direction marks are not
# among them: scripts need them.
STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)

PIECE = re.compile("[\udc80-\udcff]")
"""What `surrogateescape` makes of a byte that is no part of a whole character."""

TOKEN_MARKS = {" ": "␣", "\n": "⏎", "\t": "⇥"}
"""White space within a token, where it must be seen; its other characters stand for themselves."""

_UNSEEN = re.compile(f"{PIECE.pattern}|{STEERING.pattern}|[ \n\t]")

FORMULA = re.compile("[=+@\\-\t\r']")
"""What a cell begins with that a spreadsheet would compute, and the mark against it."""


def name_of(character: str) -> str:
    """Return a character's name by its number: "U+202E"."""
    return f"U+{ord(character):04X}"


def piece_name(character: str) -> str:
    """Return the byte behind a character of `PIECE`: "<E0>"."""
    return f"<{ord(character) - 0xDC00:02X}>"


def runs(text: str) -> Iterator[tuple[str, str]]:
    """Yield stretches of a text, each with the name of the steering character behind it.

    The last has none, "". A carriage return before a line feed is left out.
    """
    for said, mark in _runs(STEERING, text.replace("\r\n", "\n")):
        yield said, name_of(mark) if mark else ""


def token_runs(data: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Yield the same of a token's bytes, with the bytes of what is named.

    Pieces of characters and white space are named too: "<E0>", "␣".
    """
    for said, mark in _runs(_UNSEEN, data.decode("utf-8", errors="surrogateescape")):
        name = TOKEN_MARKS.get(mark) or (mark and name_of(mark))
        if PIECE.match(mark):
            name = piece_name(mark)
        yield said, name, mark.encode("utf-8", errors="surrogateescape")


def _runs(unseen: re.Pattern[str], text: str) -> Iterator[tuple[str, str]]:
    start = 0
    for match in unseen.finditer(text):
        yield text[start : match.start()], match[0]
        start = match.end()
    yield text[start:], ""


def one_line(text: object) -> str:
    """Return a text that a terminal shows in one line and does not obey: "a<U+001B>b".

    Runs of spaces, tabs and line feeds become one space.
    """
    return STEERING.sub(lambda m: f"<{name_of(m[0])}>", re.sub("[ \t\n]+", " ", str(text)))


def inert(text: str) -> str:
    """Return a text that a spreadsheet takes for a text: an apostrophe stands before a formula.

    What begins with an apostrophe gets a second one, so that taking one away gives the text back.
    """
    return f"'{text}" if FORMULA.match(text) else text
