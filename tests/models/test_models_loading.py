"""Loading: every fault of a model folder is one clear error, and nothing unsafe is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from tiny import BLIND_ENCODERS, ENCODERS, ROWS, save_tiny, tiny_model, tiny_tokenizer

from babelscope.errors import ModelError, SettingError
from babelscope.infer.generate import Decoding, generate_answers
from babelscope.infer.hidden import HiddenText, hidden_states
from babelscope.models import folders
from babelscope.models.encoding import EncodedPrompt
from babelscope.models.folders import folder_fingerprint
from babelscope.models.loading import load_model, load_tokenizer, pad_id, tokenizer_fingerprint
from babelscope.models.tokens import count_tokens, token_forms
from babelscope.models.trunks import load_trunk


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "good", "qwen2")


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    return shutil.copytree(good, tmp_path / "model")


def test_a_folder_loads_as_it_was_saved(good: Path) -> None:
    loaded = load_model(str(good), device="cpu")
    assert loaded.dtype == loaded.parts.unembed.weight.dtype == torch.float32
    assert loaded.device == torch.device("cpu")
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())
    for ours, saved in zip(
        loaded.model.parameters(), tiny_model("qwen2").parameters(), strict=True
    ):
        torch.testing.assert_close(ours, saved, rtol=0, atol=0)


def test_dtype_is_as_asked(good: Path) -> None:
    loaded = load_model(str(good), dtype="bf16", device="cpu")
    assert loaded.dtype == loaded.parts.unembed.weight.dtype == torch.bfloat16


@pytest.mark.parametrize(
    "setting",
    [{"dtype": "int8"}, {"device": "tpu"}, {"device": "cuda:99"}, {"device": "cuda:x"}],
)
def test_unknown_settings(good: Path, setting: dict[str, str]) -> None:
    with pytest.raises(SettingError):
        load_model(str(good), **setting)  # type: ignore[arg-type]


def test_fingerprint_is_of_the_content(good: Path, folder: Path) -> None:
    own = folder_fingerprint(good)
    assert own == folder_fingerprint(folder) == load_model(str(folder), device="cpu").fingerprint
    weights = load_file(folder / "model.safetensors")
    name = sorted(weights)[0]
    weights[name] = weights[name] + 1e-3
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert folder_fingerprint(folder) != own


def _no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def _no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def _broken_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": ')


def _config_of_nothing(folder: Path) -> None:
    (folder / "config.json").write_text("{}")


def _unknown_type(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "perceptron"}')


def _wrong_value(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": "wide"}))


def _other_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 2 * ROWS}))


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def _cut_off(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _empty(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def _pointer(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")


def _missing_tensor(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _missing_shard(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    places = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def _unfinished(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "abc.incomplete")


def _no_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


def _broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"version": "1.0"}')


def _cut_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text()[:500])


def _other_tokenizer(folder: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([f"word{n}" for n in range(ROWS)])
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (_no_folder, "no such folder"),
        (_no_config, "expected config.json, found no such file"),
        (_broken_config, "expected a JSON file"),
        (_config_of_nothing, "model_type"),
        (_unknown_type, "perceptron"),
        (_wrong_value, "expected a known configuration"),
        (_other_shape, "2 missing or of another shape"),
        (_no_weights, "found neither"),
        (_pickle, "pickle checkpoint .pytorch_model.bin"),
        (_cut_off, "a broken or cut one"),
        (_empty, "a broken or cut one"),
        (_pointer, "git-lfs pointer"),
        (_missing_tensor, "1 missing or of another shape, first model.norm.weight"),
        (_missing_shard, "1 missing, first model-00002-of-00002.safetensors"),
        (_unfinished, "a finished download"),
        (_no_tokenizer, "expected tokenizer.json"),
        (_broken_tokenizer, "expected a tokenizer"),
        (_cut_tokenizer, "expected a JSON file"),
        (_other_tokenizer, "belongs to another model"),
    ],
)
def test_faulty_folders(harm: Callable[[Path], None], says: str, folder: Path) -> None:
    harm(folder)
    with pytest.raises(ModelError, match=says) as caught:
        load_model(str(folder), device="cpu")
    assert "\n" not in str(caught.value)


def test_a_sharded_folder_loads(folder: Path, good: Path) -> None:
    (folder / "model.safetensors").unlink()
    tiny_model("qwen2").save_pretrained(folder, max_shard_size="60KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    sharded = load_model(str(folder), device="cpu")
    whole = load_model(str(good), device="cpu")
    assert sharded.fingerprint != whole.fingerprint
    for a, b in zip(sharded.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_tied_weights_are_not_missing(tmp_path: Path) -> None:
    loaded = load_model(str(save_tiny(tmp_path / "m", "bloom")), device="cpu")
    assert loaded.parts.unembed.weight is loaded.parts.embed.weight


def test_a_hub_name_offline_fails_at_once() -> None:
    with pytest.raises(ModelError, match=r"babelscope/no-such-model.*offline mode is on"):
        load_model("babelscope/no-such-model")


def test_a_hub_name_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("cannot reach the Hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(ModelError, match=r"no download \(no network\)"):
        load_model("babelscope/no-such-model")


def _cache(root: Path, model: Path) -> None:
    """Lay a model out as the Hub's cache does: links into blobs."""
    repo = root / "models--some--model"
    snapshot = repo / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0" * 40)
    (repo / "blobs").mkdir()
    for file in model.iterdir():
        blob = repo / "blobs" / f"blob-{file.name[::-1]}"
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(blob)


