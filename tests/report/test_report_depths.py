"""How the report names the depth after the final norm, and tells of distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from babelscope.data.bitext import read_bitext
from babelscope.report.alignment import alignment_view
from babelscope.report.depths import depth_axis, norm_words
from babelscope.study.align_tables import Depths, States, alignment_tables

CODES = ("en", "de")


def test_the_norm_is_named_and_its_distribution_told() -> None:
    bitext = read_bitext("atlas:test", CODES, limit=12)[0]
    rng = np.random.default_rng(0)
    states = {code: States(rng.standard_normal((3, 12, 8)), np.arange(12)) for code in bitext.texts}
    frame, _ = alignment_tables(bitext, states, depths=Depths(norm=2, told=(1, 2)), maps=False)
    told: dict[str, Any] = {
        "name": bitext.name,
        "languages": list(bitext.texts),
        "items": 12,
        "dropped": {},
        "noted": {},
        "truncated": {},
        "map_items": {},
    }
    settings: dict[str, Any] = {
        "unit": "sentence",
        "carrier": "",
        "pooling": "mean",
        "dtype": "float32",
        "norm_depth": 2,
        "sets": [told],
    }
    view = alignment_view(frame, settings)
    assert view is not None
    assert view.data["norm"] == 2
    assert [row[2] for row in view.summary.rows] == ["0", "1", "norm"]
    assert "“norm” is after it" in view.notes[0]
    (shown,) = view.distributions
    assert [row[0] for row in shown.by_depth.rows] == ["1", "norm"]
    cosine = frame.filter((frame["measure"] == "cosine") & (frame["depth"] == 2))["value"].item()
    assert float(str(shown.by_depth.rows[1][1]).replace("−", "-")) == pytest.approx(
        cosine, abs=6e-4
    )
    assert "From depth 1 to norm" in shown.notes[0]


def test_a_model_without_a_final_norm_says_so() -> None:
    assert "no norm behind its last block" in norm_words({"norm_depth": None})
    assert norm_words({}) == "", "a table of an older version does not know"
    axis = depth_axis(range(26), 25)
    assert (axis["tickvals"][-1], axis["ticktext"][-1]) == (25, "norm")
