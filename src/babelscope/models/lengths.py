"""Which lengths a model rotates alike: LongRoPE and dynamic NTK hang on the longest of a pass.

Their frequencies change where a sequence outgrows the length that the model was first trained
with, for all its positions at once (LongRoPE, arXiv:2402.13753). transformers chooses them by the
longest row of a pass, so that a long row would change what its short neighbours say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

LONG, DYNAMIC = ("longrope", "su"), "dynamic"


def length_class(config: Any, length: int) -> int:
    """Return a number that lengths share where a model rotates them alike; 0 for most models.

    Sequences of one number may stand in one pass, and one may grow within it on the keys it has.
    A sequence that comes to another number is read anew. With dynamic NTK each length beyond the
    first limit is a class of its own.
    """
    found = 0
    for kind, limit in rotation_limits(config):
        if length > limit:
            found += length - limit if kind == DYNAMIC else 1
    return found


def rotation_limits(config: Any) -> tuple[tuple[str, int], ...]:
    """Return the kinds of a model's rotations that hang on length, with the last length before."""
    text = config.get_text_config()
    return tuple(sorted(set(_limits(text))))


def _limits(config: Any) -> Iterator[tuple[str, int]]:
    room = getattr(config, "max_position_embeddings", None)
    for name in ("rope_parameters", "rope_scaling"):
        given = getattr(config, name, None)
        if not isinstance(given, Mapping):
            continue
        # one for all layers, or one for each kind of layer
        for rope in (given, *(v for v in given.values() if isinstance(v, Mapping))):
            kind = str(rope.get("rope_type") or rope.get("type") or "")
            first = rope.get("original_max_position_embeddings") or getattr(
                config, "original_max_position_embeddings", None
            )
            if kind in LONG or "long_mscale" in rope:
                limit = first or room
            elif DYNAMIC in kind:
                kind, limit = DYNAMIC, room
            else:
                limit = None
            if limit:
                yield kind, int(limit)
