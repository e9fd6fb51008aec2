"""Trunks of decoders and encoders: blocks found by structure, proved against the model's own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tiny import (
    BLIND_ENCODERS,
    ENCODERS,
    FAMILIES,
    LENS_FAMILIES,
    ROWS,
    save_tiny,
    tiny_encoder,
    tiny_model,
    tiny_tokenizer,
)
from torch import Tensor, nn
from transformers import AutoModel, BertConfig, BertModel, PreTrainedModel, T5Config, T5Model

from babelscope.errors import ModelError
from babelscope.models.loading import load_model
from babelscope.models.parts import find_blocks
from babelscope.models.trunk_proof import hides_padding, is_causal, verify_trunk, watched
from babelscope.models.trunks import Trunk, load_trunk, norm_of, trunk_of

IDS = torch.tensor([[5, 77, 301, 8, 44, 9], [12, 400, 33, 33, 7, 250]])
ALL = (*FAMILIES, *ENCODERS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("trunks")
    return {family: save_tiny(root / family, family) for family in ALL}


def _depths(trunk: Trunk) -> list[Tensor]:
    kept: dict[int, Tensor] = {}
    with torch.no_grad(), watched(trunk.blocks, kept.__setitem__):
        trunk.model(input_ids=IDS)
    return [kept[depth] for depth in range(trunk.depth + 1)]


@pytest.mark.parametrize("family", ALL)
def test_depths_are_the_models_own_hidden_states(family: str, folders: dict[str, Path]) -> None:
    trunk = load_trunk(str(folders[family]), device="cpu")
    assert (trunk.depth, trunk.width, trunk.causal) == (2, 32, family in FAMILIES)
    with torch.no_grad():  # an independent load, and transformers' own record
        model = AutoModel.from_pretrained(folders[family]).eval()
        own = model(input_ids=IDS, output_hidden_states=True)
    ours = _depths(trunk)
    torch.testing.assert_close(ours[0], own.hidden_states[0])
    torch.testing.assert_close(ours[1], own.hidden_states[1])
    norm = next((m for n, m in model.named_modules() if n in ("norm", "final_norm", "ln_f")), None)
    norm = norm or getattr(model, "final_layer_norm", None)
    assert (norm is None) == (family in ("xlm_roberta", "bert", "distilbert"))
    last = norm(ours[2]) if norm is not None else ours[2]
    torch.testing.assert_close(last.detach(), own.last_hidden_state)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_trunk_of_a_loaded_model_is_that_of_its_folder(
    family: str, folders: dict[str, Path]
) -> None:
    loaded = load_model(str(folders[family]), device="cpu")
    own, alone = trunk_of(loaded), load_trunk(str(folders[family]), device="cpu")
    for a, b in zip(_depths(own), _depths(alone), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    for name in ("width", "depth", "causal", "fingerprint", "tokenizer_fingerprint", "max_tokens"):
        assert getattr(own, name) == getattr(alone, name)
    assert trunk_of(loaded, adapter="abc").fingerprint != own.fingerprint


def test_a_trunk_looks_through_the_adapter_in_use(folders: dict[str, Path]) -> None:
    loaded = load_model(str(folders["qwen2"]), device="cpu")
    base = _depths(trunk_of(loaded))
    config = LoraConfig(r=2, target_modules=["down_proj"], init_lora_weights=False)
    model = get_peft_model(loaded.model, config).eval()
    adapted = _depths(trunk_of(dataclasses.replace(loaded, model=model)))
    torch.testing.assert_close(adapted[0], base[0], rtol=0, atol=0)
    assert (adapted[1] - base[1]).abs().max() > 0.01


@pytest.mark.parametrize("family", ENCODERS)
def test_half_precision_passes_the_proof(family: str, folders: dict[str, Path]) -> None:
    trunk = load_trunk(str(folders[family]), device="cpu", dtype="bf16")
    assert trunk.dtype == next(trunk.model.parameters()).dtype == torch.bfloat16
    assert not trunk.causal


def test_room_leaves_out_the_positions_that_roberta_spends_on_padding(
    folders: dict[str, Path],
) -> None:
    found = {f: load_trunk(str(folders[f]), device="cpu").max_tokens for f in ALL}
    # the tiny XLM-R pads with id 3: positions 4 to 65
    assert (found["xlm_roberta"], found["bert"]) == (62, 66)
    assert (found["bloom"], found["llama"]) == (None, 4096)


@pytest.mark.parametrize("family", ["xlm_roberta", "bert"])
def test_a_pooler_may_be_missing_but_nothing_else(family: str, tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m", family)
    weights = load_file(folder / "model.safetensors")
    assert not any("pooler" in name for name in weights)
    load_trunk(str(folder), device="cpu")
    gone = next(name for name in weights if name.endswith("layer.1.output.LayerNorm.weight"))
    del weights[gone]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 missing.*first encoder.layer.1.output.LayerNorm"):
        load_trunk(str(folder), device="cpu")


def test_norms_of_old_bert_files_are_read(tmp_path: Path) -> None:
    # Google's checkpoints call a norm's weight and bias gamma and beta
    folder = save_tiny(tmp_path / "m", "bert")
    weights = load_file(folder / "model.safetensors")
    old = {
        k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        if "LayerNorm" in k
        else k: v
        for k, v in weights.items()
    }
    assert set(old) != set(weights)
    before = _depths(load_trunk(str(folder), device="cpu"))
    save_file(old, folder / "model.safetensors", metadata={"format": "pt"})
    for a, b in zip(_depths(load_trunk(str(folder), device="cpu")), before, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_both_in_one_model_is_refused(tmp_path: Path) -> None:
    config = T5Config(vocab_size=ROWS, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    T5Model(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="expected a decoder or an encoder, found both"):
        load_trunk(str(tmp_path), device="cpu")


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m", "bert")
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([f"word{n}" for n in range(ROWS)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match="belongs to another model"):
        load_trunk(str(folder), device="cpu")


def test_remote_code_is_not_run_unasked(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m", "bert")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModel": "own.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('this code ran')\n")
    with pytest.raises(ModelError):
        load_trunk(str(folder), device="cpu")


class _Extra(BertModel):
    """A model that adds something behind its last block."""

    def forward(self, *args: object, **kwargs: object) -> object:
        out = super().forward(*args, **kwargs)  # type: ignore[arg-type]
        out.last_hidden_state = out.last_hidden_state + 1.0
        return out


def _bert(kind: type[PreTrainedModel]) -> PreTrainedModel:
    model = tiny_encoder("bert")
    return kind(BertConfig(**model.config.to_diff_dict())).eval()


def test_blocks_that_do_not_give_the_last_state_fail_the_proof() -> None:
    model = _bert(_Extra)
    with pytest.raises(ModelError, match="relative difference"):
        verify_trunk(model, find_blocks(model, 2, "x"))


def test_blocks_out_of_order_fail_the_proof() -> None:
    model = _bert(BertModel)
    blocks = find_blocks(model, 2, "x")
    with pytest.raises(ModelError, match=r"each block to run once, in order, found \[1, 0\]"):
        verify_trunk(model, nn.ModuleList(reversed(list(blocks))))
    assert not is_causal(model, blocks)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("family", [*LENS_FAMILIES, "opt_normed", "jetmoe", "rwkv", "longrope"])
def test_decoders_are_causal_whatever_their_rounding(family: str, half: bool) -> None:
    # experts get other tokens beside them, and round otherwise
    model = tiny_model(family).to(torch.bfloat16 if half else torch.float32)
    assert is_causal(model, find_blocks(model, 2, family))


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("family", [*ENCODERS, *BLIND_ENCODERS])
def test_encoders_are_not_causal_and_those_that_see_padding_are_told(
    family: str, half: bool
) -> None:
    model = tiny_encoder(family).base_model.to(torch.bfloat16 if half else torch.float32)
    blocks = find_blocks(model, 2, family)
    if half and family == "fnet":  # torch has no such transform
        with pytest.raises(ModelError, match="Unsupported dtype BFloat16; load it as float32"):
            is_causal(model, blocks)
        return
    assert not is_causal(model, blocks)
    assert hides_padding(model, blocks) == (family in ENCODERS)


def test_a_model_without_attention_is_refused() -> None:
    model = tiny_model("llama")
    for block in model.model.layers:
        block.self_attn.o_proj.weight.data.zero_()
    with pytest.raises(ModelError, match="expected positions that see others"):
        is_causal(model, model.model.layers)


def test_an_overflow_in_half_precision_says_what_it_is(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m", "bert")
    weights = load_file(folder / "model.safetensors")
    name = next(n for n in weights if n.endswith("layer.0.output.dense.weight"))
    weights[name] = weights[name] * 1e6
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    load_trunk(str(folder), device="cpu")
    with pytest.raises(ModelError, match=r"float16's 65,504; load the model as bfloat16"):
        load_trunk(str(folder), device="cpu", dtype="float16")


@pytest.mark.parametrize("family", ["opt", "opt_normed"])
def test_the_width_is_that_of_the_blocks(family: str, tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m", family)
    assert load_model(str(folder), device="cpu").parts.unembed.weight.shape[1] == 16
    assert trunk_of(load_model(str(folder), device="cpu")).width == 32


def test_a_projection_is_no_norm() -> None:
    norm, projection = torch.nn.LayerNorm(8), torch.nn.Linear(8, 4)
    assert norm_of(torch.nn.Sequential(norm, projection)) is norm
    assert norm_of(norm) is norm
    assert norm_of(projection) is norm_of(torch.nn.Identity()) is norm_of(None) is None
