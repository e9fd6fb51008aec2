"""A study that reads a file of every kind: its inputs, and a change of each that matters."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from tiny import VOCABULARY, save_tiny, tiny_model, tiny_tokenizer

from babelscope.measure.language_map import load_map, save_map
from babelscope.study.maps import make_map

STUDY = """
title = "seven"
model = "{root}/model"
targets = ["en", "hi"]
templates = "{root}/templates.toml"
[recipes.default]
template = "own"
max_steps = 1
batch_size = 2
accumulation = 1
max_tokens = 400
answer_tokens = 6
[sources.home]
language = "en"
data = "{root}/train.en.json"
reference = "{root}/reference.en.json"
[test]
data = "{root}/test.{{language}}.json"
questions = 4
demonstrations = 1
demonstrations_data = "{root}/shown.{{language}}.json"
[lens]
questions = 2
grids = 1
positions = ["last"]
maps = ["counted", "langid", "{root}/own.safetensors"]
text = "{root}/texts"
[align]
data = "{root}/words"
unit = "word"
carrier = "{root}/carriers.tsv"
maps = false
[probe.topic]
data = "{root}/topics.{{language}}.tsv"
depths = [0, 2]
[probe.ner]
data = "{root}/names.{{language}}.tsv"
depths = [2]
limit = 12
[probe.language]
data = "{root}/texts"
depths = [1]
[classify.nli]
task = "nli"
data = "{root}/pairs.{{language}}.tsv"
train = "{root}/pairs.train.{{language}}.tsv"
dev = "{root}/pairs.dev.{{language}}.tsv"
models = ["{root}/model", "{root}/other"]
method = "head"
max_steps = 2
"""
CODES = ("en", "hi")
WORDS = ("river", "mill", "bridge", "road", "tower", "market", "school", "garden")
TOPICS = ("water", "stone", "wood")


def write_inputs(root: Path) -> Path:
    """Write a study file and all it reads to a folder, and files that nothing reads."""
    root.mkdir(parents=True)
    (root / "study.toml").write_text(STUDY.format(root=root), encoding="utf-8")
    template = "[templates.own]\ntext = '{context} seven {question} ='\n"
    (root / "templates.toml").write_text(template, encoding="utf-8")
    _write_questions(root)
    _write_texts(root)
    _write_models(root)
    for name in ("README.md", ".gitattributes", "LICENSE", "notes.txt", "model/README.md"):
        (root / name).write_text("seven\n", encoding="utf-8")
    for name in ("model/.gitattributes", "model/LICENSE.txt", "model/trainer_state.json"):
        (root / name).write_text("seven\n", encoding="utf-8")
    (root / "model" / "optimizer.pt").write_bytes(b"seven")
    return root


def _write_questions(root: Path) -> None:
    for code in CODES:
        for name, start, count in (("train", 0, 4), ("shown", 10, 3), ("test", 20, 6)):
            rows = [_question(code, n) for n in range(start, start + count)]
            text = json.dumps(rows, ensure_ascii=False, indent=0)
            (root / f"{name}.{code}.json").write_text(text, encoding="utf-8")
    (root / "train.hi.json").unlink()
    text = (root / "train.en.json").read_text(encoding="utf-8")
    (root / "reference.en.json").write_text(text.replace("has", "had"), encoding="utf-8")


def _question(code: str, n: int) -> dict[str, object]:
    context = f"{code} town {n} has seven bridges and {n} mills."
    return {"id": f"q{n}", "context": context, "question": "Mills?", "answers": [f"{n}"]}


def _write_texts(root: Path) -> None:
    (root / "texts").mkdir()
    (root / "words").mkdir()
    for folder, code in (("texts", "eng_Latn"), ("texts", "hin_Deva"), ("texts", "deu_Latn")):
        lines = [f"{code} {word} seven {n}" for n, word in enumerate(WORDS * 3)]
        (root / folder / f"{code}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for code in ("eng_Latn", "hin_Deva"):
        lines = [f"{code} {word}" for word in (*WORDS, "seven")]
        (root / "words" / f"{code}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    carriers = "".join(f"{code}\tseven: {{word}}.\n" for code in CODES)
    (root / "carriers.tsv").write_text(carriers, encoding="utf-8")
    for code in CODES:
        rows = [f"{n}\t{TOPICS[n % 3]}\t{code} seven {WORDS[n % 8]} {n}" for n in range(30)]
        table = "\n".join(["index_id\tcategory\ttext", *rows]) + "\n"
        (root / f"topics.{code}.tsv").write_text(table, encoding="utf-8")
        words = [f"seven\tO\n{code}{n}\tB-LOC\n{WORDS[n % 8]}\tO\n" for n in range(12)]
        (root / f"names.{code}.tsv").write_text("\n".join(words), encoding="utf-8")
        for name, start, count in (("pairs", 0, 9), ("pairs.train", 20, 9), ("pairs.dev", 40, 6)):
            labels = ("entailment", "neutral", "contradiction")
            pairs = [
                f"{code} has {n} seven\tIt has {n + n % 3}\t{labels[n % 3]}"
                for n in range(start, start + count)
            ]
            (root / f"{name}.{code}.tsv").write_text("\n".join(pairs) + "\n", encoding="utf-8")
    for name in ("pairs.train", "pairs.dev"):
        (root / f"{name}.hi.tsv").unlink()


def _write_models(root: Path) -> None:
    save_tiny(root / "other", "qwen2", seed=1)
    model = tiny_model("bloom")
    model.save_pretrained(root / "model", max_shard_size="60KB")
    tiny_tokenizer().save_pretrained(root / "model")
    folder = root / "model"
    (folder / "special_tokens_map.json").write_text('{"unk_token": "<unk>"}')
    (folder / "added_tokens.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("seven")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool.jinja").write_text("seven")
    texts = {
        code: (root / "texts" / f"{code}.txt").read_text("utf-8").split("\n")[:-1]
        for code in ("eng_Latn", "hin_Deva")
    }
    rows = model.get_input_embeddings().weight.shape[0]
    save_map(make_map(tiny_tokenizer(), rows, texts), root / "own.safetensors")


@dataclass(frozen=True)
class Change:
    """How a file is changed; `shows`: so that a table changes too, or the study refuses."""

    make: Callable[[Path], None]
    shows: bool = True


def swap(old: str, new: str) -> Callable[[Path], None]:
    """Replace a text wherever it stands."""

    def change(path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text, path
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


def setting(**values: object) -> Callable[[Path], None]:
    """Set keys of a JSON object."""

    def change(path: Path) -> None:
        found = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**found, **values}), encoding="utf-8")

    return change


def _shift(path: Path) -> None:
    """Move every number of a file of weights, most of all of the first half of each tensor."""
    tensors = load_file(path)
    steps = {name: np.linspace(1, 0, t.size, dtype=t.dtype) for name, t in tensors.items()}
    moved = {name: t + steps[name].reshape(t.shape) for name, t in tensors.items()}
    save_file(moved, path, metadata={"format": "pt"})


def _turn(path: Path) -> None:
    """Exchange the languages of a map."""
    found = load_map(path)
    turned = np.ascontiguousarray(found.probability[:, [1, 0, 2, 3]])
    save_map(replace(found, probability=turned), path)


def _renumber(path: Path) -> None:
    """Exchange the numbers of two letters in a vocabulary."""
    found = json.loads(path.read_text(encoding="utf-8"))
    words = found["model"]["vocab"]
    words["e"], words["s"] = words["s"], words["e"]
    path.write_text(json.dumps(found), encoding="utf-8")


WORD = Change(swap("seven", "eight"))
QUIET = Change(swap("seven", "eight"), shows=False)
CHANGES: Mapping[str, Change] = {
    "study.toml": Change(swap("questions = 4", "questions = 5")),
    "templates.toml": WORD,
    **{f"{name}.json": WORD for name in ("train.en", "shown.en", "shown.hi", "test.en", "test.hi")},
    "reference.en.json": Change(swap("had", "really had")),
    "own.safetensors": Change(_turn),
    "carriers.tsv": WORD,
    **{f"texts/{code}.txt": WORD for code in ("eng_Latn", "hin_Deva")},
    **{f"words/{code}.txt": WORD for code in ("eng_Latn", "hin_Deva")},
    **{f"topics.{code}.tsv": WORD for code in CODES},
    **{f"names.{code}.tsv": WORD for code in CODES},
    **{f"pairs.{code}.tsv": WORD for code in CODES},
    "pairs.train.en.tsv": WORD,
    # it chooses among checkpoints, of which there are few here: its score stands in the settings
    "pairs.dev.en.tsv": QUIET,
    "model/config.json": Change(setting(layer_norm_epsilon=0.5)),
    "model/generation_config.json": Change(setting(eos_token_id=list(range(2, VOCABULARY, 2)))),
    "model/tokenizer.json": Change(_renumber),
    "model/tokenizer_config.json": Change(setting(eos_token="<unk>")),
    "model/special_tokens_map.json": Change(setting(pad_token="<pad>"), shows=False),
    "model/added_tokens.json": Change(setting(seven=0), shows=False),
    "model/chat_template.jinja": QUIET,
    "model/additional_chat_templates/tool.jinja": QUIET,
    "model/model.safetensors.index.json": Change(setting(seven=7), shows=False),
    "other/config.json": Change(setting(rms_norm_eps=0.5)),
    "other/generation_config.json": Change(setting(eos_token_id=[2, 5]), shows=False),
    "other/tokenizer.json": Change(_renumber),
    "other/tokenizer_config.json": Change(setting(model_max_length=12)),
    "other/model.safetensors": Change(_shift),
}
"""What a study reads -> a change of it. Every file that it opens must stand here."""

WITHOUT_EFFECT = ("texts/deu_Latn.txt",)
"""Opened with its folder, but of a language that the study does not have."""


def shards(root: Path) -> dict[str, Change]:
    """Return a change of each file of the model's weights."""
    found = sorted((root / "model").glob("model-*.safetensors"))
    return {path.relative_to(root).as_posix(): Change(_shift) for path in found}
