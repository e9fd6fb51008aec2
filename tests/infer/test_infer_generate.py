"""Answers: batch and padding change nothing, in every family, against transformers' own loop."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny import FAMILIES, tiny_tokenizer
from toy_model import EOS, TOKENIZER, tiny_loaded
from transformers import MambaConfig

from babelscope.errors import ModelError, SettingError
from babelscope.infer import generate, passes
from babelscope.infer.generate import Decoding, generate_answers
from babelscope.infer.passes import token_bytes
from babelscope.infer.prefixes import prefix_tree
from babelscope.infer.room import sliding_layers
from babelscope.infer.sampling import answer_generator, choose_tokens, cut_tail
from babelscope.models.encoding import EncodedPrompt
from babelscope.models.loading import LoadedModel
from babelscope.records import Answer


def _prompts(count: int, *, longest: int = 60, seed: int = 0) -> list[EncodedPrompt]:
    draw = random.Random(seed)
    return [
        EncodedPrompt(
            str(n),
            tuple(draw.randrange(4, len(TOKENIZER)) for _ in range(draw.randint(1, longest))),
            truncated=n % 3 == 0,
            gold_lost=False,
        )
        for n in range(count)
    ]


def _branching(seed: int = 0) -> list[EncodedPrompt]:
    """Prompts in no order: some share demonstrations, some a context too, some nothing."""
    draw = random.Random(seed)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(draw.randrange(4, len(TOKENIZER)) for _ in range(count))

    demonstrations, rows = tokens(21), [tokens(n) for n in (1, 7, 40)]
    for context in (tokens(n) for n in (12, 30, 47)):
        rows += [demonstrations + context + tokens(draw.randint(1, 9)) for _ in range(4)]
    rows += [demonstrations + tokens(3), demonstrations, rows[5], rows[5][:-1]]
    draw.shuffle(rows)
    return [EncodedPrompt(str(n), ids, False, False) for n, ids in enumerate(rows)]


def _one_by_one(
    loaded: LoadedModel, prompts: Sequence[EncodedPrompt], decoding: Decoding
) -> list[Answer]:
    return [generate_answers(loaded, [p], decoding, language="eng_Latn")[0] for p in prompts]


def _reference(loaded: LoadedModel, prompt: EncodedPrompt, decoding: Decoding) -> Answer:
    """transformers' own greedy generation of one prompt, cut afterwards by our definition."""
    with torch.no_grad():
        ids = torch.tensor([prompt.ids])
        out = loaded.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=decoding.max_new_tokens,
            eos_token_id=EOS,
            pad_token_id=3,
        )
    new = out[0, len(prompt.ids) :].tolist()
    stopped = "length"
    for count in range(1, len(new) + 1):
        text = TOKENIZER.decode(new[:count], skip_special_tokens=True)
        if new[count - 1] == EOS:
            new, stopped = new[:count], "eos"
            break
        if decoding.stop_at_newline and "\n" in text:
            new, stopped = new[:count], "newline"
            break
    text = TOKENIZER.decode(new, skip_special_tokens=True)
    if decoding.stop_at_newline:
        text = text.split("\n")[0]
    return Answer(
        id=prompt.id,
        language="eng_Latn",
        prediction=text.strip(),
        prompt_tokens=len(prompt.ids),
        new_tokens=len(new),
        truncated=prompt.truncated,
        stopped=stopped,  # type: ignore[arg-type]
        tokens=tuple(new),
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_batches_equal_transformers_one_at_a_time(family: str) -> None:
    loaded = tiny_loaded(family, newline=1.7, eos=1.7)
    prompts = _prompts(14)
    decoding = Decoding(max_new_tokens=12)
    expected = [_reference(loaded, p, decoding) for p in prompts]
    assert generate_answers(loaded, prompts, decoding, language="eng_Latn") == expected
    assert _one_by_one(loaded, prompts, decoding) == expected
    backwards = generate_answers(loaded, prompts[::-1], decoding, language="eng_Latn")
    assert backwards[::-1] == expected
    assert len({a.prediction for a in expected}) > 3


@pytest.mark.parametrize("family", FAMILIES)
def test_shared_beginnings_change_no_answer(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tiny_loaded(family, newline=1.7, eos=1.7)
    prompts, decoding = _branching(), Decoding(12)
    tree = prefix_tree([p.ids for p in prompts])
    assert any(stretch.parent >= 0 for stretch in tree.shared)
    expected = [_reference(loaded, p, decoding) for p in prompts]
    for batch_tokens in (1, 60, 8192):  # a row a pass, a few rows, all
        shared = generate_answers(
            loaded, prompts, decoding, language="eng_Latn", batch_tokens=batch_tokens
        )
        assert shared == expected
    monkeypatch.setattr(
        passes, "prefix_tree", lambda ids, kept: prefix_tree(ids, kept, shortest=10**6)
    )
    assert generate_answers(loaded, prompts, decoding, language="eng_Latn") == expected


def test_what_is_shared_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, prompts = tiny_loaded("bloom"), _branching()
    tree = prefix_tree([p.ids for p in prompts])
    read = 0
    real = passes.extend_rows

    def counted(loaded: LoadedModel, room: object, rows: slice, own: Sequence[Sequence[int]]):
        nonlocal read
        read += sum(map(len, own))
        return real(loaded, room, rows, own)

    monkeypatch.setattr(passes, "extend_rows", counted)
    generate_answers(loaded, prompts, Decoding(1), language="x")
    # 1 token to learn the size of a token's keys and values
    assert read == 1 + sum(s.end - s.start for s in (*tree.shared, *tree.own))
    assert read < 0.6 * sum(len(p.ids) for p in prompts)


def test_a_recurrent_state_is_refused() -> None:
    config = MambaConfig(num_hidden_layers=1)
    with pytest.raises(ModelError, match="layer 0 of mamba"):
        sliding_layers(config)


def test_answers_end_in_every_way() -> None:
    seen = set()
    for family in FAMILIES:
        loaded = tiny_loaded(family, newline=1.7, eos=1.7)
        answers = generate_answers(loaded, _prompts(14), Decoding(12), language="eng_Latn")
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
    prompts = _prompts(10)
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
            loaded or tiny_loaded("llama"), _prompts(1), decoding, language="x"
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
    plain = generate_answers(loaded, _prompts(4), Decoding(6), language="x")
    loaded.model.generation_config.do_sample = True
    loaded.model.generation_config.repetition_penalty = 5.0
    assert generate_answers(loaded, _prompts(4), Decoding(6), language="x") == plain


SAMPLED = Decoding(10, temperature=1.0, top_k=50, top_p=0.95, seed=3)


def test_sampled_answers_depend_on_the_seed_and_not_on_the_batch() -> None:
    loaded = tiny_loaded("bloom")
    prompts = _prompts(9)
    together = generate_answers(loaded, prompts, SAMPLED, language="eng_Latn")
    assert _one_by_one(loaded, prompts, SAMPLED) == together
    assert generate_answers(loaded, prompts, SAMPLED, language="eng_Latn") == together
    other = dataclasses.replace(SAMPLED, seed=4)
    assert generate_answers(loaded, prompts, other, language="eng_Latn") != together
    assert generate_answers(loaded, prompts, Decoding(10), language="eng_Latn") != together


def test_cold_sampling_is_greedy() -> None:
    loaded = tiny_loaded("bloom")
    cold = Decoding(10, temperature=1e-4)
    assert generate_answers(loaded, _prompts(5), cold, language="x") == generate_answers(
        loaded, _prompts(5), Decoding(10), language="x"
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
        ours = cut_tail(scores, Decoding(temperature=1.0, top_k=top_k, top_p=top_p))
        torch.testing.assert_close(ours / ours.sum(), expected[0].softmax(dim=-1))


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
    plain = generate_answers(loaded, _prompts(6), Decoding(8), language="eng_Latn")
    config = LoraConfig(r=8, target_modules="all-linear", init_lora_weights=False)
    torch.manual_seed(1)
    tuned = dataclasses.replace(loaded, model=get_peft_model(loaded.model, config).eval())
    answers = generate_answers(tuned, _prompts(6), Decoding(8), language="eng_Latn")
    assert answers != plain
    assert answers == _one_by_one(tuned, _prompts(6), Decoding(8))
    assert answers == [_reference(tuned, p, Decoding(8)) for p in _prompts(6)]


def test_out_of_memory_halves_the_rounds_from_there_on(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tiny_loaded("qwen2")
    expected = generate_answers(loaded, _prompts(15), Decoding(5), language="x")
    # rounds of 8 rows, so that the second one is halved before it is tried
    longest = max(len(p.ids) for p in _prompts(15))
    width = 8 * (longest + 5) * token_bytes(loaded)
    monkeypatch.setattr(passes, "ROOM_BYTES", width // 1024)
    real, sizes = generate._generate, []

    def small(loaded: LoadedModel, prompts: Sequence[EncodedPrompt], *rest: object) -> object:
        sizes.append(len(prompts))
        if len(prompts) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return real(loaded, prompts, *rest)

    monkeypatch.setattr(generate, "_generate", small)
    answers = generate_answers(loaded, _prompts(15), Decoding(5), language="x", batch_tokens=1024)
    assert answers == expected
    assert sizes[:2] == [8, 4]
    assert sum(n for n in sizes if n <= 2) == 15
    assert sizes.count(8) == sizes.count(4) == 1


def test_out_of_memory_for_one_prompt_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> object:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    monkeypatch.setattr(generate, "_generate", never)
    with pytest.raises(ModelError, match="example 0"):
        generate_answers(tiny_loaded("qwen2"), _prompts(1), Decoding(), language="x")


def test_other_faults_are_not_taken_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(generate, "_generate", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        generate_answers(tiny_loaded("qwen2"), _prompts(2), Decoding(), language="x")


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
