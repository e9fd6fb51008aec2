"""Characters that steer a page or a terminal instead of being read, shown by their names."""

from __future__ import annotations

import re

# Controls (tab and line feed apart), what reorders text, breaks of lines and paragraphs, lone
# surrogates, marks of byte order and of annotations. Joiners and the two direction marks are not
# among them: scripts need them.
STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


def name_of(character: str) -> str:
    """Return a character's name by its number: "U+202E"."""
    return f"U+{ord(character):04X}"


def one_line(text: object) -> str:
    """Return a text that a terminal shows in one line and does not obey: "a<U+001B>b".

    Runs of spaces, tabs and line feeds become one space.
    """
    return STEERING.sub(lambda m: f"<{name_of(m[0])}>", re.sub("[ \t\n]+", " ", str(text)))
