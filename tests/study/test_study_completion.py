"""How far a study has come: counted in folders that are laid out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from babelscope.store import finish
from babelscope.study.completion import Piece, completion
from babelscope.study.status import study_status

PLAN: dict[str, Any] = {
    "name": "s",
    "answers": True,
    "cells": 4,
    "adapters": 2,
    "pieces": {"answer": 4, "lens": 3, "tune": 2, "align": 1},
    "fingerprints": {"study": "now"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN), encoding="utf-8")
    return tmp_path


def slot(folder: Path, kind: str, name: str, *, done: bool = True) -> None:
    own = folder / "store" / kind / name
    own.mkdir(parents=True)
    if done:
        finish(own, {})


def marked(folder: Path, study: str) -> None:
    (folder / "complete.json").write_text(json.dumps({"study": study}), encoding="utf-8")


def test_nothing_done(folder: Path) -> None:
    found = completion(folder, PLAN)
    assert (found.complete, found.stale) == (False, False)
    assert found.missing == (
        "0 of 4 cells answered", "0 of 3 cells seen by the lens", "0 of 2 adapters tuned",
        "no alignment yet",
    )  # fmt: skip


def test_pieces_are_counted_where_they_are_finished(folder: Path) -> None:
    for number in range(3):
        slot(folder, "answers", f"a{number}", done=number < 2)
    for number in range(3):
        slot(folder, "lens", f"l{number}")
    (folder / "store" / "adapters" / "x").mkdir(parents=True)
    (folder / "store" / "adapters" / ".y.part").mkdir()  # one at work
    (folder / "alignment.parquet").write_bytes(b"")
    found = completion(folder, PLAN)
    assert found.pieces == (
        Piece("answer", 2, 4), Piece("lens", 3, 3), Piece("tune", 1, 2), Piece("align", 1, 1),
    )  # fmt: skip
    assert found.missing == ("2 of 4 cells answered", "1 of 2 adapters tuned")
    status = study_status(folder)
    assert status["complete"] is False
    assert status["missing"] == ["2 of 4 cells answered", "1 of 2 adapters tuned"]
    assert (status["cells_seen"], status["cells_seen_planned"]) == (3, 3)


def test_the_mark_must_be_of_the_present_plan(folder: Path) -> None:
    marked(folder, "now")
    assert completion(folder, PLAN).complete
    assert completion(folder, PLAN).missing == ()
    assert study_status(folder)["complete"] is True
    marked(folder, "another plan")
    found = completion(folder, PLAN)
    assert (found.complete, found.stale) == (False, True)
    assert study_status(folder)["complete"] is False
    (folder / "complete.json").write_text("[]", encoding="utf-8")
    assert (completion(folder, PLAN).complete, completion(folder, PLAN).stale) == (False, False)


def test_all_is_done_but_the_tables(folder: Path) -> None:
    plan = PLAN | {"pieces": {"answer": 1}}
    slot(folder, "answers", "a")
    slot(folder, "answers", "of an earlier plan")
    assert completion(folder, plan).missing == ("tables not yet written",)


def test_a_plan_of_an_older_version_tells_cells_and_adapters(folder: Path) -> None:
    old = {key: value for key, value in PLAN.items() if key != "pieces"}
    assert completion(folder, old).missing == ("0 of 4 cells answered", "0 of 2 adapters tuned")


def test_what_was_no_study_of_cells_lacks_nothing(folder: Path) -> None:
    assert completion(folder, {"name": "published"}).complete
