"""Files are found by the code that the user writes, in commands and in studies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from babelscope.data.qa import read_qa
from babelscope.errors import DataError
from babelscope.records import Answer
from babelscope.store import write_jsonl
from babelscope.study.answers import answer_row
from babelscope.study.plan import plan_of
from babelscope.study.scoring import score_step
from babelscope.study.steps import questions_step

LOCALES = ("zh-TW", "ms_MY", "fr-CA", "fr-FR")


@pytest.fixture
def data(tmp_path: Path) -> str:
    """Return a path with a file for each of `LOCALES`; its question says which."""
    for locale in LOCALES:
        row = {"id": "1", "context": "c", "question": locale, "answers": {"text": ["c"]}}
        (tmp_path / f"qa.{locale}.jsonl").write_text(json.dumps(row), encoding="utf-8")
    return str(tmp_path / "qa.{language}.jsonl")


@pytest.mark.parametrize("code", ["zh-TW", "zh_TW", "ms-MY", "fr-CA", "fr_FR", "FR-ca"])
def test_commands_read_the_locale_that_they_are_given(data: str, code: str) -> None:
    questions = questions_step(data, code, 0, "test")
    asked = questions.examples[0].question
    assert asked.lower().replace("_", "-") == code.lower().replace("_", "-")


def test_scoring_reads_the_locale_that_it_is_given(data: str, tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    write_jsonl(answers, [answer_row(Answer("1", "fra_Latn", "c", 5, 1, False, "eos"))])
    assert score_step(answers, data, "fr-CA")["n_answered"] == 1
    with pytest.raises(DataError, match=r"qa\.fr-CA\.jsonl, .*qa\.fr-FR\.jsonl"):
        score_step(answers, data, "fr")


def test_a_study_finds_the_locales_of_its_targets(data: str) -> None:
    plan = plan_of(
        {"model": "mini", "targets": ["zh-TW", "ms-MY"], "test": {"data": data}}, "study"
    )
    found = [read_qa(plan.test.data, code).examples[0].question for code in plan.targets]
    assert found == ["zh-TW", "ms_MY"]
