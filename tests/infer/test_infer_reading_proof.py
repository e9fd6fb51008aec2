"""Models that cannot be asked are refused before the work, in one line that is true."""

from __future__ import annotations

import pytest
import torch
from tiny import LENS_FAMILIES, tiny_loaded

from babelscope.errors import ModelError
from babelscope.infer.generate import Decoding, generate_answers
from babelscope.infer.options import Choice, score_options
from babelscope.infer.reading_proof import verify_reading
from babelscope.infer.trunk import trunk_states
from babelscope.models.encoding import EncodedPrompt
from babelscope.models.loading import LoadedModel

PROMPTS = [EncodedPrompt("a", (5, 77, 301), False, False), EncodedPrompt("b", (8,), False, False)]
CHOICES = [Choice("a", (5, 77, 301), ((5,), (6, 9)), (1, 1))]


@pytest.mark.parametrize("family", [*LENS_FAMILIES, "opt_normed", "jetmoe", "longrope", "phimoe"])
def test_a_family_that_can_be_asked_is_proved(family: str) -> None:
    verify_reading(tiny_loaded(family))


@pytest.mark.parametrize("family", ["rwkv", "openai_gpt"])
def test_a_model_that_keeps_no_keys_is_refused(family: str) -> None:
    loaded = tiny_loaded(family)
    with pytest.raises(ModelError, match=f"model {family}: expected keys and values"):
        generate_answers(loaded, PROMPTS, Decoding(3), language="x")
    with pytest.raises(ModelError, match=f"model {family}: expected keys and values"):
        score_options(loaded, CHOICES)
    # what needs no kept keys works: a short row beside a long one
    together = trunk_states(loaded, [(5, 77, 301), (8,)], [[2], [0]]).depths
    alone = trunk_states(loaded, [(8,)], [[0]]).depths
    torch.testing.assert_close(together[:, 1:], alone, rtol=1e-5, atol=1e-5)


def _broken() -> LoadedModel:
    """A model whose rotations hang on how a row was divided into passes."""
    loaded = tiny_loaded("llama")
    inner = loaded.model.model.rotary_emb

    class Divided(torch.nn.Module):
        def forward(self, x: torch.Tensor, position_ids: torch.Tensor) -> object:
            return inner(x, position_ids * (3 if x.shape[1] == 1 else 1))

    loaded.model.model.rotary_emb = Divided()
    return loaded


def test_kept_keys_that_give_other_states_are_refused() -> None:
    loaded = _broken()
    with pytest.raises(ModelError, match=r"states of whole passes, found states that differ by"):
        generate_answers(loaded, PROMPTS, Decoding(3), language="x")


def test_positions_counted_from_the_padding_are_refused() -> None:
    loaded = tiny_loaded("llama")
    inner = loaded.model.model.rotary_emb

    class Shifted(torch.nn.Module):
        def forward(self, x: torch.Tensor, position_ids: torch.Tensor) -> object:
            return inner(x, torch.arange(x.shape[1])[None].expand_as(position_ids) ** 2)

    loaded.model.model.rotary_emb = Shifted()
    with pytest.raises(ModelError, match="cannot be asked questions here"):
        verify_reading(loaded)


def test_half_precision_passes_the_proof() -> None:
    for family in ("bloom", "llama", "gemma2", "olmoe"):
        loaded = tiny_loaded(family)
        loaded.model.to(torch.bfloat16)
        verify_reading(loaded)


def test_scores_that_overflow_are_refused() -> None:
    loaded = tiny_loaded("llama")
    loaded.model.to(torch.float16)
    loaded.parts.unembed.weight.data *= 1e5  # infinity in float16
    with pytest.raises(ModelError, match="scores of options: expected finite numbers"):
        score_options(loaded, CHOICES)
