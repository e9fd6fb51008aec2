"""The table `grids.parquet`: a row for each place and depth of the grids of a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from babelscope.measure.language_map import LanguageMap
from babelscope.study.grids import Arrays, Grid, kept_grid
from babelscope.study.tables import Schema

GRIDS: Schema = {
    **dict.fromkeys(("recipe", "source"), pl.String),
    **dict.fromkeys(("seed", "step"), pl.Int64),
    **dict.fromkeys(("target", "id"), pl.String),
    "place": pl.Int64,
    "part": pl.String,
    "token_id": pl.Int64,
    "token": pl.Binary,
    "next_id": pl.Int64,
    "next_token": pl.Binary,
    "depth": pl.Int64,
    "top_id": pl.Int64,
    "top_token": pl.Binary,
    "top_probability": pl.Float32,
    "next_probability": pl.Float32,
    "language": pl.String,
    **dict.fromkeys(("language_mass", "shared", "unknown", "entropy_bits"), pl.Float32),
    "top_mass": pl.Float32,
    "top_evidence": pl.String,
}
NUMBERS = (
    "top_probability", "next_probability", "language_mass", "shared", "unknown", "entropy_bits",
)  # fmt: skip
SPELLED = {"token_id": "token", "next_id": "next_token", "top_id": "top_token"}


def grid_table(
    grids: Sequence[Grid],
    language_map: LanguageMap,
    evidence: Sequence[str],
    spelled: Callable[[int], bytes],
) -> pl.DataFrame:
    """Return the table of a study's grids, read by a map; `spelled` gives tokens' bytes.

    `place` counts the tokens of prompt and answer from 0, `part` says whose `token` is. At each
    `depth` the place's state says what comes next: `top_token` leads with `top_probability`, the
    token that really came next has `next_probability` (NaN where none did), and of all languages
    `language` has the most mass, `top_mass` of it from the leading token, of which the map knows
    what `evidence` tells of its row.
    """
    frames = [_frame(grid, kept_grid(grid), language_map) for grid in grids]
    whole = pl.concat(frames)
    ids = pl.concat([whole[name] for name in SPELLED])
    known = ids.drop_nulls().unique().sort()
    names = pl.DataFrame(
        {"row": known, "bytes": [spelled(row) for row in known]},
        schema={"row": pl.Int64, "bytes": pl.Binary},
    )
    for number, spelling in SPELLED.items():
        told = names.rename({"row": number, "bytes": spelling})
        whole = whole.join(told, on=number, how="left", maintain_order="left")
    known_of = pl.Series("top_evidence", [evidence[row] for row in whole["top_id"]])
    whole = whole.with_columns(known_of)
    return whole.select(pl.col(name).cast(kind) for name, kind in GRIDS.items())


def _frame(grid: Grid, arrays: Arrays, language_map: LanguageMap) -> pl.DataFrame:
    places, depths = arrays["top"].shape
    variant = grid.cell.variant
    top, leading = (arrays[name].astype(int).ravel() for name in ("top", "language"))

    def along(values: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(values, depths)

    frame = pl.DataFrame(
        {
            "id": along(np.array(grid.ids, dtype=object)[arrays["prompt"].astype(int)]).tolist(),
            "place": along(arrays["place"]),
            "part": along(np.where(arrays["answers"], "answer", "prompt")),
            "token_id": along(arrays["token"]),
            "next_id": along(arrays["next"]),
            "depth": np.tile(np.arange(depths), places),
            "top_id": top,
            "language": np.array(language_map.columns, dtype=object)[leading].tolist(),
            "top_mass": arrays["top_probability"].ravel() * language_map.probability[top, leading],
            **{name: arrays[name].ravel() for name in NUMBERS},
        }
    )
    told = {
        "recipe": variant.recipe,
        "source": variant.source,
        "seed": variant.seed,
        "step": variant.step,
        "target": grid.cell.target,
    }
    known = pl.when(pl.col("next_id") >= 0).then(pl.col("next_id")).alias("next_id")
    return frame.with_columns(known, *(pl.lit(v).alias(k) for k, v in told.items()))
