"""The lens against the plain computation, in every family; what may not change it does not."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from tiny import LENS_FAMILIES, ROWS, tiny_loaded, tiny_model
from torch import nn

from babelscope.errors import DataError, ModelError, SettingError
from babelscope.infer import projection
from babelscope.infer.lens import LensPrompt, LensReading, LensSettings, prepare_lens, read_lens
from babelscope.models.loading import LoadedModel
from babelscope.models.parts import locate_parts

MAP_ROWS = 480  # the tokenizer's; the models' other rows are padding
COLUMNS = 6
DEPTHS = 3

# peft reads an attribute that transformers 5 has renamed
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


def _map(rows: int = MAP_ROWS, seed: int = 0) -> NDArray[np.float32]:
    table = np.random.default_rng(seed).dirichlet(np.full(COLUMNS, 0.3), size=rows)
    return table.astype(np.float32)


def _ids(count: int, longest: int, seed: int, shortest: int = 1) -> list[list[int]]:
    draw = random.Random(seed)
    return [
        [draw.randrange(4, MAP_ROWS) for _ in range(draw.randint(shortest, longest))]
        for _ in range(count)
    ]


def look(
    loaded: LoadedModel,
    prompts: list[list[int]],
    golds: list[list[int]],
    table: NDArray[np.floating],
    *,
    positions: tuple[str, ...] = ("last", "gold"),
    tokens_per_batch: int = 2048,
) -> LensReading:
    """The reading through one map, called m."""
    lens = prepare_lens(loaded, {"m": table}, LensSettings(tokens_per_batch=tokens_per_batch))
    asked = [
        LensPrompt(str(i), tuple(prompt), tuple(gold))
        for i, (prompt, gold) in enumerate(zip(prompts, golds, strict=True))
    ]
    return read_lens(lens, asked, positions=positions)


PROMPTS = _ids(7, 40, seed=1)
GOLDS = _ids(7, 6, seed=2)


def _plain(
    loaded: LoadedModel, prompt: list[int], gold: list[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One prompt, everything at once: transformers' own hidden states, full softmax, full map."""
    table = np.zeros((ROWS, COLUMNS))
    table[:MAP_ROWS] = _map()
    table[MAP_ROWS:, -1] = 1
    with torch.no_grad():
        out = loaded.model(torch.tensor([[*prompt, *gold]]), output_hidden_states=True)
        logits = [
            loaded.parts.unembed(loaded.parts.final_norm(hidden))
            for hidden in out.hidden_states[:-1]
        ]
        cap, scale = loaded.parts.soft_cap, loaded.parts.logit_scale
        logits = [x * scale if cap is None else cap * torch.tanh(x / cap) for x in logits] + [
            out.logits
        ]
    p = torch.stack(logits)[:, 0].double().softmax(-1).numpy()
    entropy = -(p * np.log2(np.maximum(p, 1e-300))).sum(-1)
    last = len(prompt) - 1
    spans = (slice(last, last + 1), slice(last, last + len(gold)))
    mass = np.stack([(p[:, span] @ table).mean(1) for span in spans])
    return mass, np.stack([entropy[:, s].mean(1) for s in spans])


