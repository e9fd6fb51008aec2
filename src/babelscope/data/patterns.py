"""Paths with `{language}`, `{split}` and `*`: which files they name, and in which language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from babelscope.data.naming import Named, spans, tag_of
from babelscope.languages import Language, spellings

LANGUAGE, SPLIT, ANY, DEEP = "{language}", "{split}", "*", "**"
SPECIAL = re.compile(r"(\{language\}|\{split\}|\*)")


@dataclass(frozen=True, slots=True)
class Slots:
    """What may stand in a path's slots: the codes that a language goes by, and names of a split.

    Without codes, any language may stand there.
    """

    codes: tuple[str, ...]
    splits: tuple[str, ...]
    wanted: Language | None

    @classmethod
    def of(cls, asked: str, wanted: Language, splits: Sequence[str]) -> Slots:
        """Return the slots for a language in the user's own spelling and all usual ones."""
        return cls(tuple(dict.fromkeys([asked, *spellings(wanted)])), tuple(splits), wanted)

    def any_language(self) -> Slots:
        """Return the same slots for whatever language the files name."""
        return Slots((), self.splits, None)


def files_of(pattern: Path, slots: Slots) -> list[tuple[Path, Named]]:
    """Return the files that a path with slots names, each with the code that fills it.

    `{language}` stands for the longest language tag that fits: in `*{language}.json`, `ms-MY.json`
    is Malay. `*` stands for any part of a name, `**` for any folders; all else stands for itself.
    """
    anchor = Path(pattern.anchor)
    found = _below(anchor, pattern.relative_to(anchor).parts, slots, Named(slots.wanted))
    return [(path, named) for path, named in found if is_file(path)]


def is_file(path: Path) -> bool:
    """Tell whether a path is a file; a name too long, or a closed folder, is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder, as `is_file`."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _below(
    folder: Path, parts: Sequence[str], slots: Slots, named: Named
) -> Iterator[tuple[Path, Named]]:
    if not parts:
        yield folder, named
        return
    part, rest = parts[0], parts[1:]
    if part == DEEP:
        yield from _below(folder, rest, slots, named)
        for name in _names(folder):
            if is_folder(folder / name) and not (folder / name).is_symlink():
                yield from _below(folder / name, parts, slots, named)
    elif not SPECIAL.search(part):
        yield from _below(folder / part, rest, slots, named)
    else:
        for name in _names(folder):
            if filled := _filled(part, name, slots):
                more = filled if filled.region or named.language is None else named
                yield from _below(folder / name, rest, slots, more)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (OSError, ValueError):  # missing, no folder, closed to us, no name: nothing fits there
        return []


def _filled(part: str, name: str, slots: Slots) -> Named | None:
    """Return what fills the slot of one part of a path in a name; None where it does not fit."""
    if LANGUAGE not in part:
        return Named(slots.wanted) if _fits(part, "", name, slots) else None
    if not _fits(part.replace(LANGUAGE, ANY), "", name, slots):
        return None
    tags = {name[start:end] for start, end in spans(name)}
    known = {tag: found for tag in tags if (found := tag_of(tag))}
    known |= {code: Named(slots.wanted) for code in slots.codes if code not in known}
    for code in sorted(known, key=lambda code: (-len(code), code)):
        if _fits(part, code, name, slots):
            right = slots.wanted is None or known[code].language == slots.wanted
            return known[code] if right else None
    return None


def _fits(part: str, code: str, name: str, slots: Slots) -> bool:
    fill = {LANGUAGE: re.escape(code), SPLIT: _either(slots.splits), ANY: ".*"}
    wanted = "".join(fill.get(piece, re.escape(piece)) for piece in SPECIAL.split(part))
    return re.fullmatch(wanted, name, re.DOTALL) is not None


def _either(names: Sequence[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, names))})"
