"""What tuning on any source gives a target, and what is a source's own: gains taken apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

import numpy as np
from markupsafe import Markup

from babelscope.measure.effects import Effect, difference_effect
from babelscope.measure.inference import comparisons, holm, nothing_compared
from babelscope.records import Comparison
from babelscope.report.cells import Row, Table, chance, changed, needed, number
from babelscope.report.claims import (
    comparison_row,
    contexts_of,
    is_told,
    p_words,
)
from babelscope.report.names import (
    count_text,
    is_number,
    isolated,
    language_name,
    recipe_name,
    share_text,
    variant_name,
)
from babelscope.report.questions import Cells, aligned, question_cells, shared_questions, values_of
from babelscope.report.tables import CellKey, Tables, Variant, base_of, values
from babelscope.report.words import NAMED, Answer, change, strong

MEAN = ""
"""Stands for the source of the mean over all sources."""
COMMON = "What do sources give on average, and what is a source’s own?"


@dataclass(frozen=True)
class Share:
    """A target's mean gain over `count` sources, or a source's gain minus the others' mean.

    Both are on the questions that all sources and the base share; p is corrected over all of a
    kind.
    """

    recipe: str
    source: str
    target: str
    count: int
    found: Comparison
    p_holm: float = float("nan")
    p_adapters_holm: float = float("nan")

    @property
    def row(self) -> dict[str, Any]:
        """The share as a row of a table of comparisons."""
        return comparison_row(self.found, self.p_holm, self.p_adapters_holm)


def shares_of_gains(tables: Tables) -> tuple[Share, ...]:
    """Return the mean gain of each target, then each source's own part; none below two sources."""
    cells = question_cells(tables)
    found: list[Share] = []
    for recipe in tables.plan["recipes"]:
        drafts = [d for t in tables.plan["targets"] for d in _of_target(tables, cells, recipe, t)]
        for is_mean in (True, False):
            found += _compared([d for d in drafts if (d[0].source == MEAN) == is_mean])
    return tuple(found)


def _of_target(
    tables: Tables, cells: Cells, recipe: str, target: str
) -> Iterator[tuple[Share, Effect]]:
    names = [s["name"] for s in tables.plan["sources"]]
    names = [name for name in names if (recipe, name, target) in cells]
    base = cells.get((base_of(tables, Variant(recipe, "-")).recipe, "", target))
    if len(names) < 2 or base is None:
        return
    tuned = [cells[recipe, name, target] for name in names]
    ids, contexts = shared_questions([base, *tuned])
    if not ids:
        return
    sides, _ = aligned([[frame] for frame in tuned], ids)
    before = values_of(base, ids)[1].mean(axis=0, keepdims=True)
    whole = np.mean(sides, axis=0)
    draft = Share(recipe, MEAN, target, len(names), nothing_compared())
    yield draft, difference_effect(whole, before, contexts)
    for name, side in zip(names, sides, strict=True):
        others = (whole * len(names) - side) / (len(names) - 1)
        yield replace(draft, source=name), difference_effect(side, others, contexts)


def _compared(drafts: Sequence[tuple[Share, Effect]]) -> list[Share]:
    found = comparisons([effect for _, effect in drafts], unit=1.0)
    p_holm = holm([c.p_value for c in found])
    p_adapters = holm([c.p_adapters for c in found])
    return [
        replace(share, found=c, p_holm=float(p_holm[i]), p_adapters_holm=float(p_adapters[i]))
        for i, ((share, _), c) in enumerate(zip(drafts, found, strict=True))
    ]


def common_and_own(tables: Tables, shares: Sequence[Share]) -> Answer | None:
    """Say what all sources give, and what is a source's own; None where nothing can be parted."""
    if not shares:
        return None
    sentences: list[Markup] = []
    for recipe in dict.fromkeys(s.recipe for s in shares):
        means = [s for s in shares if s.recipe == recipe and s.source == MEAN]
        own = [s for s in shares if s.recipe == recipe and s.source != MEAN]
        note = Markup("")
        if len(tables.plan["recipes"]) > 1:
            note = Markup(" (recipe {})").format(isolated(recipe_name(tables, recipe)))
        sentences += [_means(means, note), _owned(tables, own, contexts_of(tables), note)]
    sentences += _lengths(tables)
    return Answer(COMMON, tuple(sentences), "matrix")


