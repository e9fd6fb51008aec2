"""Rotations that hang on length: no answer, score or state depends on its neighbours' lengths."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from tiny import save_tiny, tiny_loaded
from transformers import LlamaConfig, Phi3Config

from babelscope.errors import SettingError
from babelscope.infer.generate import Decoding, generate_answers
from babelscope.infer.hidden import HiddenText, hidden_states
from babelscope.infer.lens import LensPrompt, prepare_lens, read_lens
from babelscope.infer.options import Choice, score_options
from babelscope.infer.trunk import trunk_states
from babelscope.models.encoding import EncodedPrompt
from babelscope.models.lengths import length_class, rotation_limits
from babelscope.models.loading import LoadedModel
from babelscope.models.trunks import load_trunk

LIMIT = 64
"""Tokens up to which the tiny models have their short factors."""
FAMILIES = ("longrope", "phimoe")


def _ids(length: int, seed: int = 0) -> tuple[int, ...]:
    draw = random.Random(seed)
    return tuple(draw.randrange(4, 480) for _ in range(length))


# a beginning that all share; just below, at and above the limit; one that grows over it
LENGTHS = (20, 30, 40, 60, LIMIT - 1, LIMIT, LIMIT + 1, 90, 120)
PROMPTS = [EncodedPrompt(str(n), _ids(18) + _ids(n - 18, seed=n), False, False) for n in LENGTHS]


def _whole(loaded: LoadedModel, ids: Sequence[int]) -> torch.Tensor:
    """The model's own logits of one sequence, in one pass without a cache."""
    with torch.no_grad():
        return loaded.model(torch.tensor([list(ids)]), use_cache=False).logits[0]


def _by_hand(loaded: LoadedModel, ids: Sequence[int], count: int) -> tuple[int, ...]:
    """Greedy tokens, each from a pass over all that stands before it."""
    found = list(ids)
    for _ in range(count):
        found.append(int(_whole(loaded, found)[-1].argmax()))
        if found[-1] == loaded.tokenizer.eos_token_id:
            break
    return tuple(found[len(ids) :])


@pytest.mark.parametrize("family", FAMILIES)
def test_long_factors_change_answers_at_all(family: str) -> None:
    loaded = tiny_loaded(family)
    ids = torch.tensor([_ids(20)])
    places = torch.arange(20)[None]
    beside = torch.cat([places, places + 100])
    with torch.no_grad():
        alone = loaded.model(ids, position_ids=places, use_cache=False).logits[0]
        both = loaded.model(ids.repeat(2, 1), position_ids=beside, use_cache=False).logits[0]
    assert (alone - both).abs().max() > 0.01 * alone.abs().max()


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_those_of_whole_passes(family: str) -> None:
    loaded = tiny_loaded(family)
    decoding = Decoding(8, stop_at_newline=False)
    found = generate_answers(loaded, PROMPTS, decoding, language="x")
    expected = [_by_hand(loaded, p.ids, 8) for p in PROMPTS]
    assert [answer.tokens for answer in found] == expected
    assert len({answer.tokens for answer in found}) > 4, "answers that tell prompts apart"


def test_answers_hang_on_no_batch() -> None:
    loaded = tiny_loaded("longrope")
    decoding = Decoding(8, stop_at_newline=False, temperature=0.7, seed=3)
    together = generate_answers(loaded, PROMPTS, decoding, language="x")
    for budget in (40, 500):
        again = generate_answers(loaded, PROMPTS[::-1], decoding, language="x", batch_tokens=budget)
        assert again[::-1] == together


@pytest.mark.parametrize("family", FAMILIES)
def test_options_are_those_of_whole_passes(family: str) -> None:
    loaded = tiny_loaded(family)
    options = (_ids(1, 1), _ids(4, 2), _ids(6, 3))
    choices = [Choice(p.id, p.ids, options, (1, 1, 1)) for p in PROMPTS]
    for choice, scores in zip(choices, score_options(loaded, choices), strict=True):
        for option, nats in zip(options, scores.nats, strict=True):
            logits = _whole(loaded, choice.prompt + option[:-1])[-len(option) :]
            logs = logits.log_softmax(dim=-1)
            own = sum(float(logs[n, token]) for n, token in enumerate(option))
            assert nats == pytest.approx(own, rel=1e-4)


