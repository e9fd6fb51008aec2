"""From examples to training batches: the shuffled control, encoding, order, padding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from babelscope.adapt.recipes import Recipe
from babelscope.errors import DataError
from babelscope.models.encoding import NO_LOSS, EncodedTraining, Rendering, encode_training
from babelscope.models.loading import LoadedModel
from babelscope.records import Example, QuestionSet

LONGEST_STRETCH = 50
"""Steps among whose examples like lengths are brought together, at most."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Encoded examples in file order; `counts` tells what was cut, lost or left out, by reason."""

    examples: tuple[EncodedTraining, ...]
    counts: Mapping[str, int]


def shuffle_answers(examples: Sequence[Example], seed: int) -> tuple[Example, ...]:
    """Give each example the answers of another, drawn by `seed`: a control that teaches format.

    No example keeps its own (one random cycle through all); with a single one nothing changes.
    """
    order = np.random.default_rng(seed).permutation(len(examples))
    giver = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
    return tuple(replace(e, answers=examples[giver[i]].answers) for i, e in enumerate(examples))


def encode_examples(
    loaded: LoadedModel, questions: QuestionSet, recipe: Recipe, rendering: Rendering, seed: int
) -> TrainingSet:
    """Encode a training set; examples without an answer or without a learned token are counted.

    The first token of a row is never in the loss: nothing stands before it to predict it from.

    Raises:
        DataError: no example is left to train on.
        SettingError: an example is too long even with an empty context.
    """
    answerable = [e for e in questions.examples if e.answers]
    chosen = shuffle_answers(answerable, seed) if recipe.shuffle_answers else tuple(answerable)
    encoded = [
        encode_training(
            loaded.tokenizer, rendering, e, train_eos=recipe.train_eos, loss=recipe.loss
        )
        for e in chosen
    ]
    rows = [replace(e, labels=(NO_LOSS, *e.labels[1:])) for e in encoded]
    kept = tuple(e for e in rows if any(label != NO_LOSS for label in e.labels))
    counts = Counter(
        examples=len(kept),
        unanswerable=len(questions.examples) - len(answerable),
        without_loss=len(rows) - len(kept),
        truncated=sum(e.truncated for e in kept),
        gold_lost=sum(e.gold_lost for e in kept),
        answer_cut=sum(e.answer_cut for e in kept),
    )
    if not kept:
        raise DataError(
            f"training set {questions.name}",
            expected="at least one example with an answer",
            found=f"{len(questions.examples)} examples, none to train on",
        )
    return TrainingSet(kept, dict(counts))


def plan_batches(lengths: Sequence[int], recipe: Recipe, seed: int) -> list[tuple[int, ...]]:
    """Return the indices of every batch of a tune, `max_steps * accumulation` of them.

    Each epoch is a fresh order; its last batch may be short, and steps go on across epochs. So
    60 steps of 4 x 4 on 103 examples are 9.2 epochs, as in the first paper, whose checkpoints
    13, 26, ... lie two epochs apart. Grouped by length, a stretch of the order is sorted before
    it is cut into batches, as transformers' length-grouped sampler does.
    """
    draw = np.random.default_rng(seed)
    step = recipe.batch_size * recipe.accumulation
    stretch = step * max(1, min(len(lengths) // (4 * step), LONGEST_STRETCH))
    wanted = recipe.max_steps * recipe.accumulation
    batches: list[tuple[int, ...]] = []
    while len(batches) < wanted:
        order: list[int] = draw.permutation(len(lengths)).tolist()
        if recipe.length_grouped:
            parts = [order[i : i + stretch] for i in range(0, len(order), stretch)]
            order = [i for part in parts for i in sorted(part, key=lambda i: -lengths[i])]
        size = recipe.batch_size
        batches += [tuple(order[i : i + size]) for i in range(0, len(order), size)]
    return batches[:wanted]


def collate(rows: Sequence[EncodedTraining], pad: int) -> dict[str, Tensor]:
    """Pad rows on the right to `input_ids`, `attention_mask` and `labels`, each (rows, longest).

    Labels go by position: the padding token may be any token without masking its other uses.
    """
    longest = max(len(row.ids) for row in rows)
    shape = (len(rows), longest)
    ids, labels = torch.full(shape, pad), torch.full(shape, NO_LOSS)
    mask = torch.zeros(shape, dtype=torch.long)
    for n, row in enumerate(rows):
        ids[n, : len(row.ids)] = torch.tensor(row.ids)
        labels[n, : len(row.ids)] = torch.tensor(row.labels)
        mask[n, : len(row.ids)] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}
