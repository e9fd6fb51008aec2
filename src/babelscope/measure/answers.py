"""Answers joined to their questions: scores and causes of each, and their summary."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from babelscope.errors import DataError
from babelscope.languages import language
from babelscope.measure.causes import CAUSES, Cause, cause_of
from babelscope.measure.cut_gold import CutGold, control_of
from babelscope.measure.inference import ratio_of_sums, score_interval
from babelscope.measure.produced import produced_language
from babelscope.measure.qa_scores import AnswerScores, score_answer
from babelscope.records import Answer, Estimate, QuestionSet, Stop

__all__ = [
    "RATES",
    "STOPS",
    "AnswerScores",
    "ScoredAnswer",
    "score_answer",
    "score_answers",
    "score_report",
    "summarise",
]

RATES = (
    "squad_em",
    "squad_f1",
    "squad_f1_best_prefix",
    "mlqa_em",
    "mlqa_f1",
    "char_f1",
    "gold_contained",
)
"""The scores that are means over answers, each in 0-1."""

STOPS: tuple[Stop, ...] = get_args(Stop)


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """An answer with its scores, its cause and its control, and what it needs to be grouped by.

    `produced` is the language that it came in, see `produced_language`; `control` has the scores
    of the gold at its length, None where there is no such gold.
    """

    id: str
    context_id: str
    language: str
    kind: str
    scores: AnswerScores
    cause: Cause
    stopped: Stop
    prediction: str
    produced: str
    control: CutGold | None


def score_answers(
    answers: Sequence[Answer], questions: QuestionSet, study: Iterable[str] | None = None
) -> list[ScoredAnswer]:
    """Score answers against the questions that they answer, in the order of the questions.

    Only answered questions count. `study` are the languages that an answer may be written in, for
    the cause `wrong_language` (None: every known one).

    Raises:
        DataError: an id is repeated or not among the questions, or an answer is to a question in
            another language than the set's.
    """
    among = None if study is None else tuple(study)
    by_id = _by_id(answers, questions)
    scored = []
    for example in questions.examples:
        answer = by_id.get(example.id)
        if answer is None:
            continue
        scores = score_answer(answer.prediction, example.answers, example.language)
        cause = cause_of(answer.prediction, example, scores, stopped=answer.stopped, study=among)
        scored.append(
            ScoredAnswer(
                example.id,
                example.context_id,
                example.language,
                example.kind,
                scores,
                cause,
                answer.stopped,
                answer.prediction,
                produced_language(answer.prediction, example, scores, cause, among),
                control_of(answer.prediction, example),
            )
        )
    return scored


def _by_id(answers: Sequence[Answer], questions: QuestionSet) -> dict[str, Answer]:
    known = {example.id for example in questions.examples}
    wanted = language(questions.language).code
    found: dict[str, Answer] = {}
    for answer in answers:
        if answer.id not in known:
            raise DataError(
                f"answer {answer.id!r}",
                expected=f"an id of a question in {questions.name} ({questions.language})",
                found="an unknown id",
                remedy="score the answers with the data set that they answer",
            )
        if answer.id in found:
            raise DataError(
                f"answer {answer.id!r}",
                expected="one answer to a question",
                found="the id twice",
                remedy="remove the answer that is not meant",
            )
        if language(answer.language).code != wanted:
            raise DataError(
                f"answer {answer.id!r}",
                expected=f"an answer to a question in {wanted}",
                found=f"the language {answer.language}",
                remedy="give the language that was asked in",
            )
        found[answer.id] = answer
    return found


def summarise(scored: Sequence[ScoredAnswer]) -> dict[str, Estimate]:
    """Return an Estimate for each name of `RATES`, `length_ratio`, and `stop_` + each of `STOPS`.

    All are in 0-1 but `length_ratio`, the sum of answer lengths over the sum of gold lengths (NaN
    where the golds are empty). No answers give NaN with n = 0.
    """
    contexts = [answer.context_id for answer in scored]
    estimates = {
        name: score_interval([getattr(a.scores, name) for a in scored], contexts) for name in RATES
    }
    estimates["length_ratio"] = ratio_of_sums(
        np.array([a.scores.length for a in scored], dtype=np.float64),
        np.array([a.scores.gold_length for a in scored], dtype=np.float64),
        contexts,
    )
    for stop in STOPS:
        share = [float(a.stopped == stop) for a in scored]
        estimates[f"stop_{stop}"] = score_interval(share, contexts)
    return estimates


def score_report(scored: Sequence[ScoredAnswer], questions: QuestionSet) -> dict[str, object]:
    """Return what `score --json` prints: plain values, with None where there is no number.

    `causes` counts every cause, zeros included; they sum to `n_answered`.
    `language_undecided` counts the answers whose language was asked for and could not be told.
    """
    estimates = {name: _plain(value) for name, value in summarise(scored).items()}
    counts = Counter(answer.cause.name for answer in scored)
    stops = {stop: estimates.pop(f"stop_{stop}") for stop in STOPS}
    return {
        **estimates,
        "stops": stops,
        "causes": {name: counts[name] for name in CAUSES},
        "language_undecided": sum(answer.cause.language_undecided for answer in scored),
        "n_data": len(questions.examples),
        "n_answered": len(scored),
    }


def _plain(value: Estimate) -> dict[str, float | int | None]:
    numbers = {"value": value.value, "low": value.low, "high": value.high}
    return {name: None if math.isnan(x) else x for name, x in numbers.items()} | {"n": value.n}
