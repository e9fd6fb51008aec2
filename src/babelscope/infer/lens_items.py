"""What the lens is asked to look at: prompts, positions, and the sequences that hold both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from babelscope.errors import SettingError

POSITIONS = ("last", "gold", "generated")
"""`last`: the last prompt token. `gold`: the positions that predict the gold's tokens, the first
of which is `last`. `generated`: the same for the model's own answer."""

_INDEX = re.compile(r"-?\d+")


@dataclass(frozen=True, slots=True)
class LensPrompt:
    """A prompt as token ids, and what may follow it.

    `gold` and `generated` are the tokens of the gold and of the model's own answer. `golds` are
    the parallel golds' texts by language, that of `language`, the prompt's own, included; without
    it nothing is contrasted. With `every`, each position of prompt and gold is told of.
    """

    id: str
    ids: tuple[int, ...]
    gold: tuple[int, ...] = ()
    generated: tuple[int, ...] = ()
    golds: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    every: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A sequence to run, and the places in it that are looked at.

    `expected` has the token that follows each of the `places`, -1 if none is known; `spans` has,
    by position, the indices into `places` of what it is the mean of. `last` is the index of the
    last prompt token, None where another item of the prompt has it.
    """

    prompt: int
    ids: tuple[int, ...]
    places: tuple[int, ...]
    expected: tuple[int, ...]
    spans: Mapping[str, tuple[int, ...]]
    last: int | None


def check_positions(positions: Sequence[str]) -> None:
    """Check that positions are known names or whole numbers, each once.

    Raises:
        SettingError: they are not.
    """
    unknown = [p for p in positions if p not in POSITIONS and not _INDEX.fullmatch(p)]
    if unknown or not positions or len(set(positions)) < len(positions):
        raise SettingError(
            "positions of the lens",
            expected=f"different ones of {', '.join(POSITIONS)} or a token's number",
            found=", ".join(positions) or "none",
        )


def plan_items(prompts: Sequence[LensPrompt], positions: Sequence[str]) -> list[Item]:
    """Return the sequences that show all positions of all prompts.

    Raises:
        SettingError: a position is unknown or outside a prompt, or a prompt is empty.
    """
    check_positions(positions)
    items = []
    for number, prompt in enumerate(prompts):
        if not prompt.ids:
            raise SettingError(f"prompt {prompt.id}", expected="at least one token", found="none")
        items += _items(number, prompt, positions)
    return items


def _items(number: int, prompt: LensPrompt, positions: Sequence[str]) -> list[Item]:
    end = len(prompt.ids)
    # the gold is put behind the prompt only where its positions are looked at
    gold = prompt.gold if "gold" in positions or prompt.every else ()
    generated = prompt.generated if "generated" in positions else ()
    indices = {p: _place(p, prompt) for p in positions if p not in POSITIONS}
    spans: dict[str, tuple[int, ...]] = {p: (place,) for p, place in indices.items()}
    if "last" in positions:
        spans["last"] = (end - 1,)
    if "gold" in positions and gold:
        spans["gold"] = tuple(range(end - 1, end - 1 + len(gold)))
    beside: dict[str, tuple[int, ...]] = {}
    if generated:
        beside["generated"] = tuple(range(end - 1, end - 1 + len(generated)))
    if generated and not prompt.gold:  # one sequence shows all
        gold, spans, beside = generated, spans | beside, {}
    items = []
    if spans or prompt.every:
        follows = gold or prompt.gold or prompt.generated
        items.append(_item(number, prompt, gold, follows, spans))
    if beside:
        items.append(_item(number, prompt, generated, generated, beside, holds_last=not items))
    return items


def _item(
    number: int,
    prompt: LensPrompt,
    continuation: Sequence[int],
    follows: Sequence[int],
    spans: Mapping[str, tuple[int, ...]],
    *,
    holds_last: bool = True,
) -> Item:
    ids = (*prompt.ids, *continuation[:-1])
    known = (*prompt.ids, *follows)
    wanted = {place for span in spans.values() for place in span}
    if prompt.every and holds_last:
        wanted |= set(range(len(ids)))
    if holds_last and prompt.golds:
        wanted.add(len(prompt.ids) - 1)
    places = tuple(sorted(wanted))
    where = {place: index for index, place in enumerate(places)}
    return Item(
        prompt=number,
        ids=ids,
        places=places,
        expected=tuple(known[p + 1] if p + 1 < len(known) else -1 for p in places),
        spans={name: tuple(where[p] for p in span) for name, span in spans.items()},
        last=where.get(len(prompt.ids) - 1) if holds_last else None,
    )


def _place(position: str, prompt: LensPrompt) -> int:
    """Return the place of a numbered position; negative ones count from the prompt's end."""
    number, length = int(position), len(prompt.ids)
    if not -length <= number < length:
        raise SettingError(
            f"position {position} of prompt {prompt.id}",
            expected=f"-{length} to {length - 1}",
            found=position,
            remedy=f"the prompt has {length} tokens",
        )
    return number % length
