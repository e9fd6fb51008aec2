"""Tiny loaded models, prompts and a plain reference for the tests of answers and options."""

from __future__ import annotations

import random

import tiny
import torch
from tiny import tiny_tokenizer

from babelscope.infer.generate import Decoding
from babelscope.models.encoding import EncodedPrompt
from babelscope.models.loading import LoadedModel
from babelscope.records import Answer

TOKENIZER = tiny_tokenizer()
NEWLINE = TOKENIZER("\n", add_special_tokens=False)["input_ids"][0]
EOS = TOKENIZER.eos_token_id


def tiny_loaded(family: str, *, newline: float = 0.0, eos: float = 0.0) -> LoadedModel:
    """A tiny model whose newline and end rows are scaled, so that answers end in all ways."""
    loaded = tiny.tiny_loaded(family)
    with torch.no_grad():
        for row, factor in ((NEWLINE, newline), (EOS, eos)):
            if factor:
                loaded.model.get_output_embeddings().weight[row] *= factor
    return loaded


def random_prompts(count: int, *, longest: int = 60, seed: int = 0) -> list[EncodedPrompt]:
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


def branching(seed: int = 0) -> list[EncodedPrompt]:
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


def reference(loaded: LoadedModel, prompt: EncodedPrompt, decoding: Decoding) -> Answer:
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
