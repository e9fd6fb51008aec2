"""Inference by prompt: the words asked for, their probabilities, what is cut."""

from __future__ import annotations

import numpy as np
import pytest
from toy_model import tiny_loaded

from babelscope.data.label_words import LABEL_WORDS, inference_prompt, words_of
from babelscope.errors import LanguageError
from babelscope.infer.options import score_options
from babelscope.infer.prompted import encode_prompts, prompt_probabilities
from babelscope.languages import language
from babelscope.records import LABELS, Inference

ITEM = Inference("a", "eng_Latn", "A man sleeps.", "He is asleep.", "entailment")


def test_the_words_are_the_targets_or_english() -> None:
    assert words_of("arb_Arab", "language")[0] == "arb_Arab"
    assert words_of("arb_Arab", "english")[0] == "eng_Latn"
    assert words_of("ory_Orya", "language")[0] == "eng_Latn"
    prompt, options = inference_prompt(ITEM, words_of("eng_Latn", "language")[1])
    assert prompt == "A man sleeps.\nHe is asleep. Is it true?"
    assert options == (" Yes", " Maybe", " No")


@pytest.mark.parametrize("code", LABEL_WORDS)
def test_each_row_is_whole(code: str) -> None:
    try:
        assert language(code).code == code
    except LanguageError:
        pytest.fail(code)
    words = LABEL_WORDS[code].words
    assert len(set(words)) == len(LABELS)
    # no answer begins another: both would claim the same tokens
    assert not any(a != b and b.startswith(a) for a in words for b in words)


@pytest.mark.parametrize("family", ["bloom", "qwen2"])
def test_probabilities_are_the_options_likelihoods(family: str) -> None:
    loaded = tiny_loaded(family)
    words = LABEL_WORDS["eng_Latn"]
    items = [ITEM, Inference("b", "eng_Latn", "Paris", "Berlin", "neutral")]
    choices, cut = encode_prompts(loaded, items, words, 512)
    assert cut == 0
    found = prompt_probabilities(loaded, choices)
    nats = np.array([s.nats for s in score_options(loaded, choices)])
    expected = np.exp(nats) / np.exp(nats).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_a_long_premise_is_cut_at_its_end() -> None:
    loaded = tiny_loaded("bloom")
    long = Inference("a", "eng_Latn", "France is " * 60, "Berlin", "neutral")
    choices, cut = encode_prompts(loaded, [long, ITEM], LABEL_WORDS["eng_Latn"], 64)
    assert cut == 1
    assert len(choices[0].prompt) + max(map(len, choices[0].options)) <= 64
    text = loaded.tokenizer.decode(choices[0].prompt)
    assert text.startswith("France is")
    assert "Berlin Is it true?" in text
