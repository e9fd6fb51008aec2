"""What the lens tells beside masses: next token, leaders, half depths, contrasts, positions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny import LENS_FAMILIES, ROWS, tiny_loaded, tiny_model, tiny_tokenizer

from babelscope.infer import projection
from babelscope.infer.contrast import gold_beginnings, gold_pairs, token_index
from babelscope.infer.leaders import Leaders
from babelscope.infer.lens import (
    LensPrompt,
    LensReading,
    LensSettings,
    PlaceReading,
    prepare_lens,
    read_lens,
)
from babelscope.models.halves import locate_middle
from babelscope.models.loading import LoadedModel
from babelscope.models.parts import locate_parts
from babelscope.models.tokens import token_forms

TOKENIZER = tiny_tokenizer()
TEXTS = {
    "eng_Latn": "New Delhi",
    "fra_Latn": "New Del",
    "hin_Deva": "नई दिल्ली",
    "deu_Latn": "New Delhi",
}
PROMPT = LensPrompt(
    "a",
    tuple(TOKENIZER("The capital of India is")["input_ids"]),
    gold=tuple(TOKENIZER(" New Delhi")["input_ids"]),
    generated=tuple(TOKENIZER(" Berlin.\n")["input_ids"]),
    golds=TEXTS,
    language="eng_Latn",
)
OTHER = LensPrompt("b", tuple(TOKENIZER("A: Paris ist")["input_ids"]))
FEW = (("bloom", 1), ("qwen2", 1), ("gemma2", 1), ("gpt_neox", 0))


def _table(seed: int = 0, columns: int = 4) -> NDArray[np.float32]:
    draw = np.random.default_rng(seed)
    return draw.dirichlet(np.full(columns, 0.3), size=ROWS).astype(np.float32)


def _probabilities(loaded: LoadedModel, ids: tuple[int, ...]) -> NDArray[np.float64]:
    """The plain computation: softmax at every depth and position, (depths, positions, rows)."""
    with torch.no_grad():
        out = loaded.model(torch.tensor([ids]), output_hidden_states=True)
        cap, scale = loaded.parts.soft_cap, loaded.parts.logit_scale
        logits = [loaded.parts.unembed(loaded.parts.final_norm(h)) for h in out.hidden_states[:-1]]
        logits = [x * scale if cap is None else cap * torch.tanh(x / cap) for x in logits]
    return torch.stack([*logits, out.logits])[:, 0].double().softmax(-1).numpy()


def _read(
    loaded: LoadedModel,
    prompts: list[LensPrompt],
    positions: tuple[str, ...],
    settings: LensSettings | None = None,
) -> LensReading:
    return read_lens(prepare_lens(loaded, {"m": _table()}, settings), prompts, positions=positions)


@pytest.mark.parametrize("family", LENS_FAMILIES)
def test_next_token_and_leaders_equal_the_plain_computation(family: str) -> None:
    loaded = tiny_loaded(family)
    settings = LensSettings(top_k=5)
    reading = _read(loaded, [OTHER, PROMPT], ("last", "gold", "generated"), settings)
    start = len(PROMPT.ids) - 1
    for position, follows in (("gold", PROMPT.gold), ("generated", PROMPT.generated)):
        p = _probabilities(loaded, PROMPT.ids + follows)[:, start : start + len(follows)]
        chance = np.stack([p[:, i, token] for i, token in enumerate(follows)], axis=1)
        rank = 1 + (p > chance[:, :, None]).sum(-1)
        k = reading.positions.index(position)
        np.testing.assert_allclose(reading.next_probability[1, k], chance.mean(1), atol=1e-6)
        np.testing.assert_allclose(
            reading.next_reciprocal_rank[1, k], (1 / rank).mean(1), atol=1e-6
        )
        places = [r for r in reading.places if (r.prompt, r.position) == (1, position)]
        assert [r.place for r in places] == list(range(start, start + len(follows)))
        assert [r.expected for r in places] == list(follows)
        for i, place in enumerate(places):
            order = np.argsort(-p[:, i], axis=1, kind="stable")[:, :5]
            np.testing.assert_array_equal(place.top_ids, order)
            best = np.take_along_axis(p[:, i], order, 1)
            np.testing.assert_allclose(place.top_probability, best, atol=1e-6)
            np.testing.assert_array_equal(place.expected_rank, rank[:, i])
            np.testing.assert_allclose(place.mass["m"], p[:, i] @ _table(), atol=1e-5)


def test_without_what_follows_nothing_is_said_of_it() -> None:
    reading = _read(tiny_loaded("bloom"), [OTHER], ("last", "gold", "generated"))
    assert np.isnan(reading.next_probability).all()
    assert np.isfinite(reading.mass["m"][0, 0]).all()
    assert np.isnan(reading.mass["m"][0, 1:]).all()
    assert reading.places == ()
    assert reading.gold_languages == ()
    generated = dataclasses.replace(PROMPT, gold=(), golds={})
    seen = _read(tiny_loaded("bloom"), [generated], ("last", "generated"))
    p = _probabilities(tiny_loaded("bloom"), PROMPT.ids)[:, -1, PROMPT.generated[0]]
    np.testing.assert_allclose(seen.next_probability[0, 0], p, atol=1e-6)


PARALLEL = ("gpt_neox", "cohere", "opt")
"""Blocks whose steps run side by side, and one that norms its sums (OPT-350m)."""


@pytest.mark.parametrize("family", [f for f in LENS_FAMILIES if f not in PARALLEL])
def test_half_depths_are_those_after_attention(family: str) -> None:
    """Attention's part, taken from the outputs of the block's own modules, added by hand."""
    loaded = tiny_loaded(family)
    seen: dict[str, torch.Tensor] = {}
    block = loaded.parts.blocks[1]
    attention = next(m for n, m in block.named_children() if "attention" in n or "attn" in n)
    block.register_forward_pre_hook(lambda _, args: seen.update(start=args[0]))
    attention.register_forward_hook(lambda _, __, out: seen.update(step=out[0]))
    if family in ("gemma2", "olmo2"):  # a norm between attention and its sum
        block.post_attention_layernorm.register_forward_hook(
            lambda _, __, out: seen.update(step=out)
        )
    reading = _read(loaded, [OTHER], ("last",), LensSettings(half_depths=True))
    factor = 0.5 if family == "granite" else 1.0
    state = seen["step"] if family == "bloom" else seen["start"] + factor * seen["step"]
    with torch.no_grad():
        logits = loaded.parts.unembed(loaded.parts.final_norm(state[0, -1]))
    cap, scale = loaded.parts.soft_cap, loaded.parts.logit_scale
    p = (logits * scale if cap is None else cap * torch.tanh(logits / cap)).softmax(-1).numpy()
    np.testing.assert_allclose(reading.half_mass["m"][0, 0, 1], p @ _table(), atol=1e-5)


@pytest.mark.parametrize("family", PARALLEL)
def test_parallel_and_normed_blocks_have_no_half_depths(family: str) -> None:
    loaded = tiny_loaded(family)
    assert locate_middle(loaded.model, loaded.parts) is None
    assert _read(loaded, [OTHER], ("last",), LensSettings(half_depths=True)).half_mass == {}


def test_sequential_neox_has_half_depths() -> None:
    model = tiny_model("gpt_neox")
    for block in model.gpt_neox.layers:
        block.use_parallel_residual = False
    assert locate_middle(model, locate_parts(model)) == "post_attention_layernorm"


@pytest.mark.parametrize("family", ["bloom", "gemma2"])
def test_half_depths_of_bf16_weights_are_found(family: str) -> None:
    model = tiny_model(family).to(torch.bfloat16)
    expected = {"bloom": "post_attention_layernorm", "gemma2": "pre_feedforward_layernorm"}
    assert locate_middle(model, locate_parts(model)) == expected[family]


@pytest.mark.parametrize("family", ["bloom", "gemma2"])
def test_gold_contrasts_are_sums_over_beginnings(family: str) -> None:
    loaded = tiny_loaded(family)
    reading = _read(loaded, [OTHER, PROMPT], ("last",))
    assert reading.gold_languages == ("eng_Latn", "fra_Latn", "hin_Deva")
    assert reading.equal_golds == 1  # German has the same gold
    p = _probabilities(loaded, PROMPT.ids)[:, -1]
    forms = token_forms(TOKENIZER, ROWS)

    def begins(row: int, gold: str) -> bool:
        data = forms[row].data.removeprefix(b" ")
        return bool(data) and not forms[row].special and gold.encode().startswith(data)

    for k, code in enumerate(reading.gold_languages):
        other = [r for r in range(ROWS) if begins(r, TEXTS[code])]
        own = [r for r in range(ROWS) if begins(r, TEXTS["eng_Latn"])]
        if code != "eng_Latn":
            other, own = sorted(set(other) - set(own)), sorted(set(own) - set(other))
        expected = np.stack([p[:, other].sum(1), p[:, own].sum(1)], axis=1)
        np.testing.assert_allclose(reading.contrasts[1, :, k], expected, atol=1e-6)
    assert np.isnan(reading.contrasts[0]).all()


def test_beginnings_by_hand() -> None:
    forms = token_forms(TOKENIZER, ROWS)
    index = token_index(forms)
    data = {forms[row].data for row in gold_beginnings("ନୂ", index)}
    whole = "ନୂ".encode()
    assert data <= {whole[:n] for n in range(1, len(whole) + 1)}
    assert whole[:1] in data  # the single byte E0 begins it, as it begins Bengali
    pairs, equal = gold_pairs({"a": "Paris", "b": " Paris"}, "a", index)
    assert (len(pairs), equal) == (1, 1)
    assert gold_pairs({"a": "Paris"}, "b", index) == ((), 0)


def test_every_position_of_an_example_is_told_of() -> None:
    loaded = tiny_loaded("llama")
    whole = dataclasses.replace(PROMPT, every=True)
    reading = _read(loaded, [OTHER, whole], ("last",), LensSettings(top_k=3))
    told = [r for r in reading.places if r.position == "all"]
    ids = PROMPT.ids + PROMPT.gold
    assert [(r.prompt, r.place, r.token) for r in told] == [
        (1, n, token) for n, token in enumerate(ids[:-1])
    ]
    assert [r.expected for r in told] == list(ids[1:])
    p = _probabilities(loaded, ids)
    for place in told:
        np.testing.assert_allclose(place.mass["m"], p[:, place.place] @ _table(), atol=1e-5)
    alone = _read(loaded, [PROMPT], ("last",))
    np.testing.assert_allclose(reading.mass["m"][1], alone.mass["m"][0], atol=1e-5)


def test_numbered_positions() -> None:
    loaded = tiny_loaded("qwen3")
    reading = _read(loaded, [PROMPT], ("0", "-2", "-1", "last"))
    p = _probabilities(loaded, PROMPT.ids)
    for k, place in enumerate((0, -2, -1, -1)):
        np.testing.assert_allclose(reading.mass["m"][0, k], p[:, place] @ _table(), atol=1e-5)
    np.testing.assert_allclose(reading.next_probability[0, 0], p[:, 0, PROMPT.ids[1]], atol=1e-6)


def test_two_maps_are_one_pass() -> None:
    loaded = tiny_loaded("bloom")
    maps = {"a": _table(1, 4), "b": _table(2, 7)}
    both = read_lens(prepare_lens(loaded, maps), [PROMPT, OTHER])
    for name, table in maps.items():
        one = read_lens(prepare_lens(loaded, {name: table}), [PROMPT, OTHER])
        np.testing.assert_allclose(both.mass[name], one.mass[name], atol=1e-6)


def test_batches_change_no_detail() -> None:
    loaded = tiny_loaded("mistral")
    prompts = [PROMPT, OTHER, dataclasses.replace(PROMPT, id="c", ids=PROMPT.ids[2:])]
    positions = ("last", "gold", "generated")
    together = _read(loaded, prompts, positions, LensSettings(top_k=4, half_depths=True))
    alone = LensSettings(top_k=4, half_depths=True, tokens_per_batch=1, batch_size=1)
    apart = _read(loaded, prompts, positions, alone)
    np.testing.assert_allclose(together.half_mass["m"], apart.half_mass["m"], atol=1e-5)
    np.testing.assert_allclose(together.contrasts, apart.contrasts, atol=1e-5)
    np.testing.assert_allclose(together.next_probability, apart.next_probability, atol=1e-5)

    def named(reading: LensReading) -> list[tuple[int, str, int, list[list[int]]]]:
        def told(r: PlaceReading) -> tuple[int, str, int, list[list[int]]]:
            return r.prompt, r.position, r.place, r.top_ids.tolist()

        return [told(r) for r in reading.places]

    assert named(together) == named(apart)


@given(
    st.integers(1, 9), st.integers(1, 12), st.integers(1, 300), st.integers(0, 99), st.booleans()
)
def test_leaders_equal_a_stable_sort(n: int, k: int, rows: int, seed: int, coarse: bool) -> None:
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(n, rows * 4, generator=draw)
    if coarse:  # many equal values: the earlier place goes first
        values = values.round()
    leaders = Leaders(n, k, values.device)
    for start in range(0, values.shape[1], 24):
        blocks = values[:, start : start + 24].unflatten(1, (-1, 4))
        leaders.see(blocks, blocks.amax(2), start)
    kept = min(k, values.shape[1])
    expected, order = values.sort(dim=1, descending=True, stable=True)
    assert torch.equal(leaders.values[:, :kept], expected[:, :kept])
    assert torch.equal(leaders.places[:, :kept], order[:, :kept])
    assert (leaders.places[:, kept:] == -1).all()


def test_a_token_does_not_stand_above_itself() -> None:
    """The expected logit is made by another product, which rounds otherwise."""
    loaded = tiny_loaded("bloom")
    hidden = torch.randn(400, 32, generator=torch.Generator().manual_seed(3))
    table = torch.from_numpy(_table())
    best = projection.project(loaded.parts, hidden, table, top_k=1).top_ids[:, 0]
    again = projection.project(loaded.parts, hidden, table, expected=best)
    assert (again.expected_rank == 1).all()
