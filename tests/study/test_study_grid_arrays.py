"""A grid's numbers against the plain computation: whole softmax, whole map, every state."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import tiny_loaded

from babelscope.infer.generate import Decoding, generate_answers
from babelscope.infer.lens import LensPrompt, LensSettings, prepare_lens
from babelscope.models.encoding import EncodedPrompt
from babelscope.models.loading import LoadedModel
from babelscope.study.grids import grid_arrays

COLUMNS = 6
WINDOW = 12


def random_prompts() -> list[EncodedPrompt]:
    draw = random.Random(3)
    lengths = (5, 40, 12, 13, 1)
    ids = [tuple(draw.randrange(4, 480) for _ in range(length)) for length in lengths]
    return [EncodedPrompt(str(n), own, False, False) for n, own in enumerate(ids)]


def plainly(loaded: LoadedModel, ids: tuple[int, ...]) -> NDArray[np.float64]:
    """Every depth's probabilities (depths, places, rows), by transformers' own hidden states."""
    with torch.no_grad():
        out = loaded.model(torch.tensor([ids]), output_hidden_states=True)
        raw = [loaded.parts.unembed(loaded.parts.final_norm(h)) for h in out.hidden_states]
    cap = loaded.parts.soft_cap
    early = [x if cap is None else cap * torch.tanh(x / cap) for x in raw[:-1]]
    return torch.stack([*early, out.logits])[:, 0].double().softmax(-1).numpy()


@pytest.mark.parametrize("family", ["bloom", "gemma2"])
def test_a_grid_equals_the_plain_computation(family: str) -> None:
    loaded = tiny_loaded(family)
    rows = loaded.parts.vocabulary_rows
    table = np.random.default_rng(5).dirichlet(np.full(COLUMNS, 0.3), size=rows).astype("f4")
    prompts = random_prompts()
    answers = generate_answers(loaded, prompts, Decoding(7), language="eng_Latn")
    lens = prepare_lens(loaded, {"m": table}, LensSettings(top_k=1))
    asked = [
        LensPrompt(p.id, p.ids, generated=a.tokens) for p, a in zip(prompts, answers, strict=True)
    ]
    found = grid_arrays(lens, asked, WINDOW)
    row = 0
    for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        ids = (*prompt.ids, *answer.tokens)
        p = plainly(loaded, ids[:-1])
        mass = p @ table
        first = max(0, len(prompt.ids) - WINDOW)
        for place in range(first, len(ids) - 1):
            assert found["prompt"][row] == number
            assert found["place"][row] == place
            assert found["answers"][row] == (place >= len(prompt.ids))
            assert (found["token"][row], found["next"][row]) == ids[place : place + 2]
            at, leading = p[:, place], mass[:, place, :-2].argmax(-1)
            np.testing.assert_array_equal(found["top"][row], at.argmax(-1))
            np.testing.assert_array_equal(found["language"][row], leading)
            depths = np.arange(len(at))
            entropy = -(at * np.log2(np.maximum(at, 1e-300))).sum(-1)
            for name, plain in (
                ("top_probability", at.max(-1)),
                ("next_probability", at[:, ids[place + 1]]),
                ("language_mass", mass[depths, place, leading]),
                ("shared", mass[:, place, -2]),
                ("unknown", mass[:, place, -1]),
            ):
                np.testing.assert_allclose(found[name][row], plain, atol=1e-5)
            np.testing.assert_allclose(found["entropy_bits"][row], entropy, atol=1e-4)
            row += 1
    assert row == len(found["place"])


def test_a_prompt_whose_answer_is_not_known_has_its_own_places() -> None:
    loaded = tiny_loaded("bloom")
    table = np.full((loaded.parts.vocabulary_rows, 3), 1 / 3, dtype=np.float32)
    lens = prepare_lens(loaded, {"m": table}, LensSettings(top_k=1))
    found = grid_arrays(lens, [LensPrompt("a", (5, 6, 7))], 2)
    assert found["place"].tolist() == [1, 2]
    assert found["next"].tolist() == [7, -1]
    assert np.isnan(found["next_probability"][1]).all()
