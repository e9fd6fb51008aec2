"""Grids and samples of a study: chosen as told, told by bytes, made once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from babelscope.models.loading import load_model
from babelscope.models.tokens import token_forms
from babelscope.records import Event
from babelscope.store import read_jsonl
from babelscope.study.adapters import attached
from babelscope.study.answers import read_answers
from babelscope.study.plan import StudyPlan, read_plan
from babelscope.study.run import run_study
from babelscope.study.samples import Choice, most_changed
from babelscope.study.schedule import grid_pieces, stage_totals


def test_the_most_changed_come_first_and_stand_in_order() -> None:
    choices = [Choice(n, f"q{n}", (), size) for n, size in ((0, 0.1), (3, 0.5), (4, 0.1), (9, 0.2))]
    assert [c.id for c in most_changed(choices, 3)] == ["q0", "q3", "q9"]
    assert most_changed(choices, 9) == choices


STUDY = """
targets = ["en", "el"]
seeds = [0, 1]
[recipes.default]
max_steps = 2
batch_size = 2
accumulation = 1
max_tokens = 320
answer_tokens = 10
[sources.Odia]
language = "or"
data = "atlas"
limit = 4
[test]
data = "atlas"
questions = 6
[lens]
questions = 2
grids = 2
"""
KEYS = ["recipe", "source", "seed", "step", "target", "id"]


def rows_of(done: Path) -> list[dict[str, Any]]:
    return [row for row in read_jsonl(done / "samples.jsonl") if isinstance(row, dict)]


def plan_in(folder: Path, *settings: str) -> StudyPlan:
    path = folder / "small.toml"
    path.write_text(STUDY, encoding="utf-8")
    return read_plan(path, settings)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grids")
    return run_study(plan_in(folder), folder / "out")


@pytest.fixture(scope="module")
def grids(done: Path) -> pl.DataFrame:
    return pl.read_parquet(done / "grids.parquet")


def test_bases_and_the_first_seed_are_looked_at(grids: pl.DataFrame) -> None:
    variants = set(grids.select("recipe", "source", "seed", "step").unique().rows())
    assert variants == {("base", "", -1, 0), ("default", "Odia", 0, 2)}
    asked = grids.group_by("recipe", "target").agg(pl.col("id").n_unique())
    assert asked["id"].to_list() == [2] * 4
    assert set(grids["depth"]) == set(range(7))


def test_the_last_depth_leads_to_the_greedy_answer(done: Path, grids: pl.DataFrame) -> None:
    last = grids.filter(pl.col("depth") == 6)
    # the answer's tokens as the store keeps them, by variant: those of the samples' predictions
    kept: dict[tuple[str, str], list[tuple[int, ...]]] = {}
    for path in sorted((done / "store" / "answers").glob("*/answers.jsonl")):
        for answer in read_answers(path):
            kept.setdefault((answer.language, answer.id), []).append(answer.tokens)
    for key, part in last.partition_by(KEYS, as_dict=True, maintain_order=True).items():
        prompt = part.filter(pl.col("part") == "prompt")
        answer = part.filter(
            (pl.col("part") == "answer") | (pl.col("place") == prompt["place"].max())
        )
        assert prompt.height == 40
        tokens = tuple(answer["next_id"].to_list())
        assert tokens in kept[str(key[4]), str(key[5])]
        assert answer["top_id"].to_list() == list(tokens)


def test_tokens_are_told_by_their_bytes(done: Path, grids: pl.DataFrame) -> None:
    model = load_model("mini")
    forms = token_forms(model.tokenizer, model.parts.vocabulary_rows)
    for number, spelled in (
        ("token_id", "token"),
        ("next_id", "next_token"),
        ("top_id", "top_token"),
    ):
        for row, data in grids.select(number, spelled).unique().rows():
            form = forms[row]
            told = b" " * form.word_start + form.data
            assert data == (
                model.tokenizer.convert_ids_to_tokens(row).encode() if form.special else told
            )
    # the bytes, place by place, spell the end of what was asked
    asked = {(r["target"], r["id"]): r["prompts"]["base"] for r in rows_of(done)}
    first = grids.filter(
        (pl.col("depth") == 0) & (pl.col("part") == "prompt") & (pl.col("source") == "")
    )
    for (target, key), part in first.partition_by("target", "id", as_dict=True).items():
        spelled = b"".join(part.sort("place")["token"]).decode()
        assert len(spelled) > 20
        assert asked[str(target), str(key)].endswith(spelled)


def test_masses_are_shares(grids: pl.DataFrame) -> None:
    whole = grids["language_mass"] + grids["shared"] + grids["unknown"]
    assert whole.max() <= 1 + 1e-5
    same = pl.col("top_id") == pl.col("next_id")
    gap = pl.col("top_probability") - pl.col("next_probability")
    # two products of the same numbers, rounded in float32
    assert grids.filter(same).select(gap.abs().max()).item() < 1e-4
    assert grids.filter(~same).select(gap.min()).item() > -1e-4
    assert grids.null_count().sum_horizontal()[0] == 0


def test_samples_have_every_answer_and_the_prompt(done: Path) -> None:
    rows = rows_of(done)
    assert {row["target"] for row in rows} == {"eng_Latn", "ell_Grek"}
    for row in rows:
        variants = [(v["recipe"], v["source"], v["seed"], v["step"]) for v in row["variants"]]
        assert variants == [
            ("base", "", -1, 0),
            ("default", "Odia", 0, 2),
            ("default", "Odia", 1, 2),
        ]
        assert row["prompts"] == {"base": f"{row['context']}\n\nQ: {row['question']}\nA:"}
        assert row["asked"] == 6
        base, tuned, _ = row["variants"]
        if row["chosen_for"]:
            assert row["chosen_for"] == [{"recipe": "default", "source": "Odia", "seed": 0}]
            assert tuned["mlqa_f1"] != base["mlqa_f1"]
    counts = [sum(row["target"] == t for row in rows) for t in ("eng_Latn", "ell_Grek")]
    assert min(counts) >= 4


def test_the_scores_of_samples_are_those_of_the_table(done: Path) -> None:
    scores = pl.read_parquet(done / "scores.parquet")
    for row in rows_of(done):
        for v in row["variants"]:
            own = scores.filter(
                (pl.col("id") == row["id"]) & (pl.col("target") == row["target"])
                & (pl.col("source") == v["source"]) & (pl.col("seed") == v["seed"])
            )  # fmt: skip
            assert own["mlqa_f1"].to_list() == [v["mlqa_f1"]]


def test_a_lost_grid_alone_is_read_again_and_gives_the_same(done: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(done, copy)
    (copy / "complete.json").unlink()
    (copy / "grids.parquet").unlink()
    lost = sorted((copy / "store" / "grids").iterdir())[:2]
    shutil.rmtree(lost[0])
    (lost[1] / "finished.json").unlink()
    events: list[Event] = []
    plan = plan_in(tmp_path)
    run_study(plan, copy, watch=events.append)
    assert (copy / "grids.parquet").read_bytes() == (done / "grids.parquet").read_bytes()
    assert {e.stage for e in events if not e.done} == {"grid"}
    assert len({e.cell for e in events if e.stage == "grid"}) == grid_pieces(plan) == 4
    assert stage_totals(plan)["grid"] == 4
    # each piece comes after those before it, and the last one makes all
    ended = [e.cells_done for e in events if e.stage == "grid" and e.done == e.total]
    assert ended == [6 + 2 + n for n in range(4)]
    assert events[-1].cells_total == 12


def test_a_study_that_no_longer_asks_for_grids_has_none(done: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(done, copy)
    plan = plan_in(tmp_path, "lens.grids=0")
    run_study(plan, copy)
    assert not (copy / "grids.parquet").exists()
    assert (copy / "samples.jsonl").read_bytes() == (done / "samples.jsonl").read_bytes()
    assert "grid" not in stage_totals(plan)


def test_without_a_lens_or_answers_there_are_no_grids(tmp_path: Path) -> None:
    assert "grid" not in stage_totals(plan_in(tmp_path, "lens.questions=0"))
    assert "grid" not in stage_totals(plan_in(tmp_path, "test.answers=false"))


def test_the_model_is_as_before_once_an_adapter_is_detached(done: Path) -> None:
    adapter = sorted(p for p in (done / "store" / "adapters").iterdir() if p.is_dir())[0]
    loaded = load_model("mini")
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        before = loaded.model(ids).logits
        with attached(loaded, adapter) as tuned:
            assert not torch.equal(tuned.model(ids).logits, before)
        with attached(loaded, None) as same:
            assert same is loaded
        assert torch.equal(loaded.model(ids).logits, before)
