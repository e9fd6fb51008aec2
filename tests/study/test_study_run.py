"""A small study, whole: its tables, its resumption, its identity."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from babelscope.data.qa import read_qa
from babelscope.measure.answers import score_answers, summarise
from babelscope.report.page import write_report
from babelscope.study.answers import read_answers
from babelscope.study.materials import QA, gather
from babelscope.study.plan import StudyPlan, read_plan
from babelscope.study.run import run_study
from babelscope.study.schedule import lens_questions
from babelscope.study.status import study_status

STUDY = """
model = "mini"
targets = ["en", "el"]
seeds = [0, 1]
[recipes.default]
max_steps = 2
batch_size = 2
accumulation = 1
max_tokens = 320
answer_tokens = 12
[sources.Odia]
language = "or"
data = "atlas"
limit = 8
[sources.English]
language = "en"
data = "atlas"
limit = 8
[test]
data = "atlas"
questions = 9
contests = [["or", "bn"]]
[lens]
questions = 4
positions = ["last", "generated"]
maps = ["counted", "langid"]
half_depths = true
contests = true
[groups]
both = ["en", "el"]
"""
TABLES = (
    "results.csv",
    "results.parquet",
    "scores.parquet",
    "comparisons.parquet",
    "recipes.parquet",
    "best.parquet",
    "transfer.parquet",
    "lens.parquet",
    "quality.parquet",
    "samples.jsonl",
    "grids.parquet",
)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> StudyPlan:
    path = tmp_path_factory.mktemp("plan") / "small.toml"
    path.write_text(STUDY, encoding="utf-8")
    return read_plan(path)


@pytest.fixture(scope="module")
def done(plan: StudyPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study(plan, tmp_path_factory.mktemp("study") / "out")


def test_scores_of_questions_average_to_the_results(done: Path) -> None:
    scores = pl.read_parquet(done / "scores.parquet")
    keys = ["recipe", "source", "seed", "step", "task", "target"]
    means = scores.group_by(keys).agg(pl.mean("mlqa_f1"), pl.len(), pl.n_unique("question"))
    results = pl.read_parquet(done / "results.parquet")
    results = results.filter(pl.col("measure") == "mlqa_f1")
    both = means.join(results, on=keys)
    assert both.height == means.height > 0
    assert both["mlqa_f1"].to_list() == pytest.approx(both["value"].to_list())
    assert both["len"].to_list() == both["n"].to_list() == both["question"].to_list()


def test_every_cell_has_its_rows(done: Path) -> None:
    results = pl.read_parquet(done / "results.parquet")
    assert results.columns == [
        *("model", "recipe", "source", "seed", "step", "task", "target", "subset", "measure"),
        *("value", "low", "high", "n"),
    ]
    qa = results.filter((pl.col("task") == "qa") & (pl.col("measure") == "mlqa_f1"))
    cells = qa.select("recipe", "source", "seed", "target").rows()
    targets = ("eng_Latn", "ell_Grek", "group:both")
    expected = [("base", "", -1, t) for t in targets] + [
        ("default", s, seed, t) for s in ("Odia", "English") for seed in (0, 1, -1) for t in targets
    ]
    assert sorted(cells) == sorted(expected)
    assert results.is_duplicated().sum() == 0


def test_csv_and_parquet_hold_the_same(done: Path) -> None:
    frame = pl.read_parquet(done / "results.parquet")
    again = pl.read_csv(done / "results.csv", schema=frame.schema)
    filled = frame.with_columns(pl.col("source").replace("", None))
    assert again.with_columns(pl.col("source").replace("", None)).equals(filled)


def test_the_scores_are_those_of_the_answers(done: Path) -> None:
    results = pl.read_parquet(done / "results.parquet")
    base = results.filter(
        (pl.col("recipe") == "base") & (pl.col("target") == "ell_Grek") & (pl.col("task") == "qa")
    )
    told = dict(base.select("measure", "value").rows())
    questions = read_qa("atlas", "el")
    ids = {e.id for e in questions.examples}
    for path in (done / "store" / "answers").glob("*/answers.jsonl"):
        answers = read_answers(path)
        if answers[0].language == "ell_Grek" and answers[0].id in ids:
            found = summarise(score_answers(answers, questions))
            if all(abs(told[k] - found[k].value) < 1e-12 for k in ("mlqa_f1", "char_f1")):
                return
    pytest.fail("no answers of the store give the base's scores")


def test_the_languages_produced_are_those_of_the_answers(done: Path) -> None:
    rows = pl.read_parquet(done / "results.parquet").filter(
        pl.col("measure").str.starts_with("produced_") & (pl.col("task") == "qa")
    )
    assert not rows["target"].str.starts_with("group:").any()
    keys = ["recipe", "source", "seed", "target"]
    assert rows.group_by(keys).agg(pl.col("value").sum())["value"].to_list() == (
        pytest.approx([1.0] * 2 * 7)
    )
    questions, counts = read_qa("atlas", "el"), set()
    ids = {e.id for e in questions.examples}
    for path in (done / "store" / "answers").glob("*/answers.jsonl"):
        answers = read_answers(path)
        if answers[0].language == "ell_Grek" and answers[0].id in ids:
            study = ("eng_Latn", "ell_Grek", "ory_Orya", "ben_Beng")
            said = Counter(s.produced for s in score_answers(answers, questions, study))
            counts.add(frozenset((f"produced_{code}", n) for code, n in said.items()))
    own = rows.filter(pl.col("target") == "ell_Grek").filter(
        (pl.col("seed") >= 0) | (pl.col("recipe") == "base")
    )
    told = {
        frozenset((m, round(v * n)) for m, v, n in frame.select("measure", "value", "n").rows())
        for _, frame in own.group_by("recipe", "source", "seed")
    }
    assert told == counts


def test_the_control_is_scored_at_the_length_of_each_answer(done: Path) -> None:
    rows = pl.read_parquet(done / "results.parquet").filter(pl.col("seed") == -1)
    by = {m: dict(f.select("target", "value").rows()) for (m,), f in rows.filter(
        (pl.col("recipe") == "base") & (pl.col("task") == "qa")
    ).group_by("measure")}  # fmt: skip
    for measure in ("squad_f1", "mlqa_f1", "char_f1"):
        for target in ("eng_Latn", "ell_Grek"):
            # right content of the same length scores at least what the answers score here
            assert by[f"cut_gold_{measure}"][target] >= by[measure][target]


def test_a_group_is_the_mean_of_its_targets(done: Path) -> None:
    f1 = pl.read_parquet(done / "results.parquet").filter(
        (pl.col("measure") == "char_f1") & (pl.col("recipe") == "base") & (pl.col("task") == "qa")
    )
    values = dict(f1.select("target", "value").rows())
    mean = (values["eng_Latn"] + values["ell_Grek"]) / 2
    assert values["group:both"] == pytest.approx(mean, abs=1e-12)


def test_gains_are_the_difference_of_the_scores(done: Path) -> None:
    results = pl.read_parquet(done / "results.parquet").filter(pl.col("seed") == -1)
    scores = {
        (r["source"], r["task"], r["target"], r["measure"]): r["value"]
        for r in results.iter_rows(named=True)
    }
    comparisons = pl.read_parquet(done / "comparisons.parquet")
    assert comparisons.height > 0
    for row in comparisons.iter_rows(named=True):
        key = (row["task"], row["target"], row["measure"])
        if row["measure"] != "interference":
            gain = scores[row["source"], *key] - scores["", *key]
            assert row["difference"] == pytest.approx(gain, abs=1e-9)
        assert row["p_holm"] >= row["p_value"] - 1e-12
        assert row["seeds"] == 2


def test_masses_of_the_lens_sum_to_one(done: Path) -> None:
    lens = pl.read_parquet(done / "lens.parquet")
    masses = lens.filter((pl.col("measure") == "mass") & (pl.col("kind") == "value"))
    assert masses["n"].min() > 0
    keys = ["recipe", "source", "target", "subset", "position", "map", "depth"]
    sums = masses.group_by(keys).agg(pl.col("value").sum())["value"].to_numpy()
    np.testing.assert_allclose(sums, 1.0, atol=1e-5)
    assert set(masses["depth"]) == set(range(7))
    assert set(masses["map"]) == {"counted", "langid"}
    assert set(masses["position"]) == {"last", "generated"}


def test_the_steps_of_a_block_add_up_to_its_change_of_mass(done: Path) -> None:
    lens = pl.read_parquet(done / "lens.parquet")
    chosen = lens.filter((pl.col("kind") == "value") & (pl.col("subset") == "all"))
    keys = ["recipe", "source", "target", "position", "map", "language"]
    by = {name: chosen.filter(pl.col("measure") == name) for name in chosen["measure"].unique()}
    assert set(by["attention"]["depth"]) == set(range(1, 7))
    both = by["attention"].join(by["feed_forward"], on=[*keys, "depth"], suffix="_ff")
    before = by["mass"].with_columns(pl.col("depth") + 1)
    change = by["mass"].join(before, on=[*keys, "depth"], suffix="_before")
    rows = both.join(change, on=[*keys, "depth"], suffix="_mass")
    assert rows.height == both.height == by["attention"].height
    steps = (rows["value"] + rows["value_ff"]).to_numpy()
    told = (rows["value_mass"] - rows["value_before"]).to_numpy()
    np.testing.assert_allclose(steps, told, atol=1e-5)


def test_every_measure_has_its_rows_and_no_subset_is_empty(done: Path) -> None:
    lens = pl.read_parquet(done / "lens.parquet")
    whole = lens.filter((pl.col("subset") == "all") & (pl.col("recipe") == "default"))
    assert set(whole["measure"]) == {
        *("mass", "entropy_bits", "next_probability", "next_reciprocal_rank"),
        *("attention", "feed_forward", "gold_in", "own_gold"),
    }
    assert set(whole["kind"]) == {"value", "difference", "own"}
    parts = lens.filter(~pl.col("subset").is_in(["all", "contest:ben_Beng"]))
    assert parts.filter(pl.col("kind") == "value")["n"].min() > 0
    assert set(parts["measure"]) == {"mass"}
    assert set(parts["map"]) == {"counted"}
    names = set(parts["subset"])
    assert any(name.startswith("base_cause:") for name in names)
    assert any(name.startswith("cause:") for name in names)
    contest = lens.filter(pl.col("subset") == "contest:ben_Beng")
    assert set(contest["target"]) == {"ory_Orya"}
    equal = lens.filter(pl.col("measure") == "equal_golds")
    assert (equal["value"] <= equal["n"]).all()


def test_the_subsets_of_the_lens_are_of_the_questions_that_it_looked_at(
    done: Path, plan: StudyPlan
) -> None:
    """By the scores in the file: exact and other answers of the base, among the lens's ids."""
    lens, scores = (pl.read_parquet(done / f"{name}.parquet") for name in ("lens", "scores"))
    materials = gather(plan)
    for target in plan.targets:
        looked = lens_questions(plan, materials.tests[QA, target]).examples
        ids = [e.id for e in looked]
        assert len({e.context_id for e in looked}) == plan.lens.questions
        assert ids != [e.id for e in materials.tests[QA, target].examples[: len(ids)]]
        own = scores.filter((pl.col("target") == target) & pl.col("id").is_in(ids))
        base = own.filter(pl.col("recipe") == "base")
        exact = dict(base.select("id", "mlqa_em").rows())
        rows = lens.filter(
            (pl.col("target") == target)
            & (pl.col("source") == "Odia")
            & (pl.col("kind") == "value")
            & (pl.col("position") == "last")
            & (pl.col("depth") == 0)
        )
        found = rows.group_by("subset").agg(pl.max("n"))
        counts: dict[str, int] = dict(found.rows())
        assert counts["all"] == len(ids) == len(exact)
        causes = {k: n for k, n in counts.items() if k.startswith("base_cause:")}
        assert sum(causes.values()) == len(ids)
        assert causes.get("base_cause:exact", 0) == sum(exact.values())
        told = pl.read_parquet(done / "scores.parquet").filter(pl.col("source") == "Odia")
        right = told.filter((pl.col("target") == target) & pl.col("id").is_in(ids))["mlqa_em"]
        # a question counts once, however many seeds answer it so
        assert (counts.get("cause:exact", 0) > 0) == bool(right.sum())


