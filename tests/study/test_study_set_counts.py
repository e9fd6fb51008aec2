"""What readers dropped or noted is told by every command that reads, and kept with a study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from babelscope.study.classify_plan import ClassifyPlan, recipes_of
from babelscope.study.classify_step import classify_step
from babelscope.study.estimate import estimate_cost
from babelscope.study.lens_step import LensWish, lens_step
from babelscope.study.materials import gather
from babelscope.study.plan import ModelPlan, plan_of
from babelscope.study.set_counts import material_counts
from babelscope.study.steps import ModelChoice, answer_step, questions_step

DROPPED, NOTED = {"empty question": 1}, {"gold not verbatim": 1, "gold not in NFC": 1}


def record(number: int, **changes: Any) -> dict[str, Any]:
    row = {"id": f"q{number}", "context": f"Cafe\u0301 {number} lies by the sea.", "question": "?"}
    return row | {"answers": ["the sea"]} | changes


@pytest.fixture
def data(tmp_path: Path) -> str:
    rows = [record(1, answers=["e\u0301tang"]), record(2, question=""), record(3)]
    path = tmp_path / "q.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return str(path)


def test_answer_and_lens_tell_both(tmp_path: Path, data: str) -> None:
    choice = ModelChoice("mini", dtype="float32", device="cpu")
    questions = questions_step(data, "en", 0, "test")
    told = answer_step(choice, questions, tmp_path / "a.jsonl")
    assert (told["dropped"], told["noted"]) == (DROPPED, NOTED)
    seen = lens_step(choice, questions, tmp_path / "l.parquet", LensWish(("last",)))
    assert (seen["dropped"], seen["noted"]) == (DROPPED, NOTED)


def test_a_study_tells_them_of_every_set(tmp_path: Path, data: str) -> None:
    other = tmp_path / "train.json"
    rows = [record(n, id=f"t{n}", context=f"Lamu {n} lies by the sea.") for n in range(4)]
    rows[0]["answers"] = {"text": ["the sea"], "answer_start": [0]}
    other.write_text(json.dumps(rows), encoding="utf-8")
    source = {"language": "en", "data": str(other)}
    plan = plan_of({"targets": ["en"], "test": {"data": data}, "sources": {"mine": source}}, "s")
    wanted = [
        {"set": "source mine", "kept": 4, "dropped": {}, "noted": {"span drifted": 1}},
        {"set": "test eng_Latn", "kept": 2, "dropped": DROPPED, "noted": NOTED},
    ]
    materials = gather(plan)
    assert material_counts(materials) == wanted
    assert estimate_cost(plan, materials)["left_out_or_noted"] == wanted


def test_classification_tells_them(tmp_path: Path) -> None:
    rows = [
        {"premise": f"It is {n}.", "hypothesis": f"It is {n % 3}.", "label": n % 3}
        for n in range(40)
    ]
    rows += [{"premise": "a", "hypothesis": "b", "label": None}]
    path = tmp_path / "en.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    recipes = recipes_of(("head",), ("max_steps=1",))
    plan = ClassifyPlan("nli", str(path), ("eng_Latn",), recipes)
    told = classify_step(plan, ModelPlan("mini", device="cpu"), tmp_path / "c.parquet")
    assert told["left_out_or_noted"] == {"test eng_Latn": {"no agreed label": 1}}
