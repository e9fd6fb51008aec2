"""The check of a model: its parts and size, drift in rows, what of a study does not fit."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from tiny import ROWS, save_tiny

from babelscope.data.bitext import read_bitext
from babelscope.errors import ModelError
from babelscope.infer.drift import Drift
from babelscope.models.loading import load_model
from babelscope.study import check, section_costs
from babelscope.study.check import CheckWish
from babelscope.study.classify_data import gather_sets
from babelscope.study.estimate import estimate_cost
from babelscope.study.plan import StudyPlan, read_plan
from babelscope.study.probe_data import gather as gather_probe


def test_mini_gives_the_same_answers_in_batches_and_padded() -> None:
    rows = check.check_model("mini", CheckWish(drift=True))["drift"]
    assert [row["way"] for row in rows] == ["batched", "padded", "bfloat16"]
    assert all(row["items"] == 32 for row in rows)
    assert [row["differing"] for row in rows[:2]] == [0, 0]
    assert [row["widest_gap"] for row in rows[:2]] == [None, None]


def test_drift_is_measured_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "drift" not in check.check_model("mini")
    told = [Drift("batched", 32, 2, 0.01), Drift("padded", 32, 0, math.nan)]
    monkeypatch.setattr(check, "measure_drift", lambda *_: told)
    rows = check.check_model("mini", CheckWish(drift=True))["drift"]
    assert [row["widest_gap"] for row in rows] == [0.01, None]


def test_parts_and_memory_are_those_of_the_files() -> None:
    found = check.check_model("mini")
    assert found["embedding"] == "transformer.word_embeddings (Embedding)"
    assert found["blocks"] == "transformer.h (6 BloomBlock)"
    assert found["final_norm"] == "transformer.ln_f (LayerNorm)"
    assert found["unembedding"] == "lm_head (Linear), tied to the embedding"
    # 4 bytes a float; keys and values, 6 layers, 192 wide
    assert found["weights_mib"] == pytest.approx(4 * found["parameters"] / 2**20)  # type: ignore[operator]  # a number
    assert found["keys_and_values_kib_a_token"] == 2 * 6 * 192 * 4 / 1024
    assert found["positions"] == "no limit"  # ALiBi
    assert json.loads(json.dumps(found, allow_nan=False)) == found


STUDY = """
targets = ["en", "or"]
[recipes.default]
max_tokens = {tokens}
answer_tokens = 12
max_steps = 5
batch_size = 2
accumulation = 3
[sources.Odia]
language = "or"
data = "atlas"
limit = 4
[test]
data = "atlas"
questions = 6
[lens]
questions = 2
"""


def _plan(folder: Path, tokens: int) -> StudyPlan:
    path = folder / "study.toml"
    path.write_text(STUDY.format(tokens=tokens), encoding="utf-8")
    return read_plan(path)


def _checked(folder: Path, model: str, tokens: int) -> dict[str, object]:
    return check.check_model(model, CheckWish(study=_plan(folder, tokens)))


def test_a_study_that_fits_has_no_warning_and_a_cost_by_stage(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = tmp_path / "study.toml"
    path.write_text(STUDY.format(tokens=320), encoding="utf-8")
    found = check.check_model(
        "mini", CheckWish(study=read_plan(path)), progress=lambda *at: told.append(at)
    )
    assert found["warnings"] == []
    rows = {row["what"]: row for row in found["prompts"]}  # type: ignore[attr-defined]  # rows
    assert {what: row["prompts"] for what, row in rows.items()} == {
        "eng_Latn": 6, "ory_Orya": 6, "source Odia": 4,
    }  # fmt: skip
    assert all(0 < row["longest"] < row["room"] == 308 for row in rows.values())
    assert told == [(6, 16), (12, 16), (16, 16)]
    cost = {row["stage"]: row for row in found["cost"]}  # type: ignore[attr-defined]  # rows
    # base and one variant in two targets; one adapter
    assert {stage: row["pieces"] for stage, row in cost.items()} == {
        "answer": 4, "lens": 4, "tune": 1, "grid": 4,
    }  # fmt: skip
    # 4 of 6 questions a target are told of, half of an answer's room with each
    assert cost["grid"]["tokens"] == pytest.approx(cost["answer"]["tokens"] * 4 / 6, abs=1)
    assert all(row["minutes_here_at_least"] > 0 for row in cost.values())
    odia = rows["source Odia"]["longest"]
    assert 0.7 * 30 * odia < cost["tune"]["tokens"] <= 30 * odia


def test_prompts_that_are_too_long_are_counted_and_warned_of(tmp_path: Path) -> None:
    cut = _checked(tmp_path, "mini", 72)
    rows = {row["what"]: row for row in cut["prompts"]}  # type: ignore[attr-defined]  # rows
    assert rows["ory_Orya"]["cut"] > 0
    assert rows["ory_Orya"]["longest"] > rows["ory_Orya"]["room"] == 60
    assert 0 < rows["ory_Orya"]["gold_lost"] <= rows["ory_Orya"]["cut"]
    assert any(w.startswith("ory_Orya, recipe default: ") for w in cut["warnings"])  # type: ignore[attr-defined]  # texts
    none = _checked(tmp_path, "mini", 14)
    told = [w for w in none["warnings"] if "even without a context" in w]  # type: ignore[attr-defined]  # texts
    assert len(told) == 3
    assert "cost" not in none
    assert all(row["too_long"] == row["prompts"] for row in none["prompts"])  # type: ignore[attr-defined]  # rows


def test_prompts_beyond_a_models_positions_are_warned_of(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "model", "llama")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["max_position_embeddings"] = 100
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    found = _checked(tmp_path, str(folder), 4000)
    assert found["positions"] == 100
    assert all(row["beyond_positions"] == row["prompts"] for row in found["prompts"])  # type: ignore[attr-defined]  # rows
    assert len(found["warnings"]) == 3  # type: ignore[arg-type]  # texts
    assert "100 positions: the study would stop" in found["warnings"][0]  # type: ignore[index]  # texts


@pytest.mark.parametrize("family", ["bert", "xlm_roberta", "fnet"])
def test_an_encoder_without_a_head_is_told_of_as_far_as_it_goes(
    family: str, tmp_path: Path
) -> None:
    folder = save_tiny(tmp_path / "model", family)
    weights = load_file(folder / "model.safetensors")
    base = ("bert.", "roberta.", "fnet.")
    bare = {name: tensor for name, tensor in weights.items() if name.startswith(base)}
    assert len(bare) < len(weights)
    save_file(bare, folder / "model.safetensors", metadata={"format": "pt"})
    found = check.check_model(str(folder))
    assert str(found["kind"]).startswith("encoder")
    assert str(found["answers"]).startswith("not possible: ")
    assert found["use"] == "alignment, probes and classification"
    assert (found["depth"], found["width"], found["vocabulary_rows"]) == (2, 32, ROWS)
    assert ("texts of one length" in str(found["batches"])) == (family == "fnet")
    assert str(found["parts"]).startswith("proved")
    assert len(found["fertility"]) > 20  # type: ignore[arg-type]  # rows
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for wish in (CheckWish(drift=True), CheckWish(study=_plan(tmp_path, 320))):
        with pytest.raises(ModelError):
            check.check_model(str(folder), wish)


def test_a_study_that_asks_nothing_is_checked_with_an_encoder(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "model", "bert")
    path = tmp_path / "study.toml"
    path.write_text('targets = ["en", "or"]\n[align]\ndata = "atlas:test"\nlimit = 5\n', "utf-8")
    found = check.check_model(str(folder), CheckWish(study=read_plan(path)))
    assert (found["prompts"], found["warnings"]) == ([], [])
    assert [row["stage"] for row in found["cost"]] == ["align"]  # type: ignore[attr-defined]  # rows


@pytest.mark.parametrize("family", ["rwkv", "longrope"])
def test_what_a_decoder_cannot_and_how_it_is_batched_are_told(family: str, tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "model", family)
    found = check.check_model(str(folder))
    if family == "rwkv":
        assert "expected keys and values to go on from" in str(found["answers"])
        with pytest.raises(ModelError, match="expected keys and values to go on from"):
            check.check_model(str(folder), CheckWish(study=_plan(tmp_path, 320)))
    else:
        assert str(found["answers"]).startswith("proved")
        assert "those beyond 64 tokens apart (longrope rotations)" in str(found["batches"])


SECTIONS = """
[align]
data = "atlas:test"
limit = 15

