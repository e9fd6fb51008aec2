"""Every answer's scores as a table, so that two studies can be compared question by question."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from babelscope.identity import digest
from babelscope.measure.answers import RATES
from babelscope.records import QuestionSet
from babelscope.study.cells import Variant
from babelscope.study.scores import CellScores

SCORES_VERSION = "2"
"""Raised whenever the same answer may be scored otherwise than before."""

SCORES: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("recipe", "source"), pl.String),
    **dict.fromkeys(("seed", "step"), pl.Int64),
    **dict.fromkeys(("task", "target", "id", "context_id", "question"), pl.String),
    **dict.fromkeys(RATES, pl.Float64),
}


def score_table(
    cells: Mapping[tuple[Variant, str, str], CellScores],
    tests: Mapping[tuple[str, str], QuestionSet],
) -> pl.DataFrame:
    """Return a row a cell and question: ids, the question's digest, and its scores in 0-1.

    The digest covers context, question and golds: equal ids with unequal digests are not the
    same question.
    """
    digests = {
        key: {e.id: digest(e)[:16] for e in questions.examples} for key, questions in tests.items()
    }
    frames = []
    for (variant, task, target), cell in cells.items():
        frame = pl.DataFrame(
            {
                "id": list(cell.ids),
                "context_id": list(cell.contexts),
                "question": [digests[task, target][i] for i in cell.ids],
                **{name: cell.values[name] for name in RATES},
            }
        )
        whose = {
            "recipe": variant.recipe,
            "source": variant.source,
            "seed": variant.seed,
            "step": variant.step,
            "task": task,
            "target": target,
        }
        frames.append(frame.with_columns(pl.lit(v).alias(k) for k, v in whose.items()))
    empty = pl.DataFrame(schema=SCORES)
    found = pl.concat([f.select(list(SCORES)) for f in frames]) if frames else empty
    return found.with_columns(pl.col(c).cast(kind) for c, kind in SCORES.items())
