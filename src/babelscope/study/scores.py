"""The answers of a study as arrays: a value an item, for each measure, variant and target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babelscope.measure.answers import RATES, STOPS, ScoredAnswer, score_answers
from babelscope.measure.causes import CAUSES
from babelscope.measure.cut_gold import CONTROLLED, CUT_GOLD
from babelscope.measure.qa_scores import score_answer
from babelscope.records import Answer, QuestionSet
from babelscope.study.cells import AnswerCounts, Cell, Variant

Values = NDArray[np.float64]

INTERFERENCE = "interference"
GROUP = "group:"
PRODUCED = "produced_"
"""What the measure of a language's share among the answers begins with."""

MEANS = (
    *RATES,
    *(f"stop_{stop}" for stop in STOPS),
    *(f"cause_{cause}" for cause in CAUSES),
    *(f"{CUT_GOLD}{name}" for name in CONTROLLED),
)
"""The measures of a cell that are means over its items, in every task."""


@dataclass(frozen=True, slots=True)
class CellScores:
    """A cell's scored answers; `values` holds an array (items,) for each measure.

    `undecided` counts the answers whose language was asked for and could not be told.
    """

    cell: Cell
    contexts: tuple[str, ...]
    ids: tuple[str, ...]
    values: Mapping[str, Values]
    scored: tuple[ScoredAnswer, ...]
    counts: AnswerCounts
    dropped: int
    undecided: int


def score_cell(
    cell: Cell,
    answers: Sequence[Answer],
    questions: QuestionSet,
    counts: AnswerCounts,
    study: Sequence[str],
    rival: QuestionSet | None = None,
) -> CellScores:
    """Score a cell's answers; `rival` holds the contest's golds in the other language."""
    scored = score_answers(answers, questions, study)
    values = {
        name: np.array([getattr(s.scores, name) for s in scored], dtype=np.float64)
        for name in (*RATES, "length", "gold_length")
    }
    for stop in STOPS:
        values[f"stop_{stop}"] = _share([s.stopped == stop for s in scored])
    for cause in CAUSES:
        values[f"cause_{cause}"] = _share([s.cause.name == cause for s in scored])
    for name in CONTROLLED:
        controls = [getattr(s.control, name) if s.control else np.nan for s in scored]
        values[f"{CUT_GOLD}{name}"] = np.array(controls, dtype=np.float64)
    if rival is not None:
        values[INTERFERENCE] = interference(scored, questions, rival)
    return CellScores(
        cell,
        tuple(s.context_id for s in scored),
        tuple(s.id for s in scored),
        values,
        tuple(scored),
        counts,
        sum(questions.dropped.values()),
        sum(s.cause.language_undecided for s in scored),
    )


def _share(flags: Sequence[bool]) -> Values:
    return np.array(flags, dtype=np.float64)


def interference(
    scored: Sequence[ScoredAnswer], questions: QuestionSet, rival: QuestionSet
) -> Values:
    """Return 1 where the answer is the other language's gold and not this one's.

    It is NaN where both golds are one. The match is MLQA's in NFC, each gold normalised as its own
    language's.
    """
    mine = {e.id: e for e in questions.examples}
    theirs = {e.id: e for e in rival.examples}
    found = []
    for answer in scored:
        golds, others = mine[answer.id].answers, theirs[answer.id].answers
        same = any(score_answer(o, golds, questions.language).exact for o in others)
        wrong = score_answer(answer.prediction, others, rival.language).exact
        found.append(np.nan if same else float(wrong and not answer.scores.exact))
    return np.array(found, dtype=np.float64)


def guessing(questions: QuestionSet, whole: QuestionSet) -> Values:
    """Return 1 where an item's gold is the most common gold of its kind in the whole set, else 0.

    Its mean is the exact match of the best constant answer a kind: what can be had unread.
    """
    common: dict[str, str] = {}
    for kind in {e.kind for e in whole.examples}:
        golds = Counter(e.answers[0] for e in whole.examples if e.kind == kind and e.answers)
        common[kind] = min(golds, key=lambda g: (-golds[g], g)) if golds else ""
    return _share([bool(e.answers) and e.answers[0] == common[e.kind] for e in questions.examples])


def produced(cells: Sequence[CellScores]) -> dict[str, Values]:
    """Return (seeds, items) shares of the languages that answers came in, of those that occur."""
    codes = sorted({s.produced for c in cells for s in c.scored})
    return {
        f"{PRODUCED}{code}": np.stack(
            [_share([s.produced == code for s in c.scored]) for c in cells]
        )
        for code in codes
    }


def stacked(cells: Sequence[CellScores], measure: str) -> Values:
    """Return (seeds, items) values of cells that differ in their seed only."""
    return np.stack([c.values[measure] for c in cells])


def group_cells(
    cells: Mapping[tuple[Variant, str, str], CellScores],
    groups: Mapping[str, Sequence[str]],
) -> dict[tuple[Variant, str, str], CellScores]:
    """Return a macro average over each group's targets as a cell of its own, `group:NAME`.

    Only groups whose targets share their ids have one: an item's value is then its mean over
    the targets, and whole contexts can be resampled in all of them together.
    """
    made = {}
    for name, targets in groups.items():
        for variant in dict.fromkeys(v for v, task, _ in cells if task == "qa"):
            members = [cells[variant, "qa", t] for t in targets if (variant, "qa", t) in cells]
            if len(members) < 2 or any(m.ids != members[0].ids for m in members):
                continue
            values = {
                measure: np.mean([m.values[measure] for m in members], axis=0)
                for measure in members[0].values
            }
            target = f"{GROUP}{name}"
            counts = AnswerCounts(
                sum(m.counts.questions for m in members),
                sum(m.counts.truncated for m in members),
                sum(m.counts.gold_lost for m in members),
            )
            made[variant, "qa", target] = CellScores(
                Cell(variant, "qa", target),
                members[0].contexts,
                members[0].ids,
                values,
                (),
                counts,
                sum(m.dropped for m in members),
                sum(m.undecided for m in members),
            )
    return made
