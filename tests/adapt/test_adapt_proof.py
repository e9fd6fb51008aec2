"""What can be tuned is proved by a tiny step, and refused before any work otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from tiny import save_tiny, tiny_tokenizer
from toy_tuning import toy_loaded, toy_questions

from babelscope.adapt.lora import fresh_lora
from babelscope.adapt.proof import prove_tuning, training_extra
from babelscope.adapt.recipes import RECIPES, change
from babelscope.adapt.saving import Saving
from babelscope.adapt.tuning import tune
from babelscope.errors import ModelError, SettingError
from babelscope.models.loading import LoadedModel, load_model
from babelscope.models.parts import locate_parts
from babelscope.study import check
from babelscope.study.check import CheckWish
from babelscope.study.plan import read_plan
from babelscope.study.run import run_study

RECIPE = change(
    RECIPES["default"],
    {"rank": 2, "batch_size": 2, "accumulation": 1, "max_steps": 1, "precision": "fp32"},
)
STUDY = """
model = "{model}"
targets = ["en"]
[recipes.default]
max_steps = 1
max_tokens = 320
answer_tokens = 4
[sources.English]
language = "en"
data = "atlas"
limit = 4
[test]
data = "atlas"
questions = 2
"""


def mamba() -> LoadedModel:
    config = transformers.MambaConfig(
        hidden_size=32, num_hidden_layers=2, state_size=8, vocab_size=512, initializer_range=0.3
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    cpu = torch.device("cpu")
    loaded = toy_loaded("llama")
    return replace(
        loaded,
        model=model.requires_grad_(False),
        tokenizer=tiny_tokenizer(),
        parts=locate_parts(model),
        name="tiny-mamba",
        device=cpu,
    )


def kinds(loaded: LoadedModel) -> list[tuple[str, type, bool]]:
    return [(name, type(m), m.training) for name, m in loaded.model.named_modules()]


@pytest.mark.parametrize("family", ["bloom", "llama", "gemma2"])
def test_a_proof_leaves_the_base_and_the_generators_as_they_were(family: str) -> None:
    loaded = toy_loaded(family)
    before, weights = kinds(loaded), {n: t.clone() for n, t in loaded.model.state_dict().items()}
    torch.manual_seed(5)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    prove_tuning(loaded, RECIPE)
    assert torch.equal(torch.rand(3), drawn)
    assert kinds(loaded) == before
    assert all(torch.equal(t, weights[n]) for n, t in loaded.model.state_dict().items())
    assert not any(p.requires_grad or p.grad is not None for p in loaded.model.parameters())


@pytest.mark.parametrize("kind", [torch.float16, torch.float64])
def test_weights_that_are_not_tuned_are_refused_before_the_work(
    kind: torch.dtype, tmp_path: Path
) -> None:
    loaded = toy_loaded("llama")
    loaded = replace(loaded, model=loaded.model.to(kind), dtype=kind)
    with pytest.raises(SettingError, match="expected float32 or bfloat16, found float"):
        tune(loaded, toy_questions(3), RECIPE, seed=0, saving=Saving(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_bfloat16_is_tuned(tmp_path: Path) -> None:
    loaded = load_model(str(save_tiny(tmp_path / "model", "llama")), dtype="bfloat16")
    for precision in ("fp32", "bf16"):
        recipe = change(RECIPE, {"precision": precision})
        saving = Saving(tmp_path / precision)
        card = tune(loaded, toy_questions(3), recipe, seed=0, saving=saving)[-1]
        assert 0 < card.loss_curve[0] < 20


def test_a_study_in_float16_stops_before_the_base_answers(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "model", "llama")
    study = tmp_path / "study.toml"
    named = f'[model]\nname = "{model}"\ndtype = "float16"\n'
    text = STUDY.format(model="").replace('model = ""', "") + named
    study.write_text(text, encoding="utf-8")
    with pytest.raises(SettingError, match="dtype for tuning"):
        run_study(read_plan(study), tmp_path / "out")
    assert not (tmp_path / "out" / "store" / "answers").exists()


def test_check_says_what_tune_would_say(tmp_path: Path) -> None:
    assert str(check.check_model("mini")["tuning"]).startswith("proved")
    model = str(save_tiny(tmp_path / "model", "llama"))
    assert str(check.check_model(model)["tuning"]).startswith("proved")
    study = tmp_path / "study.toml"
    study.write_text(STUDY.format(model=model), encoding="utf-8")
    found = check.check_model(model, CheckWish(study=read_plan(study)), dtype="float16")
    with pytest.raises(SettingError) as refusal:
        prove_tuning(load_model(model, dtype="float16"), RECIPE)
    assert found["tuning"] == f"refused: {refusal.value}"
    warnings = found["warnings"]
    assert isinstance(warnings, list)
    assert any(f"{refusal.value}" in told for told in warnings)


def test_layers_that_peft_refuses_are_named_and_the_others_work(tmp_path: Path) -> None:
    loaded = mamba()
    before = kinds(loaded)
    remedy = r'found out_proj.*target_modules = \["in_proj", "x_proj", "dt_proj"\]'
    with pytest.raises(SettingError, match=remedy):
        tune(loaded, toy_questions(3), RECIPE, seed=0, saving=Saving(tmp_path / "out"))
    assert kinds(loaded) == before
    assert list(tmp_path.iterdir()) == []
    recipe = change(RECIPE, {"target_modules": ["in_proj", "x_proj", "dt_proj"]})
    card = tune(loaded, toy_questions(3), recipe, seed=0, saving=Saving(tmp_path / "out"))[-1]
    assert card.loss_curve[0] > 0


def test_a_loss_that_is_not_that_of_the_logits_is_refused() -> None:
    loaded = toy_loaded("llama")
    wrong = replace(loaded, parts=replace(loaded.parts, logit_scale=0.5))
    with pytest.raises(ModelError, match="loss of the model's own logits"):
        prove_tuning(wrong, RECIPE)


def test_a_step_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = toy_loaded("llama")

    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("mixed dtype (CPU)")

    monkeypatch.setattr(loaded.model.model.layers[0].mlp, "forward", broken)
    before = kinds(loaded)
    with pytest.raises(ModelError, match="a tiny step of training to run"):
        prove_tuning(loaded, RECIPE)
    assert kinds(loaded) == before


def test_activation_checkpointing_is_refused_where_a_model_lacks_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = toy_loaded("llama")
    recipe = change(RECIPE, {"activation_checkpointing": True})
    prove_tuning(loaded, recipe)
    monkeypatch.setattr(type(loaded.model), "supports_gradient_checkpointing", False)
    with pytest.raises(SettingError, match="activation_checkpointing = false"):
        prove_tuning(loaded, recipe)


def test_the_heads_positions_are_asked_for_only_where_a_model_takes_them() -> None:
    loaded = toy_loaded("llama")
    assert training_extra(loaded) == {"logits_to_keep": 1}

    class Bare(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            return input_ids

    assert training_extra(replace(loaded, model=Bare())) == {}


def test_an_adapter_goes_on_exactly_the_named_layers() -> None:
    """peft takes `gate_proj` of a dense layer beside packed experts for the experts' own."""
    config = transformers.DeepseekV3Config(
        hidden_size=32,
        intermediate_size=64,
        moe_intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        n_routed_experts=4,
        num_experts_per_tok=2,
        n_group=1,
        topk_group=1,
        first_k_dense_replace=1,
        q_lora_rank=16,
        kv_lora_rank=16,
        qk_rope_head_dim=8,
        qk_nope_head_dim=8,
        v_head_dim=8,
        vocab_size=512,
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    loaded = replace(toy_loaded("llama"), model=model, parts=locate_parts(model))
    with fresh_lora(loaded, RECIPE, 0) as tuned:
        names = {
            name.removeprefix("base_model.model.").partition(".lora_A")[0]
            for name, _ in tuned.named_parameters()
            if ".lora_A." in name
        }
    wanted = {
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and ".layers." in name
    }
    assert names == wanted
    assert "model.layers.1.mlp.shared_experts.gate_proj" in names