[probe.ner]
data = "atlas"
limit = 12

[probe.language]
data = "atlas"
limit = 12

[classify.nli]
task = "nli"
data = "atlas"
sources = ["en"]
targets = ["or"]
train = "atlas:pretrain"
train_items = 16
test_items = 18
method = "METHOD"
max_steps = 19
batch_size = 4
"""


@pytest.mark.parametrize(("method", "passes"), [("full", 3), ("lora", 2), ("head", 1)])
def test_sections_are_estimated_by_the_tokens_of_their_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, passes: int
) -> None:
    monkeypatch.setattr(section_costs, "SAMPLED", 10_000)  # every text, not a sample
    path = tmp_path / "study.toml"
    text = STUDY.format(tokens=320) + SECTIONS.replace("METHOD", method)
    path.write_text(text, encoding="utf-8")
    plan = read_plan(path)
    cost = estimate_cost(plan)
    rows = {row["stage"]: row for row in cost["cost"]}  # type: ignore[attr-defined]  # rows
    tokenizer = load_model("mini", device="cpu").tokenizer
    count = lambda texts: sum(len(tokenizer(text)["input_ids"]) for text in texts)  # noqa: E731

    (bitext,) = read_bitext("atlas:test", plan.targets, "sentence", limit=15)
    assert rows["align"]["tokens"] == sum(map(count, bitext.texts.values()))

    assert plan.probe is not None
    read = [gather_probe(task, plan.targets) for task in plan.probe.tasks]
    parts = [part for found in read for part in (found.train, *found.tests)]
    # translations have the same group: each is a sentence of its own
    sentences = [{(i.group, i.text): i.text for i in part.items} for part in parts]
    assert rows["probe"]["tokens"] == sum(count(texts.values()) for texts in sentences)

    sets = gather_sets(plan.classify[0], ("or",))
    told = {k: [f"{i.premise} {i.hypothesis}" for i in v.items] for k, v in sets.targets.items()}  # type: ignore[union-attr]  # inferences
    source = sets.sources["eng_Latn"]
    train, dev = ([f"{i.premise} {i.hypothesis}" for i in v] for v in (source.train, source.dev))  # type: ignore[union-attr]  # inferences
    trained = 19 * 4 * count(train) / len(train)
    # 19 steps: asked after each, as a tenth of them is one
    read = 19 * count(dev) + sum(map(count, told.values()))
    assert rows["classify"]["tokens"] == round(trained + read)
    # mini's blocks: 12 width^2 a layer, and what norms and biases add
    weights = 6 * 12 * 192**2
    flops = 2 * (passes * trained + read) * weights / 1e15
    assert rows["classify"]["petaflops"] == pytest.approx(flops, rel=0.02)
    minutes = [row["minutes_here_at_least"] for row in rows.values()]
    assert cost["minutes_here_at_least"] == pytest.approx(sum(minutes))
