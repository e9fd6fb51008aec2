"""Answers joined to questions, their summary and the form that `score --json` prints."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pytest

from babelscope.errors import DataError
from babelscope.measure.answers import (
    RATES,
    STOPS,
    ScoredAnswer,
    score_answers,
    score_report,
    summarise,
)
from babelscope.measure.causes import CAUSES
from babelscope.records import Answer, Example, QuestionSet, Stop

GOLDS = ("Paris", "forty years", "a company", "1889")
CONTEXT = "In 1889 a company built the tower in Paris. It stayed for forty years."
EXAMPLES = tuple(
    Example(f"q{i}", "eng_Latn", CONTEXT, "What?", (gold,), f"c{i // 2}", kind="place")
    for i, gold in enumerate(GOLDS)
)
QUESTIONS = QuestionSet("tower", "eng_Latn", EXAMPLES)


def say(number: int, prediction: str, stopped: Stop = "newline", language: str = "en") -> Answer:
    return Answer(f"q{number}", language, prediction, 40, 3, False, stopped)


def scored(answers: Sequence[Answer]) -> list[ScoredAnswer]:
    return score_answers(answers, QUESTIONS, ("en", "de"))


THREE = [say(2, "the tower", "eos"), say(0, "Paris"), say(1, "for forty years it stayed", "length")]


def test_only_answered_questions_count_in_their_order() -> None:
    found = scored(THREE)
    assert [a.id for a in found] == ["q0", "q1", "q2"]
    assert [a.context_id for a in found] == ["c0", "c0", "c1"]
    assert [a.cause.name for a in found] == ["exact", "overgeneration", "wrong_span"]
    assert [a.kind for a in found] == ["place"] * 3
    means = summarise(found)
    assert means["squad_em"].value == pytest.approx(1 / 3)
    assert means["gold_contained"].value == pytest.approx(2 / 3)
    # code points: 5 + 25 + 9 of answers, 5 + 11 + 9 of golds
    assert means["length_ratio"].value == pytest.approx(39 / 25)
    assert means["stop_length"].value == pytest.approx(1 / 3)
    assert all(estimate.n == 3 for estimate in means.values())
    assert means["squad_em"].low <= 1 / 3 <= means["squad_em"].high


def test_order_of_answers_changes_nothing() -> None:
    assert summarise(scored(THREE)) == summarise(scored(THREE[::-1]))


def test_golds_as_answers_score_one() -> None:
    means = summarise(scored([say(i, gold) for i, gold in enumerate(GOLDS)]))
    for name in (*RATES, "length_ratio"):
        assert (means[name].value, means[name].high) == (1.0, 1.0), name
        assert means[name].low < 1.0 or name == "length_ratio"  # three answers prove little


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([say(9, "x")], "unknown id"),
        ([say(1, "x"), say(1, "y")], "the id twice"),
        ([say(1, "x", language="de")], "the language de"),
    ],
)
def test_answers_to_other_questions_are_refused(answers: list[Answer], words: str) -> None:
    with pytest.raises(DataError, match=words):
        scored(answers)


def test_report_has_the_form_that_scripts_rely_on() -> None:
    report = json.loads(json.dumps(score_report(scored(THREE), QUESTIONS), allow_nan=False))
    assert set(report) == {
        *RATES, "length_ratio", "stops", "causes", "language_undecided", "n_data", "n_answered",
    }  # fmt: skip
    for entry in [*(report[name] for name in (*RATES, "length_ratio")), *report["stops"].values()]:
        assert set(entry) == {"value", "low", "high", "n"}
    assert tuple(report["stops"]) == STOPS == ("newline", "eos", "length")
    assert sum(entry["value"] for entry in report["stops"].values()) == pytest.approx(1.0)
    assert tuple(report["causes"]) == CAUSES
    assert sum(report["causes"].values()) == report["n_answered"] == 3
    assert report["n_data"] == 4
    assert report["language_undecided"] == 1  # "the tower", 8 letters, all copied


def test_no_answers_are_missing_and_not_zero() -> None:
    means = summarise([])
    assert all(math.isnan(estimate.value) and estimate.n == 0 for estimate in means.values())
    report = json.loads(json.dumps(score_report([], QUESTIONS), allow_nan=False))
    assert report["squad_f1"] == {"value": None, "low": None, "high": None, "n": 0}
    assert report["n_answered"] == 0
