"""How the report names the depths of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NORM_NAME = "norm"
"""What stands for the depth after the final norm, which is behind the last block's."""
MOST_TICKS = 9


def norm_of(settings: Mapping[str, Any]) -> int | None:
    """Return the depth after the final norm; None where model or table have none."""
    found = settings.get("norm_depth")
    return found if isinstance(found, int) else None


def depth_text(depth: int, norm: int | None) -> str:
    """Return a depth for tables and axes."""
    return NORM_NAME if depth == norm else str(depth)


def depth_axis(depths: Sequence[int], norm: int | None) -> dict[str, Any]:
    """Return the x axis of a figure by depth, the one after the final norm named."""
    blocks = [depth for depth in depths if depth != norm]
    step = -(-len(blocks) // MOST_TICKS)
    shown = [depth for depth in blocks if depth % step == 0]
    shown += [depth for depth in depths if depth == norm]
    text = [depth_text(depth, norm) for depth in shown]
    span = [depths[0] - 0.3, depths[-1] + 0.3]
    return {"title": "depth", "range": span, "tickvals": shown, "ticktext": text}


def norm_words(settings: Mapping[str, Any]) -> str:
    """Say where the final norm stands; nothing for a table that does not know."""
    if "norm_depth" not in settings:
        return ""
    if norm_of(settings) is None:
        return "The model has no norm behind its last block, so there is no depth after it."
    return (
        f"Depths 0 to {settings['norm_depth'] - 1} are before the final norm, "
        f"“{NORM_NAME}” is after it."
    )
