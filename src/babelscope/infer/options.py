"""How probable given continuations are: labels of an inference task, the ends of a story.

What prompts share is read once, an example's prompt once for all its options, and only the
positions that predict an option's tokens are unembedded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from babelscope.errors import DataError, SettingError
from babelscope.infer.batches import plan_rounds
from babelscope.infer.memory import in_rounds
from babelscope.infer.passes import BATCH_TOKENS, read_ends, room_tokens
from babelscope.infer.reading_proof import verify_reading
from babelscope.models.encoding import Begin, begin_ids
from babelscope.models.fitting import tokenise
from babelscope.models.loading import LoadedModel, Tokenizer
from babelscope.models.parts import normalise, overflow, positions_of, unembed_hidden

LOGITS_BYTES = 64 << 20
"""Logits of several positions that are held at once, at most."""


_Read = tuple[tuple[int, ...], int]
"""Tokens that are read, and how many of the last of them predict an option's tokens."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A prompt and its options as tokens; `option_bytes` are the UTF-8 lengths of their texts."""

    id: str
    prompt: tuple[int, ...]
    options: tuple[tuple[int, ...], ...]
    option_bytes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OptionScores:
    """Log-probabilities of a choice's options in nats: whole, a token, and a byte of their text."""

    id: str
    nats: tuple[float, ...]
    nats_per_token: tuple[float, ...]
    nats_per_byte: tuple[float, ...]


def encode_choice(
    tokenizer: Tokenizer,
    choice_id: str,
    prompt: str,
    options: Sequence[str],
    *,
    begin: Begin = "tokenizer",
) -> Choice:
    """Render a prompt and its options, each tokenised as it follows the prompt.

    Raises:
        DataError: there is no option, or prompt or option have no tokens.
        SettingError: a begin token is asked of a tokenizer without one.
    """
    own, _ = tokenise(tokenizer, prompt)
    front = begin_ids(tokenizer, begin)
    ends = []
    for option in options:
        joint, _ = tokenise(tokenizer, prompt + option)
        kept = joint[: len(own)] == own
        ends.append(joint[len(own) :] if kept else tokenise(tokenizer, option)[0])
    if not front + own or not ends or not all(ends):
        raise DataError(
            f"example {choice_id}",
            expected="a prompt and options with tokens",
            found=f"{len(front + own)} and {', '.join(str(len(e)) for e in ends) or 'none'}",
        )
    sizes = tuple(len(option.encode()) for option in options)
    return Choice(choice_id, front + own, tuple(ends), sizes)


def score_options(
    loaded: LoadedModel, choices: Sequence[Choice], *, batch_tokens: int = BATCH_TOKENS
) -> list[OptionScores]:
    """Score every option of every choice, in their order.

    Raises:
        ModelError: memory does not suffice for a single option, the model's keys and values
            cannot be kept, or a score is no finite number.
        SettingError: `batch_tokens` is below 1, or prompt and option are longer than the model's
            positions.
    """
    if not choices:
        return []
    verify_reading(loaded)
    _check_lengths(loaded, choices)
    wanted: dict[_Read, list[tuple[int, ...]]] = {}
    for choice in choices:
        for option in choice.options:
            targets = wanted.setdefault(_read(choice, option), [])
            if option not in targets:
                targets.append(option)
    reads = list(wanted)
    found = in_rounds(
        plan_rounds([ids for ids, _ in reads], 0, room_tokens(loaded, batch_tokens)),
        lambda part: _score(loaded, [(reads[i], wanted[reads[i]]) for i in part], batch_tokens),
        [f"that reads {len(ids)} tokens" for ids, _ in reads],
    )
    if not all(math.isfinite(x) for own in found for x in own.values()):
        raise overflow("scores of options", loaded.dtype)
    nats = dict(zip(reads, found, strict=True))
    return [
        _scores(choice, [nats[_read(choice, option)][option] for option in choice.options])
        for choice in choices
    ]


def _check_lengths(loaded: LoadedModel, choices: Sequence[Choice]) -> None:
    limit = positions_of(loaded.model)
    for choice in choices:
        # an option's last token is predicted, never read
        longest = len(choice.prompt) + max(map(len, choice.options)) - 1
        if limit and longest > limit:
            raise SettingError(
                f"example {choice.id}",
                expected=f"prompt and option within the model's {limit} positions",
                found=f"{longest} tokens",
                remedy="shorten it or lower max_tokens",
            )


def _read(choice: Choice, option: tuple[int, ...]) -> _Read:
    """Return what is read for an option: its last token is predicted, never read."""
    return choice.prompt + option[:-1], len(option)


def _scores(choice: Choice, nats: Sequence[float]) -> OptionScores:
    tokens = [len(option) for option in choice.options]
    return OptionScores(
        choice.id,
        tuple(nats),
        tuple(x / n for x, n in zip(nats, tokens, strict=True)),
        tuple(x / n if n else float("nan") for x, n in zip(nats, choice.option_bytes, strict=True)),
    )


@torch.inference_mode()
def _score(
    loaded: LoadedModel,
    asked: Sequence[tuple[_Read, Sequence[tuple[int, ...]]]],
    batch_tokens: int,
) -> list[dict[tuple[int, ...], float]]:
    """Return, for each read, the nats of the options that its last tokens predict."""
    found: list[dict[tuple[int, ...], float]] = [{} for _ in asked]

    def see(places: Sequence[int], states: Tensor) -> None:
        pairs = [(row, option) for row, i in enumerate(places) for option in asked[i][1]]
        for (row, option), nats in zip(pairs, _nats(loaded, states, pairs), strict=True):
            found[places[row]][option] = nats

    read_ends(
        loaded,
        [ids for (ids, _), _ in asked],
        kept=[count for (_, count), _ in asked],
        batch_tokens=batch_tokens,
        see=see,
    )
    return found


def _nats(
    loaded: LoadedModel, states: Tensor, pairs: Sequence[tuple[int, tuple[int, ...]]]
) -> list[float]:
    """Return the log-probability of each option after its row of states, flush right."""
    length = states.shape[1]
    # a position's logits are made once, however many options it predicts a token of
    spots = sorted({(r, length - k) for r, o in pairs for k in range(1, len(o) + 1)})
    place = {spot: n for n, spot in enumerate(spots)}
    picked = states[[r for r, _ in spots], [c for _, c in spots]]
    asked = [
        (n, place[r, length - len(o) + k], token)
        for n, (r, o) in enumerate(pairs)
        for k, token in enumerate(o)
    ]
    nats = [0.0] * len(pairs)
    step = max(LOGITS_BYTES // (4 * loaded.parts.vocabulary_rows), 1)
    for start in range(0, len(spots), step):
        logits = unembed_hidden(loaded.parts, normalise(loaded.parts, picked[start : start + step]))
        here = [(n, s - start, t) for n, s, t in asked if start <= s < start + step]
        where = [s for _, s, _ in here]
        logs = logits[where, [t for _, _, t in here]] - logits.logsumexp(dim=-1)[where]
        for (n, _, _), value in zip(here, logs.tolist(), strict=True):
            nats[n] += value
    return nats
