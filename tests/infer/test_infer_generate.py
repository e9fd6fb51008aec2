"""Answers: batch and padding change nothing, in every family, against transformers' own loop."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny import FAMILIES, tiny_tokenizer
from toy_model import EOS, TOKENIZER, random_prompts, reference, tiny_loaded

from babelscope.errors import ModelError, SettingError
from babelscope.infer import generate
from babelscope.infer.generate import Decoding, generate_answers
from babelscope.infer.sampling import answer_generator, choose_tokens, cut_tail
from babelscope.models.encoding import EncodedPrompt
from babelscope.models.loading import LoadedModel
from babelscope.records import Answer


def _one_by_one(
    loaded: LoadedModel, prompts: Sequence[EncodedPrompt], decoding: Decoding
) -> list[Answer]:
    return [generate_answers(loaded, [p], decoding, language="eng_Latn")[0] for p in prompts]


@pytest.mark.parametrize("family", FAMILIES)
def test_batches_equal_transformers_one_at_a_time(family: str) -> None:
    loaded = tiny_loaded(family, newline=1.7, eos=1.7)
    prompts = random_prompts(14)
    decoding = Decoding(max_new_tokens=12)
    expected = [reference(loaded, p, decoding) for p in prompts]
    assert generate_answers(loaded, prompts, decoding, language="eng_Latn") == expected
    assert _one_by_one(loaded, prompts, decoding) == expected
    backwards = generate_answers(loaded, prompts[::-1], decoding, language="eng_Latn")
    assert backwards[::-1] == expected
    assert len({a.prediction for a in expected}) > 3


def test_answers_end_in_every_way() -> None:
    seen = set()
    for family in FAMILIES:
        loaded = tiny_loaded(family, newline=1.7, eos=1.7)
        answers = generate_answers(loaded, random_prompts(14), Decoding(12), language="eng_Latn")
        seen |= {a.stopped for a in answers}
        for answer in answers:
            assert "\n" not in answer.prediction
            assert "</s>" not in answer.prediction
            assert answer.new_tokens <= 12
            if answer.stopped == "length":
                assert answer.new_tokens == 12
    assert seen == {"newline", "eos", "length"}


def test_the_newline_stop_can_be_turned_off() -> None:
    loaded = tiny_loaded("llama", newline=3.0)
    prompts = random_prompts(10)
    on = generate_answers(loaded, prompts, Decoding(8), language="x")
    off = generate_answers(loaded, prompts, Decoding(8, stop_at_newline=False), language="x")
    assert any(a.stopped == "newline" for a in on)
    assert all(a.stopped in ("length", "eos") for a in off)
    assert any("\n" in a.prediction for a in off)
    for short, long in zip(on, off, strict=True):
        assert long.new_tokens >= short.new_tokens


def _said(*tokens: int, loaded: LoadedModel | None = None) -> Answer:
    """The answer of a model that says fixed tokens whatever it reads."""
    script = iter(tokens)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "choose_tokens", lambda *_: [next(script)])
        decoding = Decoding(len(tokens))
        return generate_answers(
            loaded or tiny_loaded("llama"), random_prompts(1), decoding, language="x"
        )[0]


def _ids(text: str) -> list[int]:
    return TOKENIZER(text, add_special_tokens=False)["input_ids"]


def test_the_text_decides_where_an_answer_ends() -> None:
    answer = _said(*_ids(" New Delhi\nQ: What"))
    assert (answer.prediction, answer.stopped) == ("New Delhi", "newline")
    assert answer.new_tokens == len(_ids(" New Delhi")) + 1
    empty = _said(*_ids("\nNew"))
    assert (empty.prediction, empty.stopped, empty.new_tokens) == ("", "newline", 1)
    ended = _said(*_ids(" नई"), EOS, *_ids(" x"))
    assert (ended.prediction, ended.stopped) == ("नई", "eos")
    assert ended.new_tokens == len(_ids(" नई")) + 1
    silent = _said(EOS)
    assert (silent.prediction, silent.stopped, silent.new_tokens) == ("", "eos", 1)
    last = _said(*_ids(" a\n"))
    assert (last.prediction, last.stopped) == ("a", "newline")
    assert _said(*_ids(" a b")).stopped == "length"


def test_a_newline_inside_a_token_ends_the_text() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([" end.\n\nQ"])
    inside = tokenizer.convert_tokens_to_ids(" end.\n\nQ")
    answer = _said(
        inside, inside, loaded=dataclasses.replace(tiny_loaded("llama"), tokenizer=tokenizer)
    )
    assert (answer.prediction, answer.stopped, answer.new_tokens) == ("end.", "newline", 1)


def test_all_end_tokens_of_the_generation_settings_end_an_answer() -> None:
    loaded = tiny_loaded("llama")
    other = _ids("a")[0]
    loaded.model.generation_config.eos_token_id = [7, other]
    answer = _said(*_ids("b"), other, 9, loaded=loaded)
    assert (answer.stopped, answer.new_tokens) == ("eos", 2)


def test_a_models_own_sampling_settings_change_nothing() -> None:
    loaded = tiny_loaded("qwen2")
    plain = generate_answers(loaded, random_prompts(4), Decoding(6), language="x")
    loaded.model.generation_config.do_sample = True
    loaded.model.generation_config.repetition_penalty = 5.0
    assert generate_answers(loaded, random_prompts(4), Decoding(6), language="x") == plain


SAMPLED = Decoding(10, temperature=1.0, top_k=50, top_p=0.95, seed=3)


def test_sampled_answers_depend_on_the_seed_and_not_on_the_batch() -> None:
    loaded = tiny_loaded("bloom")
    prompts = random_prompts(9)
    together = generate_answers(loaded, prompts, SAMPLED, language="eng_Latn")
    assert _one_by_one(loaded, prompts, SAMPLED) == together
    assert generate_answers(loaded, prompts, SAMPLED, language="eng_Latn") == together
    other = dataclasses.replace(SAMPLED, seed=4)
    assert generate_answers(loaded, prompts, other, language="eng_Latn") != together
    assert generate_answers(loaded, prompts, Decoding(10), language="eng_Latn") != together


def test_cold_sampling_is_greedy() -> None:
    loaded = tiny_loaded("bloom")
    cold = Decoding(10, temperature=1e-4)
    assert generate_answers(loaded, random_prompts(5), cold, language="x") == generate_answers(
        loaded, random_prompts(5), Decoding(10), language="x"
    )


def test_top_k_and_top_p_cut_as_transformers_does() -> None:
    from transformers import TopKLogitsWarper, TopPLogitsWarper

    torch.manual_seed(0)
    for top_k, top_p in ((5, 1.0), (0, 0.5), (20, 0.9), (1, 1.0), (500, 0.05)):
        scores = 3 * torch.randn(200)
        expected = scores[None]
        if top_k:
            expected = TopKLogitsWarper(top_k)(None, expected)
        if top_p < 1:
            expected = TopPLogitsWarper(top_p)(None, expected)
        _same_cut(scores[None], expected, Decoding(temperature=1.0, top_k=top_k, top_p=top_p))


def _same_cut(scores: torch.Tensor, expected: torch.Tensor, decoding: Decoding) -> None:
    kept, places = cut_tail(scores, decoding)
    assert places is not None
    ours = torch.zeros_like(scores).scatter(1, places, kept)
    torch.testing.assert_close(ours / ours.sum(dim=1, keepdim=True), expected.softmax(dim=-1))


@pytest.mark.parametrize("kinds", [3, 40, 2000])
def test_tokens_as_probable_as_the_last_one_kept_are_kept(kinds: int) -> None:
    from transformers import TopKLogitsWarper

    torch.manual_seed(1)
    scores = torch.randint(kinds, (5, 3000)).float() / 4
    expected = TopKLogitsWarper(50)(None, scores)
    _same_cut(scores, expected, Decoding(temperature=1.0, top_k=50))


@pytest.mark.parametrize("cut", [{}, {"top_k": 7}, {"top_p": 0.8}, {"top_k": 9, "top_p": 0.6}])
def test_a_draw_is_the_inverse_of_the_summed_probabilities(cut: dict[str, float]) -> None:
    torch.manual_seed(2)
    logits = 2 * torch.randn(130, 300)  # more rows than are worked on at once
    decoding = Decoding(temperature=0.7, **cut)  # type: ignore[arg-type]
    ids = [str(n) for n in range(len(logits))]
    found = choose_tokens(logits, [answer_generator(decoding, i) for i in ids], decoding)
    for row, name, token in zip(logits, ids, found, strict=True):
        generator = answer_generator(decoding, name)
        draw = float(torch.rand((), generator=generator, dtype=torch.float64))
        assert token == _plainly_drawn(row / 0.7, draw, decoding)


def _plainly_drawn(scores: torch.Tensor, draw: float, decoding: Decoding) -> int:
    """A token by Python's own sums: sorted where something is cut, else in the tokens' order."""
    p = scores.double().softmax(dim=0).tolist()
    order = list(range(len(p)))
    if decoding.top_k or decoding.top_p < 1:
        order.sort(key=lambda i: (-p[i], i))
    kept = order[: decoding.top_k] if decoding.top_k else order
    whole, chosen, before = sum(p[i] for i in kept), [], 0.0
    for i in kept:
        if before < decoding.top_p:
            chosen.append(i)
        before += p[i] / whole
    wanted, reached = draw * sum(p[i] for i in chosen), 0.0
    for i in chosen:
        reached += p[i]
        if reached > wanted:
            return i
    return chosen[-1]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("cut", [{"temperature": 0.0}, {}, {"top_k": 5}, {"top_p": 0.5}])
def test_scores_that_are_no_numbers_are_an_error(bad: float, cut: dict[str, float]) -> None:
    logits = torch.zeros(3, 40)
    logits[1, 7] = bad
    decoding = Decoding(**({"temperature": 1.0} | cut))  # type: ignore[arg-type]
    sources = [answer_generator(decoding, str(n)) for n in range(3)]
    with pytest.raises(ModelError, match=r"finite numbers.*found nan or infinity"):
        choose_tokens(logits, sources, decoding)
    # what is ruled out is no error
    logits[1, 7] = -math.inf
    assert choose_tokens(logits, sources, decoding)[1] != 7


def test_sampling_follows_the_probabilities() -> None:
    logits = torch.log(torch.tensor([0.1, 0.2, 0.7]))
    draws = []
    for n in range(3000):
        source = answer_generator(SAMPLED, str(n))
        draws += choose_tokens(logits[None], [source], Decoding(temperature=1.0))
    shares = np.bincount(draws, minlength=3) / 3000
    # four standard errors of a share: 4 * sqrt(.25 / 3000) = .037
    np.testing.assert_allclose(shares, [0.1, 0.2, 0.7], atol=0.037)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
@pytest.mark.parametrize("family", ["bloom", "qwen2"])
def test_an_adapted_model_answers_in_batches_alike(family: str) -> None:
    loaded = tiny_loaded(family)
    plain = generate_answers(loaded, random_prompts(6), Decoding(8), language="eng_Latn")
    config = LoraConfig(r=8, target_modules="all-linear", init_lora_weights=False)
    torch.manual_seed(1)
    tuned = dataclasses.replace(loaded, model=get_peft_model(loaded.model, config).eval())
    answers = generate_answers(tuned, random_prompts(6), Decoding(8), language="eng_Latn")
    assert answers != plain
    assert answers == _one_by_one(tuned, random_prompts(6), Decoding(8))
    assert answers == [reference(tuned, p, Decoding(8)) for p in random_prompts(6)]


def test_no_prompts_no_answers() -> None:
    assert generate_answers(tiny_loaded("bloom"), [], Decoding(), language="x") == []


def test_prompts_beyond_the_models_positions() -> None:
    loaded = tiny_loaded("llama")
    loaded.model.config.max_position_embeddings = 40
    long = EncodedPrompt("0", (5,) * 39, False, False)
    with pytest.raises(SettingError, match=r"40 positions.*found 39 \+ 2"):
        generate_answers(loaded, [long], Decoding(2), language="x")


@pytest.mark.parametrize(
    "fault",
    [
        {"max_new_tokens": 0},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.5},
    ],
)
def test_settings_out_of_range(fault: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=next(iter(fault))):
        Decoding(**fault)  # type: ignore[arg-type]
