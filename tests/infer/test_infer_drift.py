"""Drift: none in float32, and told with its gap where answers are turned over."""

from __future__ import annotations

import dataclasses
import math
import random

import pytest
import torch
from tiny import tiny_model
from toy_model import TOKENIZER, tiny_loaded

from babelscope.infer import drift
from babelscope.infer.drift import measure_drift, top_two_gap
from babelscope.infer.generate import Decoding, generate_answers
from babelscope.models.encoding import EncodedPrompt
from babelscope.models.loading import LoadedModel
from babelscope.models.parts import locate_parts
from babelscope.records import Answer

DRAW = random.Random(0)
PROMPTS = [
    EncodedPrompt(
        str(n), tuple(DRAW.randrange(4, len(TOKENIZER)) for _ in range(3 + 5 * n)), False, False
    )
    for n in range(6)
]
DECODING = Decoding(8)


def test_nothing_drifts_in_float32() -> None:
    rows = measure_drift(tiny_loaded("bloom"), PROMPTS, DECODING)
    assert [(r.way, r.items, r.differing) for r in rows] == [("batched", 6, 0), ("padded", 6, 0)]
    assert all(math.isnan(r.widest_gap) for r in rows)
    assert measure_drift(tiny_loaded("bloom"), [], DECODING) == []


def test_another_format_is_compared_with_its_gap() -> None:
    loaded = tiny_loaded("llama")
    model = tiny_model("llama").to(torch.bfloat16)
    other = dataclasses.replace(
        loaded, model=model, parts=locate_parts(model), dtype=torch.bfloat16
    )
    row = measure_drift(loaded, PROMPTS, DECODING, other)[-1]
    alone = generate_answers(loaded, PROMPTS, DECODING, language="")
    rough = generate_answers(other, PROMPTS, DECODING, language="")
    assert row.way == "bfloat16"
    assert row.differing == sum(a.tokens != b.tokens for a, b in zip(alone, rough, strict=True))


def test_a_turned_answer_is_counted_with_the_gap_where_it_turned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded, real = tiny_loaded("bloom"), generate_answers

    def turned(
        loaded: LoadedModel, prompts: list[EncodedPrompt], decoding: Decoding, *, language: str
    ) -> list[Answer]:
        answers = real(loaded, prompts, decoding, language=language)
        if len(prompts) == len(PROMPTS):  # in the batch the third answer has another third token
            tokens = answers[2].tokens
            answers[2] = dataclasses.replace(
                answers[2], tokens=(*tokens[:2], tokens[2] + 1, *tokens[3:])
            )
        return answers

    monkeypatch.setattr(drift, "generate_answers", turned)
    batched, padded = measure_drift(loaded, PROMPTS, DECODING)
    assert (batched.differing, padded.differing) == (1, 0)
    (alone,) = real(loaded, PROMPTS[2:3], DECODING, language="")
    with torch.no_grad():
        ids = torch.tensor([[*PROMPTS[2].ids, *alone.tokens[:2]]])
        best = loaded.model(input_ids=ids).logits[0, -1].topk(2).values
    assert batched.widest_gap == pytest.approx(float(best[0] - best[1]), abs=1e-4)
    assert top_two_gap(loaded, ids[0].tolist()) == pytest.approx(batched.widest_gap)