def test_a_cached_hub_model_is_used_without_network(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cache(tmp_path, good)
    real = huggingface_hub.snapshot_download
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda *a, **k: real(*a, cache_dir=tmp_path, **k)
    )
    assert load_model("some/model", device="cpu").fingerprint == folder_fingerprint(good)
    (tmp_path / "models--some--model/snapshots" / ("0" * 40) / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"not whole.*offline mode is on"):
        load_model("some/model", device="cpu")


def test_names_that_are_neither_folder_nor_hub_name(good: Path) -> None:
    for name in ("", "a/b/c", "./here", "no such", str(good / "config.json")):
        with pytest.raises(ModelError):
            folders.resolve_folder(name)


def test_a_tokenizer_alone_suffices(tmp_path: Path) -> None:
    tiny_tokenizer().save_pretrained(tmp_path)
    assert tokenizer_fingerprint(load_tokenizer(str(tmp_path))) == tokenizer_fingerprint(
        tiny_tokenizer()
    )
    (tmp_path / "tokenizer_config.json").unlink()
    assert load_tokenizer(str(tmp_path))("a")["input_ids"] == tiny_tokenizer()("a")["input_ids"]


def test_tokenizer_fingerprint_is_of_rules_and_tokens_not_of_calls() -> None:
    tokenizer = tiny_tokenizer()
    own = tokenizer_fingerprint(tokenizer)
    tokenizer(["a", "long text"], padding=True, truncation=True, max_length=3)
    assert tokenizer_fingerprint(tokenizer) == own
    assert tokenizer_fingerprint(tiny_tokenizer(adds_begin=True)) != own
    assert tokenizer_fingerprint(tiny_tokenizer(pad=None)) != own
    tokenizer.add_tokens(["newword"])
    assert tokenizer_fingerprint(tokenizer) != own


def test_pad_id_is_never_the_end_token() -> None:
    assert pad_id(tiny_tokenizer(), ROWS) == 3
    assert pad_id(tiny_tokenizer(pad="</s>"), ROWS) == 0
    bare = tiny_tokenizer(pad=None)
    assert pad_id(bare, ROWS) == 0
    bare.unk_token = None
    assert pad_id(bare, ROWS) == 1
    bare.bos_token = None
    assert pad_id(bare, ROWS) == len(bare)
    assert pad_id(bare, len(bare)) == 0


def _with_pad_behind(folder: Path, **roles: str) -> None:
    """Give a tokenizer special tokens behind the model's rows, as a padding token added later."""
    tokenizer = tiny_tokenizer(pad=None)
    tokenizer.add_tokens([f"word{n}" for n in range(ROWS - len(tokenizer))])
    tokenizer.add_special_tokens(roles)
    assert max(tokenizer.get_vocab().values()) == ROWS + len(roles) - 1
    tokenizer.save_pretrained(folder)


def test_a_padding_token_behind_the_rows_is_no_fault(folder: Path) -> None:
    _with_pad_behind(folder, pad_token="[PAD]")
    loaded = load_model(str(folder), device="cpu")
    assert pad_id(loaded.tokenizer, ROWS) == 0
    assert len(token_forms(loaded.tokenizer, ROWS)) == ROWS
    languages, counts = count_tokens(loaded.tokenizer, {"x": ["word1 [PAD] word1"]}, ROWS)
    assert (languages, counts.sum()) == (("x",), counts[:ROWS].sum())
    prompt = EncodedPrompt("a", tuple(loaded.tokenizer("word1")["input_ids"]), False, False)
    assert generate_answers(loaded, [prompt], Decoding(2), language="x")[0].new_tokens
    trunk = load_trunk(str(folder), device="cpu")
    texts = [HiddenText("a", "word1"), HiddenText("b", "word1 [PAD]")]
    assert hidden_states(trunk, texts[:1], ("mean",)).states["mean"].shape == (4, 1, 32)
    with pytest.raises(ModelError, match=r"found \[PAD\] \(id 512\); take this special token out"):
        hidden_states(trunk, texts, ("mean",))


@pytest.mark.parametrize("role", ["eos_token", "unk_token", "bos_token"])
def test_a_mark_behind_the_rows_is_a_fault(folder: Path, role: str) -> None:
    _with_pad_behind(folder, **{role: "[MARK]"})
    with pytest.raises(ModelError, match=f"found id {ROWS} in the tokenizer"):
        load_model(str(folder), device="cpu")


@pytest.mark.parametrize("family", [*ENCODERS, *BLIND_ENCODERS])
def test_an_encoder_is_called_one(family: str, tmp_path: Path) -> None:
    encoder = save_tiny(tmp_path / "m", family)
    with pytest.raises(ModelError) as caught:
        load_model(str(encoder), device="cpu")
    # some encoders have no class of a decoder at all
    assert "found an encoder" in str(caught.value) or "Unrecognized configuration" in str(
        caught.value
    )
    assert family not in ("bert", "xlm_roberta") or "found an encoder" in str(caught.value)
