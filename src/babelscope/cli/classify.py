"""The command that trains a head on one language and tests it on all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from babelscope.cli.app import app
from babelscope.cli.options import LOADING, Json, ModelOptions, Settings
from babelscope.cli.printing import print_values


@Parameter(name="*")
@dataclass(frozen=True)
class ClassifyOptions:
    """What is trained and tested."""

    task: Annotated[str, Parameter(help="nli or ner.")] = "nli"
    source: Annotated[
        tuple[str, ...], Parameter(negative="", help="Language trained on; repeatable.")
    ] = ("en",)
    target: Annotated[
        tuple[str, ...], Parameter(negative="", help="Language tested; repeatable.")
    ] = ()
    method: Annotated[
        tuple[str, ...], Parameter(negative="", help="head, lora, full or prompt; repeatable.")
    ] = ("full",)
    seed: Annotated[tuple[int, ...], Parameter(negative="", help="Repeatable.")] = (0,)
    train: Annotated[
        str, Parameter(help="Training sets; without it the data's own, or its even rows.")
    ] = ""
    dev: Annotated[str, Parameter(help="Dev sets, that choose the checkpoint.")] = ""
    train_items: Annotated[int, Parameter(help="Only the first N of a training set.")] = 0
    limit: Annotated[
        int, Parameter(help="Only N items of a test set, from as many contexts as it has.")
    ] = 0
    settings: Settings = ()
    store: Annotated[Path | None, Parameter(help="Where trainings are kept.")] = None
    repair_tags: Annotated[
        bool, Parameter(negative="", help="Take an I- tag without its beginning as B- (IOB1).")
    ] = False
    beside_paper: Annotated[
        bool, Parameter(negative="", help="Set arXiv:2502.04269's printed numbers beside.")
    ] = False


CLASSIFY = ClassifyOptions()


@app.command
def classify(
    model: str,
    *,
    data: Annotated[
        str, Parameter(help="Test sets: atlas, a file, a pattern with {language}, a Hub name.")
    ],
    out: Path,
    asked: ClassifyOptions = CLASSIFY,
    loading: ModelOptions = LOADING,
    as_json: Json = False,
) -> None:
    """Train a head on one language and test it on all; writes a parquet table.

    Example: babelscope classify mini --data atlas --target sw --method head --out classes.parquet
    """
    from babelscope.progress import counting
    from babelscope.study.classify_plan import ClassifyPlan, codes, recipes_of
    from babelscope.study.classify_step import classify_step
    from babelscope.study.plan_records import ModelPlan

    plan = ClassifyPlan(
        task=asked.task,
        data=data,
        sources=codes(asked.source),
        recipes=recipes_of(asked.method, asked.settings),
        targets=codes(asked.target or asked.source),
        train=asked.train,
        dev=asked.dev,
        seeds=asked.seed,
        train_items=asked.train_items,
        test_items=asked.limit,
        beside_paper=asked.beside_paper,
        repair=asked.repair_tags,
    )
    choice = ModelPlan(model, loading.revision, loading.dtype, loading.device)
    with counting("classify", quiet=as_json) as progress:
        print_values(classify_step(plan, choice, out, asked.store, progress), as_json)
