"""The command `score`: it needs no model, and so loads none."""

from __future__ import annotations

from pathlib import Path

from babelscope.data.qa import read_qa, set_counts
from babelscope.measure.answers import score_answers, score_report
from babelscope.study.answers import read_answers


def score_step(answers: Path, data: str, language: str) -> dict[str, object]:
    """Score a file of answers against its data set; returns what `score --json` prints.

    Raises:
        StoreError: the file is missing or a line is not an answer.
        DataError: the set cannot be read, or an answer's id is unknown or repeated.
    """
    questions = read_qa(data, language, split="test")
    found = score_report(score_answers(read_answers(answers), questions), questions)
    return {**found, **set_counts(questions)}
