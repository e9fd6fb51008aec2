"""Whether a model works here: its parts, its size, and its tokens per language."""

from __future__ import annotations

from babelscope.data import atlas
from babelscope.languages import language
from babelscope.models.loading import load_model

ENGLISH = "eng_Latn"


def check_model(
    name: str, *, dtype: str = "auto", device: str = "auto", revision: str | None = None
) -> dict[str, object]:
    """Load a model, which proves its parts, and measure it.

    `fertility` has a row a language of atlas: tokens a sentence relative to English on the same
    sentences (1 is as many as English), and the share of tokens that are unknown.

    Raises:
        ModelError: the model cannot be loaded, or its parts cannot be proved.
    """
    loaded = load_model(name, dtype=dtype, device=device, revision=revision)
    parameters = sum(p.numel() for p in loaded.model.parameters())
    size = sum(p.numel() * p.element_size() for p in loaded.model.parameters())
    counts = {code: _counts(loaded.tokenizer, code) for code in atlas.languages()}
    english = counts[ENGLISH][0]
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
        "fertility": [
            {
                "language": code,
                "name": language(code).name,
                "tokens_to_english": tokens / english,
                "unknown_share": unknown / tokens,
            }
            for code, (tokens, unknown) in counts.items()
        ],
    }


def _counts(tokenizer: object, code: str) -> tuple[int, int]:
    """Return (tokens, unknown tokens) of atlas's sentences in a language."""
    encoded = tokenizer(atlas.sentences(code, "test"), add_special_tokens=False)["input_ids"]  # type: ignore[operator]  # transformers leaves it untyped
    unknown = getattr(tokenizer, "unk_token_id", None)
    tokens = [t for ids in encoded for t in ids]
    return len(tokens), sum(t == unknown for t in tokens)
