"""What other measures and groups of targets decide, where the main measure does not say so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from babelscope.report.claims import direction, p_words, verdict
from babelscope.report.names import count_text, isolated, measure_name, variant_name
from babelscope.report.tables import (
    GROUP,
    CellKey,
    Tables,
    Variant,
    compared,
    differences,
    final_steps,
)
from babelscope.report.words import NAMED, Answer, cell_name, change

OTHERWISE = "Do other measures or groups say otherwise?"
SAID = {
    "helped": "tuning helped",
    "harmed": "tuning harmed",
    "gained": "these adapters gained",
    "lost": "these adapters lost",
}


@dataclass(frozen=True)
class Verdict:
    """A decided change that the main measure's verdicts of the same cells do not have."""

    key: CellKey
    measure: str
    row: dict[str, Any]

    @property
    def is_group(self) -> bool:
        """Whether it is about the mean over a group of targets."""
        return self.key[2].startswith(GROUP)


def otherwise(tables: Tables) -> Answer | None:
    """Say what is decided elsewhere in the study and not by the main measure; None if nothing.

    A gain or loss counts if the main measure did not decide the same in that cell, or, of a group,
    in any of its targets.
    """
    found = list(verdicts(tables))
    if not found:
        return None
    main = measure_name(tables.plan["main_measure"])
    sentences = []
    for sign, name in ((-1, "losses"), (1, "gains")):
        own = sorted(
            (v for v in found if direction(v.row) == sign),
            key=lambda v: (not v.is_group, -abs(v.row["difference"])),
        )
        # a group's mean and the largest change of each measure stand first
        seen: set[str] = set()
        first = []
        for v in own:
            if _kind(v) not in seen:
                seen.add(_kind(v))
                first.append(v)
        order = [*first, *(v for v in own if v not in first)]
        if own:
            text = Markup("Of {} that {} does not decide, {} elsewhere: {}{}.")
            verb = "one is decided" if len(own) == 1 else f"{len(own)} are decided"
            more = f"; {len(own) - NAMED} more on the cells’ pages" if len(own) > NAMED else ""
            told = Markup("; ").join(_told(tables, v) for v in order[:NAMED])
            sentences.append(text.format(name, main, verb, told, more))
    sentences.append(Markup("Each measure is corrected by itself, not over all measures."))
    return Answer(OTHERWISE, tuple(sentences), "matrix")


def _kind(found: Verdict) -> str:
    return GROUP if found.is_group else found.measure


def _told(tables: Tables, found: Verdict) -> Markup:
    recipe, source, target = found.key
    where = (
        Markup("the group {} after tuning on {}").format(
            isolated(target.removeprefix(GROUP)),
            isolated(variant_name(tables, Variant(recipe, source))),
        )
        if found.is_group
        else cell_name(tables, found.key)
    )
    text = Markup("by {}, {} {} ({}, {})")
    name, said = measure_name(found.measure), SAID[verdict(found.row)]
    return text.format(name, where, change(found.row), said, p_words(found.row))


def verdicts(tables: Tables) -> Iterator[Verdict]:
    """Yield what is decided by another measure in a cell, or by any in a group, and not there."""
    main = tables.plan["main_measure"]
    ours = {key: direction(row) for key, row in differences(tables, main).items()}
    groups = tables.plan.get("groups") or {}
    task = tables.plan.get("task", "qa")
    known = final_steps(tables.comparisons).filter(pl.col("task") == task)
    for measure in known["measure"].unique(maintain_order=True):
        for key, row in compared(tables, measure).items():
            sign = direction(row)
            recipe, source, target = key
            if not sign or (measure == main and not target.startswith(GROUP)):
                continue
            cells = groups.get(target.removeprefix(GROUP), [target])
            if not any(ours.get((recipe, source, t)) == sign for t in cells):
                yield Verdict(key, measure, row)


def note(tables: Tables) -> tuple[Markup, ...]:
    """Return what the headline adds: how much is decided elsewhere, and the largest loss of it."""
    found = list(verdicts(tables))
    if not found:
        return ()
    losses = sorted((v for v in found if direction(v.row) < 0), key=lambda v: v.row["difference"])
    text = Markup("Other measures or groups decide {} and {} that this does not{}.")
    largest = Markup(": {}").format(_told(tables, losses[0])) if losses else Markup("")
    gains = len(found) - len(losses)
    told = f"{len(losses)} loss{'' if len(losses) == 1 else 'es'}", count_text(gains, "gain")
    return (text.format(*told, largest),)
