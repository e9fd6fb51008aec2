"""The command that asks what can be read from each depth of a model."""

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
class ProbeOptions:
    """What is probed, with what, and where it is tested."""

    task: Annotated[
        str,
        Parameter(
            help="ner, pos (words); topic (texts with any label), paraphrase (pairs), language."
        ),
    ]
    data: Annotated[
        str,
        Parameter(
            help="atlas, a file, a pattern with {language} and perhaps {split}; for language also "
            "a folder of line-parallel text."
        ),
    ]
    source: Annotated[str, Parameter(help="The language of training.")] = "en"
    target: Annotated[
        tuple[str, ...], Parameter(negative="", help="Tested beside the source; repeatable.")
    ] = ()
    pooling: Annotated[
        str,
        Parameter(help="Of words: word, first; of texts: mean, last, increasing, decreasing."),
    ] = ""
    probe: Annotated[str, Parameter(help="ridge, logistic or mlp.")] = "ridge"
    depth: Annotated[
        tuple[int, ...], Parameter(negative="", help="Only these depths; repeatable.")
    ] = ()
    limit: Annotated[int, Parameter(help="Only the first N sentences of each set.")] = 0
    test_percent: Annotated[
        int, Parameter(help="Of ids kept for testing where the data has no split for training.")
    ] = 40
    repair_tags: Annotated[
        bool, Parameter(negative="", help="Take an I- tag without its beginning as B-.")
    ] = False


@app.command
def probe(
    model: str,
    *,
    asked: ProbeOptions,
    out: Path,
    store: Annotated[Path | None, Parameter(help="Keep hidden states here.")] = None,
    loading: ModelOptions = LOADING,
    as_json: Json = False,
) -> None:
    """Train probes on each depth in one language, test them in all; writes a table and its JSON.

    Example: babelscope probe mini --task ner --data atlas --source en --target or --out p.parquet
    """
    from babelscope.languages import language
    from babelscope.progress import counting
    from babelscope.study.plan_records import ModelPlan
    from babelscope.study.probe_plan import ProbePlan, ProbeTask
    from babelscope.study.probe_step import probe_step

    task = ProbeTask(
        task=asked.task,
        data=asked.data,
        source=language(asked.source).code,
        pooling=asked.pooling,
        probe=asked.probe,
        limit=asked.limit,
        test_percent=asked.test_percent,
        depths=tuple(sorted(set(asked.depth))),
        repair=asked.repair_tags,
    )
    plan = ProbePlan((task,), tuple(language(code).code for code in asked.target))
    chosen = ModelPlan(model, loading.revision, loading.dtype, loading.device)
    with counting("probe", quiet=as_json) as progress:
        print_values(probe_step(plan, chosen, out, store, progress), as_json)
