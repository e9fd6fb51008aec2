"""Tuning: the same bytes every time, resumed or not; the base untouched; faults told."""

from __future__ import annotations

import json
import math
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_tuning import toy_loaded, toy_questions

from babelscope.adapt import training
from babelscope.adapt.lora import fresh_lora, target_layers
from babelscope.adapt.recipes import RECIPES, change
from babelscope.adapt.saving import Saving, last_checkpoint
from babelscope.adapt.tuning import precision_used, tune
from babelscope.errors import (
    AdapterError,
    BabelscopeError,
    DataError,
    ModelError,
    SettingError,
    StoreError,
)
from babelscope.models.adapters import (
    AdapterCard,
    attach_adapters,
    detach_adapters,
    read_adapter_card,
    use_adapter,
)
from babelscope.models.loading import LoadedModel
from babelscope.records import QuestionSet

SMALL = {"rank": 2, "batch_size": 2, "accumulation": 2, "max_steps": 7, "precision": "fp32"}
RECIPE = change(RECIPES["default"], {**SMALL, "learning_rate": 1e-2})
QUESTIONS = toy_questions(5)


def run(out: Path, loaded: LoadedModel | None = None, seed: int = 0) -> tuple[AdapterCard, ...]:
    loaded = loaded or toy_loaded("bloom")
    return tune(loaded, QUESTIONS, RECIPE, seed=seed, saving=Saving(out, save_steps=3))


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def snapshot(loaded: LoadedModel) -> object:
    model = loaded.model
    return (
        {name: tensor.tolist() for name, tensor in model.state_dict().items()},
        [(name, type(m), m.training) for name, m in model.named_modules()],
        [(name, p.requires_grad, p.grad) for name, p in model.named_parameters()],
        model.config.to_dict(),
        set(vars(model)),
    )


def logits(loaded: LoadedModel) -> torch.Tensor:
    with torch.no_grad():
        return loaded.model(input_ids=torch.arange(40).view(2, 20)).logits


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tunes") / "adapter"
    run(out)
    return out


def test_result_is_a_peft_folder_with_card_and_variants(undisturbed: Path) -> None:
    names = ("adapter_config.json", "adapter_model.safetensors", "babelscope.json")
    folders = ("", "step-00003/", "step-00006/")
    assert set(files(undisturbed)) == {f + n for f in folders for n in names}
    assert [p.name for p in undisturbed.parent.iterdir()] == ["adapter"]
    card = read_adapter_card(undisturbed)
    assert (card.step, card.seed, card.source, card.language) == (7, 0, "toy", "eng_Latn")
    assert card.recipe["name"] == RECIPE.name
    assert len(card.loss_curve) == 7
    assert card.loss_curve[-1] < 0.8 * card.loss_curve[0]
    early = read_adapter_card(undisturbed / "step-00003")
    assert (early.step, early.loss_curve) == (3, card.loss_curve[:3])
    learned = "".join(text for text, kept in card.example if kept)
    assert learned == " Town0</s>"
    assert "".join(text for text, kept in card.example if not kept).endswith("of land 0?\nA:")
    config = json.loads((undisturbed / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] is None


def test_same_seed_same_bytes_other_seed_others(undisturbed: Path, tmp_path: Path) -> None:
    torch.manual_seed(99)  # the surroundings' generators play no part
    run(tmp_path / "again")
    assert files(tmp_path / "again") == files(undisturbed)
    run(tmp_path / "other", seed=1)
    weights = "adapter_model.safetensors"
    assert files(tmp_path / "other")[weights] != files(undisturbed)[weights]


@pytest.mark.parametrize("stop", [1, 4, 6, 7])
def test_interrupted_and_resumed_equals_undisturbed(
    undisturbed: Path, tmp_path: Path, stop: int
) -> None:
    loaded, seen = toy_loaded("bloom"), []

    def interrupt(step: int, _: int) -> None:
        seen.append(step)
        if step == stop and seen.count(stop) == 1:
            raise KeyboardInterrupt

    saving = Saving(tmp_path / "adapter", save_steps=3, checkpoint_steps=2)

    def go() -> tuple[AdapterCard, ...]:
        return tune(loaded, QUESTIONS, RECIPE, seed=0, saving=saving, progress=interrupt)

    with pytest.raises(KeyboardInterrupt):
        go()
    assert not saving.out.exists()
    go()
    resumed_at = (stop - 1) // 2 * 2
    assert seen == [*range(1, stop + 1), *range(resumed_at + 1, 8)]
    assert files(saving.out) == files(undisturbed)
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]


