"""What a change inside allows to be said: by its test, and above a size that is worth a word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from babelscope.measure.inference import LEVEL
from babelscope.report.claims import NEGLIGIBLE, NEGLIGIBLE_BITS, THESE
from babelscope.report.names import is_number, p_text

OWN = "own"
OWN_WORDS = "against the mean of the other sources"
CHANGES = ("difference", OWN)


def tested(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows of the lens with `p` and `clear`.

    `p` is that of tuning, or with one seed that of these adapters; `clear` is true of changes with
    p below 0.05 that are not negligible.
    """
    p = pl.when(pl.col("p_value").is_finite()).then("p_value").otherwise("p_adapters")
    least = pl.when(pl.col("measure") == "entropy_bits").then(NEGLIGIBLE_BITS).otherwise(NEGLIGIBLE)
    clear = (
        pl.col("kind").is_in(CHANGES)
        & p.is_finite()
        & (p < LEVEL)
        & (pl.col("value").abs() >= least)
    )
    return frame.with_columns(p.alias("p"), clear.fill_null(False).alias("clear"))


def about_tuning(frame: pl.DataFrame) -> bool:
    """Whether the changes of a frame are tested for tuning, and not for these adapters only."""
    return bool(frame.filter(pl.col("kind").is_in(CHANGES))["p_value"].is_finite().any())


def lens_p_words(row: Mapping[str, Any]) -> str:
    """Return "p = 0.004" of a row of `tested`, with "these adapters only" where it is so."""
    words = p_text(row["p"])
    only = is_number(row["p"]) and not is_number(row["p_value"])
    return f"{words}, {THESE}" if only else words
