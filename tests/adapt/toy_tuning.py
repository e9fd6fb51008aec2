"""A toy training set and tiny loaded models for the tests of tuning."""

from __future__ import annotations

import torch
from tiny import tiny_model, tiny_tokenizer

from babelscope.models.loading import LoadedModel
from babelscope.models.parts import locate_parts
from babelscope.records import Example, QuestionSet


def toy_loaded(family: str) -> LoadedModel:
    model = tiny_model(family).requires_grad_(False)
    return LoadedModel(
        model=model,
        tokenizer=tiny_tokenizer(),
        parts=locate_parts(model),
        name=f"tiny-{family}",
        fingerprint="f" * 32,
        dtype=torch.float32,
        device=torch.device("cpu"),
    )


def toy_questions(n: int) -> QuestionSet:
    examples = tuple(
        Example(
            id=f"q{i}",
            language="eng_Latn",
            context=f"Town{i} is the capital of land {i}. " * (1 + i % 4),
            question=f"What is the capital of land {i}?",
            answers=(f"Town{i}",),
            context_id=f"c{i}",
        )
        for i in range(n)
    )
    return QuestionSet("toy", "eng_Latn", examples)
