"""What a model takes in memory while it reads."""

from __future__ import annotations

from babelscope.infer.passes import read_together
from babelscope.models.loading import LoadedModel

PROBE = (0, 1, 2)
"""Ids of a pass that is only measured: any model has them."""


def token_bytes(loaded: LoadedModel) -> int:
    """Return the bytes of keys and values that one token takes in all blocks, as measured.

    Raises:
        ModelError: a block keeps something else than keys and values.
    """
    room, _ = read_together(loaded, [PROBE], see=lambda places, states: None)
    return room.token_bytes()
