"""Size, writing time and opening time of the report on a large study.

    benchmarks/report_size.py [FOLDER]

15 sources x 15 targets x 3 seeds x 1,190 questions in 240 contexts, each question scored, seen by
a lens of 31 depths at two positions, 60 sampled questions and 4 with grids a target; or the study
in FOLDER. The page is opened from disk in headless Chromium: "opened" is when it can be read, its
lens is drawn and its explorer shows a question.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import large_examples
import numpy as np
import polars as pl
from playwright.sync_api import sync_playwright

from babelscope.measure.answers import RATES, STOPS
from babelscope.measure.causes import CAUSES
from babelscope.measure.cut_gold import CONTROLLED, CUT_GOLD
from babelscope.measure.inference import holm
from babelscope.report.page import write_report

LANGUAGES = [
    *("eng_Latn", "deu_Latn", "spa_Latn", "fra_Latn", "rus_Cyrl"),
    *("ell_Grek", "arb_Arab", "zho_Hans", "tha_Thai", "vie_Latn"),
    *("tur_Latn", "hin_Deva", "ben_Beng", "ory_Orya", "swh_Latn"),
]
SEEDS, QUESTIONS, CONTEXTS, DEPTHS = (0, 1, 2), 1190, 240, 31
DRAWN = "document.querySelector('#lens-curves svg') || !document.querySelector('#lens-body')"
EXPLORED = (
    "document.querySelector('#example-title bdi') || !document.querySelector('#example-card')"
)
FLAGS = ["--no-sandbox", "--disable-gpu"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    given = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as place:
        folder = given or large_study(Path(place))
        started = time.perf_counter()
        page = write_report(folder)
        written = time.perf_counter() - started
        ready, opened, nodes = open_page(page)
        size = page.stat().st_size / 1e6
        print(f"report {size:.2f} MB, written in {written:.1f} s")
        print(f"readable after {ready:.2f} s, opened after {opened:.2f} s, {nodes:,} elements")
        for path in sorted(folder.glob("*.parquet")):
            print(f"{path.name} {path.stat().st_size / 1e6:.2f} MB")


def open_page(page: Path) -> tuple[float, float, int]:
    """Return seconds to the loaded document and to the drawn lens, and the number of elements."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        tab = running.new_page(viewport={"width": 1440, "height": 900})
        tab.goto("about:blank")
        started = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="domcontentloaded")
        ready = time.perf_counter() - started
        tab.wait_for_function(f"({DRAWN}) && ({EXPLORED})")
        opened = time.perf_counter() - started
        nodes = tab.evaluate("document.querySelectorAll('*').length")
        running.close()
    return ready, opened, nodes


def large_study(folder: Path) -> Path:
    """Write a synthetic study: scores of every question, tables made from them, and a lens."""
    rng = np.random.default_rng(1)
    scores = _scores(rng)
    scores.write_parquet(folder / "scores.parquet")
    means = _means(scores)
    _results(means).write_parquet(folder / "results.parquet")
    _comparisons(means).write_parquet(folder / "comparisons.parquet")
    _lens(rng).write_parquet(folder / "lens.parquet")
    rows = large_examples.samples(rng, _owners(), LANGUAGES, SEEDS)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "samples.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    grids = large_examples.grids(rng, _owners(), LANGUAGES, DEPTHS)
    grids.write_parquet(folder / "grids.parquet")
    (folder / "plan.json").write_text(json.dumps(_plan()), encoding="utf-8")
    return folder


def _plan() -> dict[str, object]:
    sources = [
        {"name": c[:3], "language": c, "origin": "human", "records": 103, "digest": "d" * 32}
        for c in LANGUAGES
    ]
    return {
        "name": "large",
        "model": {"name": "synthetic", "depth": DEPTHS - 1},
        "targets": LANGUAGES,
        "sources": sources,
        "recipes": ["default"],
        "seeds": list(SEEDS),
        "task": "qa",
        "main_measure": "mlqa_f1",
        "groups": {"much": LANGUAGES[:5], "some": LANGUAGES[5:10], "little": LANGUAGES[10:]},
    }


def _owners() -> list[tuple[str, str]]:
    return [("base", ""), *(("default", code[:3]) for code in LANGUAGES)]


def _scores(rng: np.random.Generator) -> pl.DataFrame:
    """A row a question: scores that depend on source, target and context, in hundredths."""
    ids = [f"q{i:04d}" for i in range(QUESTIONS)]
    contexts = [f"c{i * CONTEXTS // QUESTIONS:03d}" for i in range(QUESTIONS)]
    of_context = rng.normal(0, 0.1, QUESTIONS)
    frames = []
    for recipe, source in _owners():
        for target in LANGUAGES:
            skill = rng.uniform(0.2, 0.8)
            for seed in SEEDS if source else (-1,):
                noise = rng.normal(0, 0.2, (len(RATES), QUESTIONS))
                values = np.clip(skill + of_context + noise, 0, 1).round(2)
                frame = pl.DataFrame(
                    {"id": ids, "context_id": contexts, "question": ids}
                    | dict(zip(RATES, values, strict=True))
                )
                whose = {
                    "recipe": recipe, "source": source, "seed": seed,
                    "step": 60 if source else 0, "task": "qa", "target": target,
                }  # fmt: skip
                frames.append(frame.with_columns(pl.lit(v).alias(k) for k, v in whose.items()))
    return pl.concat(frames)


