"""Adapters: cards survive a trip, wrong ones are refused, switching is exact."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tiny import save_tiny, tiny_model

from babelscope.data.prompts import TEMPLATES
from babelscope.errors import AdapterError, StoreError
from babelscope.models.adapters import (
    AdapterCard,
    adapter_fingerprint,
    answering_rendering,
    attach_adapters,
    check_rendering,
    detach_adapters,
    read_adapter_card,
    use_adapter,
    write_adapter_card,
)
from babelscope.models.encoding import Rendering, rendering_fingerprint
from babelscope.models.loading import LoadedModel, load_model

# peft reads an attribute that transformers 5 has renamed
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

IDS = torch.tensor([[5, 77, 301, 8]])
RENDERING = Rendering(TEMPLATES["plain"], 128, 16, "never")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "base", "bloom")


@pytest.fixture
def loaded(base: Path) -> LoadedModel:
    return load_model(str(base), device="cpu")


def _card(loaded: LoadedModel) -> AdapterCard:
    return AdapterCard(
        base_name=loaded.name,
        base_fingerprint=loaded.fingerprint,
        rendering_fingerprint=rendering_fingerprint(loaded.tokenizer, RENDERING),
        template="plain",
        template_text=TEMPLATES["plain"].text,
        answer_prefix=" ",
        max_tokens=128,
        answer_tokens=16,
        begin_train="always",
        begin_answer="never",
        recipe={"name": "seed", "rank": 64, "train_eos": False},
        source="or",
        language="ory_Orya",
        source_digest="00",
        seed=1,
        step=60,
        loss_curve=(2.5, 1.25),
        example=(("ନୂଆ", False), ("</s>", True)),
        counts={"truncated": 3},
    )


def _adapter(folder: Path, loaded: LoadedModel, seed: int) -> Path:
    """A LoRA with random weights on both sides, so that it changes the model."""
    model = tiny_model("bloom")
    torch.manual_seed(seed)
    config = LoraConfig(r=4, target_modules=["query_key_value", "dense"], init_lora_weights=False)
    get_peft_model(model, config).save_pretrained(folder)
    write_adapter_card(folder, _card(loaded))
    return folder


@pytest.fixture
def folders(loaded: LoadedModel, tmp_path: Path) -> dict[str, Path]:
    return {
        name: _adapter(tmp_path / str(seed), loaded, seed)
        for seed, name in enumerate(["seed+train_eos=true/or.1", "b"])
    }


def _logits(loaded: LoadedModel) -> torch.Tensor:
    with torch.no_grad():
        return loaded.model(IDS).logits


def test_a_card_survives_writing_and_reading(loaded: LoadedModel, tmp_path: Path) -> None:
    write_adapter_card(tmp_path, _card(loaded))
    assert read_adapter_card(tmp_path) == _card(loaded)
    assert [p.name for p in tmp_path.iterdir()] == ["babelscope.json"]


def test_a_card_that_cannot_be_written(loaded: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        write_adapter_card(tmp_path / "absent", _card(loaded))


@pytest.mark.parametrize(
    "change",
    [{"seed": "one"}, {"step": None}, {"extra": 1}, {"recipe": "default"}, {"example": 3}],
)
def test_a_card_of_another_form_is_refused(
    loaded: LoadedModel, tmp_path: Path, change: dict[str, object]
) -> None:
    write_adapter_card(tmp_path, _card(loaded))
    path = tmp_path / "babelscope.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(AdapterError, match=next(iter(change))):
        read_adapter_card(tmp_path)


def test_switching_is_exact_and_leaves_the_base(
    base: Path, loaded: LoadedModel, folders: dict[str, Path]
) -> None:
    plain = _logits(loaded)
    alone = {}
    for name, folder in folders.items():
        one = attach_adapters(load_model(str(base), device="cpu"), {name: folder})
        with use_adapter(one, name):
            alone[name] = _logits(one)
    both = attach_adapters(loaded, folders)
    assert torch.equal(_logits(both), plain), "attached adapters are not active by themselves"
    for name in [*folders, *reversed(folders)]:
        with use_adapter(both, name):
            assert torch.equal(_logits(both), alone[name])
        with use_adapter(both, None):
            assert torch.equal(_logits(both), plain)
    first, second = alone.values()
    assert (first - plain).abs().max() > 0.01
    assert (first - second).abs().max() > 0.01
    bare = detach_adapters(both)
    assert torch.equal(_logits(bare), plain)
    assert type(bare.model).__name__ == "BloomForCausalLM"
    assert {n for n, _ in bare.model.named_parameters()} == {
        n for n, _ in tiny_model("bloom").named_parameters()
    }


def test_an_adapter_that_is_not_attached(loaded: LoadedModel, folders: dict[str, Path]) -> None:
    with pytest.raises(AdapterError, match="adapter x"), use_adapter(loaded, "x"):
        pass
    both = attach_adapters(loaded, folders)
    with pytest.raises(AdapterError, match="adapter x"), use_adapter(both, "x"):
        pass


def _no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def _no_card(folder: Path) -> None:
    (folder / "babelscope.json").unlink()


def _broken_card(folder: Path) -> None:
    (folder / "babelscope.json").write_text("{")


def _other_base(folder: Path) -> None:
    card = read_adapter_card(folder)
    write_adapter_card(folder, dataclasses.replace(card, base_fingerprint="f" * 32))


def _no_config(folder: Path) -> None:
    (folder / "adapter_config.json").unlink()


def _broken_config(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("[]")


def _unknown_kind(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"peft_type": "MAGIC"}')


def _no_weights(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


def _pickle(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()
    torch.save({}, folder / "adapter_model.bin")


def _cut_weights(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


def _missing_tensor(folder: Path) -> None:
    weights = load_file(folder / "adapter_model.safetensors")
    weights.pop(sorted(weights)[0])
    save_file(weights, folder / "adapter_model.safetensors")


def _other_shape(folder: Path) -> None:
    weights = load_file(folder / "adapter_model.safetensors")
    weights = {name: value[:, :3].contiguous() for name, value in weights.items()}
    save_file(weights, folder / "adapter_model.safetensors")


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (_no_folder, "expected a folder"),
        (_no_card, "babelscope.json"),
        (_broken_card, "expected JSON"),
        (_other_base, "load the base that it was tuned from"),
        (_no_config, "expected adapter_config.json"),
        (_broken_config, "expected an object"),
        (_unknown_kind, "an adapter that fits its base"),
        (_no_weights, "expected adapter_model.safetensors"),
        (_pickle, "expected adapter_model.safetensors"),
        (_cut_weights, "a whole safetensors file"),
        (_missing_tensor, "1 tensors missing or unknown"),
        (_other_shape, "an adapter that fits its base"),
    ],
)
def test_faulty_adapters_are_refused_and_the_base_survives(
    harm: Callable[[Path], None],
    says: str,
    which: int,
    loaded: LoadedModel,
    folders: dict[str, Path],
) -> None:
    plain = _logits(loaded)
    harm(list(folders.values())[which])
    with pytest.raises(AdapterError, match=says) as caught:
        attach_adapters(loaded, folders)
    assert "\n" not in str(caught.value)
    assert torch.equal(_logits(loaded), plain)


def test_rendering_must_be_that_of_the_card(loaded: LoadedModel) -> None:
    card = _card(loaded)
    assert answering_rendering(card) == RENDERING
    check_rendering(card, loaded, RENDERING)
    others = [
        dataclasses.replace(RENDERING, max_tokens=256),
        dataclasses.replace(RENDERING, template=TEMPLATES["short_span"]),
        dataclasses.replace(RENDERING, begin="always"),
    ]
    for other in others:
        with pytest.raises(AdapterError, match="adapter from or"):
            check_rendering(card, loaded, other)


def test_fingerprint_is_of_the_weights(folders: dict[str, Path], tmp_path: Path) -> None:
    first, second = (adapter_fingerprint(folder) for folder in folders.values())
    assert first != second
    copy = shutil.copytree(folders["b"], tmp_path / "copy")
    assert adapter_fingerprint(copy) == second
