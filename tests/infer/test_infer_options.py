"""Options: equal to a plain forward pass of each pair by itself, in every family."""

from __future__ import annotations

import math
import random

import pytest
import torch
from tiny import FAMILIES
from toy_model import TOKENIZER, tiny_loaded

from babelscope.errors import DataError
from babelscope.infer import options, passes
from babelscope.infer.options import Choice, encode_choice, score_options
from babelscope.models.loading import LoadedModel


def _choices(seed: int = 0) -> list[Choice]:
    """Choices with options of one and of several tokens, a few on a common beginning."""
    draw = random.Random(seed)

    def tokens(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw.randrange(4, len(TOKENIZER)) for _ in range(draw.randint(low, high)))

    shared = tokens(20, 20)
    prompts = [shared + tokens(1, 9) for _ in range(4)] + [tokens(1, 30) for _ in range(3)]
    made = [((5,), (9,), (77,)), (tokens(2, 6), tokens(1, 4)), ((8, 9), (8, 9, 10), (8, 11))]
    return [
        Choice(str(n), prompt, made[n % 3], tuple(3 + k for k in range(len(made[n % 3]))))
        for n, prompt in enumerate(prompts)
    ]


def _pair_by_itself(loaded: LoadedModel, prompt: tuple[int, ...], option: tuple[int, ...]) -> float:
    with torch.no_grad():
        logits = loaded.model(input_ids=torch.tensor([prompt + option])).logits[0].double()
    logs = logits.log_softmax(dim=-1)
    return sum(float(logs[len(prompt) - 1 + k, token]) for k, token in enumerate(option))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("batch_tokens", [1, 8192])
def test_options_equal_each_pair_by_itself(family: str, batch_tokens: int) -> None:
    loaded, choices = tiny_loaded(family), _choices()
    scores = score_options(loaded, choices, batch_tokens=batch_tokens)
    for choice, score in zip(choices, scores, strict=True):
        expected = [_pair_by_itself(loaded, choice.prompt, o) for o in choice.options]
        assert score.id == choice.id
        assert score.nats == pytest.approx(expected, abs=1e-4)
        lengths = [len(o) for o in choice.options]
        assert score.nats_per_token == pytest.approx(
            [x / n for x, n in zip(score.nats, lengths, strict=True)]
        )
        assert score.nats_per_byte == pytest.approx(
            [x / n for x, n in zip(score.nats, choice.option_bytes, strict=True)]
        )


def test_options_that_exhaust_the_vocabulary_sum_to_one() -> None:
    loaded = tiny_loaded("bloom")
    every = tuple((token,) for token in range(loaded.parts.vocabulary_rows))
    (score,) = score_options(loaded, [Choice("x", (5, 6), every, (1,) * len(every))])
    assert math.fsum(math.exp(x) for x in score.nats) == pytest.approx(1.0, abs=1e-5)


def test_a_prompt_is_read_once_and_only_options_are_unembedded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = tiny_loaded("bloom")
    prompt = tuple(range(10, 40))
    read, unembedded = [], []
    real_read, real_unembed = passes.extend_rows, options.unembed_hidden
    monkeypatch.setattr(
        passes, "extend_rows", lambda *a: (read.extend(map(len, a[3])), real_read(*a))[1]
    )
    monkeypatch.setattr(
        options, "unembed_hidden", lambda p, h: (unembedded.append(len(h)), real_unembed(p, h))[1]
    )
    score_options(loaded, [Choice("a", prompt, ((5,), (6,), (7,)), (1, 1, 1))])
    assert (read, unembedded) == ([1, 30], [1])  # the first 1 learns a token's size
    read.clear()
    unembedded.clear()
    score_options(loaded, [Choice("a", prompt, ((5, 6, 7), (8, 9)), (1, 1))])
    assert sum(read) == 1 + 29 + 3 + 2
    assert sum(unembedded) == 5


def test_options_are_tokenised_as_they_follow_the_prompt() -> None:
    choice = encode_choice(TOKENIZER, "x", "The capital is", [" Delhi", " New Delhi"])
    assert TOKENIZER.decode(choice.prompt) == "The capital is"
    assert [TOKENIZER.decode(o) for o in choice.options] == [" Delhi", " New Delhi"]
    assert choice.option_bytes == (6, 10)
    assert encode_choice(TOKENIZER, "x", "a", ["é"]).option_bytes == (2,)


@pytest.mark.parametrize(("prompt", "given"), [("", ["a"]), ("a", []), ("a", ["b", ""])])
def test_a_choice_without_tokens(prompt: str, given: list[str]) -> None:
    with pytest.raises(DataError, match="example x"):
        encode_choice(TOKENIZER, "x", prompt, given)


def test_no_choices() -> None:
    assert score_options(tiny_loaded("bloom"), []) == []
