"""Questions with the answers before and after tuning, ready to be shown as data, not markup."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from babelscope.report.figures import CAUSES
from babelscope.report.names import (
    is_number,
    language_name,
    language_tag,
    points,
    variant_name,
    visible,
)
from babelscope.report.tables import Tables, Variant

SHOWN = 240
"""About how many examples a page carries; each cell of the matrix gets its share, at least one."""
MOST_PER_CELL = 6
CONTEXT_SHOWN = 1500
ANSWER_SHOWN = 600


@dataclass(frozen=True)
class Example:
    """One question as shown; `turn` is "right", "wrong" or "same" (exact answers are right)."""

    id: Markup
    target: str
    language: str
    model: str
    tag: str
    direction: str
    turn: str
    context: Markup
    question: Markup
    golds: tuple[Markup, ...]
    answers: tuple[tuple[str, Markup, str, str], ...]


def examples(tables: Tables) -> tuple[Example, ...]:
    """Return the study's samples in its own order, the same number at most for each cell."""
    groups = Counter(_cell(sample) for sample in tables.samples)
    room = max(1, min(MOST_PER_CELL, SHOWN // max(1, len(groups))))
    taken: Counter[tuple[str, ...]] = Counter()
    found = []
    for sample in tables.samples:
        if taken[_cell(sample)] < room:
            taken[_cell(sample)] += 1
            found.append(_example(tables, sample))
    order = {target: i for i, target in enumerate(tables.plan["targets"])}
    return tuple(sorted(found, key=lambda e: order.get(e.target, len(order))))


def _cell(sample: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(sample.get(key, "")) for key in ("recipe", "source", "target"))


def _example(tables: Tables, sample: dict[str, Any]) -> Example:
    target = str(sample["target"])
    tag, direction = language_tag(target)
    model = variant_name(tables, Variant(str(sample.get("recipe", "")), str(sample["source"])))
    seed = sample.get("seed")
    golds = sample.get("answers") or []
    before, after = (sample.get(f"{who}_cause") == "exact" for who in ("base", "tuned"))
    label = f"tuned on {model}"
    if seed is not None and len(tables.plan["seeds"]) > 1:
        label = f"{label}, seed {seed}"
    return Example(
        id=visible(sample.get("id", "")),
        target=target,
        language=language_name(target),
        model=model,
        tag=tag,
        direction=direction,
        turn="same" if before == after else "right" if after else "wrong",
        context=cut(sample.get("context", ""), CONTEXT_SHOWN),
        question=cut(sample.get("question", ""), ANSWER_SHOWN),
        golds=tuple(cut(gold, ANSWER_SHOWN) for gold in golds),
        answers=(_answer("base model", sample, "base"), _answer(label, sample, "tuned")),
    )


def _answer(label: str, sample: dict[str, Any], who: str) -> tuple[str, Markup, str, str]:
    """Return (who, what was said, its cause in words, its F1)."""
    said, f1 = sample.get(who), sample.get(f"{who}_f1")
    cause = str(sample.get(f"{who}_cause") or "")
    words = dict(CAUSES).get(cause, cause.replace("_", " ")) or "no cause recorded"
    text = cut(said, ANSWER_SHOWN) if said else Markup('<span class="none">(nothing)</span>')
    return label, text, words, f"F1 {points(f1)}" if is_number(f1) else "no F1"


def cut(text: object, room: int) -> Markup:
    """Return visible text of at most `room` code points, and say how much was left out."""
    whole = str(text if text is not None else "")
    if len(whole) <= room:
        return visible(whole)
    note = Markup(' <span class="none">… {:,} more characters</span>').format(len(whole) - room)
    return visible(whole[:room]) + note
