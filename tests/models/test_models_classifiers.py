"""Heads on bases: what is loaded, what is refused, and that padding changes nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import BLIND_ENCODERS, save_tiny

sys.path.append(str(Path(__file__).resolve().parent.parent / "adapt"))
from toy_classify import ENCODERS, FAMILIES, save_base, toy_pairs, toy_sentences

from babelscope.errors import ModelError
from babelscope.infer.classify import class_probabilities
from babelscope.models.class_encoding import NO_LABEL, NO_TOKEN, encode_pairs, encode_words
from babelscope.models.classifiers import load_classifier, padding_id
from babelscope.models.loading import load_tokenizer
from babelscope.records import LABELS, Inference, TaggedSentence

TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("head", ["sequence", "token"])
def test_padding_and_batches_change_nothing(family: str, head: str, tmp_path: Path) -> None:
    labels = LABELS if head == "sequence" else TAGS
    found = load_classifier(str(save_base(tmp_path, family)), labels, head, seed=1)
    assert found.causal == (family not in ENCODERS)
    items = (
        encode_pairs(found.tokenizer, toy_pairs(9), LABELS, 64)
        if head == "sequence"
        else encode_words(found.tokenizer, toy_sentences(9), TAGS, 64)
    )
    together = class_probabilities(found, items)
    for one, item in zip(together, items, strict=True):
        np.testing.assert_allclose(one, class_probabilities(found, [item])[0], atol=1e-5)
        np.testing.assert_allclose(one.sum(axis=-1), 1.0)


@pytest.mark.parametrize("family", BLIND_ENCODERS)
@pytest.mark.parametrize("head", ["sequence", "token"])
def test_where_padding_is_seen_texts_do_not_change_each_other(
    family: str, head: str, tmp_path: Path
) -> None:
    labels = LABELS if head == "sequence" else TAGS
    found = load_classifier(str(save_tiny(tmp_path / "m", family)), labels, head, seed=1)
    assert not found.hides_padding
    items = (
        encode_pairs(found.tokenizer, toy_pairs(6), LABELS, 64)
        if head == "sequence"
        else encode_words(found.tokenizer, toy_sentences(6), TAGS, 64)
    )
    assert len({len(item.ids) for item in items}) > 1
    for one, item in zip(class_probabilities(found, items), items, strict=True):
        with torch.no_grad():
            own = found.model(torch.tensor([item.ids])).logits.double().softmax(dim=-1)[0].numpy()
        expected = own[None] if head == "sequence" else own[list(item.words)]
        np.testing.assert_allclose(one, expected, atol=1e-5)


@pytest.mark.parametrize("family", ["bloom", "qwen2"])
def test_a_text_that_ends_in_the_padding_token_keeps_its_label(family: str, tmp_path: Path) -> None:
    found = load_classifier(str(save_base(tmp_path, family)), LABELS, "sequence", seed=1)
    pairs = [Inference("a", "eng_Latn", "Paris", "is", LABELS[0]), *toy_pairs(3)]
    items = encode_pairs(found.tokenizer, pairs, LABELS, 64)
    pad = found.tokenizer.pad_token_id
    from dataclasses import replace

    items[0] = replace(items[0], ids=(*items[0].ids, pad))
    assert padding_id(found, items, 512) != pad
    together = class_probabilities(found, items)[0]
    np.testing.assert_allclose(together, class_probabilities(found, items[:1])[0], atol=1e-5)
    shorter = class_probabilities(found, [replace(items[0], ids=items[0].ids[:-1])])[0]
    assert abs(together - shorter).max() > 1e-4  # the last token is looked at


def test_a_pad_token_behind_the_rows_pads_nothing(tmp_path: Path) -> None:
    found = load_classifier(str(save_base(tmp_path, "bert")), LABELS, "sequence", seed=0)
    rows = found.model.get_input_embeddings().weight.shape[0]
    while len(found.tokenizer) <= rows:
        found.tokenizer.add_tokens([f"[unused {len(found.tokenizer)}]"])
    found.tokenizer.pad_token = found.tokenizer.convert_ids_to_tokens(rows)
    assert found.tokenizer.pad_token_id == rows
    items = encode_pairs(found.tokenizer, toy_pairs(4), LABELS, 64)
    assert len({len(item.ids) for item in items}) > 1
    for one, item in zip(class_probabilities(found, items), items, strict=True):
        np.testing.assert_allclose(one, class_probabilities(found, [item])[0], atol=1e-5)


def test_a_model_of_windows_longer_than_a_text_is_read(tmp_path: Path) -> None:
    """Longformer pads rows to whole windows, and its states with them."""
    folder = save_tiny(tmp_path / "m", "longformer", room=140)
    found = load_classifier(str(folder), LABELS, "sequence", seed=0)
    assert not found.causal
    items = encode_pairs(found.tokenizer, toy_pairs(4), LABELS, 64)
    for one, item in zip(class_probabilities(found, items), items, strict=True):
        np.testing.assert_allclose(one, class_probabilities(found, [item])[0], atol=1e-5)


def test_the_head_is_drawn_by_its_seed(tmp_path: Path) -> None:
    folder = str(save_base(tmp_path, "bert"))
    torch.manual_seed(123)
    before = torch.get_rng_state()
    heads = [
        load_classifier(folder, LABELS, "sequence", seed=seed).model.classifier.weight
        for seed in (1, 1, 2)
    ]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    assert torch.equal(before, torch.get_rng_state())


def test_a_base_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    path = save_base(tmp_path, "bert") / "model.safetensors"
    weights = load_file(path)
    del weights["bert.encoder.layer.0.output.dense.weight"]
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(ModelError, match=r"output\.dense\.weight"):
        load_classifier(str(tmp_path), LABELS, "sequence", seed=0)


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    folder = save_base(tmp_path, "bert")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickle"):
        load_classifier(str(folder), LABELS, "sequence", seed=0)


def test_a_long_premise_is_cut_and_a_hypothesis_only_then(tmp_path: Path) -> None:
    for family in ("bert", "qwen2"):
        tokenizer = load_tokenizer(str(save_base(tmp_path / family, family)))
        item = Inference("a", "eng_Latn", "France is " * 30, "Berlin ist", LABELS[0])
        whole, cut, least = (
            encode_pairs(tokenizer, [item], LABELS, room)[0] for room in (500, 20, 6)
        )
        assert (whole.truncated, cut.truncated, least.truncated) == (False, True, True)
        assert len(cut.ids) <= 20
        assert len(least.ids) <= 6
        text = tokenizer.decode(cut.ids)
        assert "Berlin ist" in text
        assert "France" in text
        assert whole.text_tokens == cut.text_tokens


def test_the_first_token_of_a_word_carries_its_label(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(save_base(tmp_path, "bert")))
    item = TaggedSentence("a", "eng_Latn", ("Xyzzy", "is", "Berlin"), ("B-PER", "O", "B-LOC"))
    found = encode_words(tokenizer, [item], TAGS, 64)[0]
    ids = tokenizer("Xyzzy is Berlin")["input_ids"]
    assert found.ids == tuple(ids)
    assert found.words[0] == 1  # behind the begin token
    texts = [tokenizer.decode([found.ids[place]]).strip() for place in found.words]
    assert [w.startswith(t) for w, t in zip(item.words, texts, strict=True)] == [True] * 3
    carried = {place: label for place, label in enumerate(found.labels) if label != NO_LABEL}
    assert carried == dict(zip(found.words, (3, 0, 1), strict=True))
    assert len(found.labels) == len(found.ids)


def test_words_that_are_cut_off_have_no_token(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(save_base(tmp_path, "bert")))
    item = TaggedSentence("a", "eng_Latn", ("is",) * 40, ("O",) * 40)
    found = encode_words(tokenizer, [item], TAGS, 16)[0]
    assert len(found.ids) == 16
    assert found.ids[-1] == tokenizer("is")["input_ids"][-1]  # the end token stays
    assert found.truncated
    assert found.words.count(NO_TOKEN) == 40 - 14


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["qwen2", "xlmr", "mbert"])
def test_every_word_finds_a_token_of_the_real_tokenizers(
    name: str, tokenizer_folder: Callable[[str], Path]
) -> None:
    tokenizer = load_tokenizer(str(tokenizer_folder(name)))
    words = ("“", "北京", "市", "unbelievably", "ଓଡ଼ିଆ", "नई", "دلهي", "👍", ",", "e\u0301t\u00e9")
    item = TaggedSentence("a", "eng_Latn", words, ("O",) * len(words))
    found = encode_words(tokenizer, [item], TAGS, 256)[0]
    assert NO_TOKEN not in found.words
    assert list(found.words) == sorted(set(found.words))