def test_lens_reads_long_and_short_apart() -> None:
    loaded = tiny_loaded("longrope")
    table = np.full((tiny.ROWS, 4), 0.25, dtype=np.float32)
    table[:240, 0], table[240:, 0] = 0.7, 0.1
    table /= table.sum(axis=1, keepdims=True)
    lens = prepare_lens(loaded, {"m": table})
    prompts = [LensPrompt(p.id, p.ids) for p in PROMPTS]
    together = read_lens(lens, prompts, positions=("last",)).mass["m"]
    for n, prompt in enumerate(prompts):
        own = _whole(loaded, prompt.ids)[-1].softmax(dim=-1) @ torch.from_numpy(table)
        np.testing.assert_allclose(together[n, 0, -1], own.numpy(), rtol=0, atol=1e-5)


def test_hidden_states_of_long_and_short_are_read_apart(tmp_path: Path) -> None:
    trunk = load_trunk(str(save_tiny(tmp_path / "m", "longrope")), device="cpu")
    texts = [HiddenText(str(n), "Paris " * n) for n in (2, 9, 30, 80, 120)]
    together = hidden_states(trunk, texts, ("mean", "last")).states
    assert len({len(trunk.tokenizer(t.text)["input_ids"]) > LIMIT for t in texts}) == 2
    for n, text in enumerate(texts):
        alone = hidden_states(trunk, [text], ("mean", "last")).states
        for pooling in ("mean", "last"):
            size = np.abs(alone[pooling]).max()
            np.testing.assert_allclose(
                together[pooling][:, n], alone[pooling][:, 0], rtol=0, atol=1e-5 * size
            )


def test_a_pass_alone_is_the_truth_for_the_lens() -> None:
    loaded = tiny_loaded("longrope")
    short, long = _ids(20), _ids(90)
    alone = trunk_states(loaded, [short], [[19]]).depths
    mixed = trunk_states(loaded, [short, long], [[19], []]).depths
    assert (alone - mixed).abs().max() > 0.01, "why the two are read apart"


def test_dynamic_rotations_are_refused_beyond_their_positions() -> None:
    loaded = tiny_loaded("dynamic")
    fit = [EncodedPrompt(str(n), _ids(n), False, False) for n in (9, 30, 50, LIMIT - 8)]
    found = generate_answers(loaded, fit, Decoding(8, stop_at_newline=False), language="x")
    assert [a.tokens for a in found] == [_by_hand(loaded, p.ids, 8) for p in fit]
    long = EncodedPrompt("long", _ids(70), False, False)
    with pytest.raises(SettingError, match="example long: expected prompt and answer within"):
        generate_answers(loaded, [*fit, long], Decoding(8), language="x")
    with pytest.raises(SettingError, match="example b: expected prompt and option within"):
        score_options(
            loaded,
            [
                Choice("a", _ids(9), (_ids(2),), (1,)),
                Choice("b", _ids(LIMIT), (_ids(2),), (1,)),
            ],
        )
    whole = Choice("c", _ids(LIMIT), (_ids(1),), (1,))
    assert np.isfinite(score_options(loaded, [whole])[0].nats).all()


def test_length_classes_by_hand() -> None:
    model = tiny_loaded("longrope").model
    assert rotation_limits(model.config) == (("longrope", LIMIT),)
    assert [length_class(model.config, n) for n in (1, 64, 65, 400)] == [0, 0, 1, 1]
    dynamic = tiny_loaded("dynamic").model.config
    assert [length_class(dynamic, n) for n in (1, 64, 65, 70)] == [0, 0, 1, 6]
    assert rotation_limits(LlamaConfig()) == ()
    assert length_class(LlamaConfig(), 10**6) == 0
    # Phi-3-mini-128k as published: the old name and place of the setting
    rope = {"type": "longrope", "short_factor": [1.0] * 48, "long_factor": [2.0] * 48}
    phi = Phi3Config(rope_scaling=rope, original_max_position_embeddings=4096)
    assert rotation_limits(phi) == (("longrope", 4096),)
