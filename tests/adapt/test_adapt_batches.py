"""Order, padding, the shuffled control and the loss, against hand-made and slow references."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import FAMILIES
from torch.nn.functional import cross_entropy
from toy_tuning import toy_loaded, toy_questions

from babelscope.adapt import losses
from babelscope.adapt.batches import (
    collate,
    encode_examples,
    plan_batches,
    shuffle_answers,
)
from babelscope.adapt.lora import fresh_lora
from babelscope.adapt.losses import headless_loss, summed_loss, token_loss
from babelscope.adapt.recipes import RECIPES, Recipe, change, rendering_of
from babelscope.data.prompts import TEMPLATES
from babelscope.errors import DataError
from babelscope.models.encoding import NO_LOSS, EncodedTraining
from babelscope.records import Example, QuestionSet

DEFAULT = RECIPES["default"]


def encoded(ids: tuple[int, ...], labels: tuple[int, ...]) -> EncodedTraining:
    return EncodedTraining("x", ids, labels, 0, len(ids) - 1, False, False, False)


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=40),
    batch=st.integers(1, 5),
    accumulation=st.integers(1, 3),
    steps=st.integers(1, 12),
    grouped=st.booleans(),
    seed=st.integers(0, 5),
)
def test_every_epoch_shows_each_example_once(
    lengths: list[int], batch: int, accumulation: int, steps: int, grouped: bool, seed: int
) -> None:
    recipe = change(
        DEFAULT,
        {
            "batch_size": batch,
            "accumulation": accumulation,
            "max_steps": steps,
            "length_grouped": grouped,
        },
    )
    batches = plan_batches(lengths, recipe, seed)
    assert len(batches) == steps * accumulation
    assert batches == plan_batches(lengths, recipe, seed)
    per_epoch = math.ceil(len(lengths) / batch)
    for start in range(0, len(batches) - per_epoch + 1, per_epoch):
        epoch = [i for b in batches[start : start + per_epoch] for i in b]
        assert sorted(epoch) == list(range(len(lengths)))
    assert all(len(b) == batch for n, b in enumerate(batches) if (n + 1) % per_epoch)


def test_first_papers_checkpoints_lie_two_epochs_apart() -> None:
    batches = plan_batches([1] * 103, RECIPES["seed"], seed=42)
    assert len(batches) == 240
    assert Counter(i for b in batches[: 13 * 4] for i in b) == Counter([*range(103)] * 2)


def test_grouping_by_length_wastes_less_padding_and_seeds_differ() -> None:
    lengths = [(37 * i) % 101 + 1 for i in range(200)]

    def waste(recipe: Recipe) -> int:
        rows = [[lengths[i] for i in b] for b in plan_batches(lengths, recipe, 0)]
        return sum(max(row) * len(row) - sum(row) for row in rows)

    loose = change(DEFAULT, {"length_grouped": False})
    assert waste(DEFAULT) < 0.5 * waste(loose)
    assert plan_batches(lengths, loose, 0) != plan_batches(lengths, loose, 1)


@given(n=st.integers(2, 40), seed=st.integers(0, 9))
def test_shuffled_answers_are_the_same_answers_none_in_its_place(n: int, seed: int) -> None:
    examples = toy_questions(n).examples
    shuffled = shuffle_answers(examples, seed)
    assert Counter(e.answers for e in shuffled) == Counter(e.answers for e in examples)
    assert all(a.answers != b.answers for a, b in zip(examples, shuffled, strict=True))
    assert [e.question for e in shuffled] == [e.question for e in examples]
    assert shuffled == shuffle_answers(examples, seed)


def test_shuffled_recipe_trains_on_the_shuffled_answers() -> None:
    loaded, questions = toy_loaded("bloom"), toy_questions(6)
    recipe = change(DEFAULT, {"shuffle_answers": True})
    rendering = rendering_of(recipe, TEMPLATES, "training")
    rows = encode_examples(loaded, questions, recipe, rendering, seed=3).examples
    told = [
        loaded.tokenizer.decode(row.ids[row.answer_start : row.answer_end]).strip() for row in rows
    ]
    assert told == [e.answers[0] for e in shuffle_answers(questions.examples, 3)]


def test_collate_pads_on_the_right_and_masks_by_position() -> None:
    # the padding id 9 is also a real, learned token of the first row
    batch = collate([encoded((5, 9, 7), (NO_LOSS, 9, 7)), encoded((4,), (NO_LOSS,))], pad=9)
    assert batch["input_ids"].tolist() == [[5, 9, 7], [4, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [[NO_LOSS, 9, 7], [NO_LOSS] * 3]


def test_loss_by_hand() -> None:
    # one labelled token with probabilities 1/4, 3/4: -ln(3/4) = .28768; the other row: -ln(1/2)
    states = torch.tensor([[[0.0, math.log(3)], [9.0, 9.0]], [[1.0, 1.0], [0.0, 5.0]]])
    labels = torch.tensor([[NO_LOSS, 1], [NO_LOSS, 0]])
    parts = replace(toy_loaded("bloom").parts, unembed=torch.nn.Identity(), vocabulary_rows=2)
    # the identity has no weights: states are logits
    loss = token_loss(parts, states, labels, 4)
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 4, rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("chunk_rows", [3, 1000])
@pytest.mark.parametrize("which", ["answer", "all"])
def test_loss_and_gradients_equal_those_of_all_logits(
    family: str, chunk_rows: int, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = toy_loaded(family)
    monkeypatch.setattr(losses, "CHUNK_BYTES", 4 * loaded.parts.vocabulary_rows * chunk_rows)
    recipe = change(DEFAULT, {"loss": which, "rank": 2, "dropout": 0})
    rendering = rendering_of(recipe, TEMPLATES, "training")
    batch = collate(encode_examples(loaded, toy_questions(4), recipe, rendering, 0).examples, 3)
    labels = batch.pop("labels")

    def gradients(loss: torch.Tensor) -> list[torch.Tensor]:
        return torch.autograd.grad(loss, [p for p in tuned.parameters() if p.requires_grad])

    with fresh_lora(loaded, recipe, 0) as tuned:
        for name, weight in tuned.named_parameters():
            if "lora_B" in name:  # as after a few steps: at zero, A has no gradient
                torch.nn.init.normal_(weight, std=0.1)
        logits = tuned(**batch).logits[:, :-1]
        expected = cross_entropy(logits.transpose(1, 2), labels[:, 1:], reduction="sum") / 7
        with headless_loss(loaded.parts) as loss:
            outputs = tuned(**batch, logits_to_keep=1)
            found = loss(outputs, labels, num_items_in_batch=7)
        assert outputs.logits.shape[1] == 1
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        for ours, plain in zip(gradients(found), gradients(expected), strict=True):
            torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-5 * float(plain.abs().max()))


def test_a_trained_head_gets_its_gradient() -> None:
    parts = toy_loaded("qwen2").parts
    parts.unembed.weight.requires_grad_(True)
    states, targets = torch.randn(9, parts.width), torch.arange(9)
    summed_loss(parts, states, targets).backward()
    ours = parts.unembed.weight.grad.clone()
    parts.unembed.weight.grad = None
    cross_entropy(parts.unembed(states), targets, reduction="sum").backward()
    torch.testing.assert_close(ours, parts.unembed.weight.grad, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["bloom", "qwen2"])
def test_answer_loss_equals_a_slow_reference_of_unpadded_rows(family: str) -> None:
    loaded, questions = toy_loaded(family), toy_questions(5)
    rows = encode_examples(
        loaded, questions, DEFAULT, rendering_of(DEFAULT, TEMPLATES, "training"), 0
    ).examples
    batch = collate(rows, pad=3)
    labels = batch.pop("labels")
    with torch.no_grad():
        with headless_loss(loaded.parts) as headless:
            loss = headless(loaded.model(**batch), labels, int((labels != NO_LOSS).sum()))
        nats: list[float] = []
        for row, example in zip(rows, questions.examples, strict=True):
            logits = loaded.model(input_ids=torch.tensor([row.ids])).logits[0].double()
            answer = loaded.tokenizer(" " + example.answers[0])["input_ids"]
            learned = [*answer, loaded.tokenizer.eos_token_id]
            assert list(row.ids[-len(learned) :]) == learned
            for position in range(len(row.ids) - len(learned), len(row.ids)):
                logs = logits[position - 1].log_softmax(0)
                nats.append(-logs[row.ids[position]].item())
    assert loss.item() == pytest.approx(sum(nats) / len(nats), rel=1e-5)


def test_loss_over_all_has_no_end_token_in_seed_and_never_the_first() -> None:
    loaded, seed = toy_loaded("bloom"), RECIPES["seed"]
    rows = encode_examples(
        loaded, toy_questions(3), seed, rendering_of(seed, TEMPLATES, "training"), 0
    ).examples
    for row in rows:
        assert row.ids[0] == loaded.tokenizer.bos_token_id
        assert row.ids[-1] == loaded.tokenizer.eos_token_id
        assert row.labels == (NO_LOSS, *row.ids[1:-1], NO_LOSS)


def test_unanswerable_examples_are_counted_and_an_empty_set_is_an_error() -> None:
    loaded, rendering = toy_loaded("bloom"), rendering_of(DEFAULT, TEMPLATES, "training")
    mute = Example("m", "eng_Latn", "Nothing.", "What?", (), "m")
    questions = QuestionSet("toy", "eng_Latn", (*toy_questions(2).examples, mute))
    data = encode_examples(loaded, questions, DEFAULT, rendering, 0)
    assert (data.counts["examples"], data.counts["unanswerable"]) == (2, 1)
    for examples in ((), (mute,)):
        with pytest.raises(DataError, match="none to train on"):
            encode_examples(
                loaded, QuestionSet("void", "eng_Latn", examples), DEFAULT, rendering, 0
            )


def test_cut_contexts_and_lost_golds_are_counted() -> None:
    loaded = toy_loaded("bloom")
    recipe = change(DEFAULT, {"max_tokens": 80, "answer_tokens": 16})
    long = Example("l", "eng_Latn", "far " * 80 + "Town", "Where?", ("Town",), "l")
    data = encode_examples(
        loaded,
        QuestionSet("toy", "eng_Latn", (long, *toy_questions(1).examples)),
        recipe,
        rendering_of(recipe, TEMPLATES, "training"),
        0,
    )
    assert (data.counts["truncated"], data.counts["gold_lost"]) == (1, 1)
    assert all(len(row.ids) <= 80 for row in data.examples)
