"""Recipe against recipe in words: each claim must be the one that its test allows."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fake_study import make_study

from babelscope.report.recipes import claim, power, recipes_compared, recipes_table
from babelscope.report.tables import Tables, read_study


def row(**more: Any) -> dict[str, Any]:
    return {
        "recipe": "mute",
        "against": "default",
        "source": "or",
        "target": "ben_Beng",
        "measure": "mlqa_f1",
        "n": 40,
        "seeds": 2,
        "difference": 0.0,
        "low": -0.05,
        "high": 0.05,
        "smallest_gain": 0.08,
        "p_holm": 1.0,
        "p_adapters_holm": 1.0,
    } | more


LOST = {"difference": -0.4, "low": -0.5, "high": -0.3}
BASE_LOST = {"recipe": "base:mute", "against": "base", "source": "", "seeds": 1}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return read_study(make_study(tmp_path_factory.mktemp("recipes")))


def tables(plain: Tables, rows: list[dict[str, Any]]) -> Tables:
    plan = {**plain.plan, "recipes": ["default", "mute"]}
    frame = pl.DataFrame(rows, schema=plain.recipes.schema)
    return dataclasses.replace(plain, plan=plan, recipes=frame)


def said(found: Tables) -> str:
    answer = recipes_compared(found)
    assert answer is not None
    return " ".join(s.striptags() for s in answer.sentences).replace("\u00a0", " ")


def test_a_claim_of_tuning_needs_its_test_and_two_seeds() -> None:
    assert claim(row(p_holm=0.01)) == "tuning"
    assert claim(row(p_holm=0.01, seeds=1)) == ""
    assert claim(row(p_holm=0.3, p_adapters_holm=0.01)) == "adapters"
    assert claim(row(p_holm=math.nan, p_adapters_holm=0.01, seeds=1)) == "adapters"
    assert claim(row(p_holm=math.nan, p_adapters_holm=math.nan)) == ""


def test_tuning_is_named_where_its_test_is_clear(plain: Tables) -> None:
    rows = [row(**LOST, p_holm=0.01, p_adapters_holm=0.001), row(target="ory_Orya")]
    long = {"difference": 0.6, "low": 0.5, "high": 0.7, "p_holm": 0.004}
    rows += [row(measure="stop_length", **long), row(measure="stop_length", target="ory_Orya")]
    text = said(tables(plain, rows))
    assert (
        "mute against default: MLQA F1 is clearly higher in 0 and clearly lower in 1 of 2" in text
    )
    assert "used up their room is clearly higher in 1 and clearly lower in 0 of 2 pairings" in text
    assert "−40.0 (−50.0 to −30.0) points in Bengali after tuning on Odia" in text
    assert "clear for tuning by these recipes (p = 0.010 after correction)" in text
    assert "adapters" not in text


def test_with_one_seed_only_these_adapters_are_spoken_of(plain: Tables) -> None:
    lone = {"seeds": 1, "p_holm": math.nan}
    rows = [row(**LOST, **lone, p_adapters_holm=0.02), row(target="ory_Orya", **lone)]
    text = said(tables(plain, rows))
    assert "clearly lower in 1 of 2 pairings, for these adapters" in text
    assert "clear for these adapters, not for tuning by these recipes (p = 0.020" in text


def test_nothing_clear_tells_what_the_design_could_see(plain: Tables) -> None:
    text = said(tables(plain, [row(**LOST, p_holm=0.4), row(target="ory_Orya")]))
    assert "not clear (p = 0.40 after correction)" in text
    assert "this design sees one of 8.0 points with 80 % power" in text


def test_a_base_is_one_model_and_no_tuning(plain: Tables) -> None:
    rows = [row(**LOST, **BASE_LOST, p_holm=math.nan, p_adapters_holm=0.001)]
    text = said(tables(plain, rows))
    assert "The base model asked as mute does against as default: " in text
    assert "clearly higher in 0 and clearly lower in 1 of 1 target" in text
    assert "points in Bengali, clear (p = 0.001 after correction)" in text
    assert "adapters" not in text
    assert "tuning" not in text


def test_groups_are_in_the_table_and_not_counted(plain: Tables) -> None:
    found = tables(plain, [row(), row(target="group:qa", **LOST, p_holm=0.001)])
    assert "of 1 pairing" in said(found)
    assert len(recipes_table(found).rows) == 2


def test_a_study_of_one_recipe_says_nothing(plain: Tables, tmp_path: Path) -> None:
    assert recipes_compared(plain) is None
    assert recipes_table(plain).rows == ()


def test_a_design_that_cannot_decide_says_so() -> None:
    assert power(0.08) == "; this design sees one of 8.0 points with 80 % power"
    assert power(2.3) == "; this design cannot decide it"
    assert power(0.0) == power(math.nan) == ""
