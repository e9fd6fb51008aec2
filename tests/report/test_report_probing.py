"""Probes in the report: heat maps, curves with baselines, best depths, and what was left out."""

from __future__ import annotations

import json
import math
from typing import Any

import polars as pl
import pytest

from babelscope.report.page import embed
from babelscope.report.probing import Probing, probing

COLUMNS = ("measure", "control", "depth", "target", "value", "low", "high", "n")


def _rows() -> list[tuple[Any, ...]]:
    nan = math.nan
    rows: list[tuple[Any, ...]] = []
    for depth, (own, far) in enumerate(((0.5, 0.4), (0.9, 0.7), (0.8, nan))):
        rows += [
            ("cv_accuracy", "", depth, "eng_Latn", own + 0.05, nan, nan, 90),
            ("accuracy", "", depth, "eng_Latn", own, own - 0.1, own + 0.1, 50),
            ("accuracy", "", depth, "ory_Orya", far, far - 0.1, far + 0.1, 50),
            ("macro_f1", "", depth, "eng_Latn", own, own - 0.1, own + 0.1, 50),
            ("control_accuracy", "shuffled", depth, "eng_Latn", 0.11, 0.1, 0.12, 50),
            ("control_accuracy", "word type", depth, "eng_Latn", 0.42, 0.3, 0.5, 50),
            ("control_accuracy", "shuffled", depth, "ory_Orya", 0.33, 0.3, 0.4, 50),
            ("selectivity", "word type", depth, "eng_Latn", own - 0.42, own - 0.6, own, 50),
            ("selectivity", "shuffled", depth, "ory_Orya", far - 0.33, far - 0.5, far, 50),
            ("best_share", "", depth, "eng_Latn", (0.0, 0.8, 0.2)[depth], nan, nan, 2000),
        ]
    rows += [
        ("best_depth", "", None, "eng_Latn", 1.0, 1.0, 2.0, 50),
        ("majority", "", None, "eng_Latn", 0.3, 0.2, 0.4, 50),
        ("subword", "", None, "eng_Latn", 0.6, 0.5, 0.7, 50),
    ]
    return rows


def _settings() -> dict[str, Any]:
    facts = {"dropped": {}, "noted": {}, "without_state": 0, "truncated": 0}
    odia = facts | {"language": "ory_Orya", "items": 50, "noted": {"empty node skipped": 3}}
    task = {
        **{"task": "pos", "probe": "ridge", "pooling": "word", "source": "eng_Latn"},
        **{"folds": 5, "unconverged": 0},
        "train": facts | {"language": "eng_Latn", "items": 90},
        "tests": [
            facts | {"language": "eng_Latn", "items": 50, "label_not_in_training": 0},
            odia | {"label_not_in_training": 2},
        ],
    }
    return {"dtype": "float32", "tasks": [task]}


@pytest.fixture(scope="module")
def shown() -> Probing:
    frame = pl.DataFrame(_rows(), schema=COLUMNS, orient="row").with_columns(
        pl.lit("pos").alias("task"),
        pl.lit("ridge").alias("probe"),
        pl.lit("word").alias("pooling"),
        pl.lit("eng_Latn").alias("source"),
    )
    (found,) = probing(frame, _settings())
    return found


def test_a_study_without_probes_shows_none() -> None:
    assert probing(pl.DataFrame(), {"tasks": []}) == ()


def test_heat_maps_have_a_row_a_target_and_a_cell_a_depth(shown: Probing) -> None:
    assert [view.label for view in shown.views] == [
        "Accuracy",
        "Macro-F1",
        "Selectivity",
        "Control",
    ]
    accuracy, _, selectivity, control = (dict(view.rows) for view in shown.views)
    assert list(accuracy) == ["English", "Odia"]
    assert [cell.text for cell in accuracy["English"]] == ["50.0", "90.0", "80.0"]
    assert [cell.text for cell in selectivity["English"]] == ["+8.0", "+48.0", "+38.0"]
    assert accuracy["Odia"][2].missing
    assert accuracy["Odia"][2].text == "no data"
    # the control is the one that the selectivity is about
    assert {cell.text for cell in control["English"]} == {"42.0"}
    assert {cell.text for cell in control["Odia"]} == {"33.0"}


def test_curves_have_baselines_and_gaps_and_can_be_embedded(shown: Probing) -> None:
    english, odia = shown.curves
    assert [t["y"] for t in english.figure["data"]] == [[50.0, 90.0, 80.0], [42.0] * 3]
    assert [s["y0"] for s in english.figure["layout"]["shapes"]] == [30.0, 60.0]
    assert odia.figure["data"][0]["y"] == [40.0, 70.0, None]
    assert odia.figure["layout"]["shapes"] == []
    json.loads(embed({p.id: p.figure for p in shown.curves}))


def test_best_depths_say_how_sure_they_are(shown: Probing) -> None:
    (row,) = shown.best.rows
    assert row[:4] == ("English", "1", "80\u00a0%", "1, 2")
    assert row[4:7] == ("90.0 (80.0 to 100.0)", "42.0 (30.0 to 50.0)", "+48.0 (+30.0 to +90.0)")
    assert row[-1] == "50"
    assert "Accuracy at depth 1, best in training" in shown.best.head
    assert len(shown.numbers.rows) == 6


def test_notes_say_what_was_trained_and_left_out(shown: Probing) -> None:
    said = " ".join(note.striptags() for note in shown.notes)
    assert "trained on 90 words in English" in said
    assert "labels drawn once a word type" in said
    assert "Odia: empty node skipped 3, label not in training 2" in said