def _means(scores: pl.DataFrame) -> pl.DataFrame:
    """Means over questions with normal intervals over contexts: enough for a page's size."""
    keys = ["recipe", "source", "target", "step", "context_id"]
    by_context = scores.group_by(keys).agg(pl.mean(m) for m in RATES)
    long = by_context.unpivot(RATES, index=keys, variable_name="measure")
    error = 1.96 * pl.std("value") / np.sqrt(CONTEXTS)
    return long.group_by("recipe", "source", "target", "step", "measure").agg(
        pl.mean("value"),
        (pl.mean("value") - error).alias("low"),
        (pl.mean("value") + error).alias("high"),
    )


def _results(means: pl.DataFrame) -> pl.DataFrame:
    own = means.filter(pl.col("measure") == "mlqa_f1")
    parts = [f"cause_{c}" for c in CAUSES] + [f"stop_{s}" for s in STOPS] + ["length_ratio"]
    shares = [
        own.with_columns(
            pl.lit(name).alias("measure"),
            *(pl.col(c) / (len(CAUSES) if "cause" in name else len(STOPS)) for c in ENDS),
        )
        for name in parts
    ]
    counts = [
        own.with_columns(
            pl.lit(name).alias("measure"), *(pl.lit(float(count)).alias(c) for c in ENDS)
        )
        for name, count in (("truncated", 31), ("gold_lost", 4), ("undecided", 210))
    ]
    controls = [
        means.filter(pl.col("measure") == m).with_columns(pl.lit(f"{CUT_GOLD}{m}").alias("measure"))
        for m in CONTROLLED
    ]
    # answers come in the language asked for, in three others, or cannot be told
    said = [
        own.with_columns(
            (pl.lit("produced_") + (pl.col("target") if code is None else pl.lit(code))).alias(
                "measure"
            ),
            *(pl.col(c) / 5 for c in ENDS),
        ).filter(pl.lit(code is None) | (pl.col("target") != (code or "")))
        for code in (None, "eng_Latn", "hin_Deva", "ben_Beng", "undecided")
    ]
    every = (*shares, *counts, *controls, *said)
    whole = pl.concat([means, *(f.select(means.columns) for f in every)])
    fixed = {"model": "synthetic", "seed": -1, "task": "qa", "subset": "all", "n": QUESTIONS}
    return whole.with_columns(pl.lit(v).alias(k) for k, v in fixed.items())


ENDS = ("value", "low", "high")


def _comparisons(means: pl.DataFrame) -> pl.DataFrame:
    base = means.filter(pl.col("source") == "").select("target", "measure", pl.col("value"))
    both = means.filter(pl.col("source") != "").join(base, on=["target", "measure"], suffix="_base")
    half = (pl.col("high") - pl.col("low")) / 2
    change = pl.col("value") - pl.col("value_base")
    p = (-(change / half).abs() * 2).exp()
    frame = both.select(
        "recipe", "source", "target", "measure", "step",
        change.alias("difference"), (change - half).alias("low"), (change + half).alias("high"),
        p.alias("p_value"), p.alias("p_adapters"),
    )  # fmt: skip
    fixed = {
        "task": "qa", "n": QUESTIONS, "seeds": len(SEEDS), "seed_sd": 0.01, "same_sign": 1.0,
        "questions_needed": 812.5, "seeds_needed": 5.5, "smallest_gain": 0.04,
        "se_contexts": 0.01, "se_seeds": 0.01, "df": 12.0,
    }  # fmt: skip
    frame = frame.with_columns(pl.lit(v).alias(k) for k, v in fixed.items())
    p_holm = holm(frame["p_value"].to_numpy())
    return frame.with_columns(pl.Series("p_holm", p_holm), pl.Series("p_adapters_holm", p_holm))


def _lens(rng: np.random.Generator) -> pl.DataFrame:
    """Masses of every model, target, language and depth at two positions, and their changes."""
    axes = {
        "owner": [f"{r} {s}" for r, s in _owners()],
        "target": LANGUAGES,
        "position": ["last", "gold"],
        "language": [*LANGUAGES, "shared", "unknown"],
        "depth": list(range(DEPTHS)),
    }
    grid = pl.DataFrame({"owner": axes["owner"]})
    for name in list(axes)[1:]:
        grid = grid.join(pl.DataFrame({name: axes[name]}), how="cross")
    values = rng.dirichlet(np.ones(17), grid.height // 17).ravel()
    kinds = []
    for kind in ("value", "difference", "own"):
        shift = values if kind == "value" else rng.normal(0, 0.05, grid.height)
        half = np.abs(rng.normal(0.02, 0.005, grid.height))
        p = np.full(grid.height, np.nan) if kind == "value" else rng.uniform(0, 1, grid.height)
        kinds.append(
            grid.with_columns(
                pl.lit(kind).alias("kind"),
                pl.Series("value", shift),
                pl.Series("low", shift - half),
                pl.Series("high", shift + half),
                pl.Series("p_value", p),
                pl.Series("p_adapters", p),
            )
        )
    owner = pl.col("owner").str.split(" ")
    frame = pl.concat(kinds).with_columns(
        owner.list.get(0).alias("recipe"), owner.list.get(1).alias("source")
    )
    base = pl.col("source") == ""
    fixed = {"subset": "all", "map": "counted", "measure": "mass", "n": QUESTIONS}
    return (
        frame.filter(~base | (pl.col("kind") == "value"))
        .with_columns(pl.lit(v).alias(k) for k, v in fixed.items())
        .with_columns(pl.when(base).then(0).otherwise(60).alias("step"))
        .drop("owner")
    )


if __name__ == "__main__":
    main()
