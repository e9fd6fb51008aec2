"""The parts of every family, found by structure, must give the model's own logits."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import FAMILIES, LENS_FAMILIES, ROWS, tiny_model
from torch import nn
from transformers import BertConfig, BertLMHeadModel, PreTrainedModel

from babelscope.errors import ModelError
from babelscope.models.parts import (
    ModelParts,
    block_outputs,
    locate_parts,
    normalise,
    part_names,
    unembed_hidden,
    verify_parts,
)

IDS = torch.tensor([[5, 77, 301, 8, 44, 9], [12, 400, 33, 33, 7, 250]])


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return tiny_model(request.param)


def test_parts_are_located_and_proved(model: PreTrainedModel) -> None:
    parts = locate_parts(model)
    verify_parts(model, parts)
    assert parts.depth == 2
    assert parts.width == 32
    assert parts.vocabulary_rows == ROWS
    assert "orm" in type(parts.final_norm).__name__


def test_projection_of_the_models_own_hidden_state_is_its_logits(model: PreTrainedModel) -> None:
    # independent of our hooks: transformers' hidden_states end with the normed last state
    parts = locate_parts(model)
    with torch.no_grad():
        out = model(IDS, output_hidden_states=True)
        ours = unembed_hidden(parts, out.hidden_states[-1].flatten(0, 1))
    torch.testing.assert_close(ours, out.logits.flatten(0, 1), rtol=1e-5, atol=1e-5)


def test_block_outputs_are_the_models_hidden_states(model: PreTrainedModel) -> None:
    parts = locate_parts(model)
    with torch.no_grad(), block_outputs(parts, [-1, 0, 1]) as kept:
        states = model(IDS, output_hidden_states=True).hidden_states
    torch.testing.assert_close(kept[-1], states[0])
    torch.testing.assert_close(kept[0], states[1])
    with torch.no_grad():
        torch.testing.assert_close(normalise(parts, kept[1]), states[2])
    kept.clear()
    with torch.no_grad():
        model(IDS)
    assert not kept, "a hook outlived its block"


def test_soft_cap_is_read_and_bounds_the_logits() -> None:
    parts = locate_parts(tiny_model("gemma2"))
    assert parts.soft_cap == 3.0
    logits = unembed_hidden(parts, 100 * torch.randn(7, 32))
    assert logits.abs().max() <= 3.0
    assert logits.dtype == torch.float32


def _other_norm(parts: ModelParts) -> ModelParts:
    norm = next(m for m in parts.blocks[0].modules() if "orm" in type(m).__name__)
    return dataclasses.replace(parts, final_norm=norm)


def _no_cap(parts: ModelParts) -> ModelParts:
    return dataclasses.replace(parts, soft_cap=None)


def _other_unembedding(parts: ModelParts) -> ModelParts:
    return dataclasses.replace(parts, unembed=nn.Linear(32, ROWS, bias=False))


@pytest.mark.parametrize("wrong", [_other_norm, _no_cap, _other_unembedding])
def test_wrong_parts_fail_the_proof(wrong: object) -> None:
    model = tiny_model("gemma2")
    with pytest.raises(ModelError, match="relative difference"):
        verify_parts(model, wrong(locate_parts(model)))  # type: ignore[operator]


def test_half_precision_passes_the_proof() -> None:
    for family in FAMILIES:
        model = tiny_model(family).to(torch.bfloat16)
        verify_parts(model, locate_parts(model))


def test_a_masked_language_model_is_refused() -> None:
    config = BertConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        vocab_size=ROWS,
        is_decoder=True,
    )
    model = BertLMHeadModel(config).eval()
    with pytest.raises(ModelError):
        verify_parts(model, locate_parts(model))


def test_a_wrong_depth_says_what_was_found() -> None:
    model = tiny_model("llama")
    model.config.num_hidden_layers = 5
    with pytest.raises(ModelError, match=r"one list of 5 blocks.*found model.layers of 2"):
        locate_parts(model)


def test_training_mode_is_left_as_it_was() -> None:
    model = tiny_model("bloom").train()
    verify_parts(model, locate_parts(model))
    assert model.training


FORMS = {
    "olmo": "model.norm (OlmoLayerNorm)",
    "opt": "model.decoder.project_out (Linear)",
    "opt_normed": "model.decoder.final_layer_norm (LayerNorm), model.decoder.project_out (Linear)",
    "openai_gpt": "none: the blocks end with a norm",
}
"""A norm without weights; a projection to a narrower embedding alone, behind a norm; nothing."""


@pytest.mark.parametrize("family", FORMS)
def test_whatever_stands_before_the_unembedding_is_found(family: str) -> None:
    model = tiny_model(family)
    parts = locate_parts(model)
    verify_parts(model, parts)
    assert part_names(model, parts)["final_norm"] == FORMS[family]
    with torch.no_grad(), block_outputs(parts, [1]) as kept:
        logits = model(IDS).logits
    assert kept[1].shape[-1] == parts.width == 32
    with torch.no_grad():
        ours = unembed_hidden(parts, normalise(parts, kept[1].flatten(0, 1)))
    torch.testing.assert_close(ours, logits.flatten(0, 1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", LENS_FAMILIES)
def test_an_overflow_is_not_called_an_architecture(family: str) -> None:
    model = tiny_model(family).to(torch.float16)
    parts = locate_parts(model)
    parts.unembed.weight.data *= 1e5
    with pytest.raises(ModelError, match=r"finite numbers, found numbers beyond float16's 65,504"):
        verify_parts(model, parts)
    broken = tiny_model(family)
    parts = locate_parts(broken)
    parts.unembed.weight.data[5, 3] = torch.nan
    with pytest.raises(ModelError, match="infinity or no number in float32; its weights are"):
        verify_parts(broken, parts)


def test_what_the_models_own_code_raises_is_one_line() -> None:
    model = tiny_model("llama")
    model.model.layers[1].mlp.down_proj = nn.Linear(7, 32)
    with pytest.raises(ModelError, match="reads token ids alone, found RuntimeError"):
        locate_parts(model)
