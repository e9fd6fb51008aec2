"""The command that sets translations beside each other inside a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from babelscope.cli.app import app
from babelscope.cli.options import LOADING, Json, ModelOptions
from babelscope.cli.printing import print_values


@Parameter(name="*")
@dataclass(frozen=True)
class AlignOptions:
    """What is aligned, and how a text becomes one state."""

    data: Annotated[
        str,
        Parameter(
            help="atlas, a folder of parallel files, pairs or treebanks, a path with {language}, "
            "or a table of two columns."
        ),
    ]
    language: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="Two or more, any usual code; the first is the source."),
    ]
    unit: Annotated[str, Parameter(help="sentence or word.")] = "sentence"
    pooling: Annotated[
        str,
        Parameter(help="mean, last, increasing, decreasing; of words also first and word."),
    ] = "mean"
    carrier: Annotated[
        str,
        Parameter(help="Put words into a sentence: atlas, or a file CODE<tab>text with {word}."),
    ] = ""
    limit: Annotated[int, Parameter(help="Only the first N items.")] = 0
    maps: Annotated[bool, Parameter(help="PCA and t-SNE of a sample.")] = True
    distribution: Annotated[
        tuple[int, ...],
        Parameter(negative="", help="Tell how values are distributed at this depth; repeatable."),
    ] = ()


@app.command
def align(
    model: str,
    *,
    asked: AlignOptions,
    out: Path,
    store: Annotated[Path | None, Parameter(help="Keep hidden states here.")] = None,
    loading: ModelOptions = LOADING,
    as_json: Json = False,
) -> None:
    """Measure how close translations are at each depth; writes a parquet table and its JSON.

    Example: babelscope align mini --data atlas:test --language en --language or --out a.parquet
    """
    from babelscope.progress import counting
    from babelscope.study.align_plan import AlignPlan
    from babelscope.study.align_step import align_step
    from babelscope.study.plan_records import ModelPlan

    plan = AlignPlan(
        asked.data,
        asked.language,
        asked.unit,
        asked.pooling,
        asked.carrier,
        asked.limit,
        asked.maps,
        distribution=asked.distribution or None,
    )
    chosen = ModelPlan(model, loading.revision, loading.dtype, loading.device)
    with counting("align", quiet=as_json) as progress:
        print_values(align_step(plan, chosen, out, store, progress), as_json)
