"""The words of a sentence share its forward pass, and each has the state it has alone."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import save_tiny

from babelscope.infer.hidden import HiddenText, hidden_states, plan_hidden
from babelscope.models.trunks import Trunk, load_trunk

SENTENCES = ("The capital of India is New Delhi .", "Q :", "भारत की राजधानी नई दिल्ली है ।")


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Trunk:
    return load_trunk(str(save_tiny(tmp_path_factory.mktemp("tiny"), "qwen2")), dtype="float32")


def _words() -> list[HiddenText]:
    found = []
    for number, sentence in enumerate(SENTENCES):
        start = 0
        for word in sentence.split(" "):
            span = (start, start + len(word))
            found.append(HiddenText(f"{number}:{start}", sentence, span))
            start = span[1] + 1
    return found


@pytest.mark.parametrize("batch_tokens", [1, 2048])
def test_states_are_those_of_a_word_alone(trunk: Trunk, batch_tokens: int) -> None:
    words = _words()
    together = hidden_states(trunk, words, ("word", "first"), batch_tokens=batch_tokens).states
    for place, word in enumerate(words):
        alone = hidden_states(trunk, [word], ("word", "first")).states
        for pooling in ("word", "first"):
            found = together[pooling][:, place]
            np.testing.assert_allclose(found, alone[pooling][:, 0], rtol=1e-5, atol=1e-5)


def test_a_sentence_is_read_once(trunk: Trunk) -> None:
    read: list[int] = []
    hook = trunk.embed.register_forward_hook(lambda _m, args, _o: read.append(len(args[0])))
    try:
        hidden_states(trunk, _words(), ("word",))
    finally:
        hook.remove()
    assert sum(read) == len(SENTENCES)


def test_batches_hold_whole_sentences(trunk: Trunk) -> None:
    words = _words()
    plan = plan_hidden(trunk, words, ("word",), batch_tokens=1)
    assert sorted(place for batch in plan.batches for place in batch) == list(range(len(words)))
    assert [len({words[place].text for place in batch}) for batch in plan.batches] == [1, 1, 1]
