"""Readings of the lens beyond language mass, planted for base and (or, Odia) of the fake study."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import polars as pl

TARGET, OTHERS, QUESTIONS = "ory_Orya", ("ben_Beng", "eng_Latn"), 40
QUALITY = {
    "counted": {"nats": 1.37, "uniform_nats": 3.401, "accuracy": 0.612, "ece": 0.012},
    "langid": {"nats": 4.81, "uniform_nats": 3.401, "accuracy": 0.24, "ece": 0.31},
}
CONTEST = "contest:ben_Beng"
Row = dict[str, Any]


def _rows(
    base: float, change: float, p: float = 1.0, width: float = 0.02, **more: Any
) -> list[Row]:
    """Return the base's value, the tuned model's, and their difference with its p-value."""
    common = {
        "target": TARGET,
        "subset": "all",
        "position": "last",
        "map": "",
        "language": "",
        "n": QUESTIONS,
    } | more
    before = {"recipe": "base", "source": "", "step": 0, "kind": "value"}
    after = {"recipe": "default", "source": "or", "step": common.pop("step", 30)}
    rows = []
    for head, value, chance in (
        (before, base, math.nan),
        (after | {"kind": "value"}, base + change, math.nan),
        (after | {"kind": "difference"}, change, p),
    ):
        ends = {"value": value, "low": value - width, "high": value + width, "p_adapters": chance}
        rows.append(common | head | ends)
    return rows


def _signals(depth: int) -> Iterator[Row]:
    yield from _rows(12.5 - depth, -1.0, 0.001, 0.5, measure="entropy_bits", depth=depth)
    yield from _rows(0.05 * depth, 0.01, measure="next_probability", depth=depth)
    for code in OTHERS:
        own = {"depth": depth, "language": code}
        yield from _rows(0.1, -0.04, 0.01, measure="gold_in", **own)
        yield from _rows(0.2, 0.07, 0.02, measure="own_gold", **own)
    for code in (TARGET, *OTHERS):
        # the published way sees Bengali fall at the last depth, where the counted map sees nothing
        fall = -0.05 if (code, depth) == ("ben_Beng", 6) else 0.0
        place = {"measure": "mass", "depth": depth, "language": code}
        yield from _rows(0.3, fall, 0.01 if fall else 1.0, map="langid", **place)
        fall = -0.12 if (code, depth) == ("ben_Beng", 5) else 0.0
        inner = {"map": "counted", "subset": CONTEST}
        yield from _rows(0.3, fall, 0.004 if fall else 1.0, **inner, **place)
        if depth:
            for step, added in (("attention", 0.01), ("feed_forward", -0.03)):
                yield from _rows(added, 0.005, map="counted", **place | {"measure": step})


def more_lens(seeds: int = 1) -> pl.DataFrame:
    """Return entropy, next token, golds, a second map, block steps, a contest, an earlier step."""
    rows = [row for depth in range(7) for row in _signals(depth)]
    for depth in range(7):
        early = {"measure": "mass", "map": "counted", "depth": depth, "language": TARGET}
        rows += _rows(0.06 * depth + 0.05, 0.011, step=15, **early)[1:]
    count = {"measure": "equal_golds", "depth": 0, "language": "ben_Beng"}
    rows += _rows(3.0, 0.0, width=0.0, **count)[:1]
    # one seed says nothing of tuning
    p = pl.col("p_adapters") if seeds > 1 else pl.lit(math.nan)
    return pl.DataFrame(rows).with_columns(p.alias("p_value"))