def test_killed_while_a_checkpoint_is_written(undisturbed: Path, tmp_path: Path) -> None:
    def stop(step: int, _: int) -> None:
        if step == 5:
            raise KeyboardInterrupt

    loaded, saving = toy_loaded("bloom"), Saving(tmp_path / "adapter", 3, checkpoint_steps=2)
    with pytest.raises(KeyboardInterrupt):
        tune(loaded, QUESTIONS, RECIPE, seed=0, saving=saving, progress=stop)
    checkpoints = tmp_path / ".adapter.part" / "checkpoints"
    torn = checkpoints / "checkpoint-6"
    shutil.copytree(checkpoints / "checkpoint-4", torn)
    (torn / "trainer_state.json").write_text('{"global_step": 6, "log_hi')
    (torn / "optimizer.pt").write_bytes(b"half")
    tune(loaded, QUESTIONS, RECIPE, seed=0, saving=saving)
    assert files(saving.out) == files(undisturbed)


def test_other_settings_do_not_resume_what_was_left(tmp_path: Path) -> None:
    def stop(step: int, _: int) -> None:
        if step == 4:
            raise KeyboardInterrupt

    loaded, out = toy_loaded("bloom"), tmp_path / "adapter"
    saving = Saving(out, checkpoint_steps=2)
    with pytest.raises(KeyboardInterrupt):
        tune(loaded, QUESTIONS, RECIPE, seed=0, saving=saving, progress=stop)
    seen: list[int] = []
    tune(loaded, QUESTIONS, RECIPE, seed=1, saving=saving, progress=lambda s, _: seen.append(s))
    assert seen == list(range(1, 8))
    tune(loaded, QUESTIONS, RECIPE, seed=1, saving=Saving(tmp_path / "direct"))
    assert files(out) == files(tmp_path / "direct")


def test_without_resume_it_starts_again(undisturbed: Path, tmp_path: Path) -> None:
    def stop(step: int, _: int) -> None:
        if step == 4:
            raise KeyboardInterrupt

    loaded, seen = toy_loaded("bloom"), []
    with pytest.raises(KeyboardInterrupt):
        tune(loaded, QUESTIONS, RECIPE, seed=0, saving=Saving(tmp_path / "a", 3, 2), progress=stop)
    again = Saving(tmp_path / "a", 3, 2, resume=False)
    tune(loaded, QUESTIONS, RECIPE, seed=0, saving=again, progress=lambda s, _: seen.append(s))
    assert seen == list(range(1, 8))
    assert files(again.out) == files(undisturbed)


def test_finished_result_is_returned_and_others_are_not_overwritten(undisturbed: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in undisturbed.rglob("*")}
    cards = run(undisturbed)
    assert [card.step for card in cards] == [3, 6, 7]
    assert cards[-1] == read_adapter_card(undisturbed)
    with pytest.raises(StoreError, match="something else"):
        run(undisturbed, seed=1)
    assert {p: p.stat().st_mtime_ns for p in undisturbed.rglob("*")} == before


def test_a_result_of_a_version_that_told_less_is_taken(undisturbed: Path, tmp_path: Path) -> None:
    """The dtype of the base was not told, and its name stood as it was typed."""
    shutil.copytree(undisturbed, tmp_path / "a")
    path = tmp_path / "a" / "babelscope.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    assert card.pop("base_dtype")
    path.write_text(json.dumps(card | {"base_name": "/elsewhere/toy"}), encoding="utf-8")
    assert [card.step for card in run(tmp_path / "a")] == [3, 6, 7]
    path.write_text(json.dumps(card | {"base_dtype": "float64"}), encoding="utf-8")
    with pytest.raises(StoreError, match="something else"):
        run(tmp_path / "a")


