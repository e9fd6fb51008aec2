"""Pooled hidden states equal a one-by-one pass without padding, pooled by plain sums."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import (
    BLIND_ENCODERS,
    ENCODERS,
    FAMILIES,
    save_tiny,
    tiny_encoder,
    tiny_model,
    tiny_tokenizer,
)
from transformers import AutoModel, AutoTokenizer

from babelscope.errors import DataError, ModelError, SettingError
from babelscope.infer import hidden
from babelscope.infer.hidden import POOLINGS, HiddenText, hidden_states, plan_hidden, pool_batch
from babelscope.infer.hidden_items import encode_texts, pooling_weights
from babelscope.models.trunks import Trunk, load_trunk

ALL = (*FAMILIES, *ENCODERS)
TEXTS = (
    HiddenText("a", "The capital of India is New Delhi.", (24, 33)),
    HiddenText("b", "Berlin", (0, 6)),
    HiddenText("c", "中国的首都是北京。", (6, 8)),
    HiddenText("d", "La capitale de la France est Paris. Die Hauptstadt ist Berlin.", (29, 34)),
    HiddenText("e", "ଭାରତର ରାଜଧାନୀ", (6, 13)),
)


@pytest.fixture(scope="module")
def trunks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trunk]:
    root = tmp_path_factory.mktemp("trunks")
    return {f: load_trunk(str(save_tiny(root / f, f)), device="cpu") for f in ALL}


def _by_hand(family: str, text: HiddenText) -> dict[str, list[torch.Tensor]]:
    """One text without padding, through transformers' own record of hidden states.

    That record has the last state after the final norm, so depth 2 is left out where one follows.
    """
    model = tiny_encoder(family) if family in ENCODERS else tiny_model(family)
    tokenizer = tiny_tokenizer(adds_begin=family in ENCODERS, adds_end=family in ENCODERS)
    encoded = tokenizer(text.text, return_offsets_mapping=True, return_tensors="pt")
    with torch.no_grad():
        out = model(encoded["input_ids"], output_hidden_states=True)
    own = slice(1, -1) if family in ENCODERS else slice(None)
    offsets = encoded["offset_mapping"][0].tolist()[own]
    start, end = text.span or (0, 0)
    covered = [n for n, (left, right) in enumerate(offsets) if left < end and right > start]
    found: dict[str, list[torch.Tensor]] = {p: [] for p in POOLINGS}
    for state in out.hidden_states[: 3 if family in ("bert", "xlm_roberta", "distilbert") else 2]:
        x = state[0, own].double()
        i = torch.arange(1, len(x) + 1, dtype=torch.float64)[:, None]
        found["mean"].append(x.mean(0))
        found["last"].append(x[-1])
        found["increasing"].append((i * x).sum(0) / i.sum())
        found["decreasing"].append((i.flip(0) * x).sum(0) / i.sum())
        found["first"].append(x[covered[0]])
        found["word"].append(x[covered].mean(0))
    return found


@pytest.mark.parametrize("family", ALL)
def test_one_padded_pass_equals_one_by_one(family: str, trunks: dict[str, Trunk]) -> None:
    found = hidden_states(trunks[family], TEXTS, POOLINGS)
    assert len(found.plan.batches) == 1, "all together, so that padding is tried"
    for place, text in enumerate(TEXTS):
        by_hand = _by_hand(family, text)
        for pooling in POOLINGS:
            states = np.stack([s.numpy() for s in by_hand[pooling]])
            ours = found.states[pooling][: len(states), place]
            size = np.abs(states).max()
            np.testing.assert_allclose(ours / size, states / size, rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", ["gemma2", "bloom", "xlm_roberta", "bert"])
def test_batches_and_padding_side_change_nothing(family: str, trunks: dict[str, Trunk]) -> None:
    trunk = trunks[family]
    one_by_one = hidden_states(trunk, TEXTS, POOLINGS, batch_tokens=1)
    assert len(one_by_one.plan.batches) == len(TEXTS)
    left = tiny_tokenizer(adds_begin=not trunk.causal, adds_end=not trunk.causal)
    left.padding_side = left.truncation_side = "left"
    together = hidden_states(dataclasses.replace(trunk, tokenizer=left), TEXTS, POOLINGS)
    for pooling in POOLINGS:
        a, b = one_by_one.states[pooling], together.states[pooling]
        assert a.shape == (3 + (family in FAMILIES), 5, 32), "after the final norm too"
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(a).max())


@pytest.mark.parametrize("family", BLIND_ENCODERS)
def test_where_padding_is_seen_only_equal_lengths_stand_together(
    family: str, tmp_path: Path
) -> None:
    folder = save_tiny(tmp_path / "m", family)
    trunk = load_trunk(str(folder), device="cpu")
    assert (trunk.causal, trunk.hides_padding, trunk.width) == (False, False, 32)
    texts = [*TEXTS, HiddenText("f", TEXTS[1].text + ".", (0, 6)), HiddenText("g", "Berlin!", None)]
    found = hidden_states(trunk, texts, ("mean", "last"))
    lengths = [len(item.ids) for item in encode_texts(trunk, texts)]
    assert all(len({lengths[n] for n in batch}) == 1 for batch in found.plan.batches)
    assert len(found.plan.batches) == len(set(lengths)) < len(texts)
    model = AutoModel.from_pretrained(folder).eval()
    for place, text in enumerate(texts):
        ids = trunk.tokenizer(text.text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            own = model(ids, output_hidden_states=True).hidden_states[1]
        expected = own[0, 1:-1].mean(dim=0).numpy()
        ours = found.states["mean"][1, place]
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_pooling_alone_has_the_same_bits(trunks: dict[str, Trunk]) -> None:
    together = hidden_states(trunks["qwen2"], TEXTS, POOLINGS).states
    for pooling in POOLINGS:
        alone = hidden_states(trunks["qwen2"], TEXTS, (pooling,)).states[pooling]
        np.testing.assert_array_equal(alone, together[pooling])


def test_weights_are_those_of_the_papers(trunks: dict[str, Trunk]) -> None:
    (item,) = encode_texts(trunks["bert"], [HiddenText("a", "Paris est", (6, 9))])
    n = len(item.pooled)
    assert item.pooled == tuple(range(1, n + 1)), "CLS and SEP are left out"
    rows = dict(zip(POOLINGS, pooling_weights([item], POOLINGS, n + 4)[0], strict=True))
    total = n * (n + 1) / 2
    i = np.arange(1, n + 1)
    np.testing.assert_allclose(rows["increasing"], [0, *(i / total), 0, 0, 0])
    np.testing.assert_allclose(rows["decreasing"], [0, *(i[::-1] / total), 0, 0, 0])
    np.testing.assert_allclose(rows["mean"], [0, *([1 / n] * n), 0, 0, 0])
    assert rows["last"].tolist() == [0.0] * n + [1.0, 0.0, 0.0, 0.0]
    assert rows["first"].argmax() == item.span[0]
    assert np.count_nonzero(rows["word"]) == len(item.span)


def test_what_cannot_be_pooled_is_missing_and_counted(trunks: dict[str, Trunk]) -> None:
    texts = [
        HiddenText("blank", "New Delhi", (3, 4)),
        HiddenText("empty span", "New Delhi", (2, 2)),
        HiddenText("no text", "", (0, 0)),
        HiddenText("good", "New Delhi", (4, 9)),
    ]
    decoder = hidden_states(trunks["llama"], texts, ("mean", "word"))
    assert decoder.plan.missing == {"mean": (2,), "word": (0, 1, 2)}
    assert np.isnan(decoder.states["word"][:, :3]).all()
    assert np.isnan(decoder.states["mean"][:, 2]).all()
    assert np.isfinite(decoder.states["word"][:, 3]).all()
    # an encoder's special tokens are all that an empty text has
    encoder = hidden_states(trunks["bert"], texts, ("mean", "word"))
    assert encoder.plan.missing == {"mean": (), "word": (0, 1, 2)}
    assert np.isfinite(encoder.states["mean"]).all()


@pytest.mark.parametrize("family", ["xlm_roberta", "bert"])
def test_long_texts_lose_their_end_and_are_counted(family: str, trunks: dict[str, Trunk]) -> None:
    trunk = trunks[family]
    words = "New Delhi " * 60
    texts = [HiddenText("long", words, (0, 3)), HiddenText("late", words, (590, 599)), TEXTS[1]]
    found = hidden_states(trunk, texts, POOLINGS)
    assert found.plan.truncated == (0, 1)
    assert found.plan.missing["word"] == (1,), "its word was cut off"
    long = encode_texts(trunk, texts)[0]
    assert len(long.ids) == trunk.max_tokens
    whole = trunk.tokenizer(words, verbose=False)["input_ids"]
    assert list(long.ids) == [*whole[: len(long.ids) - 1], whole[-1]], "the end token stays"


def test_literal_special_tokens_are_text(trunks: dict[str, Trunk]) -> None:
    (item,) = encode_texts(trunks["bert"], [HiddenText("a", "</s> Paris")])
    assert trunks["bert"].tokenizer.convert_ids_to_tokens(item.ids[1]) == "</s>"
    assert item.pooled[0] == 1


def test_bfloat16_is_pooled_in_float32(tmp_path: Path) -> None:
    trunk = load_trunk(str(save_tiny(tmp_path / "m", "qwen2")), device="cpu", dtype="bf16")
    text = HiddenText("a", "New Delhi is the capital. " * 20)
    found = hidden_states(trunk, [text], ("mean", "last")).states
    (item,) = encode_texts(trunk, [text])
    with torch.no_grad():
        own = AutoModel.from_pretrained(tmp_path / "m", dtype=torch.bfloat16).eval()
        states = own(torch.tensor([item.ids]), output_hidden_states=True).hidden_states[1][0]
    mean = states.double().mean(0).numpy()
    np.testing.assert_allclose(found["mean"][1, 0], mean, rtol=0, atol=1e-5 * np.abs(mean).max())
    assert np.abs(states.mean(0).float().numpy() - mean).max() > 1e-4 * np.abs(mean).max()


def test_a_full_memory_halves_the_batch(
    trunks: dict[str, Trunk], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pool_batch(trunks["bert"], TEXTS, ("mean",), (3, 0, 4, 2, 1))
    real, rows = hidden._forward, []

    def small(trunk: Trunk, sequences: list[tuple[int, ...]], *rest: object) -> object:
        rows.append(len(sequences))
        if len(sequences) > 2:
            raise RuntimeError("CUDA out of memory")
        return real(trunk, sequences, *rest)

    monkeypatch.setattr(hidden, "_forward", small)
    halved = pool_batch(trunks["bert"], TEXTS, ("mean",), (3, 0, 4, 2, 1))
    assert rows == [5, 3, 2, 1, 2], "halved, and halved again"
    np.testing.assert_allclose(halved, whole, rtol=0, atol=1e-5 * np.abs(whole).max())


def test_states_that_are_no_numbers_are_an_error(tmp_path: Path) -> None:
    trunk = load_trunk(str(save_tiny(tmp_path / "m", "llama")), device="cpu")
    with torch.no_grad():
        trunk.blocks[1].mlp.down_proj.weight.mul_(float("inf"))
    with pytest.raises(ModelError, match=r"text b: expected finite numbers, found.*depth 2"):
        hidden_states(trunk, TEXTS[1:2], ("mean",))


@pytest.mark.parametrize(
    ("texts", "poolings", "error", "says"),
    [
        (TEXTS, ("median",), SettingError, "found median"),
        (TEXTS, (), SettingError, "found none"),
        (TEXTS, ("mean", "mean"), SettingError, "different ones"),
        ((), ("mean",), DataError, "at least one"),
        ((HiddenText("x", "Paris"),), ("word",), DataError, "text x.*found none"),
        ((HiddenText("x", "Paris", (2, 9)),), ("first",), DataError, r"found \(2, 9\)"),
        ((HiddenText("x", "Paris", (3, 1)),), ("first",), DataError, r"found \(3, 1\)"),
    ],
)
def test_bad_requests(
    texts: tuple[HiddenText, ...],
    poolings: tuple[str, ...],
    error: type[Exception],
    says: str,
    trunks: dict[str, Trunk],
) -> None:
    with pytest.raises(error, match=says):
        plan_hidden(trunks["bloom"], texts, poolings)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "family"), [("xlmr", "xlm_roberta"), ("mbert", "bert"), ("qwen2", "qwen2")]
)
def test_real_sentences_through_real_tokenizers(
    name: str,
    family: str,
    tmp_path: Path,
    tokenizer_folder: Callable[[str], Path],
    unpacked: Callable[[str], Path],
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder(name))
    save_tiny(tmp_path / "m", family, rows=len(tokenizer), room=514)
    tokenizer.save_pretrained(tmp_path / "m")
    trunk = load_trunk(str(tmp_path / "m"), device="cpu")
    files = sorted(unpacked("flores200").rglob("*.devtest"))[::6]
    lines = [file.read_text("utf-8").splitlines()[n] for file in files for n in range(4)]
    texts = [
        HiddenText(f"{n}", line, (line.index(word), line.index(word) + len(word)))
        for n, line in enumerate(lines)
        for word in [max(line.split(), key=len)]
    ]
    assert len(texts) >= 20
    found = hidden_states(trunk, texts, POOLINGS)
    assert not found.plan.missing["word"]
    assert not found.plan.truncated
    alone = hidden_states(trunk, texts, POOLINGS, batch_tokens=1)
    for pooling in POOLINGS:
        a, b = alone.states[pooling], found.states[pooling]
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(a).max())


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "text", "word", "tokens"),
    [
        ("qwen2", "New Delhi is big.", "Delhi", ["ĠDelhi"]),
        ("xlmr", "New Delhi is big.", "Delhi", ["▁Delhi"]),
        # the bare space mark shares the word's first character, but is no subword of it
        ("xlmr", "中国 的 首都", "首都", ["首都"]),
        ("mbert", "New Delhi is big.", "Delhi", ["Delhi"]),
        ("mbert", "中国的首都", "首都", ["首", "都"]),
        ("qwen2", "中国 的 首都", "首都", ["Ġé", "¦", "ĸ", "éĥ½"]),
    ],
)
def test_spans_of_real_tokenizers(
    name: str,
    text: str,
    word: str,
    tokens: list[str],
    trunks: dict[str, Trunk],
    tokenizer_folder: Callable[[str], Path],
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder(name))
    trunk = dataclasses.replace(trunks["bert"], tokenizer=tokenizer, max_tokens=None)
    start = text.index(word)
    (item,) = encode_texts(trunk, [HiddenText("a", text, (start, start + len(word)))])
    assert tokenizer.convert_ids_to_tokens([item.ids[place] for place in item.span]) == tokens
