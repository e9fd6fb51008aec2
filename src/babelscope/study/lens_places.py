"""Single positions as a table: at each depth the leading tokens, the next one, the masses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

Name = Callable[[int], str]

PLACES = {
    "id": pl.String,
    "position": pl.String,
    "place": pl.Int64,
    "token": pl.String,
    "depth": pl.Int64,
    "entropy_bits": pl.Float64,
    "next_token": pl.String,
    "next_probability": pl.Float64,
    "next_rank": pl.Int64,
    "top_tokens": pl.List(pl.String),
    "top_probabilities": pl.List(pl.Float64),
}


def place_table(
    places: Sequence[Mapping[str, Any]],
    ids: Sequence[str],
    columns: Sequence[str],
    map_name: str,
    name: Name,
) -> pl.DataFrame:
    """Return a row for each position and depth, in the order of `ids`.

    `place` counts the tokens of the prompt (and the gold behind it) from 0; `next_token` is the
    one that follows, null where none is known; `mass` is a struct of the map's columns, 0-1.
    """
    order = {prompt: n for n, prompt in enumerate(ids)}
    ranked = sorted(places, key=lambda p: (order[p["id"]], p["position"], p["place"]))
    schema: dict[str, Any] = {**PLACES, "mass": pl.Struct(dict.fromkeys(columns, pl.Float64))}
    rows = [row for place in ranked for row in _rows(place, columns, map_name, name)]
    return pl.DataFrame(rows, schema=schema)


def _rows(
    place: Mapping[str, Any], columns: Sequence[str], map_name: str, name: Name
) -> list[dict[str, object]]:
    known = place["next"] is not None
    return [
        {
            "id": place["id"],
            "position": place["position"],
            "place": place["place"],
            "token": name(place["token"]),
            "depth": depth,
            "entropy_bits": place["entropy_bits"][depth],
            "next_token": name(place["next"]) if known else None,
            "next_probability": place["next_probability"][depth] if known else np.nan,
            "next_rank": place["next_rank"][depth] if known else None,
            "top_tokens": [name(row) for row in place["top"][depth]],
            "top_probabilities": place["top_probability"][depth],
            "mass": dict(zip(columns, place["mass"][map_name][depth], strict=True)),
        }
        for depth in range(len(place["entropy_bits"]))
    ]
