"""Gains over data quality on the page: planted slopes, own languages left out, few sources."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import polars as pl
import pytest
from fake_study import make_study
from scipy.stats import linregress

from babelscope.report.quality_slopes import (
    quality_slope_table,
    quality_slopes,
    quality_told,
)
from babelscope.report.tables import Tables, read_study

CODES = ("deu_Latn", "fra_Latn", "rus_Cyrl", "hin_Deva", "ben_Beng")
BLEU = (10.0, 20.0, 30.0, 40.0, 50.0)
NOISE = (0.001, -0.001, 0.002, -0.002, 0.0)
TARGETS = ("ell_Grek", "deu_Latn")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return read_study(make_study(tmp_path_factory.mktemp("slopes")))


def gain(place: int, target: str) -> float:
    # trained on the target itself, German gains far more than its data's quality tells
    return 0.5 if CODES[place] == target else 0.005 * BLEU[place] + NOISE[place]


def tables(plain: Tables, sources: int) -> Tables:
    first = plain.comparisons.to_dicts()[0]
    rows: list[dict[str, Any]] = [
        first | {"source": CODES[i], "target": target, "difference": gain(i, target)}
        for i in range(sources)
        for target in TARGETS
    ]
    quality = [
        {
            "source": CODES[i],
            "language": CODES[i],
            "origin": "nllb",
            "records": 100,
            "dropped": 0,
            "gold_verbatim": 0.5,
            "length_ratio": math.nan,
            "chrf": (30.0, 60.0, 40.0, 55.0, 35.0)[i],
            "bleu": BLEU[i],
            "sentences_kept": math.nan,
        }
        for i in range(sources)
    ]
    plan = {
        **plain.plan,
        "targets": list(TARGETS),
        "sources": [{"name": c, "language": c, "origin": "nllb"} for c in CODES[:sources]],
    }
    comparisons = pl.DataFrame(rows, schema=plain.comparisons.schema)
    return dataclasses.replace(
        plain, plan=plan, comparisons=comparisons, quality=pl.DataFrame(quality)
    )


def said(study: Tables) -> str:
    answer = quality_told(study, quality_slopes(study))
    assert answer is not None
    return " ".join(s.striptags() for s in answer.sentences).replace("\u00a0", " ")


def test_a_planted_slope_is_found_and_none_where_none_was(plain: Tables) -> None:
    study = tables(plain, 5)
    found = {f.quality: f for f in quality_slopes(study)}
    gains = [0.005 * b + e for b, e in zip(BLEU, NOISE, strict=True)]
    known = linregress(BLEU, gains)
    assert found["bleu"].found.slope.value == pytest.approx(10 * known.slope)
    assert found["bleu"].found.p_value == pytest.approx(known.pvalue)
    assert found["bleu"].p_holm == pytest.approx(2 * known.pvalue)  # chrF is the other
    assert found["chrf"].p_holm > 0.05
    assert found["gold_verbatim"].found.reason == "the sources do not differ in it"
    text = said(study)
    assert "BLEU +5.0 (" in text
    assert "chrF" in text
    assert text.count("not clear") == 1
    assert "correlate, not a cause" in text


def test_what_a_target_gains_anyway_is_no_matter_of_quality(plain: Tables) -> None:
    """Better data in the language of a hard target: averaged over the easy one alone."""
    study = tables(plain, 5)
    usual = {"ell_Grek": 0.4, "deu_Latn": -0.1}
    table = study.comparisons.with_columns(
        difference=pl.col("target").replace_strict(usual)
        + pl.col("source").replace_strict(dict(zip(CODES, NOISE, strict=True)))
    )
    best = study.quality.with_columns(  # German data are the best
        bleu=pl.Series([80.0, 20.0, 30.0, 25.0, 15.0])
    )
    found = quality_slopes(dataclasses.replace(study, comparisons=table, quality=best))
    slope = next(f for f in found if f.quality == "bleu").found
    # the average over its targets would put German, asked in Greek alone, 25 points above
    expected = linregress([80.0, 20.0, 30.0, 25.0, 15.0], NOISE)
    assert slope.slope.value == pytest.approx(10 * expected.slope)
    assert slope.p_value == pytest.approx(expected.pvalue)


def test_below_four_sources_nothing_is_claimed(plain: Tables) -> None:
    study = tables(plain, 3)
    found = quality_slopes(study)
    assert {f.found.reason for f in found} == {"fewer than four sources"}
    assert "not regressed on quality: fewer than four sources" in said(study)
    rows = quality_slope_table(study, found).rows
    assert {str(row[2]) for row in rows} == {"fewer than four sources"}
    assert next(str(row[5]) for row in rows if row[0] == "BLEU") == "3"


def test_without_gains_there_is_no_row(plain: Tables) -> None:
    study = tables(plain, 5)
    study = dataclasses.replace(study, comparisons=study.comparisons.clear())
    assert quality_slopes(study) == ()
    assert quality_told(study, ()) is None
