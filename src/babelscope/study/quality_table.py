"""The table `quality.parquet`: what the records of each source are like."""

from __future__ import annotations

import polars as pl

from babelscope.study.materials import Materials
from babelscope.study.plan import StudyPlan
from babelscope.study.tables import Schema


def quality_table(plan: StudyPlan, materials: Materials) -> pl.DataFrame:
    """Return a row a source: what its records are like."""
    rows = []
    for source in plan.sources:
        found = materials.qualities[source.name]
        rows.append(
            {
                "source": source.name,
                "language": source.language,
                "origin": source.origin,
                "records": found.records,
                "dropped": found.dropped,
                "gold_verbatim": found.gold_verbatim,
                "length_ratio": found.length_ratio,
                "chrf": found.chrf,
                "bleu": found.bleu,
                "sentences_kept": found.sentences_kept,
                "identified": found.identified,
                "signatures": "; ".join(filter(None, (found.chrf_signature, found.bleu_signature))),
                "noted": "; ".join(f"{k}: {n}" for k, n in sorted(found.noted.items())),
            }
        )
    schema: Schema = {
        **dict.fromkeys(("source", "language", "origin"), pl.String),
        **dict.fromkeys(("records", "dropped"), pl.Int64),
        **dict.fromkeys(
            ("gold_verbatim", "length_ratio", "chrf", "bleu", "sentences_kept", "identified"),
            pl.Float64,
        ),
        **dict.fromkeys(("signatures", "noted"), pl.String),
    }
    return pl.DataFrame(rows, schema=schema)
