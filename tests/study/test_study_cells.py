"""A cell's answers: the same bytes whatever was interrupted, in rounds or at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from babelscope.data.prompts import TEMPLATES
from babelscope.data.qa import first, read_qa
from babelscope.errors import StoreError
from babelscope.infer.generate import Decoding
from babelscope.models.encoding import Rendering
from babelscope.models.loading import LoadedModel, load_model
from babelscope.study.answers import read_answers
from babelscope.study.cells import Answering, answer_cell

QUESTIONS = first(read_qa("atlas", "en"), 12)


def _answering(batch_tokens: int) -> Answering:
    rendering = Rendering(TEMPLATES["plain"], max_tokens=320, answer_tokens=12)
    return Answering(rendering, Decoding(12), batch_tokens)


@pytest.fixture(scope="module")
def mini() -> LoadedModel:
    return load_model("mini")


def _files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_an_interrupted_cell_ends_with_the_same_bytes(mini: LoadedModel, tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    seen: list[int] = []
    answer_cell(mini, QUESTIONS, _answering(8), whole, lambda done, _: seen.append(done))
    assert len(seen) > 2

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer_cell(mini, QUESTIONS, _answering(8), torn, stop)
    kept = {p: p.stat().st_mtime_ns for p in (torn / "shards").iterdir()}
    assert 0 < len(kept) < len(seen)
    times: list[int] = []

    def watch(done: int, total: int) -> None:
        times.append(done)
        assert {p: p.stat().st_mtime_ns for p in kept} == kept

    answer_cell(mini, QUESTIONS, _answering(8), torn, watch)
    assert times == seen
    assert _files(torn) == _files(whole)


def test_rounds_change_no_answer(mini: LoadedModel, tmp_path: Path) -> None:
    for name, batch_tokens in (("narrow", 1), ("wide", 8192)):
        answer_cell(mini, QUESTIONS, _answering(batch_tokens), tmp_path / name)
    narrow, wide = (read_answers(tmp_path / n / "answers.jsonl") for n in ("narrow", "wide"))
    assert narrow == wide
    assert [a.id for a in wide] == [e.id for e in QUESTIONS.examples]


@pytest.mark.parametrize("change", ["lost", "foreign", "twice"])
def test_kept_rounds_of_other_questions_are_refused(
    change: str, mini: LoadedModel, tmp_path: Path
) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer_cell(mini, QUESTIONS, _answering(8), tmp_path, stop)
    (path,) = (tmp_path / "shards").iterdir()
    lines = path.read_text(encoding="utf-8").splitlines()
    told = {
        "lost": lines[:-1],
        "foreign": [*lines[:-1], lines[-1].replace('"id": "', '"id": "x', 1)],
        "twice": [*lines, lines[0]],
    }
    path.write_text("".join(f"{line}\n" for line in told[change]), encoding="utf-8")
    with pytest.raises(StoreError, match="one answer to each of 12 questions"):
        answer_cell(mini, QUESTIONS, _answering(8), tmp_path)
