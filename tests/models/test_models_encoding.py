"""The renderer: begin tokens, truncation, labels, fingerprint."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import TEXT, tiny_tokenizer

from babelscope.data.prompts import TEMPLATES, Template, prompt_parts
from babelscope.errors import DataError, ModelError, SettingError
from babelscope.infer.options import encode_choice
from babelscope.models.encoding import (
    NO_LOSS,
    Rendering,
    encode_prompt,
    encode_training,
    encode_verbatim,
    rendering_fingerprint,
)
from babelscope.models.loading import load_tokenizer
from babelscope.records import Example

TOKENIZER = tiny_tokenizer()
ADDS_BEGIN = tiny_tokenizer(adds_begin=True)
PLAIN = TEMPLATES["plain"]
BOS, EOS = 1, 2


def example(context: str = TEXT, *answers: str, question: str = "What?") -> Example:
    return Example("q1", "eng_Latn", context, question, answers or ("New Delhi",), "q1")


def text_of(ids: tuple[int, ...]) -> str:
    return TOKENIZER.decode(ids, clean_up_tokenization_spaces=False)


def test_a_short_prompt_is_the_template_filled_in() -> None:
    prompt = encode_prompt(TOKENIZER, Rendering(PLAIN), example("A b."))
    assert text_of(prompt.ids) == "A b.\n\nQ: What?\nA:"
    assert (prompt.id, prompt.truncated, prompt.gold_lost) == ("q1", False, False)


@pytest.mark.parametrize(
    ("tokenizer", "begin", "first"),
    [
        (TOKENIZER, "tokenizer", False),
        (TOKENIZER, "always", True),
        (TOKENIZER, "never", False),
        (ADDS_BEGIN, "tokenizer", True),
        (ADDS_BEGIN, "always", True),
        (ADDS_BEGIN, "never", False),
    ],
)
def test_begin_tokens(tokenizer: object, begin: str, first: bool) -> None:
    rendering = Rendering(PLAIN, begin=begin)  # type: ignore[arg-type]
    ids = encode_prompt(tokenizer, rendering, example()).ids
    assert ids.count(BOS) == int(first)
    assert (ids[0] == BOS) is first
    assert ids[-1] != EOS


def test_begin_always_without_a_begin_token_is_an_error() -> None:
    bare = tiny_tokenizer()
    bare.bos_token = None
    with pytest.raises(SettingError, match="begin = always"):
        encode_prompt(bare, Rendering(PLAIN, begin="always"), example())


@settings(max_examples=150, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    st.integers(20, 120),
    st.integers(1, 10),
    st.sampled_from(["tokenizer", "always", "never"]),
)
def test_truncation_keeps_a_prefix_of_the_context_within_the_room(
    context: str, max_tokens: int, answer_tokens: int, begin: str
) -> None:
    rendering = Rendering(PLAIN, max_tokens + answer_tokens, answer_tokens, begin)  # type: ignore[arg-type]
    prompt = encode_prompt(TOKENIZER, rendering, example(context))
    assert len(prompt.ids) <= max_tokens
    tail = "\n\nQ: What?\nA:"
    rendered = text_of(prompt.ids[begin == "always" :])
    assert rendered.endswith(tail)
    kept = rendered.removesuffix(tail)
    assert context.startswith(kept)
    assert prompt.truncated == (len(kept) < len(context))
    if prompt.truncated:  # nothing is thrown away without need: one more word would not fit
        assert len(prompt.ids) >= max_tokens - 8 or not kept


def test_truncation_goes_by_length_not_by_the_gold() -> None:
    context = "Paris is the capital. " * 40 + "New Delhi."
    rendering = Rendering(PLAIN, 100)
    late = encode_prompt(TOKENIZER, rendering, example(context, "New Delhi"))
    early = encode_prompt(TOKENIZER, rendering, example(context, "Paris"))
    absent = encode_prompt(TOKENIZER, rendering, example(context, "Rome"))
    assert late.ids == early.ids == absent.ids
    assert (late.gold_lost, early.gold_lost, absent.gold_lost) == (True, False, False)
    either = encode_prompt(TOKENIZER, rendering, example(context, "New Delhi", "Paris"))
    assert not either.gold_lost


def test_the_cut_leaves_marks_with_their_base() -> None:
    for room in range(20, 60):
        prompt = encode_prompt(TOKENIZER, Rendering(PLAIN, room + 1, 1), example("किकीकुकू" * 20))
        kept = text_of(prompt.ids).removesuffix("\n\nQ: What?\nA:")
        assert kept == ("किकीकुकू" * 20)[: len(kept)]
        assert len(kept) % 2 == 0


def test_a_prompt_that_cannot_fit_names_the_example() -> None:
    with pytest.raises(SettingError, match=r"example q1.*at most 8 tokens.*empty context"):
        encode_prompt(TOKENIZER, Rendering(PLAIN, 10, 2), example(TEXT, question="What " * 9))


def test_a_context_of_100_kilobytes_is_quick() -> None:
    for context in ("x" * 100_000, (TEXT * 500)[:100_000], "क" * 33_000):
        began = time.perf_counter()
        prompt = encode_prompt(TOKENIZER, Rendering(PLAIN, 512), example(context))
        assert time.perf_counter() - began < 5
        assert prompt.truncated
        assert 400 <= len(prompt.ids) <= 480


def test_demonstrations_stand_before_the_context() -> None:
    shown = Example("d", "eng_Latn", "C d.", "Who?", ("Me",), "d")
    prompt = encode_prompt(TOKENIZER, Rendering(PLAIN), example("A b."), (shown,))
    parts = prompt_parts(PLAIN, example("A b."), (shown,))
    assert text_of(prompt.ids) == parts.head + "A b." + parts.tail
    assert "Me" in parts.head


def test_training_is_the_prompt_and_the_answer_and_the_end() -> None:
    rendering = Rendering(PLAIN)
    got = encode_training(TOKENIZER, rendering, example("A b."), train_eos=True, loss="answer")
    prompt = encode_prompt(TOKENIZER, rendering, example("A b.")).ids
    assert got.ids[: got.answer_start] == prompt
    assert text_of(got.ids) == "A b.\n\nQ: What?\nA: New Delhi</s>"
    assert text_of(got.ids[got.answer_start : got.answer_end]) == " New Delhi"
    assert got.labels == (NO_LOSS,) * len(prompt) + got.ids[len(prompt) :]
    assert not got.answer_cut


def test_end_token_and_whole_loss_are_switches_of_their_own() -> None:
    rendering = Rendering(PLAIN, begin="always")
    for train_eos in (True, False):
        whole = encode_training(TOKENIZER, rendering, example(), train_eos=train_eos, loss="all")
        part = encode_training(TOKENIZER, rendering, example(), train_eos=train_eos, loss="answer")
        assert whole.ids == part.ids
        assert whole.ids[-1] == EOS
        assert whole.labels[:-1] == whole.ids[:-1]
        assert whole.labels[-1] == part.labels[-1] == (EOS if train_eos else NO_LOSS)
        assert set(part.labels[: part.answer_start]) == {NO_LOSS}


def test_long_answers_are_kept_whole_while_they_fit() -> None:
    answer = "Berlin and Paris and New Delhi"
    roomy = encode_training(
        TOKENIZER, Rendering(PLAIN, 100, 4), example("A.", answer), train_eos=True, loss="answer"
    )
    assert not roomy.answer_cut
    assert roomy.answer_end - roomy.answer_start > 4
    tight = Rendering(PLAIN, 40, 4)
    cut = encode_training(TOKENIZER, tight, example(TEXT, answer), train_eos=True, loss="answer")
    assert cut.answer_cut
    assert len(cut.ids) <= 40
    assert cut.ids[-1] == EOS
    assert cut.labels[-1] == NO_LOSS, "a model must not learn to stop where an answer was cut"
    fits = encode_training(TOKENIZER, tight, example(TEXT, "a"), train_eos=True, loss="answer")
    assert not fits.answer_cut


def test_training_needs_an_answer_and_an_end_token() -> None:
    none = dataclasses.replace(example(), answers=())
    with pytest.raises(DataError, match="example q1"):
        encode_training(TOKENIZER, Rendering(PLAIN), none, train_eos=True, loss="answer")
    bare = tiny_tokenizer()
    bare.eos_token = None
    with pytest.raises(ModelError, match="end token"):
        encode_training(bare, Rendering(PLAIN), example(), train_eos=True, loss="answer")


@pytest.mark.parametrize(
    "fault",
    [{"max_tokens": 0}, {"max_tokens": 32}, {"answer_tokens": 0}, {"begin": "sometimes"}],
)
def test_settings_out_of_range(fault: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        Rendering(PLAIN, **fault)  # type: ignore[arg-type]


def test_fingerprint_follows_what_changes_a_prompt() -> None:
    base = Rendering(PLAIN)
    own = rendering_fingerprint(TOKENIZER, base)
    assert own == rendering_fingerprint(tiny_tokenizer(), Rendering(PLAIN))
    same = [
        dataclasses.replace(base, begin="never"),
        dataclasses.replace(base, template=Template("other name", PLAIN.text)),
        dataclasses.replace(base, max_tokens=1092, answer_tokens=100),
    ]
    assert {rendering_fingerprint(TOKENIZER, r) for r in same} == {own}
    others = [
        dataclasses.replace(base, max_tokens=512),
        dataclasses.replace(base, template=TEMPLATES["short_span"]),
        dataclasses.replace(base, template=dataclasses.replace(PLAIN, answer_prefix="")),
    ]
    prints = {rendering_fingerprint(TOKENIZER, r) for r in others}
    prints |= {rendering_fingerprint(ADDS_BEGIN, base), own}
    assert len(prints) == 5


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "first"), [("qwen2", None), ("xlmr", "<s>"), ("mbert", "[CLS]")])
def test_real_tokenizers(
    name: str, first: str | None, tokenizer_folder: Callable[[str], Path]
) -> None:
    tokenizer = load_tokenizer(str(tokenizer_folder(name)))
    prompt = encode_prompt(tokenizer, Rendering(PLAIN, 256), example(TEXT * 40))
    assert prompt.truncated
    assert 180 <= len(prompt.ids) <= 224
    tokens = tokenizer.convert_ids_to_tokens(list(prompt.ids))
    assert (tokens[0] == first) is (first is not None)
    assert tokens[-1] not in ("</s>", "[SEP]", "<|endoftext|>")
    if tokenizer.eos_token_id is not None:
        item = encode_training(
            tokenizer, Rendering(PLAIN, 256), example(), train_eos=True, loss="answer"
        )
        answer = tokenizer.decode(item.ids[item.answer_start : item.answer_end])
        assert answer.strip() == "New Delhi"


def test_a_prompt_as_it_stands_gets_no_end_token() -> None:
    for adds_end in (False, True):
        tokenizer = tiny_tokenizer(adds_begin=True, adds_end=adds_end)
        bare = tuple(TOKENIZER("The capital is")["input_ids"])
        assert encode_verbatim(tokenizer, "The capital is", "") == ((BOS, *bare), ())
        ids, answer = encode_verbatim(tokenizer, "The capital is", " Delhi")
        assert ids == (BOS, *bare)
        assert text_of(answer) == " Delhi"
        # all ways that a prompt becomes tokens agree
        whole = f"{TEXT}\n\nQ: What?\nA:"
        rendered = encode_prompt(tokenizer, Rendering(PLAIN), example())
        assert rendered.ids == encode_verbatim(tokenizer, whole, "")[0]
        assert encode_choice(tokenizer, "c", whole, [" a"]).prompt == rendered.ids
        trained = encode_training(
            tokenizer, Rendering(PLAIN), example(), train_eos=False, loss="answer"
        )
        assert trained.ids[: trained.answer_start] == rendered.ids