@pytest.mark.parametrize("family", ["bloom", "qwen2", "llama", "gpt_neox"])
def test_base_is_left_as_it_was_and_the_adapter_serves(family: str, tmp_path: Path) -> None:
    loaded = toy_loaded(family)
    loaded.model.config.use_cache = True
    before, reference = snapshot(loaded), logits(loaded)
    generators = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state())
    run(tmp_path / "adapter", loaded)
    assert snapshot(loaded) == before
    assert torch.equal(logits(loaded), reference)
    assert random.getstate() == generators[0]
    assert np.random.get_state()[1].tolist() == generators[1]
    assert torch.equal(torch.get_rng_state(), generators[2])
    both = attach_adapters(
        loaded, {"last": tmp_path / "adapter", "early": tmp_path / "adapter/step-00003"}
    )
    with use_adapter(both, "last"):
        last = logits(both)
    with use_adapter(both, "early"):
        early = logits(both)
    assert torch.equal(logits(both), reference)
    assert not torch.allclose(last, reference, atol=1e-3)
    assert not torch.allclose(last, early, atol=1e-3)
    run(tmp_path / "second", detach_adapters(both))
    assert files(tmp_path / "second") == files(tmp_path / "adapter")


@pytest.mark.parametrize("family", ["bloom", "qwen2"])
def test_fresh_lora_is_the_identity(family: str) -> None:
    loaded = toy_loaded(family)
    reference = logits(loaded)
    with fresh_lora(loaded, RECIPE, 0) as tuned:
        tuned.eval()
        assert sum(p.numel() for p in tuned.parameters() if p.requires_grad) > 0
        with torch.no_grad():
            ids = torch.arange(40).view(2, 20)
            assert torch.equal(tuned(input_ids=ids).logits, reference)


def test_learning_rate_zero_changes_nothing(tmp_path: Path) -> None:
    loaded = toy_loaded("bloom")
    still = change(RECIPE, {"learning_rate": 0, "dropout": 0, "max_steps": 2})
    tune(loaded, QUESTIONS, still, seed=0, saving=Saving(tmp_path / "still"))
    reference = logits(loaded)
    both = attach_adapters(loaded, {"still": tmp_path / "still"})
    with use_adapter(both, "still"):
        assert torch.equal(logits(both), reference)


def test_accumulation_does_not_change_the_step(tmp_path: Path) -> None:
    # each labelled token of a step weighs the same, in one batch of 4 or in four of 1
    loaded, curves = toy_loaded("qwen2"), []
    for batch, accumulation in ((4, 1), (1, 4)):
        recipe = change(
            RECIPE,
            {"batch_size": batch, "accumulation": accumulation, "dropout": 0, "max_steps": 3},
        )
        out = tmp_path / str(batch)
        (card,) = tune(loaded, toy_questions(8), recipe, seed=0, saving=Saving(out))
        curves.append(card.loss_curve)
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)


@pytest.mark.parametrize("family", ["bloom", "qwen2"])
def test_activation_checkpointing_changes_no_loss(family: str, tmp_path: Path) -> None:
    curves = []
    for again in (False, True):
        recipe = change(RECIPE, {"activation_checkpointing": again, "max_steps": 3})
        saving = Saving(tmp_path / str(again))
        loaded = toy_loaded(family)
        before = snapshot(loaded)
        (card,) = tune(loaded, QUESTIONS, recipe, seed=0, saving=saving)
        assert snapshot(loaded) == before
        curves.append(card.loss_curve)
    assert curves[0] == pytest.approx(curves[1], rel=1e-6)


