"""The summary of a study says what its tables hold, and nothing that they do not."""

from __future__ import annotations

import json
import math
from pathlib import Path

import polars as pl
import pytest

from babelscope.errors import StoreError
from babelscope.study.summary import study_summary
from babelscope.study.tables import BEST, COMPARISONS, RESULTS, Row, Schema


def _result(recipe: str, source: str, target: str, value: float, **more: object) -> Row:
    row: Row = {"model": "m", "recipe": recipe, "source": source, "seed": -1, "step": 0}
    row |= {"task": "qa", "target": target, "subset": "all", "measure": "mlqa_f1"}
    return row | {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 9} | more


def _gain(source: str, target: str, value: float, p: float, **more: object) -> Row:
    row: Row = {"recipe": "default", "source": source, "step": 30, "task": "qa", "target": target}
    row |= {"measure": "mlqa_f1", "difference": value, "low": value - 0.1, "high": value + 0.1}
    row |= {"n": 9, "p_value": p, "p_holm": p, "seeds": 2, "seed_sd": 0.0, "same_sign": 1.0}
    row |= {"p_adapters": p / 2, "p_adapters_holm": p / 2}
    return row | {"questions_needed": 1.0} | more


def _write(
    folder: Path, results: list[Row], gains: list[Row], best: list[Row], **plan: object
) -> Path:
    kept = {"main_measure": "mlqa_f1", "recipes": ["default"], "bases": {"default": "base"}}
    text = json.dumps({**kept, "targets": ["ory_Orya", "ell_Grek"], **plan})
    (folder / "plan.json").write_text(text, encoding="utf-8")
    tables: dict[str, tuple[list[Row], Schema]] = {
        "results": (results, RESULTS),
        "comparisons": (gains, COMPARISONS),
        "best": (best, BEST),
    }
    for name, (rows, schema) in tables.items():
        pl.DataFrame(rows, schema=schema).write_parquet(folder / f"{name}.parquet")
    (folder / "cost.csv").write_text(
        "stage,cell,seconds,peak_mib\nanswer,base,1.25,1\ntune,a,2,1\nanswer,b,0.50,1\n",
        encoding="utf-8",
    )
    return folder


def test_each_target_has_its_leading_source_and_what_ties_with_it(tmp_path: Path) -> None:
    results = [
        _result("base", "", "ory_Orya", 0.2),
        _result("base", "", "ell_Grek", 0.5),
        # none of these may be taken: another measure, another task, a single seed, an early step
        _result("base", "", "ory_Orya", 0.91, measure="char_f1"),
        _result("default", "or", "ory_Orya", 0.92, task="contest:ben_Beng", step=30),
        _result("default", "or", "ory_Orya", 0.93, seed=0, step=30),
        _result("default", "or", "ory_Orya", 0.94, step=15),
        _result("default", "or", "ory_Orya", 0.6, step=30),
        _result("default", "en", "ory_Orya", 0.3, step=30),
        _result("default", "or", "ell_Grek", 0.4, step=30),
        _result("default", "en", "ell_Grek", math.nan, low=math.nan, high=math.nan, n=0, step=30),
        _result("default", "or", "group:all", 0.95, step=30),
    ]
    gains = [
        _gain("or", "ory_Orya", 0.77, 0.9, step=15),
        _gain("or", "ory_Orya", 0.4, 0.01),
        _gain("en", "ory_Orya", 0.1, 0.5),
        _gain("or", "ell_Grek", -0.1, 0.6),
    ]
    common = {"recipe": "default", "measure": "mlqa_f1"}
    best: list[Row] = [
        {**common, "target": "ory_Orya", "best": "or", "p_holm": 0.01, "tied": ["or"]},
        {**common, "target": "ell_Grek", "best": None, "p_holm": 0.6, "tied": ["or", "en"]},
    ]
    found = study_summary(_write(tmp_path, results, gains, best))
    assert found["measure"] == "mlqa_f1"
    odia, greek = found["scores"]  # type: ignore[misc]  # a list, as the assertions say
    assert odia == {
        "target": "ory_Orya",
        "base": {"value": 0.2, "low": pytest.approx(0.1), "high": pytest.approx(0.3), "n": 9},
        "source": "or",
        "score": {"value": 0.6, "low": 0.5, "high": pytest.approx(0.7), "n": 9},
        "gain": {"value": 0.4, "low": pytest.approx(0.3), "high": 0.5, "n": 9},
        "p_holm": 0.01,
        "p_adapters_holm": 0.005,
        "tied_with": [],
    }
    assert (greek["source"], greek["tied_with"], greek["p_holm"]) == ("or", ["en"], 0.6)
    assert found["cost"] == [
        {"stage": "answer", "pieces": 2, "seconds": 1.8},
        {"stage": "tune", "pieces": 1, "seconds": 2.0},
    ]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_lone_source_leads_and_missing_scores_are_missing(tmp_path: Path) -> None:
    results = [
        _result("base", "", "ory_Orya", math.nan, low=math.nan, high=math.nan, n=0),
        _result("default", "or", "ory_Orya", 0.5, step=30),
    ]
    rows = study_summary(_write(tmp_path, results, [], []))["scores"]
    odia, greek = rows  # type: ignore[misc]  # a list, as the assertions say
    none = {"value": None, "low": None, "high": None, "n": 0}
    assert (odia["base"], odia["source"], odia["gain"]) == (none, "or", none)
    assert greek == {"target": "ell_Grek", "base": none}


def test_one_seed_has_a_p_of_its_adapters_alone(tmp_path: Path) -> None:
    results = [_result("default", "or", "ory_Orya", 0.5, step=30)]
    gains = [_gain("or", "ory_Orya", 0.4, 0.02, seeds=1, p_value=math.nan, p_holm=math.nan)]
    (odia, _) = study_summary(_write(tmp_path, results, gains, []))["scores"]  # type: ignore[misc]  # a list
    assert (odia["p_holm"], odia["p_adapters_holm"]) == (None, 0.01)


def test_a_study_without_answers_has_a_cost_and_no_scores(tmp_path: Path) -> None:
    found = study_summary(_write(tmp_path, [], [], []))
    assert found["scores"] == []
    assert found["cost"]


def test_a_folder_without_tables_is_an_error(tmp_path: Path) -> None:
    _write(tmp_path, [], [], [])
    (tmp_path / "best.parquet").unlink()
    with pytest.raises(StoreError, match=r"best\.parquet"):
        study_summary(tmp_path)
