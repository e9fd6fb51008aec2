"""Answers in batches, left-padded and exact: neither batch nor padding changes an answer.

The loop is our own: it stops on decoded text, projects only the last position, drops finished
rows from the batch and its cache, and ignores the sampling settings that a model brings along.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import DynamicCache

from babelscope.errors import ModelError, SettingError
from babelscope.infer.sampling import Decoding, answer_generator, choose_tokens
from babelscope.models.encoding import EncodedPrompt
from babelscope.models.loading import LoadedModel, pad_id
from babelscope.records import Answer, Stop

__all__ = ["Decoding", "generate_answers"]

NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(slots=True)
class _Row:
    """One answer in the making."""

    prompt: EncodedPrompt
    generator: torch.Generator | None
    new: list[int] = field(default_factory=list)
    text: str = ""
    stopped: Stop | None = None


def generate_answers(
    loaded: LoadedModel, prompts: Sequence[EncodedPrompt], decoding: Decoding, *, language: str
) -> list[Answer]:
    """Answer one batch of prompts, in their order.

    An answer ends at an end token of the model, at the first newline of the decoded text, or
    after `max_new_tokens`; `new_tokens` counts the token that ended it. If memory runs out, the
    batch is halved.

    Raises:
        ModelError: memory does not suffice for a single prompt.
        SettingError: prompt and answer are longer than the model's positions.
    """
    if not prompts:
        return []
    _check_lengths(loaded, prompts, decoding)
    try:
        rows = _generate(loaded, prompts, decoding)
    except RuntimeError as error:
        if not any(sign in str(error) for sign in NO_MEMORY):
            raise
        rows = []
    if rows:
        return [_answer(row, language) for row in rows]
    # outside the handler: the error's traceback holds the failed batch's tensors alive
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if len(prompts) == 1:
        raise ModelError(
            f"example {prompts[0].id}",
            expected=f"memory for {len(prompts[0].ids)} tokens",
            found="none left",
            remedy="lower max_tokens or use a smaller dtype",
        )
    half = len(prompts) // 2
    return [
        answer
        for part in (prompts[:half], prompts[half:])
        for answer in generate_answers(loaded, part, decoding, language=language)
    ]


def _check_lengths(
    loaded: LoadedModel, prompts: Sequence[EncodedPrompt], decoding: Decoding
) -> None:
    limit = getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None)
    for prompt in prompts:
        total = len(prompt.ids) + decoding.max_new_tokens
        if not prompt.ids:
            raise SettingError(f"example {prompt.id}", expected="a prompt", found="no tokens")
        if limit and total > limit:
            raise SettingError(
                f"example {prompt.id}",
                expected=f"prompt and answer within the model's {limit} positions",
                found=f"{len(prompt.ids)} + {decoding.max_new_tokens}",
                remedy="lower max_tokens",
            )


@torch.inference_mode()
def _generate(
    loaded: LoadedModel, prompts: Sequence[EncodedPrompt], decoding: Decoding
) -> list[_Row]:
    rows = [_Row(prompt, answer_generator(decoding, prompt.id)) for prompt in prompts]
    active = rows
    ends = _end_ids(loaded)
    ids, mask = _pad_left(loaded, prompts)
    cache = DynamicCache(config=_base(loaded).config)
    while True:
        logits = _forward(loaded, ids, mask, cache)
        chosen = choose_tokens(logits, [row.generator for row in active], decoding)
        for row, token in zip(active, chosen, strict=True):
            _take(loaded, row, token, ends, decoding)
        keep = [n for n, row in enumerate(active) if row.stopped is None]
        if not keep:
            return rows
        ids = torch.tensor([[chosen[n]] for n in keep], device=mask.device)
        if len(keep) < len(active):
            places = torch.tensor(keep, device=mask.device)
            cache.batch_select_indices(places)
            mask = mask[places]
            active = [active[n] for n in keep]
        mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)


def _forward(loaded: LoadedModel, ids: Tensor, mask: Tensor, cache: DynamicCache) -> Tensor:
    """Return the logits (rows, vocabulary) of the last position and extend the cache."""
    extra: dict[str, object] = {}
    names = inspect.signature(_base(loaded).forward).parameters
    if "position_ids" in names:
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        extra["position_ids"] = positions[:, -ids.shape[1] :]
    if "logits_to_keep" in names:
        extra["logits_to_keep"] = 1
    out = loaded.model(
        input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **extra
    )
    return out.logits[:, -1].float()


def _take(
    loaded: LoadedModel, row: _Row, token: int, ends: frozenset[int], decoding: Decoding
) -> None:
    row.new.append(token)
    if token in ends:
        row.stopped = "eos"
        return
    row.text = loaded.tokenizer.decode(
        row.new, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    if decoding.stop_at_newline and "\n" in row.text:
        row.text = row.text.split("\n", 1)[0]
        row.stopped = "newline"
    elif len(row.new) >= decoding.max_new_tokens:
        row.stopped = "length"


def _answer(row: _Row, language: str) -> Answer:
    return Answer(
        id=row.prompt.id,
        language=language,
        prediction=row.text.strip(),
        prompt_tokens=len(row.prompt.ids),
        new_tokens=len(row.new),
        truncated=row.prompt.truncated,
        stopped=row.stopped or "length",
        tokens=tuple(row.new),
    )


def _pad_left(loaded: LoadedModel, prompts: Sequence[EncodedPrompt]) -> tuple[Tensor, Tensor]:
    length = max(len(prompt.ids) for prompt in prompts)
    pad = pad_id(loaded.tokenizer, loaded.parts.vocabulary_rows)
    rows = [[pad] * (length - len(p.ids)) + list(p.ids) for p in prompts]
    marks = [[0] * (length - len(p.ids)) + [1] * len(p.ids) for p in prompts]
    return torch.tensor(rows, device=loaded.device), torch.tensor(marks, device=loaded.device)


def _end_ids(loaded: LoadedModel) -> frozenset[int]:
    given = getattr(_base(loaded).generation_config, "eos_token_id", None)
    listed = given if isinstance(given, (list, tuple)) else [given]
    return frozenset(i for i in (*listed, loaded.tokenizer.eos_token_id) if i is not None)


def _base(loaded: LoadedModel) -> torch.nn.Module:
    wrapped = getattr(loaded.model, "get_base_model", None)
    return wrapped() if wrapped else loaded.model
