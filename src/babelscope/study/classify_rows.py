"""A classification's cells, and the rows of its table."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field

import polars as pl

from babelscope.records import Estimate
from babelscope.study.classify_cells import Prediction
from babelscope.study.classify_sets import SourceSet, TargetSet

SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("model", "method", "source", "target", "against", "measure"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    **dict.fromkeys(("n", "seeds"), pl.Int64),
    **dict.fromkeys(("p_value", "p_holm", "p_adapters", "p_adapters_holm"), pl.Float64),
    "reason": pl.String,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """What one model, method and source said in one target, a prediction for each seed."""

    model: str
    method: str
    source: SourceSet
    target: TargetSet
    predictions: tuple[Prediction, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """The model, the method and the source's language."""
        return self.model, self.method, self.source.language


@dataclass(slots=True)
class Rows:
    """The rows that are there so far, in the order they came."""

    rows: list[dict[str, object]] = field(default_factory=list)

    def add(
        self,
        cell: Cell,
        measure: str,
        found: Estimate,
        against: str = "",
        reason: str = "",
        p_values: tuple[float, float] = (math.nan, math.nan),
    ) -> None:
        """Put a row in; `p_values`, of tuning and of these models, are not corrected yet."""
        seeds = len(cell.predictions)
        model, method, source = cell.key
        self.rows.append(
            {
                "model": model, "method": method, "source": source,
                "target": cell.target.language, "against": against, "measure": measure,
                **asdict(found), "seeds": seeds,
                "p_value": p_values[0], "p_holm": math.nan,
                "p_adapters": p_values[1], "p_adapters_holm": math.nan,
                "reason": reason,
            }
        )  # fmt: skip
