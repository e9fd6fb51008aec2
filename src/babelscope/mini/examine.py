"""Examine a model while it is being pre-trained, by teacher forcing.

Greedy decoding gives exactly a gold and then the end token if and only if every position that
predicts a token of "gold, end" has that token as its arg-max. One forward pass tells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import BloomForCausalLM, PreTrainedTokenizerFast

from babelscope.data import atlas
from babelscope.data.prompts import TEMPLATES, prompt_parts
from babelscope.records import Example

BATCH = 24


@torch.no_grad()
def greedy_equals(
    model: BloomForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    examples: Sequence[Example],
    answers: Sequence[str],
) -> list[bool]:
    """Tell for each example whether the greedy answer is exactly the given one."""
    rows = []
    for example, answer in zip(examples, answers, strict=True):
        parts = prompt_parts(TEMPLATES["plain"], example)
        prompt = tokenizer(parts.head + parts.context + parts.tail)["input_ids"]
        wanted = [*tokenizer(f" {answer}")["input_ids"], tokenizer.eos_token_id]
        rows.append((prompt, wanted))
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))
    equal = [False] * len(rows)
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        for index, right in zip(chosen, _batch(model, [rows[i] for i in chosen]), strict=True):
            equal[index] = right
    return equal


def _batch(model: BloomForCausalLM, rows: Sequence[tuple[list[int], list[int]]]) -> list[bool]:
    longest = max(len(p) + len(w) for p, w in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest)
    for row, (prompt, wanted) in enumerate(rows):
        n = len(prompt) + len(wanted)
        ids[row, :n] = torch.tensor(prompt + wanted)
        mask[row, :n] = 1
    hidden = model.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
    found = []
    for row, (prompt, wanted) in enumerate(rows):
        at = hidden[row, len(prompt) - 1 : len(prompt) + len(wanted) - 1]
        found.append(model.lm_head(at).argmax(-1).tolist() == wanted)
    return found


def exact_match(
    model: BloomForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    language: str,
    split: str,
    limit: int,
) -> float:
    """Return the share, 0-1, of a split's first `limit` questions that are answered exactly."""
    examples = atlas.questions(language, split).examples[:limit]
    right = greedy_equals(model, tokenizer, examples, [e.answers[0] for e in examples])
    return sum(right) / len(right)


def contest_rates(
    model: BloomForCausalLM, tokenizer: PreTrainedTokenizerFast, target: str, other: str
) -> tuple[float, float]:
    """Return (right, interference): shares of contest items answered with the gold of each.

    Items whose golds are equal in both languages are left out of the second share.
    """
    mine = atlas.questions(target, f"contest:{other}").examples
    theirs = atlas.questions(other, f"contest:{target}").examples
    pairs = [(m, t) for m, t in zip(mine, theirs, strict=True) if m.answers != t.answers]
    asked = [m for m, _ in pairs]
    right = greedy_equals(model, tokenizer, asked, [m.answers[0] for m in asked])
    wrong = greedy_equals(model, tokenizer, asked, [t.answers[0] for _, t in pairs])
    return sum(right) / len(right), sum(wrong) / len(wrong)