def test_target_layers_by_structure() -> None:
    bloom, qwen = toy_loaded("bloom"), toy_loaded("qwen2")
    short = {name.split(".")[-1] for name in target_layers(bloom, "all_linear")}
    assert short == {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}
    assert len(target_layers(bloom, "all_linear")) == 2 * 4
    assert len(target_layers(qwen, "all_linear")) == 2 * 7
    attention = {name.split(".")[-1] for name in target_layers(qwen, "attention")}
    assert attention == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert len(target_layers(qwen, ("q_proj", "mlp.up_proj"))) == 2 * 2
    with pytest.raises(SettingError, match=r"query_key_value.*found dense, q_proj"):
        target_layers(bloom, ("dense", "q_proj"))


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_schedules_warm_up(schedule: str, tmp_path: Path) -> None:
    recipe = change(RECIPE, {"schedule": schedule, "warmup": 2, "max_steps": 3})
    loaded = toy_loaded("bloom")
    (card,) = tune(loaded, QUESTIONS, recipe, seed=0, saving=Saving(tmp_path / "a"))
    assert all(math.isfinite(loss) for loss in card.loss_curve)


def test_bf16_only_where_there_are_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for capabilities, used in (({"avx512_bf16": True}, "bf16"), ({"amx_bf16": False}, "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda c=capabilities: c)
        assert precision_used("bf16", cpu) == used
        assert precision_used("fp32", cpu) == "fp32"
        recipe = change(RECIPE, {"precision": "bf16", "max_steps": 2})
        out = tmp_path / used
        (card,) = tune(toy_loaded("bloom"), QUESTIONS, recipe, seed=0, saving=Saving(out))
        assert card.precision_used == used
    curves = [read_adapter_card(tmp_path / p).loss_curve for p in ("bf16", "fp32")]
    assert curves[0] != curves[1]
    assert curves[0] == pytest.approx(curves[1], rel=0.05)


def test_faults_are_told_and_leave_the_base_clean(tmp_path: Path) -> None:
    loaded = toy_loaded("bloom")
    before = snapshot(loaded)
    wrong = change(RECIPE, {"target_modules": ["nowhere"]})
    empty = QuestionSet("void", "eng_Latn", ())
    (tmp_path / "file").write_text("x")
    cases: list[tuple[type[BabelscopeError], QuestionSet, object, Path]] = [
        (DataError, empty, RECIPE, tmp_path / "a"),
        (SettingError, QUESTIONS, wrong, tmp_path / "b"),
        (SettingError, QUESTIONS, change(RECIPE, {"template": "no"}), tmp_path / "c"),
        (StoreError, QUESTIONS, RECIPE, tmp_path / "file"),
        (StoreError, QUESTIONS, RECIPE, tmp_path / "file" / "d"),
    ]
    for error, questions, recipe, out in cases:
        with pytest.raises(error):
            tune(loaded, questions, recipe, seed=0, saving=Saving(out))
    with pytest.raises(SettingError, match="save_steps"):
        Saving(tmp_path, save_steps=-1)
    assert snapshot(loaded) == before


def test_loss_that_is_not_finite_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = toy_loaded("bloom")
    with torch.no_grad():
        loaded.parts.final_norm.weight[0] = float("nan")
    with pytest.raises(ModelError, match="expected a finite loss, found nan in a tiny step"):
        run(tmp_path / "adapter", loaded)
    # where it comes later, no proof before the work can see it
    monkeypatch.setattr("babelscope.adapt.tuning.prove_tuning", lambda loaded, recipe: None)
    with pytest.raises(ModelError, match=r"step 1: expected a finite loss"):
        run(tmp_path / "adapter", loaded)
    assert last_checkpoint(tmp_path / ".adapter.part" / "checkpoints") is None


def test_tuning_a_base_with_adapters_is_refused(undisturbed: Path, tmp_path: Path) -> None:
    both = attach_adapters(toy_loaded("bloom"), {"one": undisturbed})
    with pytest.raises(AdapterError, match="detach"):
        run(tmp_path / "adapter", both)


def test_full_disk_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training, "write_adapter", full)
    with pytest.raises(StoreError, match="No space left"):
        run(tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    saving = Saving(tmp_path / "adapter", checkpoint_steps=1)
    tune(toy_loaded("bloom"), QUESTIONS, RECIPE, seed=0, saving=saving)
    assert capfd.readouterr() == ("", "")
