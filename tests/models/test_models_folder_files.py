"""What is read of a model's folder is in its fingerprint, whatever form the folder has."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from opened_files import opened_files
from safetensors.torch import load_file, save_file
from tiny import save_tiny, tiny_model

from babelscope.models.classifiers import load_classifier
from babelscope.models.folder_files import files_read, foreign_code, weight_files
from babelscope.models.folders import base_fingerprint, folder_fingerprint, resolve_folder
from babelscope.models.loading import load_model
from babelscope.models.trunks import load_trunk

INERT = ("README.md", "LICENSE.txt", ".gitattributes", "notes.txt", "USE_POLICY.md", "trainer.log")
INERT = (*INERT, "model.onnx", "model.gguf", "optimizer.pt", "trainer_state.json", "x_results.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sharded model with every file that may lie beside weights, and some that nothing reads."""
    made = tmp_path / "model"
    save_tiny(made, "qwen2")
    (made / "model.safetensors").unlink()
    tiny_model("qwen2").save_pretrained(made, max_shard_size="60KB")
    (made / "special_tokens_map.json").write_text('{"unk_token": "<unk>"}')
    (made / "added_tokens.json").write_text("{}")
    (made / "chat_template.jinja").write_text("x")
    (made / "additional_chat_templates").mkdir()
    (made / "additional_chat_templates" / "tool.jinja").write_text("x")
    for name in INERT:
        (made / name).write_text("x")
    return made


def test_what_is_opened_is_what_is_counted(folder: Path) -> None:
    with opened_files(folder) as found:
        load_model(str(folder), device="cpu")
        load_trunk(str(folder), device="cpu")
        load_classifier(str(folder), ("no", "yes"), "sequence", seed=0, device="cpu")
    assert found == set(files_read(folder))
    assert len(found) > 9


def test_each_counted_file_changes_the_fingerprint_and_no_other(folder: Path) -> None:
    own = folder_fingerprint(folder)
    read = files_read(folder)
    for path in read:
        before = path.read_bytes()
        path.write_bytes(
            before[:-1] + bytes([before[-1] ^ 1]) if path.suffix != ".json" else before + b" "
        )
        assert folder_fingerprint(folder) != own, path.name
        path.write_bytes(before)
    for path in folder.rglob("*"):
        if path.is_file() and path not in read:
            path.write_bytes(b"another")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "config.json").write_text("{}")
    assert folder_fingerprint(folder) == own
    (folder / "generation_config.json").rename(folder / "kept")
    assert folder_fingerprint(folder) != own


def test_every_vocabulary_that_transformers_knows_is_counted(tmp_path: Path) -> None:
    """The names stand in the sources of its tokenizers."""
    names = set()
    for path in Path(transformers.__file__).parent.glob("models/*/tokenization_*.py"):
        for table in re.findall(r"VOCAB_FILES_NAMES = \{(.*?)\}", path.read_text("utf-8"), re.S):
            names |= set(re.findall(r':\s*"([^"/]+\.[a-z]+)"', table))
    assert {"tokenizer.json", "merges.txt", "spiece.model"} < names
    save_tiny(tmp_path / "m", "qwen2")
    for name in names - {"tokenizer.json", "tokenizer_config.json"}:
        (tmp_path / "m" / name).write_text("x")
    assert names <= {path.name for path in files_read(tmp_path / "m")}


def test_the_same_content_has_one_fingerprint_wherever_it_lies(
    folder: Path, tmp_path: Path
) -> None:
    own = folder_fingerprint(folder)
    linked = tmp_path / "snapshot"
    linked.mkdir()
    blobs = tmp_path / "blobs"
    shutil.copytree(folder, blobs)
    (linked / "additional_chat_templates").symlink_to(blobs / "additional_chat_templates")
    for number, path in enumerate(p for p in blobs.iterdir() if p.is_file()):
        path.rename(blobs / f"{number}")
        (linked / path.name).symlink_to(blobs / f"{number}")
    assert folder_fingerprint(linked) == own


def test_a_link_that_points_elsewhere_is_seen(folder: Path, tmp_path: Path) -> None:
    """Two files of one size and one time: the name and the dates alone would not tell."""
    first, second = tmp_path / "first", tmp_path / "second"
    text = (folder / "tokenizer_config.json").read_text()
    first.write_text(text)
    second.write_text(text.replace("<unk>", "<pad>"))
    for path in (first, second):
        os.utime(path, ns=(10**18, 10**18))
    link = folder / "tokenizer_config.json"
    link.unlink()
    link.symlink_to(first)
    own = folder_fingerprint(folder)
    link.unlink()
    link.symlink_to(second)
    assert folder_fingerprint(folder) != own
    # written in place, with size and time as before
    now = folder_fingerprint(folder)
    second.write_text(second.read_text().replace("<pad>", "<unk>"))
    os.utime(second, ns=(10**18, 10**18))
    assert folder_fingerprint(folder) != now


def test_the_index_is_part_of_sharded_weights(folder: Path) -> None:
    own, base = folder_fingerprint(folder), base_fingerprint(folder)
    index = folder / "model.safetensors.index.json"
    told = json.loads(index.read_text())
    index.write_text(json.dumps({**told, "metadata": {"total_size": 1}}))
    assert folder_fingerprint(folder) != own
    assert base_fingerprint(folder) == base


def test_weights_that_the_configuration_names(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m", "qwen2")
    moved = {name: 1.5 * t for name, t in load_file(folder / "model.safetensors").items()}
    save_file(moved, folder / "other.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    named = {**config, "transformers_weights": "other.safetensors"}
    (folder / "config.json").write_text(json.dumps(named))
    assert weight_files(folder) == (folder / "other.safetensors",)
    loaded = load_model(str(folder), device="cpu")
    assert torch.equal(loaded.parts.embed.weight, moved["model.embed_tokens.weight"])


def test_code_counts_where_it_is_trusted(folder: Path) -> None:
    own = folder_fingerprint(folder)
    assert own == folder_fingerprint(folder, code=True)
    (folder / "modeling_x.py").write_text("x = 1\n")
    assert folder_fingerprint(folder) == own
    assert folder_fingerprint(folder, code=True) != own
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "some/where--modeling_x.X", "AutoConfig": "own.Config"}
    (folder / "config.json").write_text(json.dumps(config))
    assert foreign_code(folder) == [["some/where", ""]]


def test_the_embedded_model_is_a_folder_as_any_other(tmp_path: Path) -> None:
    mini = resolve_folder("mini")
    copy = shutil.copytree(mini, tmp_path / "mini")
    assert folder_fingerprint(copy) == folder_fingerprint(mini)
    assert {path.name for path in files_read(mini)} == {
        *("config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json"),
    }
    inside = shutil.copytree(mini, copy / "inside")
    assert folder_fingerprint(copy) == folder_fingerprint(mini) == folder_fingerprint(inside)
    (copy / "generation_config.json").write_text('{"eos_token_id": [1, 2]}')
    assert folder_fingerprint(copy) != folder_fingerprint(mini)


def test_adapters_are_made_for_the_weights_alone(folder: Path) -> None:
    before = load_model(str(folder), device="cpu")
    (folder / "generation_config.json").write_text('{"eos_token_id": [2, 5]}')
    after = load_model(str(folder), device="cpu")
    assert before.fingerprint != after.fingerprint
    assert before.base_fingerprint == after.base_fingerprint == base_fingerprint(folder)
