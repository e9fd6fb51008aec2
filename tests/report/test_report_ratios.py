"""Doubling in words: said where the interval lies above 2 and nowhere else."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import polars as pl
import pytest
from fake_study import make_study

from babelscope.records import MISSING, Estimate
from babelscope.report.ratios import TIMES, multiplied, times_text
from babelscope.report.tables import Tables, read_study


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return read_study(make_study(tmp_path_factory.mktemp("ratios")))


def said(plain: Tables, seeds: list[int], *found: tuple[str, float, float, float]) -> str:
    rows: list[dict[str, Any]] = [
        {
            "recipe": "default",
            "source": "or",
            "target": target,
            "measure": "mlqa_f1",
            "kind": TIMES,
            "reason": "",
            "value": value,
            "low": low,
            "high": high,
            "n": 40,
        }
        for target, value, low, high in found
    ]
    frame = pl.DataFrame(rows, schema=plain.transfer.schema)
    answer = multiplied(
        dataclasses.replace(plain, plan={**plain.plan, "seeds": seeds}, transfer=frame)
    )
    assert answer is not None
    return " ".join(s.striptags() for s in answer.sentences).replace("\u00a0", " ")


def test_doubling_is_said_where_the_low_is_above_two(plain: Tables) -> None:
    text = said(
        plain,
        [0, 1],
        ("ben_Beng", 2.4, 2.1, 2.8),
        ("ell_Grek", 2.4, 1.9, 3.1),
        ("tha_Thai", 0.3, 0.2, 0.45),
        ("arb_Arab", math.nan, math.nan, math.nan),
    )
    assert text.startswith("Tuning more than doubles MLQA F1 in 1 of 3 pairings (Bengali after")
    assert "2.40 times (2.10 to 2.80)" in text
    assert "Greek" not in text
    assert "more than halves it in 1 (Thai after tuning on Odia 0.30 times (0.20 to 0.45))" in text
    assert "In 1 pairing there is no such ratio" in text


def test_of_one_seed_only_these_adapters_are_spoken_of(plain: Tables) -> None:
    text = said(plain, [0], ("ben_Beng", 2.4, 2.1, 2.8))
    assert text.startswith("These adapters’ tuning more than doubles")
    assert multiplied(plain) is None


def test_a_missing_ratio_tells_why() -> None:
    assert times_text((Estimate(2.4, 2.1, 2.8, 40), "")) == "2.40 times (2.10 to 2.80)"
    assert times_text((MISSING, "the base scored 0")) == "no data: the base scored 0"
    assert times_text((Estimate(2.4, 0.0, math.inf, 9), "")) == "2.40 times (no interval)"
    assert times_text(None) == "no data"
