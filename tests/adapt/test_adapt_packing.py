"""Packed rows train as they do alone; models that would mix them are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import FAMILIES
from toy_tuning import toy_loaded, toy_questions

from babelscope.adapt.packing import pack, prove_packing
from babelscope.adapt.recipes import RECIPES, change
from babelscope.adapt.saving import Saving
from babelscope.adapt.tuning import tune
from babelscope.errors import SettingError
from babelscope.models.encoding import NO_LOSS, EncodedTraining

MIXING = ("bloom",)
"""Families that take no positions from outside."""
SWITCHES = {
    **{"rank": 2, "batch_size": 3, "accumulation": 2, "max_steps": 4},
    **{"precision": "fp32", "dropout": 0, "learning_rate": 0.01, "length_grouped": False},
}


def test_rows_by_hand() -> None:
    def row(ids: tuple[int, ...]) -> EncodedTraining:
        return EncodedTraining("x", ids, (NO_LOSS, *ids[1:]), 1, 1, False, False, False)

    packed = pack([row((5, 6, 7)), row((8, 9))])
    assert packed["input_ids"].tolist() == [[5, 6, 7, 8, 9]]
    assert packed["position_ids"].tolist() == [[0, 1, 2, 0, 1]]
    assert packed["labels"].tolist() == [[NO_LOSS, 6, 7, NO_LOSS, 9]]


@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in MIXING])
@pytest.mark.parametrize("loss", ["answer", "all"])
def test_packed_training_has_the_same_loss_curve(family: str, loss: str, tmp_path: Path) -> None:
    curves = []
    for packing in (False, True):
        recipe = change(RECIPES["default"], {**SWITCHES, "packing": packing, "loss": loss})
        saving = Saving(tmp_path / str(packing))
        (card,) = tune(toy_loaded(family), toy_questions(7), recipe, seed=0, saving=saving)
        assert len(card.loss_curve) == 4
        curves.append(card.loss_curve)
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)


@pytest.mark.parametrize("family", MIXING)
def test_models_that_mix_rows_are_refused(family: str, tmp_path: Path) -> None:
    recipe = change(RECIPES["default"], {**SWITCHES, "packing": True})
    with pytest.raises(SettingError, match=r"packing with tiny-.*a relative difference of"):
        tune(toy_loaded(family), toy_questions(4), recipe, seed=0, saving=Saving(tmp_path / "a"))


def test_the_proof_sees_rows_that_leak() -> None:
    loaded = toy_loaded("qwen2")
    prove_packing(loaded)
    own = loaded.model.forward

    def deaf(input_ids: torch.Tensor, **others: object) -> object:
        others.pop("position_ids", None)
        return own(input_ids=input_ids, **others)

    loaded.model.forward = deaf
    with pytest.raises(SettingError, match="packing with tiny-qwen2"):
        prove_packing(loaded)
