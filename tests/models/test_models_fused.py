"""Replacing an activation changes no number that matters, and nothing but the tanh form of GELU."""

from __future__ import annotations

import pytest
import torch
from tiny import FAMILIES, tiny_model
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from babelscope.models.fused import fuse_activations
from babelscope.models.parts import locate_parts

IDS = torch.tensor([[5, 77, 301, 8, 44, 9], [12, 400, 33, 33, 7, 250]])
TANH_GELU = {"bloom": 2, "gemma": 2, "gemma2": 2}
"""Activations of the tanh form in each family, under whatever name."""


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_stay_and_only_the_tanh_form_is_replaced(family: str) -> None:
    model = tiny_model(family)
    with torch.no_grad():
        before = model(IDS).logits
    assert fuse_activations(locate_parts(model).blocks) == TANH_GELU.get(family, 0)
    with torch.no_grad():
        after = model(IDS).logits
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5 * float(before.abs().max()))


def test_gradients_stay() -> None:
    def gradients(fuse: bool) -> list[torch.Tensor]:
        model = tiny_model("bloom", spread=0.05)
        if fuse:
            assert fuse_activations(locate_parts(model).blocks) == 2
        model(IDS, labels=IDS).loss.backward()
        return [p.grad for p in model.parameters()]

    for ours, own in zip(gradients(True), gradients(False), strict=True):
        torch.testing.assert_close(ours, own, rtol=1e-4, atol=1e-5 * float(own.abs().max()))


def test_gpt2_has_the_same_form_under_another_name() -> None:
    torch.manual_seed(0)
    config = GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=512, initializer_range=0.3)
    model = GPT2LMHeadModel(config).eval()
    before = model(IDS).logits
    assert fuse_activations(locate_parts(model).blocks) == 2
    torch.testing.assert_close(model(IDS).logits, before, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("other", [nn.ReLU(), nn.Tanh(), nn.Identity(), nn.Dropout(0.1), nn.SiLU()])
def test_other_modules_are_left(other: nn.Module) -> None:
    model = tiny_model("bloom")
    for block in model.transformer.h:
        block.mlp.gelu_impl = other
    assert fuse_activations(locate_parts(model).blocks) == 0
    assert model.transformer.h[0].mlp.gelu_impl is other
