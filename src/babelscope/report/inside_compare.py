"""What two studies know of their models' insides, set side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from babelscope.report.cells import Table
from babelscope.report.inside_alignment import Left, alignment_matches
from babelscope.report.inside_items import read_items
from babelscope.report.inside_lens import lens_matches
from babelscope.report.inside_lines import Match
from babelscope.report.inside_probes import probe_matches
from babelscope.report.inside_views import (
    InsideSection,
    inside_section,
    inside_sentences,
    left_table,
)
from babelscope.report.pairing import Side, has_same_model

NAMES = {"alignment": "Alignment of translations", "probes": "Probes", "lens": "Language lens"}
"""The parts that are compared, and their headings."""


@dataclass(frozen=True)
class Inside:
    """The parts that both studies have, sentences on them, and what is left out."""

    matches: dict[str, list[Match]]
    sections: tuple[InsideSection, ...]
    sentences: tuple[Markup, ...]
    left: Left
    same_depths: bool

    @property
    def tables(self) -> dict[str, Table]:
        """Their tables by a short name."""
        found = {section.key: section.table for section in self.sections}
        found |= {f"{s.key}_highest": s.highest for s in self.sections if s.highest.rows}
        return found | ({"inside_apart": left_table(self.left)} if self.left else {})


def compare_inside(a: Side, b: Side) -> Inside:
    """Compare alignment, probes and lens of two studies, as far as both have them.

    Studies of the same model are compared depth by depth, others by relative depth.

    Raises:
        StoreError: a table cannot be read.
    """
    matches: dict[str, list[Match]] = {}
    left: Left = []
    for key in NAMES:
        has = _has(a, key), _has(b, key)
        if all(has):
            found, gone = _matches(key, a, b)
            left += gone
            if found:
                matches[key] = found
        elif any(has):
            left.append(("A" if has[0] else "B", NAMES[key].lower(), "only in this study"))
    same = has_same_model(a, b)
    return Inside(
        matches,
        tuple(inside_section(key, found, same_depths=same) for key, found in matches.items()),
        tuple(
            sentence
            for key, found in matches.items()
            for sentence in inside_sentences(key, found, same_depths=same)
        ),
        left,
        same,
    )


def _has(side: Side, key: str) -> bool:
    if key == "lens":
        return not side.tables.lens.is_empty()
    part = side.tables.parts.get(key)
    return part is not None and not part.frame.is_empty()


def _matches(key: str, a: Side, b: Side) -> tuple[list[Match], Left]:
    items = (
        read_items(a.folder / f"{key}_items.parquet"),
        read_items(b.folder / f"{key}_items.parquet"),
    )
    if key == "lens":
        found, left = lens_matches(a.tables, b.tables, items)
        if found and all(match.is_level for match in found):
            return [], [*left, ("both", "lens", "both models lean alike everywhere")]
        return found, left
    compare = alignment_matches if key == "alignment" else probe_matches
    return compare(a.tables.parts[key], b.tables.parts[key], items)


def why_nothing(inside: Inside, asked: Sequence[bool]) -> str:
    """Say in a line why two studies have nothing to compare."""
    told = [
        f"questions only in {letter}"
        for letter, own in zip("AB", asked, strict=True)
        if own and not all(asked)
    ]
    told += [f"{what} ({letter}: {why})" for letter, what, why in inside.left]
    return "; ".join(dict.fromkeys(told[:4])) or "neither asked questions nor looked inside"
