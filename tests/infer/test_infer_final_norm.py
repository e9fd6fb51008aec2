"""The depth after the final norm is transformers' own last hidden state, in every family."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import ENCODERS, LENS_FAMILIES, ROWS, save_tiny, tiny_tokenizer
from transformers import AutoModel, OPTConfig, OPTModel

from babelscope.infer.hidden import HiddenText, hidden_states
from babelscope.infer.hidden_items import encode_texts
from babelscope.models.loading import load_model
from babelscope.models.trunks import load_trunk, norm_gain, trunk_of

TEXTS = (
    HiddenText("a", "The capital of India is New Delhi.", (24, 33)),
    HiddenText("b", "Berlin", (0, 6)),
    HiddenText("c", "中国的首都是北京。", (6, 8)),
)
ENDING_WITH_A_NORM = ("xlm_roberta", "bert", "distilbert")
"""Encoders whose blocks end with a norm: none follows them."""
POOLED = ("mean", "last", "increasing", "decreasing", "word")


def _by_hand(folder: Path, ids: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    model = AutoModel.from_pretrained(folder, dtype=dtype).eval()
    with torch.no_grad():
        return model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0].float()


def test_a_projection_behind_the_blocks_is_no_final_norm(tmp_path: Path) -> None:
    """OPT-350m's blocks end with a norm; transformers' last state is projected after them."""
    trunk = load_trunk(str(save_tiny(tmp_path / "m", "opt")), device="cpu")
    assert trunk.norm_depth is None
    assert len(hidden_states(trunk, TEXTS, POOLED).states["mean"]) == trunk.depths == 3


@pytest.mark.parametrize("family", [f for f in (*LENS_FAMILIES, *ENCODERS) if f != "opt"])
def test_the_last_depth_is_transformers_own_last_state(family: str, tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m", family)
    trunk = load_trunk(str(folder), device="cpu")
    found = hidden_states(trunk, TEXTS, POOLED)
    assert len(found.plan.batches) == 1, "all together, so that padding is tried"
    absent = family in ENDING_WITH_A_NORM
    assert trunk.norm_depth == (None if absent else 3)
    for place, (text, item) in enumerate(zip(TEXTS, encode_texts(trunk, TEXTS), strict=True)):
        state = _by_hand(folder, item.ids, torch.float32)
        own = state[list(item.pooled)].double()
        i = torch.arange(1, len(own) + 1, dtype=torch.float64)[:, None]
        wanted = {
            "mean": own.mean(0),
            "last": own[-1],
            "increasing": (i * own).sum(0) / i.sum(),
            "decreasing": (i.flip(0) * own).sum(0) / i.sum(),
            "word": state[list(item.span)].double().mean(0),
        }
        for pooling, truth in wanted.items():
            states = found.states[pooling]
            assert len(states) == trunk.depths == (3 if absent else 4)
            scale = float(truth.abs().max())
            np.testing.assert_allclose(states[-1, place], truth, rtol=0, atol=1e-5 * scale)
            if not absent:  # the norm really changes what the last block gives
                assert np.abs(states[-1, place] - states[-2, place]).max() > 1e-3 * scale, text.id


@pytest.mark.parametrize("family", ["bloom", "gemma2", "qwen2"])
def test_a_loaded_decoder_has_the_same_norm(family: str, tmp_path: Path) -> None:
    folder = str(save_tiny(tmp_path / "m", family))
    loaded, alone = load_model(folder, device="cpu"), load_trunk(folder, device="cpu")
    one, other = (hidden_states(t, TEXTS, ("mean",)) for t in (trunk_of(loaded), alone))
    np.testing.assert_array_equal(one.states["mean"], other.states["mean"])


def test_half_precision_is_pooled_after_the_norm_of_each_token(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m", "llama")
    trunk = load_trunk(str(folder), device="cpu", dtype="bf16")
    (item,) = encode_texts(trunk, TEXTS[:1])
    truth = _by_hand(folder, item.ids, torch.bfloat16).double().mean(0).numpy()
    found = hidden_states(trunk, TEXTS[:1], ("mean",)).states["mean"][-1, 0]
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-5 * np.abs(truth).max())


def test_a_norm_that_no_block_ends_with_may_be_switched_off(tmp_path: Path) -> None:
    shape = {"vocab_size": ROWS, "hidden_size": 32, "ffn_dim": 64, "num_attention_heads": 4}
    config = OPTConfig(**shape, num_hidden_layers=2, do_layer_norm_before=False,
                       word_embed_proj_dim=32)  # fmt: skip
    OPTModel(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    trunk = load_trunk(str(tmp_path), device="cpu")
    assert trunk.norm_depth is None
    assert len(hidden_states(trunk, TEXTS[:1], ("mean",)).states["mean"]) == 3


@pytest.mark.parametrize(
    ("family", "weights"),
    [
        ("llama", lambda norm: (norm.weight, torch.zeros(32))),
        ("gemma", lambda norm: (1 + norm.weight, torch.zeros(32))),
        ("bloom", lambda norm: (norm.weight, norm.bias)),
        ("gpt_neox", lambda norm: (norm.weight, norm.bias)),
        ("cohere", lambda norm: (norm.weight, torch.zeros(32))),
        ("modernbert", lambda norm: (norm.weight, torch.zeros(32))),
    ],
)
def test_factor_and_shift_are_the_norms_weights(
    family: str, weights: object, tmp_path: Path
) -> None:
    trunk = load_trunk(str(save_tiny(tmp_path / "m", family)), device="cpu")
    found = norm_gain(trunk)
    assert found is not None
    for ours, own in zip(found, weights(trunk.final_norm), strict=True):  # type: ignore[operator]
        torch.testing.assert_close(ours, own.detach().double(), rtol=1e-4, atol=1e-5)


def test_without_a_norm_there_is_no_factor(tmp_path: Path) -> None:
    assert norm_gain(load_trunk(str(save_tiny(tmp_path / "m", "bert")), device="cpu")) is None
