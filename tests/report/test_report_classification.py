"""The panels of a classification: matrices, figures with their numbers, the paper's table."""

from __future__ import annotations

import json
import math

import polars as pl
import pytest

from babelscope.data.published_xnli import BLOOM, MBERT
from babelscope.report.classification import Classification, classification
from babelscope.study.classify_rows import SCHEMA

TARGETS = ("eng_Latn", "arb_Arab", "swh_Latn")
ACCURACY = {"eng_Latn": 0.7, "arb_Arab": 0.59, "swh_Latn": math.nan}


def fake() -> tuple[pl.DataFrame, dict[str, object]]:
    rows: list[dict[str, object]] = []

    def add(model: str, target: str, measure: str, value: float, **more: object) -> None:
        row = {
            "model": model, "method": "full", "source": "eng_Latn", "target": target, "against": "",
            "measure": measure, "value": value, "low": value - 0.02, "high": value + 0.02,
            "n": 0 if math.isnan(value) else 900, "seeds": 1, "p_value": math.nan,
            "p_holm": math.nan, "p_adapters": math.nan, "p_adapters_holm": math.nan, "reason": "",
        }  # fmt: skip
        rows.append(row | more)

    for model in (BLOOM, MBERT):
        for target in TARGETS:
            value = ACCURACY[target]
            add(model, target, "accuracy", value)
            add(model, target, "macro_f1", value)
            add(model, target, "ece", 0.1)
            add(model, target, "baseline_majority", 1 / 3)
            reason = "no data" if math.isnan(value) else ""
            add(model, target, "efficiency_accuracy", value / 0.7, reason=reason)
            add(model, target, "tokens_to_source", 1.5)
            add(model, target, "overlap", 0.2)
        add(
            model,
            "arb_Arab",
            "difference_accuracy",
            -0.11,
            against="eng_Latn",
            p_adapters_holm=0.001,
        )
        add(model, "", "spearman_tokens_to_source", -0.5)
    add(BLOOM, "arb_Arab", "model_difference_accuracy", 0.1, against=MBERT, p_adapters_holm=0.02)
    settings: dict[str, object] = {
        "task": "nli", "targets": list(TARGETS), "split": "even rows train, odd rows test",
        "dev": "every 5th context", "beside_paper": True, "subword_rule": "",
        "seen_in_training": {"eng_Latn swh_Latn": {"items": 0, "premises": 800}},
        "sets": {code: {"parallel": code != "swh_Latn"} for code in TARGETS},
        "label_words": {"arb_Arab": "eng_Latn"},
    }  # fmt: skip
    return pl.DataFrame(rows, schema=SCHEMA), settings


@pytest.fixture(scope="module")
def found() -> Classification:
    made = classification(*fake())
    assert made is not None
    return made


def test_nothing_is_drawn_of_nothing() -> None:
    assert classification(pl.DataFrame(schema=SCHEMA), {"targets": []}) is None


def test_matrices_have_a_row_a_training_and_a_cell_a_target(found: Classification) -> None:
    assert [v.label for v in found.views] == ["Accuracy", "Macro-F1", "Efficiency, accuracy"]
    ((name, cells), *_) = found.views[0].rows
    assert name == f"English, {BLOOM}"
    assert [c.text for c in cells] == ["70.0", "59.0", "no data"]
    assert [c.own for c in cells] == [True, False, False]
    assert [c.missing for c in cells] == [False, False, True]
    efficiency = found.views[2].rows[0][1]
    assert efficiency[1].text == "84\u00a0%"
    assert "no data: no data" in efficiency[2].title


def test_figures_are_data_with_words_and_gaps(found: Classification) -> None:
    assert len(found.figures) == 2
    panel = found.figures[0]
    json.dumps(panel.figure, allow_nan=False)
    assert "2 languages" in panel.summary
    assert panel.figure["data"][0]["y"] == [1]  # Swahili has no data
    assert panel.figure["data"][1]["x"] == [pytest.approx(84.286, abs=1e-3)]


def test_the_papers_table_tells_printed_recomputed_and_own(found: Classification) -> None:
    table = found.tables["paper"]
    arabic = table.rows[1]
    assert arabic[2:6] == ("59.0", "49.0", "0.87", "0.843")
    assert arabic[6] == "59.0 (57.0 to 61.0)"
    assert arabic[8] == "0.843"
    swahili = table.rows[5]
    assert (swahili[0], swahili[2], swahili[4], swahili[5], swahili[8]) == (
        MBERT, "40.0", "—", "0.741", "no data"
    )  # fmt: skip
    assert all(len(row) == len(t.head) for t in found.tables.values() for row in t.rows)


def test_differences_and_diagnostics_are_told(found: Classification) -> None:
    differences = found.tables["differences"].rows
    assert any("against English" in row[2] and "−11.0" in row[3] for row in differences)
    assert any(MBERT in row[2] for row in differences)
    assert found.tables["diagnostics"].rows[0][2:] == ("1.50", "20.0 (18.0 to 22.0)")
    assert "−0.50" in found.tables["correlations"].rows[0][2]


def test_what_must_be_known_is_said(found: Classification) -> None:
    told = " ".join(found.notes)
    for words in (
        "even rows train, odd rows test", "A single seed", "800 items", "Swahili",
        "Not parallel", "English label words: ",
    ):  # fmt: skip
        assert words in told
