"""Whether a model works here: its parts, its size, and its tokens per language."""

from __future__ import annotations

import math

from babelscope.adapt.recipes import find_recipe, rendering_of
from babelscope.data import atlas
from babelscope.data.prompts import TEMPLATES
from babelscope.data.qa import read_qa
from babelscope.infer.drift import measure_drift
from babelscope.infer.generate import Decoding
from babelscope.languages import language
from babelscope.models.encoding import encode_prompt
from babelscope.models.loading import LoadedModel, load_model

ENGLISH = "eng_Latn"
DRIFT_ITEMS = 32


def check_model(
    name: str,
    *,
    dtype: str = "auto",
    device: str = "auto",
    revision: str | None = None,
    drift: bool = False,
) -> dict[str, object]:
    """Load a model, which proves its parts, and measure it.

    `fertility` has a row a language of atlas: tokens a sentence relative to English on the same
    sentences (1 is as many as English), and the share of tokens that are unknown. `drift` counts
    answers that another way of computing turns over, and costs some minutes on a large model.

    Raises:
        ModelError: the model cannot be loaded, or its parts cannot be proved.
    """
    loaded = load_model(name, dtype=dtype, device=device, revision=revision)
    parameters = sum(p.numel() for p in loaded.model.parameters())
    size = sum(p.numel() * p.element_size() for p in loaded.model.parameters())
    return {
        "model": name,
        "fingerprint": loaded.fingerprint,
        "family": str(loaded.model.config.model_type),
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "device": str(loaded.device),
        "parameters": parameters,
        "weights_mib": size / (1 << 20),
        "depth": loaded.parts.depth,
        "width": loaded.parts.width,
        "vocabulary_rows": loaded.parts.vocabulary_rows,
        "tokenizer_entries": len(loaded.tokenizer),
        "final_norm": type(loaded.parts.final_norm).__name__,
        "parts": "proved: last block, norm and unembedding give the model's own logits",
        "fertility": _fertility(loaded),
        **({"drift": _drift(loaded, device, revision)} if drift else {}),
    }


def _fertility(loaded: LoadedModel) -> list[dict[str, object]]:
    """Return a row a language: its tokens relative to English, the share that is unknown."""
    counts = {code: _counts(loaded.tokenizer, code) for code in atlas.languages()}
    english = counts[ENGLISH][0]
    return [
        {
            "language": code,
            "name": language(code).name,
            "tokens_to_english": tokens / english,
            "unknown_share": unknown / tokens,
        }
        for code, (tokens, unknown) in counts.items()
    ]


def _drift(loaded: LoadedModel, device: str, revision: str | None) -> list[dict[str, object]]:
    """Return a row a way of computing: answers to questions of atlas, a language each, that differ.

    `widest_gap` is in logits, and None where no answer differs.
    """
    dtype = "bfloat16" if str(loaded.dtype).endswith("float32") else "float32"
    other = load_model(loaded.name, dtype=dtype, device=device, revision=revision)
    recipe = find_recipe("default")
    rendering = rendering_of(recipe, TEMPLATES, "answering")
    prompts = [
        encode_prompt(loaded.tokenizer, rendering, read_qa("atlas", code).examples[0])
        for code in atlas.languages()[:DRIFT_ITEMS]
    ]
    rows = measure_drift(loaded, prompts, Decoding(recipe.answer_tokens), other)
    return [
        {
            "way": row.way,
            "items": row.items,
            "differing": row.differing,
            "widest_gap": None if math.isnan(row.widest_gap) else row.widest_gap,
        }
        for row in rows
    ]


def _counts(tokenizer: object, code: str) -> tuple[int, int]:
    """Return (tokens, unknown tokens) of atlas's sentences in a language."""
    encoded = tokenizer(atlas.sentences(code, "test"), add_special_tokens=False)["input_ids"]  # type: ignore[operator]  # transformers leaves it untyped
    unknown = getattr(tokenizer, "unk_token_id", None)
    tokens = [t for ids in encoded for t in ids]
    return len(tokens), sum(t == unknown for t in tokens)
