"""Two sources with the same examples are two sources."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from babelscope.study.plan import plan_of
from babelscope.study.run import run_study


def test_sources_with_the_same_examples_have_adapters_of_their_own(tmp_path: Path) -> None:
    small = {"max_steps": 1, "max_tokens": 320, "answer_tokens": 8, "batch_size": 2}
    document = {
        "model": "mini",
        "targets": ["en"],
        "recipes": {"default": small},
        "sources": {n: {"language": "en", "data": "atlas", "limit": 4} for n in ("one", "two")},
        "test": {"data": "atlas", "questions": 4},
    }
    out = run_study(plan_of(document, "twins"), tmp_path / "study")
    scores = pl.read_parquet(out / "results.parquet").filter(pl.col("measure") == "char_f1")
    assert set(scores["source"]) == {"", "one", "two"}
    # the same examples by the same seed: the same model
    one, two = (
        scores.filter(pl.col("source") == n).sort("seed", "subset")["value"].to_list()
        for n in ("one", "two")
    )
    assert one == two