@pytest.mark.parametrize("family", LENS_FAMILIES)
def test_the_lens_equals_the_plain_computation(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(projection.CHUNK_LOGITS, "cpu", 1)
    monkeypatch.setattr(projection, "MIN_COLUMNS", 1)
    monkeypatch.setattr(projection, "BLOCK", 37)  # 14 chunks of 512 rows, the last ragged
    monkeypatch.setattr(projection, "ROW_CHUNK", 10)
    loaded = tiny_loaded(family)
    reading = look(loaded, PROMPTS, GOLDS, _map(), tokens_per_batch=90)
    assert reading.mass["m"].shape == (7, 2, DEPTHS, COLUMNS)
    assert reading.mass["m"].dtype == np.float32
    for i, (prompt, gold) in enumerate(zip(PROMPTS, GOLDS, strict=True)):
        mass, bits = _plain(loaded, prompt, gold)
        np.testing.assert_allclose(reading.mass["m"][i], mass, atol=1e-5)
        np.testing.assert_allclose(reading.entropy_bits[i], bits, atol=1e-4)


def test_the_last_depth_is_the_models_own_distribution() -> None:
    loaded = tiny_loaded("gemma2")
    reading = look(loaded, PROMPTS[:1], [[]], _map(ROWS), positions=("last",))
    with torch.no_grad():
        own = loaded.model(torch.tensor(PROMPTS[:1])).logits[0, -1].softmax(-1).numpy()
    np.testing.assert_allclose(reading.mass["m"][0, 0, -1], own @ _map(ROWS), atol=1e-6)


@pytest.mark.parametrize("family", ["bloom", "mistral", "gpt_neox"])
def test_batch_and_padding_change_nothing(family: str) -> None:
    loaded = tiny_loaded(family)
    together = look(loaded, PROMPTS, GOLDS, _map())
    alone = look(loaded, PROMPTS, GOLDS, _map(), tokens_per_batch=1)
    np.testing.assert_allclose(together.mass["m"], alone.mass["m"], atol=1e-5)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tiny_loaded("bloom")
    whole = look(loaded, PROMPTS, GOLDS, _map())
    monkeypatch.setitem(projection.CHUNK_LOGITS, "cpu", 1)
    monkeypatch.setattr(projection, "MIN_COLUMNS", 1)
    monkeypatch.setattr(projection, "BLOCK", 1)  # a single row of the vocabulary at a time
    pieces = look(loaded, PROMPTS, GOLDS, _map())
    np.testing.assert_allclose(whole.mass["m"], pieces.mass["m"], atol=1e-5)
    np.testing.assert_allclose(whole.entropy_bits, pieces.entropy_bits, atol=1e-4)


def test_positions_are_computed_alike_alone_and_together() -> None:
    loaded = tiny_loaded("qwen2")
    both = look(loaded, PROMPTS, GOLDS, _map())
    for k, position in enumerate(("last", "gold")):
        one = look(loaded, PROMPTS, GOLDS, _map(), positions=(position,))
        np.testing.assert_allclose(one.mass["m"][:, 0], both.mass["m"][:, k], atol=1e-5)
    single = [gold[:1] for gold in GOLDS]  # one token is predicted by the last prompt token
    same = look(loaded, PROMPTS, single, _map())
    np.testing.assert_array_equal(same.mass["m"][:, 0], same.mass["m"][:, 1])


def test_masses_sum_to_one_and_permuted_languages_permute() -> None:
    loaded, order = tiny_loaded("llama"), np.random.default_rng(3).permutation(COLUMNS)
    reading = look(loaded, PROMPTS, GOLDS, _map(ROWS))
    np.testing.assert_allclose(reading.mass["m"].sum(-1), 1, atol=1e-5)
    permuted = look(loaded, PROMPTS, GOLDS, _map(ROWS)[:, order])
    np.testing.assert_allclose(permuted.mass["m"], reading.mass["m"][..., order], atol=1e-6)


def test_a_map_of_one_language_gives_one() -> None:
    one = np.tile(np.array([1, 0, 0], dtype=np.float32), (ROWS, 1))
    reading = look(tiny_loaded("gemma"), PROMPTS, GOLDS, one)
    np.testing.assert_allclose(reading.mass["m"][..., 0], 1, atol=1e-6)


def test_rows_beyond_the_map_are_unknown() -> None:
    known = np.tile(np.array([1, 0, 0], dtype=np.float32), (MAP_ROWS, 1))
    loaded = tiny_loaded("bloom")
    reading = look(loaded, PROMPTS[:1], GOLDS[:1], known, positions=("last",))
    with torch.no_grad():
        own = loaded.model(torch.tensor(PROMPTS[:1])).logits[0, -1].softmax(-1)
    padding = float(own[MAP_ROWS:].sum())
    assert padding > 0
    np.testing.assert_allclose(reading.mass["m"][0, 0, -1], [1 - padding, 0, padding], atol=1e-6)
    surplus = np.concatenate([_map(ROWS), [[0, 0, 0, 0, 0, 1]]])
    same = look(loaded, PROMPTS[:1], GOLDS[:1], surplus)
    np.testing.assert_array_equal(
        same.mass["m"], look(loaded, PROMPTS[:1], GOLDS[:1], _map(ROWS)).mass["m"]
    )


def test_permuting_the_vocabulary_with_the_map_changes_nothing() -> None:
    loaded, table = tiny_loaded("llama"), _map(ROWS)
    before = look(loaded, PROMPTS, GOLDS, table)
    order = np.random.default_rng(4).permutation(ROWS)
    weight = loaded.parts.unembed.weight
    assert weight is not loaded.parts.embed.weight
    weight.data = weight.data[torch.from_numpy(order)]
    after = look(loaded, PROMPTS, GOLDS, table[order])
    np.testing.assert_allclose(after.mass["m"], before.mass["m"], atol=1e-5)


def test_a_missing_gold_is_nan_and_last_is_not() -> None:
    reading = look(tiny_loaded("qwen3"), PROMPTS[:2], [[], GOLDS[1]], _map())
    assert np.isnan(reading.mass["m"][0, 1]).all()
    assert np.isnan(reading.entropy_bits[0, 1]).all()
    assert np.isfinite(reading.mass["m"][0, 0]).all()
    assert np.isfinite(reading.mass["m"][1]).all()


def test_the_model_is_left_as_it_was() -> None:
    loaded, ids = tiny_loaded("gemma2"), torch.tensor([PROMPTS[0]])
    with torch.no_grad():
        before = loaded.model(ids).logits
        look(loaded, PROMPTS, GOLDS, _map())
        after = loaded.model(ids).logits
    assert torch.equal(before, after)
    assert not any(block._forward_hooks for block in loaded.parts.blocks)


def test_the_adapter_in_use_is_looked_through() -> None:
    loaded = tiny_loaded("bloom")
    base = look(loaded, PROMPTS, GOLDS, _map())
    config = LoraConfig(r=4, target_modules=["query_key_value"], init_lora_weights=False)
    torch.manual_seed(0)
    tuned = LoadedModel(
        model=get_peft_model(loaded.model, config),
        tokenizer=loaded.tokenizer,
        parts=loaded.parts,
        name="tuned",
        fingerprint="",
        dtype=loaded.dtype,
        device=loaded.device,
    )
    through = look(tuned, PROMPTS, GOLDS, _map())
    np.testing.assert_array_equal(
        through.mass["m"][:, :, 0], base.mass["m"][:, :, 0]
    )  # before any block
    assert np.abs(through.mass["m"][:, :, -1] - base.mass["m"][:, :, -1]).max() > 1e-3
    with tuned.model.disable_adapter():
        off = look(tuned, PROMPTS, GOLDS, _map())
    np.testing.assert_array_equal(off.mass["m"], base.mass["m"])


@given(st.integers(1, 60), st.integers(1, 200), st.floats(0.1, 80), st.integers(0, 1000))
def test_the_online_softmax_equals_scipys(n: int, rows: int, spread: float, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    unembed = nn.Linear(4, rows)
    hidden = spread * torch.randn(n, 4, generator=draw)
    table = torch.rand(rows, 3, generator=draw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(projection.CHUNK_LOGITS, "cpu", 1)
        patch.setattr(projection, "MIN_COLUMNS", 1)
        patch.setattr(projection, "BLOCK", 17)
        parts = locate_parts(tiny_model("llama"))
        parts = type(parts)(
            parts.embed, parts.blocks, nn.Identity(), unembed, 0.5, 30.0, rows, 4, 2
        )
        seen = projection.project(parts, hidden, table)
    with torch.no_grad():
        raw = unembed.double()(hidden.double()) * 0.5
    p = (30 * torch.tanh(raw / 30)).softmax(-1)
    np.testing.assert_allclose(seen.mass, p @ table.double(), atol=2e-5)
    np.testing.assert_allclose(
        seen.entropy_bits, torch.special.entr(p).sum(-1) / np.log(2), atol=2e-4
    )


def test_bf16_weights_stay_near_float32() -> None:
    exact = look(tiny_loaded("qwen2"), PROMPTS, GOLDS, _map(ROWS))
    half = tiny_loaded("qwen2")
    half.model.to(torch.bfloat16)
    rough = look(half, PROMPTS, GOLDS, _map(ROWS))
    np.testing.assert_allclose(rough.mass["m"].sum(-1), 1, atol=1e-5)
    assert np.abs(rough.mass["m"] - exact.mass["m"]).max() < 0.2
    assert np.abs(rough.mass["m"] - exact.mass["m"]).mean() < 0.02


def test_bad_input_is_one_clear_error() -> None:
    loaded, table = tiny_loaded("gpt_neox"), _map()
    with pytest.raises(
        SettingError, match="last, gold, generated or a token's number, found middle"
    ):
        look(loaded, PROMPTS, GOLDS, table, positions=("middle",))
    with pytest.raises(SettingError, match="position 9 of prompt 0: expected -5 to 4, found 9"):
        look(loaded, [[5] * 5], [[6]], table, positions=("last", "9"))
    with pytest.raises(DataError, match="language maps: expected at least one"):
        prepare_lens(loaded, {})
    with pytest.raises(SettingError, match="prompt 1: expected at least one token"):
        look(loaded, [[5], []], [[6], [7]], table)
    with pytest.raises(SettingError, match="prompt 0: expected token ids from 0 to 511"):
        look(loaded, [[ROWS]], [[6]], table)
    with pytest.raises(SettingError, match="prompt 0: expected 1 to 2048 tokens, found 3000"):
        look(loaded, [[5] * 3000], [[6]], table)
    with pytest.raises(ModelError, match="at most the model's 512 rows, found 513"):
        look(loaded, PROMPTS, GOLDS, _map(ROWS + 1))
    with pytest.raises(DataError, match="the shape"):
        look(loaded, PROMPTS, GOLDS, table[:, 0])
    with pytest.raises(ModelError, match="a plain linear layer, found Bilinear"):
        projection.unembedding(nn.Bilinear(2, 2, 2))


def test_no_prompts_give_an_empty_reading() -> None:
    assert look(tiny_loaded("bloom"), [], [], _map()).mass["m"].shape == (0, 2, DEPTHS, COLUMNS)
