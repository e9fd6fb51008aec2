"""Fonts for figures on paper: one for each script that is written, and a name where there is none.

Texts are shaped by matplotlib's libraqm. A figure is drawn with the first font that has a glyph;
text without a font is named in Latin, never drawn as boxes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import langcodes
import unicodedataplus
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from babelscope.errors import LanguageError
from babelscope.languages import language, script_of, scripts_of_language
from babelscope.report.names import language_name

COMMON = ("Noto Sans", "DejaVu Sans")
HAN = {
    "Hans": "Noto Sans CJK SC",
    "Hant": "Noto Sans CJK TC",
    "Jpan": "Noto Sans CJK JP",
    "Hang": "Noto Sans CJK KR",
    "Hani": "Noto Sans CJK SC",
}
"""The font of a script code whose name does not tell it."""
JOINERS = "\u200c\u200d"
REGULAR = ("normal", 400)


@dataclass(frozen=True)
class Fonts:
    """Families in the order of search, their characters, and languages left without their script.

    `unwritten` names them in English: "Odia (Orya)".
    """

    families: tuple[str, ...]
    characters: frozenset[int]
    unwritten: tuple[str, ...]

    def covers(self, text: str) -> bool:
        """Whether every character of a text has a glyph."""
        return all(ord(c) in self.characters or c in JOINERS for c in text)

    def write(self, text: str) -> str:
        """Return a text as it can be drawn: runs without a glyph become "[Odia]"-like names.

        Controls that are not needed for shaping are left out.
        """
        written = ""
        for character in text.replace("\n", " "):
            if self.covers(character):
                written += character
            elif unicodedata.category(character)[0] != "C":
                name = f"[{unicodedataplus.script(character).replace('_', ' ')}]"
                written += "" if written.endswith(name) else name
        return written

    def label(self, code: str) -> str:
        """Return "Odia ଓଡ଼ିଆ"; of a language in Latin script, or without a font, "German"."""
        own = native_name(code)
        name = self.write(language_name(code))
        return f"{name} {own}" if own and self.covers(own) else name

    def short(self, code: str) -> str:
        """Return the language's own name above its tag, or the tag alone."""
        own = native_name(code)
        tag = _tag(code)
        return f"{own}\n{tag}" if own and self.covers(own) else tag

    def beside(self, code: str) -> str:
        """Return the language's own name and its tag on one line: "ଓଡ଼ିଆ or"."""
        return self.short(code).replace("\n", " ")


def native_name(code: str) -> str:
    """Return a language's name in its own script; "" in Latin script and for unknown names."""
    try:
        known = language(code)
    except LanguageError:
        return ""
    if known.script == "Latn":
        return ""
    name = langcodes.Language.get(known.iso3).autonym()
    scripts = {script_of(c) for c in name} - {"Zyyy", "Zinh"}
    # of some pairs only the name in another script is known
    return name if scripts and scripts <= scripts_of_language(known) else ""


def _tag(code: str) -> str:
    try:
        return language(code).tag
    except LanguageError:
        return code


def find_fonts(codes: Iterable[str], texts: Iterable[str] = ()) -> Fonts:
    """Find fonts for the own names of languages and for further texts, among those installed."""
    families = [f for f in COMMON if f in _paths()]
    known = frozenset().union(*(_characters(f) for f in families))
    unwritten = []
    for code in dict.fromkeys(codes):
        own = native_name(code)
        family = _family(language(code).script, own) if own else None
        if family:
            families.append(family)
        elif own and not all(ord(c) in known for c in own):
            unwritten.append(f"{language_name(code)} ({language(code).script})")
    for text in texts:
        for script in sorted({script_of(c) for c in text} - {"Latn", "Zyyy", "Zinh", "Zzzz"}):
            family = _family(script, "".join(c for c in text if script_of(c) == script))
            families += [family] if family else []
    families = list(dict.fromkeys(families))
    characters = frozenset().union(*(_characters(f) for f in families))
    return Fonts(tuple(families), characters, tuple(dict.fromkeys(unwritten)))


def _family(script: str, text: str) -> str | None:
    """Return a family that has every character: the script's Noto Sans, else the first that does.

    A script's usual font may lack what the text needs; then all installed ones are asked.
    """
    wanted = {ord(c) for c in text if c not in JOINERS and not c.isspace()}
    long = next((n for n, c in _scripts().items() if script in c), script).replace("_", " ")
    usual = [HAN.get(script, f"Noto Sans {long}"), *COMMON, f"Noto Serif {long}"]
    others = sorted(_paths(), key=lambda f: (not f.startswith("Noto Sans"), f))
    for family in (*(f for f in usual if f in _paths()), *others):
        if wanted <= _characters(family):
            return family
    return None


@cache
def _scripts() -> dict[str, list[str]]:
    found: dict[str, list[str]] = unicodedataplus.property_value_aliases["script"]
    return found


@cache
def _paths() -> dict[str, tuple[str, int]]:
    """Return family -> (file, face) of the regular fonts that are installed."""
    found: dict[str, tuple[str, int]] = {}
    for entry in font_manager.fontManager.ttflist:
        if (entry.style, entry.weight) == REGULAR and "LastResort" not in entry.fname:
            found.setdefault(entry.name, (entry.fname, entry.index))
    return found


@cache
def _characters(family: str) -> frozenset[int]:
    path, face = _paths()[family]
    return frozenset(FT2Font(path, face_index=face).get_charmap())
