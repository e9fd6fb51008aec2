"""Characters that steer a page or a terminal instead of being read, shown by their names."""

from __future__ import annotations

import re

# Controls (tab and line feed apart), what reorders text, breaks of lines and paragraphs, lone
# surrogates, marks of byte order and of annotations. Joiners and the two direction marks are not
# among them: scripts need them.
STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


FORMULA = re.compile("[=+@\\-\t\r']")
"""What a cell begins with that a spreadsheet would compute, and the mark against it."""


def name_of(character: str) -> str:
    """Return a character's name by its number: "U+202E"."""
    return f"U+{ord(character):04X}"


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
