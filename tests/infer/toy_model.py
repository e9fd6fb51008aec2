"""A tiny loaded model for the tests of answers and options."""

from __future__ import annotations

import torch
from tiny import tiny_model, tiny_tokenizer

from babelscope.models.loading import LoadedModel
from babelscope.models.parts import locate_parts

TOKENIZER = tiny_tokenizer()
NEWLINE = TOKENIZER("\n", add_special_tokens=False)["input_ids"][0]
EOS = TOKENIZER.eos_token_id


def tiny_loaded(family: str, *, newline: float = 0.0, eos: float = 0.0) -> LoadedModel:
    """A tiny model whose newline and end rows are scaled, so that answers end in all ways."""
    model = tiny_model(family)
    with torch.no_grad():
        for row, factor in ((NEWLINE, newline), (EOS, eos)):
            if factor:
                model.get_output_embeddings().weight[row] *= factor
    return LoadedModel(
        model=model,
        tokenizer=TOKENIZER,
        parts=locate_parts(model),
        name=family,
        fingerprint=family,
        dtype=torch.float32,
        device=torch.device("cpu"),
    )
