"""Work in rounds that are halved, and stay halved, when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from babelscope.errors import ModelError

NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")

T = TypeVar("T")

Work = Callable[[Sequence[int]], Sequence[T]]
"""Does the places of a round, and returns a result for each."""


def in_rounds(rounds: Sequence[Sequence[int]], work: Work[T], names: Sequence[str]) -> list[T]:
    """Do all rounds and return the results by place; `names` tells people what stands there.

    Raises:
        ModelError: memory does not suffice for a single place.
    """
    waiting = list(rounds)[::-1]
    results: dict[int, T] = {}
    most = max((len(places) for places in rounds), default=0)
    while waiting:
        places = waiting.pop()
        done = None if len(places) > most else _unless_full(work, places)
        if done is not None:
            results |= zip(places, done, strict=True)
            continue
        if len(places) == 1:
            raise ModelError(
                f"example {names[places[0]]}",
                expected="memory for it alone",
                found="none left",
                remedy="lower max_tokens or use a smaller dtype",
            )
        most = min(most, -(-len(places) // 2))
        waiting += [places[most:], places[:most]]
    return [results[place] for place in range(len(results))]


def _unless_full(work: Work[T], places: Sequence[int]) -> Sequence[T] | None:
    """Return a round's results; None if memory runs out."""
    try:
        return work(places)
    except RuntimeError as error:
        if not any(sign in str(error) for sign in NO_MEMORY):
            raise
    # outside the handler: the error's traceback holds the failed round's tensors alive
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None
