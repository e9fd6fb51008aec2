"""A study of the inside alone: its tables, what it skips when run again, what predicts transfer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from babelscope.errors import SettingError
from babelscope.records import Event
from babelscope.report.page import write_report
from babelscope.study.plan import StudyPlan, plan_of
from babelscope.study.run import run_study

HEAD = {"method": "head", "max_steps": 2, "train_items": 12, "test_items": 30}
STUDY: dict[str, Any] = {
    "model": "mini",
    "targets": ["en", "hi", "sw", "el"],
    "align": {"data": "atlas", "limit": 8, "maps": False},
    "probe": {"topic": {"data": "atlas", "limit": 20, "depths": [0, 6]}},
    "classify": {
        "nli": {"task": "nli", "data": "atlas", **HEAD},
        "ner": {"task": "ner", "data": "atlas", **HEAD},
    },
}
TABLES = ("alignment", "probes", "classification", "predictors", "pairs")


def plan(**changes: object) -> StudyPlan:
    document = {k: v for k, v in {**STUDY, **changes}.items() if v is not None}
    return plan_of(document, "inside")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study(plan(), tmp_path_factory.mktemp("studies") / "inside")


def test_every_part_leaves_its_table(done: Path) -> None:
    frames = {name: pl.read_parquet(done / f"{name}.parquet") for name in TABLES}
    assert all(frame.height for frame in frames.values())
    assert set(frames["classification"]["task"]) == {"nli", "ner"}
    assert set(frames["probes"]["target"]) == {"eng_Latn", "hin_Deva", "swh_Latn", "ell_Grek"}
    assert set(frames["alignment"]["depth"].drop_nulls()) == set(range(8)), "the norm is the last"
    assert pl.read_parquet(done / "results.parquet").is_empty()
    for name in ("alignment", "probes", "classification"):
        assert json.loads((done / f"{name}.json").read_text())["key"]


def test_pairs_hold_what_the_tables_say(done: Path) -> None:
    pairs = pl.read_parquet(done / "pairs.parquet").filter(pl.col("outcome").str.contains("nli"))
    found = pl.read_parquet(done / "classification.parquet").filter(
        (pl.col("measure") == "efficiency_accuracy") & (pl.col("task") == "nli")
    )
    scores = {(r["source"], r["target"]): r["value"] for r in found.iter_rows(named=True)}
    aligned = pl.read_parquet(done / "alignment.parquet").filter(
        (pl.col("measure") == "cka") & (pl.col("depth") == 3)
    )
    cka = {frozenset((r["source"], r["target"])): r["value"] for r in aligned.to_dicts()}
    assert pairs.height >= 3
    for row in pairs.iter_rows(named=True):
        key = (row["source"], row["target"])
        assert row["score"] == scores[key]
        assert row["same_script"] == (key[0][-4:] == key[1][-4:])
        if key[0] != key[1]:
            assert row["alignment: cka, middle depth (3)"] == cka[frozenset(key)]
    quantities = pl.read_parquet(done / "predictors.parquet")
    # three targets beside the source are too few to leave one out
    assert quantities.filter(pl.col("quantity") == "error")["value"].is_nan().all()


def test_a_finished_part_is_not_done_again(done: Path) -> None:
    def seen(study: StudyPlan) -> list[str]:
        events: list[Event] = []
        run_study(study, done, watch=events.append)
        return [event.stage for event in events if not event.done]

    before = {name: (done / f"{name}.parquet").read_bytes() for name in TABLES}
    assert seen(plan()) == []
    assert {name: (done / f"{name}.parquet").read_bytes() for name in TABLES} == before
    # another part changes: the others stay
    changed = {**STUDY["align"], "limit": 9}
    assert set(seen(plan(align=changed))) == {"align"}
    (done / "probes.json").write_text("{")  # killed while it was written
    (done / "complete.json").unlink()
    assert set(seen(plan())) == {"align", "probe"}
    assert {name: (done / f"{name}.parquet").read_bytes() for name in TABLES} == before


def test_a_part_that_is_no_longer_asked_for_leaves_nothing(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done, tmp_path / "study")
    run_study(plan(probe=None, classify={}), tmp_path / "study")
    left = {path.stem for path in (tmp_path / "study").glob("*.parquet")}
    assert "alignment" in left
    assert not left & {"probes", "classification", "predictors", "pairs"}
    assert '<section id="tasks">' not in write_report(tmp_path / "study").read_text("utf-8")


def test_the_report_has_a_section_for_each_part(done: Path) -> None:
    page = write_report(done).read_text(encoding="utf-8")
    for section in ("tasks", "alignments", "probes", "predictors"):
        assert f'<section id="{section}">' in page
        assert f'href="#{section}"' in page
    for question in ("matrix", "gains", "causes", "examples"):
        assert f'<section id="{question}">' not in page
    assert "asked no questions" in page
    assert "too few languages to say" in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"align": None, "probe": None, "classify": None}, "found none of them"),
        ({"sources": {"en": {"language": "en", "data": "atlas"}}}, "sources: expected"),
        ({"lens": {"questions": 2}}, "lens.questions: expected"),
        ({"probe": {}}, "a task such as"),
        ({"align": {"data": "atlas", "limits": 3}}, "limits"),
        ({"classify": {"nli": {"task": "nlp", "data": "atlas"}}}, "nli or ner"),
    ],
)
def test_faults_of_a_plan_are_told(changes: dict[str, object], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        plan(**changes)
