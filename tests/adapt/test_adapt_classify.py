"""Heads learn a separable task by every method, on every family; interrupted or not alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tiny import tiny_encoder, tiny_tokenizer
from toy_classify import FAMILIES, save_base, toy_pairs, toy_sentences

from babelscope.adapt.class_methods import WEIGHTS, linear_layers, load_trained, prepare
from babelscope.adapt.classify import HISTORY
from babelscope.adapt.classify import train_classifier as train
from babelscope.adapt.classify_recipes import (
    ClassifyRecipe,
    change_classify,
    evaluation_steps,
    planned_steps,
)
from babelscope.errors import ModelError, SettingError
from babelscope.infer.classify import class_probabilities
from babelscope.models.class_encoding import ClassItem, encode_pairs, encode_words
from babelscope.models.classifiers import Classifier, load_classifier
from babelscope.records import LABELS

TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
RECIPE = ClassifyRecipe(
    method="full", max_steps=60, batch_size=16, learning_rate=3e-3, eval_steps=20, precision="fp32"
)


def accuracy(classifier: Classifier, items: list[ClassItem]) -> float:
    found = class_probabilities(classifier, items)
    said = [int(p[0].argmax()) for p in found]
    return float(np.mean([s == i.labels[0] for s, i in zip(said, items, strict=True)]))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("method", "rate"), [("full", 3e-3), ("lora", 5e-3), ("head", 2e-2)])
def test_a_separable_task_is_learnt(family: str, method: str, rate: float, tmp_path: Path) -> None:
    folder = str(save_base(tmp_path / "base", family))
    found = load_classifier(folder, LABELS, "sequence", seed=0)
    items = encode_pairs(found.tokenizer, toy_pairs(96), LABELS, 64)
    held = encode_pairs(found.tokenizer, toy_pairs(60, seed=1), LABELS, 64)
    recipe = change_classify(RECIPE, {"method": method, "learning_rate": rate})
    before = {n: p.detach().clone() for n, p in found.model.named_parameters()}
    history = train(
        found, items, recipe, seed=0, folder=tmp_path / "run", score=lambda: accuracy(found, held)
    )
    assert accuracy(found, held) > 0.6  # chance is a third
    assert accuracy(found, held) == max(e.score for e in history)  # the best checkpoint is kept
    assert [e.step for e in history] == [20, 40, 60]
    kept = load_file(tmp_path / "run" / WEIGHTS)
    changed = {
        n for n, p in found.model.named_parameters() if n in before and not p.equal(before[n])
    }
    if method != "full":  # the base stands still, but for what its file lacked
        base = f"{found.model.base_model_prefix}."
        assert not [n for n in changed if n.startswith(base) and n not in found.new]
    assert changed <= set(kept)
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize("family", ["bert", "qwen2"])
def test_words_are_learnt_too(family: str, tmp_path: Path) -> None:
    folder = str(save_base(tmp_path / "base", family))
    found = load_classifier(folder, TAGS, "token", seed=0)
    sentences = toy_sentences(60, seed=1)
    items = encode_words(found.tokenizer, toy_sentences(96), TAGS, 64)
    held = encode_words(found.tokenizer, sentences, TAGS, 64)

    def score() -> float:
        said = [p.argmax(axis=-1) for p in class_probabilities(found, held)]
        right = [
            TAGS[tag] == gold
            for tags, s in zip(said, sentences, strict=True)
            for tag, gold in zip(tags, s.tags, strict=True)
            if gold != "O"
        ]
        return float(np.mean(right))

    train(found, items, RECIPE, seed=0, folder=tmp_path / "run", score=score)
    assert score() > 0.8  # two kinds of name: saying one of them is a third or two


@pytest.mark.parametrize("method", ["full", "lora"])
def test_an_interrupted_training_gives_the_same_weights(method: str, tmp_path: Path) -> None:
    folder = str(save_base(tmp_path / "base", "bloom"))
    recipe = change_classify(RECIPE, {"method": method, "max_steps": 25, "eval_steps": 5})

    def run(where: Path, stop: int = 0) -> bytes:
        found = load_classifier(folder, LABELS, "sequence", seed=0)
        items = encode_pairs(found.tokenizer, toy_pairs(40), LABELS, 64)

        def watch(done: int, total: int) -> None:
            assert total == 25
            if done == stop:
                raise KeyboardInterrupt

        try:
            train(
                found, items, recipe, seed=0, folder=where,
                score=lambda: accuracy(found, items), progress=watch,
            )  # fmt: skip
        except KeyboardInterrupt:
            return b""
        return (where / WEIGHTS).read_bytes() + (where / HISTORY).read_bytes()

    whole = run(tmp_path / "whole")
    assert run(tmp_path / "cut", stop=18) == b""
    assert (tmp_path / "cut" / "checkpoints").exists()
    assert run(tmp_path / "cut") == whole


def test_kept_weights_give_the_same_classifier(tmp_path: Path) -> None:
    folder = str(save_base(tmp_path / "base", "xlm-roberta"))
    found, again = (load_classifier(folder, LABELS, "sequence", seed=0) for _ in range(2))
    items = encode_pairs(found.tokenizer, toy_pairs(30), LABELS, 64)
    recipe = change_classify(RECIPE, {"method": "lora", "max_steps": 6})
    train(found, items, recipe, seed=0, folder=tmp_path / "r", score=lambda: accuracy(found, items))
    prepare(again, recipe, 0)
    load_trained(again, tmp_path / "r")
    for one, other in zip(
        class_probabilities(found, items), class_probabilities(again, items), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    plain = load_classifier(folder, LABELS, "sequence", seed=0)
    prepare(plain, change_classify(RECIPE, {"method": "head"}), 0)
    with pytest.raises(ModelError, match="trained parameters"):
        load_trained(plain, tmp_path / "r")


def test_lora_lies_on_the_blocks_only(tmp_path: Path) -> None:
    found = load_classifier(str(save_base(tmp_path, "bert")), LABELS, "sequence", seed=0)
    layers = linear_layers(found.model)
    assert len(layers) == 2 * 6
    assert all(".layer." in name for name in layers)


def test_steps_and_epochs() -> None:
    recipe = ClassifyRecipe(epochs=3, batch_size=32)
    assert planned_steps(recipe, 100) == 12
    assert evaluation_steps(recipe, 100) == (*range(1, 12), 12)
    assert evaluation_steps(change_classify(recipe, {"eval_steps": 5}), 100) == (5, 10, 12)
    assert planned_steps(change_classify(recipe, {"max_steps": 7}), 100) == 7


@pytest.mark.parametrize(
    ("switch", "value", "told"),
    [
        ("method", "adapter", "head or lora or full or prompt"),
        ("epochs", 0, "from 1"),
        ("epochs", 1.5, "whole number"),
        ("learning_rate", 2.0, "to 1"),
        ("learning_rat", 0.1, "did you mean learning_rate"),
        ("label_words", "odia", "language or english"),
    ],
)
def test_bad_switches_are_told(switch: str, value: object, told: str) -> None:
    with pytest.raises(SettingError, match=told):
        change_classify(ClassifyRecipe(), {switch: value})


def test_a_method_brings_its_own_rate() -> None:
    assert change_classify(ClassifyRecipe(), {"method": "lora"}).learning_rate == 2e-4
    assert ClassifyRecipe(method="head").learning_rate == 1e-3


def test_more_tokens_than_positions_are_refused(tmp_path: Path) -> None:
    found = load_classifier(str(save_base(tmp_path, "bert")), LABELS, "sequence", seed=0)
    with pytest.raises(SettingError, match="140"):
        train(
            found, [], change_classify(RECIPE, {"max_tokens": 200}),
            seed=0, folder=tmp_path / "r", score=lambda: 0.0,
        )  # fmt: skip


def test_what_a_model_writes_while_it_is_trained_is_kept(tmp_path: Path) -> None:
    """I-BERT's activations have running ranges: buffers, without which it predicts otherwise."""
    base = tmp_path / "base"
    model = tiny_encoder("ibert", room=140)
    # a pass in training gives the ranges their first values: without, every state is rounded to 0
    model.train()(torch.arange(4, 64)[None])
    model.save_pretrained(base)
    tiny_tokenizer().save_pretrained(base)
    recipe = ClassifyRecipe(max_steps=2, batch_size=4, max_tokens=64)
    made = load_classifier(str(base), LABELS, "sequence", seed=0)
    items = encode_pairs(made.tokenizer, toy_pairs(8), LABELS, 64)
    train(made, items, recipe, seed=0, folder=tmp_path / "run", score=lambda: 1.0)
    again = load_classifier(str(base), LABELS, "sequence", seed=0)
    prepare(again, recipe, 0)
    load_trained(again, tmp_path / "run")
    for ours, theirs in zip(
        class_probabilities(made, items), class_probabilities(again, items), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
