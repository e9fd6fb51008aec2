"""A null that is no simulation: mini tuned on one source with four seeds, two against two.

The same data, the same recipe: nothing differs but the seeds, so every "clearly" and every "best"
between the two halves is false. Twenty splits a source: which two seeds stand against which, and
which half of the contexts is asked, are drawn. By the rule that takes seeds for contexts (old:
p_adapters, and best in 90 % of draws) and by the rule in use.

    python benchmarks/null_mini.py [--splits 20] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from workload import table

sys.path.insert(0, str(Path(__file__).resolve().parent))

from inference import claims

import babelscope

STUDY = """
title = "One source, four seeds"
model = "mini"
targets = ["en", "hi", "el", "sw", "or", "ta"]
seeds = [0, 1, 2, 3]
measure = "mlqa_em"
[recipes.default]
max_steps = 30
batch_size = 8
accumulation = 1
learning_rate = 1e-3
max_tokens = 320
answer_tokens = 24
[test]
data = "atlas"
questions = 240
questions_per_context = "all"
"""
SOURCE = """
[sources.{name}]
language = "{code}"
data = "atlas"
origin = "CLDR"
limit = 103
"""
SOURCES = {"English": "en", "Odia": "or", "Greek": "el"}


def told_by(scores: pl.DataFrame, splits: int, measure: str) -> list[object]:
    """Return a source's row: its rates over splits."""
    rng, found = np.random.default_rng(0), np.zeros(4)
    contexts = sorted(scores["context_id"].unique())
    seeds = sorted(scores["seed"].unique())
    for _ in range(splits):
        order = rng.permutation(seeds)
        kept = set(rng.permutation(contexts)[: len(contexts) // 2])
        asked = scores.filter(pl.col("context_id").is_in(kept)).sort("target", "seed", "id")
        halves: dict[str, dict[str, np.ndarray]] = {}
        for name, half in (("A", order[:2]), ("B", order[2:])):
            halves[name] = {
                str(target): np.stack(
                    [t.filter(pl.col("seed") == s)[measure].to_numpy() for s in half]
                ).astype(float)
                for (target,), t in asked.group_by("target", maintain_order=True)
            }
        one = asked.filter(pl.col("seed") == seeds[0], pl.col("target") == asked["target"][0])
        names = one["context_id"].to_list()
        gains = babelscope.study_gains({"A": halves["A"]}, halves["B"], names)
        found += claims(halves, gains, names)
    return [f"{rate:.2f}" for rate in found / splits]


def main() -> None:
    """Run the study once (kept in --out), then print the rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--out", type=Path, help="the study's folder, kept and continued")
    told = parser.parse_args()
    out = told.out or Path(tempfile.mkdtemp())
    study = out / "null.toml"
    out.mkdir(parents=True, exist_ok=True)
    sources = "".join(SOURCE.format(name=n, code=c) for n, c in SOURCES.items())
    study.write_text(STUDY + sources, encoding="utf-8")
    babelscope.run_study(babelscope.read_plan(study), out / "study")
    scores = pl.read_parquet(out / "study" / "scores.parquet")
    rows = []
    for source in SOURCES:
        for measure in ("mlqa_em", "char_f1"):
            own = scores.filter(pl.col("source") == source)
            rows.append([source, measure, *told_by(own, told.splits, measure)])
    head = ("source", "measure", "any clearly, old", "now", "false best, old", "now")
    table(head, rows)


if __name__ == "__main__":
    main()