def _means(means: Sequence[Share], note: Markup) -> Markup:
    order = sorted(means, key=lambda s: (not is_told(s.row), -abs(s.found.difference.value)))
    text = Markup("Mean gain over all sources{}, in points: {}{}.")
    named = [
        Markup("{} {} ({})").format(
            strong(language_name(s.target)),
            change(s.row),
            p_words(s.row) if is_told(s.row) else "undecided",
        )
        for s in order[:NAMED]
    ]
    rest = f"; {len(order) - NAMED} more in the matrix" if len(order) > NAMED else ""
    return text.format(note, Markup("; ").join(named), rest)


def _owned(
    tables: Tables, own: Sequence[Share], contexts: Mapping[str, int], note: Markup
) -> Markup:
    told = sorted((s for s in own if is_told(s.row)), key=lambda s: -abs(s.row["difference"]))
    pairs = count_text(len(own), "pairing")
    if not told:
        least = min((contexts[s.target] for s in own if s.target in contexts), default=0)
        known = f", from {count_text(least, 'context')} and more" if least else ""
        text = Markup("Of its own no source is shown to give a target anything{} ({}{}).")
        return text.format(note, pairs, known)
    named = [
        Markup("{} in {} {} ({})").format(
            isolated(variant_name(tables, Variant(s.recipe, s.source))),
            isolated(language_name(s.target)),
            change(s.row),
            p_words(s.row),
        )
        for s in told[:NAMED]
    ]
    rest = f"; {len(told) - NAMED} more in the matrix" if len(told) > NAMED else ""
    text = Markup(
        "A source’s own part{}, its gain minus the mean gain of the others, is decided in {} of "
        "{}: {}{}."
    )
    return text.format(note, len(told), pairs, Markup("; ").join(named), rest)


def _lengths(tables: Tables) -> Iterator[Markup]:
    """Say how lengths changed, which is the form of the answer and no matter of language."""
    found = values(tables, "length_ratio")
    known = {k: e.value for k, e in found.items() if is_number(e.value)}
    pairs = [(before, value) for k, value in known.items() if (before := _before(tables, known, k))]
    if not pairs:
        return
    first, after = (mean(side) for side in zip(*pairs, strict=True))
    nearer = sum(abs(np.log(max(b, 1e-9))) > abs(np.log(max(a, 1e-9))) for b, a in pairs)
    text = Markup(
        "The answers’ length went from {} to {} of the gold’s on average, and nearer to the gold’s "
        "in {} of {}."
    )
    cells = count_text(len(pairs), "pairing")
    yield text.format(share_text(first), share_text(after), nearer, cells)


def _before(tables: Tables, known: Mapping[CellKey, float], key: CellKey) -> float | None:
    if not key[1]:
        return None
    return known.get((base_of(tables, Variant(key[0], key[1])).recipe, "", key[2]))


def share_table(tables: Tables, shares: Sequence[Share]) -> Table:
    """Return every mean gain over sources and every own part, with what they would need."""
    rows: list[Row] = []
    for s in shares:
        mean_name = f"mean of {count_text(s.count, 'source')}"
        own_name = variant_name(tables, Variant(s.recipe, s.source))
        rows.append(
            (
                own_name if s.source else mean_name,
                language_name(s.target),
                changed(s.row),
                chance(s.p_holm) if s.found.seeds > 1 else number(s.p_holm, "one seed"),
                chance(s.p_adapters_holm),
                needed(s.found.questions_needed),
                needed(s.found.seeds_needed),
                number(s.found.difference.n, f"{s.found.difference.n:,}"),
            )
        )
    head = (
        "Source", "Target", "Gain, or gain minus the others’ (95 %)", "p after Holm",
        "p after Holm, these adapters", "Questions needed", "Seeds needed", "n",
    )  # fmt: skip
    caption = "Gains taken apart: the mean over sources, and each source’s own part"
    return Table(caption, head, tuple(rows))
