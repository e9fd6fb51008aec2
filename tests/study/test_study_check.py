"""The check of a model tells drift in rows, and nothing where no answer is turned over."""

from __future__ import annotations

import math

import pytest

from babelscope.infer.drift import Drift
from babelscope.study import check


def test_mini_gives_the_same_answers_in_batches_and_padded() -> None:
    rows = check.check_model("mini", drift=True)["drift"]
    assert [row["way"] for row in rows] == ["batched", "padded", "bfloat16"]
    assert all(row["items"] == 32 for row in rows)
    assert [row["differing"] for row in rows[:2]] == [0, 0]
    assert [row["widest_gap"] for row in rows[:2]] == [None, None]


def test_drift_is_measured_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "drift" not in check.check_model("mini")
    told = [Drift("batched", 32, 2, 0.01), Drift("padded", 32, 0, math.nan)]
    monkeypatch.setattr(check, "measure_drift", lambda *_: told)
    rows = check.check_model("mini", drift=True)["drift"]
    assert [row["widest_gap"] for row in rows] == [0.01, None]
