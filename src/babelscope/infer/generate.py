"""Answers in batches: neither batch, nor padding, nor a shared beginning changes an answer.

The loop is our own: it stops on decoded text, reads what prompts share once, projects only the
last position, drops finished rows, and ignores the sampling settings that a model brings along.
A row that outgrows a length at which the model rotates otherwise is read anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from babelscope.errors import SettingError
from babelscope.infer.batches import plan_rounds
from babelscope.infer.memory import in_rounds
from babelscope.infer.passes import (
    BATCH_TOKENS,
    base_model,
    extend_rows,
    read_together,
    room_tokens,
)
from babelscope.infer.reading_proof import verify_reading
from babelscope.infer.room import add_column, drop_rows
from babelscope.infer.sampling import Decoding, answer_generator, choose_tokens
from babelscope.models.encoding import EncodedPrompt
from babelscope.models.lengths import length_class, rotation_limits
from babelscope.models.loading import LoadedModel
from babelscope.models.parts import normalise, positions_of, unembed_hidden
from babelscope.records import Answer, Stop

__all__ = ["BATCH_TOKENS", "Decoding", "generate_answers", "plan_answers"]


@dataclass(slots=True)
class _Row:
    """One answer in the making."""

    prompt: EncodedPrompt
    generator: torch.Generator | None
    new: list[int] = field(default_factory=list)
    text: str = ""
    stopped: Stop | None = None


def plan_answers(
    loaded: LoadedModel, prompts: Sequence[EncodedPrompt], decoding: Decoding, batch_tokens: int
) -> list[tuple[int, ...]]:
    """Return the places of the prompts that are answered together, round by round.

    A round is as wide as its keys and values leave room; the plan depends on the model's shape
    and the prompts, not on the machine, so that an interrupted one can go on elsewhere.

    Raises:
        SettingError: `batch_tokens` is below 1.
    """
    return plan_rounds(
        [p.ids for p in prompts], decoding.max_new_tokens, room_tokens(loaded, batch_tokens)
    )


def generate_answers(
    loaded: LoadedModel,
    prompts: Sequence[EncodedPrompt],
    decoding: Decoding,
    *,
    language: str,
    batch_tokens: int = BATCH_TOKENS,
) -> list[Answer]:
    """Answer prompts, in their order.

    An answer ends at an end token of the model, at the first newline of the decoded text, or
    after `max_new_tokens`; `new_tokens` counts the token that ended it. If memory runs out, the
    rounds are halved from there on.

    Raises:
        ModelError: memory does not suffice for a single prompt, or the model's keys and values
            cannot be kept.
        SettingError: prompt and answer are longer than the model's positions.
    """
    if not prompts:
        return []
    verify_reading(loaded)
    _check_lengths(loaded, prompts, decoding)
    rows = in_rounds(
        plan_answers(loaded, prompts, decoding, batch_tokens),
        lambda places: _generate(loaded, [prompts[i] for i in places], decoding, batch_tokens),
        [prompt.id for prompt in prompts],
    )
    return [_answer(row, language) for row in rows]


def _check_lengths(
    loaded: LoadedModel, prompts: Sequence[EncodedPrompt], decoding: Decoding
) -> None:
    limit = positions_of(loaded.model)
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
    loaded: LoadedModel, prompts: Sequence[EncodedPrompt], decoding: Decoding, batch_tokens: int
) -> list[_Row]:
    rows = [_Row(prompt, answer_generator(decoding, prompt.id)) for prompt in prompts]
    waiting = rows
    while waiting:
        kind = _class(loaded, waiting[0])
        together = [row for row in waiting if _class(loaded, row) == kind]
        waiting = [row for row in waiting if _class(loaded, row) != kind]
        waiting += _continue(loaded, together, decoding, batch_tokens)
    return rows


def _continue(
    loaded: LoadedModel, rows: Sequence[_Row], decoding: Decoding, batch_tokens: int
) -> list[_Row]:
    """Answer rows of one length class; returns those that outgrew it, to be read anew."""
    ends, outgrown = _end_ids(loaded), []
    grows = bool(rotation_limits(loaded.model.config))
    kind = _class(loaded, rows[0])

    def see(places: Sequence[int], states: Tensor) -> None:
        _choose(loaded, [rows[i] for i in places], states[:, -1], ends, decoding)

    room, order = read_together(
        loaded,
        [(*row.prompt.ids, *row.new) for row in rows],
        spare=decoding.max_new_tokens,
        batch_tokens=batch_tokens,
        see=see,
    )
    active = [rows[i] for i in order]
    while True:
        gone = [n for n, row in enumerate(active) if row.stopped is not None]
        if grows:
            over = [n for n, row in enumerate(active) if _class(loaded, row) != kind]
            outgrown += [active[n] for n in over if active[n].stopped is None]
            gone = sorted({*gone, *over})
        active = [active[n] for n in drop_rows(room, gone)]
        if not active:
            return outgrown
        add_column(room)
        states = extend_rows(loaded, room, slice(0, len(active)), [row.new[-1:] for row in active])
        _choose(loaded, active, states[:, -1], ends, decoding)


def _class(loaded: LoadedModel, row: _Row) -> int:
    return length_class(loaded.model.config, len(row.prompt.ids) + len(row.new))


def _choose(
    loaded: LoadedModel,
    rows: Sequence[_Row],
    states: Tensor,
    ends: frozenset[int],
    decoding: Decoding,
) -> None:
    logits = unembed_hidden(loaded.parts, normalise(loaded.parts, states))
    chosen = choose_tokens(logits, [row.generator for row in rows], decoding)
    for row, token in zip(rows, chosen, strict=True):
        _take(loaded, row, token, ends, decoding)


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


def _end_ids(loaded: LoadedModel) -> frozenset[int]:
    given = getattr(base_model(loaded).generation_config, "eos_token_id", None)
    listed = given if isinstance(given, (list, tuple)) else [given]
    return frozenset(i for i in (*listed, loaded.tokenizer.eos_token_id) if i is not None)