def test_the_design_stands_in_the_plan(done: Path) -> None:
    told = json.loads((done / "plan.json").read_text(encoding="utf-8"))["design"]
    assert told["sample"] == "9 questions from 9 contexts"
    assert {row["target"]: row["lens_contexts"] for row in told["targets"]} == {
        "eng_Latn": 4, "ell_Grek": 4, "ory_Orya contest:ben_Beng": 4,
    }  # fmt: skip
    assert any("the lens looks at 4 contexts" in note for note in told["sample_notes"])


def test_differences_of_the_lens_are_those_of_its_values(done: Path) -> None:
    lens = pl.read_parquet(done / "lens.parquet").filter(pl.col("subset") == "all")
    keys = ["target", "position", "map", "measure", "depth", "language"]
    base = lens.filter((pl.col("recipe") == "base") & (pl.col("kind") == "value"))
    tuned = lens.filter(pl.col("source") == "Odia")
    rows = (
        tuned.filter(pl.col("kind") == "difference")
        .join(tuned.filter(pl.col("kind") == "value"), on=keys, suffix="_tuned")
        .join(base, on=keys, suffix="_base")
        # an answer without tokens has no `generated`: the pairs are then fewer than the values
        .filter(pl.col("position") == "last")
    )
    # 2 maps of 6 columns: 7 depths, 2 steps in 6 blocks; 3 signals and 2 contrasts in 2 languages
    assert rows.height == 2 * (2 * 6 * (7 + 2 * 6) + 3 * 7 + 2 * 2 * 7)
    told = (rows["value_tuned"] - rows["value_base"]).to_numpy()
    np.testing.assert_allclose(rows["value"].to_numpy(), told, atol=1e-6)


def test_a_finished_study_is_left_as_it_is(plan: StudyPlan, done: Path) -> None:
    before = {name: (done / name).stat().st_mtime_ns for name in TABLES}
    run_study(plan, done)
    assert {name: (done / name).stat().st_mtime_ns for name in TABLES} == before


def test_tables_are_made_again_from_the_store_byte_for_byte(
    plan: StudyPlan, done: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(done, copy)
    for name in (*TABLES, "complete.json"):
        (copy / name).unlink()
    costs = (copy / "cost.csv").read_bytes()
    run_study(plan, copy)
    for name in TABLES:
        assert (copy / name).read_bytes() == (done / name).read_bytes(), name
    assert (copy / "cost.csv").read_bytes() == costs


def test_a_lost_cell_is_done_again_and_gives_the_same(
    plan: StudyPlan, done: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(done, copy)
    (copy / "complete.json").unlink()
    shutil.rmtree(sorted((copy / "store" / "answers").iterdir())[0])
    shutil.rmtree(sorted((copy / "store" / "lens").iterdir())[0])
    shutil.rmtree(sorted((copy / "store" / "grids").iterdir())[0])
    shutil.rmtree(sorted((copy / "store" / "adapters").iterdir())[0])
    run_study(plan, copy)
    for name in TABLES:
        assert (copy / name).read_bytes() == (done / name).read_bytes(), name


def test_status_and_report(done: Path) -> None:
    status = study_status(done)
    assert status["complete"] is True
    assert status["cells_answered"] == status["cells_planned"] == 15
    assert status["adapters"] == status["adapters_planned"] == 4
    page = write_report(done).read_text(encoding="utf-8")
    assert "Odia" in page
    assert json.loads((done / "plan.json").read_text())["model"]["is_mini"] is True


def test_costs_name_every_piece_of_work(done: Path) -> None:
    costs = pl.read_csv(done / "cost.csv")
    assert costs.filter(pl.col("stage") == "tune").height == 4
    assert costs.filter(pl.col("stage") == "answer").height == 15
    assert costs.filter(pl.col("stage") == "grid").height == 3 * 2  # base and two, two targets
    assert (costs["seconds"] >= 0).all()


def _kill_at_work(command: list[str], out: Path, seconds: float) -> None:
    """Start a study and kill it some seconds after it has begun to work."""
    began = time.time_ns()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    plan = out / "plan.json"
    while process.poll() is None and not (plan.exists() and plan.stat().st_mtime_ns > began):
        time.sleep(0.05)
    time.sleep(seconds)
    if process.poll() is not None:  # it was done before: the next one begins anew
        shutil.rmtree(out)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_a_study_killed_ten_times_ends_as_an_undisturbed_one(
    plan: StudyPlan, done: Path, tmp_path: Path
) -> None:
    study = tmp_path / "small.toml"
    study.write_text(STUDY, encoding="utf-8")
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "babelscope.cli", "run", str(study), "--out", str(out)]
    random = np.random.default_rng(7)
    for _ in range(10):
        _kill_at_work(command, out, float(random.uniform(0, 5)))
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for name in TABLES:
        assert (out / name).read_bytes() == (done / name).read_bytes(), name
