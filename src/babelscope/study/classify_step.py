"""The command `classify`: train on one language, test on all, and say what carried over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl

from babelscope.data.label_words import words_of
from babelscope.data.published_xnli import PAPER, PRINTED, recomputed_efficiency
from babelscope.portable import portable_names, portable_path
from babelscope.store import write_json
from babelscope.study.classify_cells import (
    CLASSIFY_VERSION,
    Progress,
    Run,
    do_run,
    model_identity,
    read_prediction,
    run_of,
    training_record,
)
from babelscope.study.classify_data import ClassifyData, gather_sets
from babelscope.study.classify_plan import ClassifyPlan
from babelscope.study.classify_rows import Cell
from babelscope.study.classify_tables import classify_table
from babelscope.study.inside import check_outputs
from babelscope.study.output import write_frame
from babelscope.study.plan_records import ModelPlan

SUBWORD_RULE = (
    "the first token that touches a word carries its label; its other tokens are not read"
)
PAIR_RULE = "the tokenizer's own template for pairs, else premise, new line, hypothesis"


def run_classify(
    plan: ClassifyPlan,
    model: ModelPlan,
    targets: Sequence[str],
    store: Path,
    progress: Progress | None = None,
) -> tuple[pl.DataFrame, dict[str, object]]:
    """Do what is not in the store yet; return the table and what is to be told of its making.

    The plan's own models and targets, where it names any, replace those given.

    Raises:
        DataError: a language has no data, or a set is not what the task needs.
        ModelError: a model cannot be loaded or trained.
        SettingError: the recipe does not fit a model.
    """
    data = gather_sets(plan, plan.targets or tuple(targets))
    # one after another is small: what a model costs is its training
    models = [replace(model, name=name, revision=None) for name in plan.models] or [model]
    identities = {found.name: model_identity(found) for found in models}
    labels = portable_names(list(identities))
    runs = {
        (found.name, recipe.method, code): [
            run_of(found, identities[found.name], recipe, data.sources[code], seed, store)
            for seed in (plan.seeds if recipe.method != "prompt" else plan.seeds[:1])
        ]
        for found in models
        for recipe in plan.recipes
        for code in (plan.sources if recipe.method != "prompt" else plan.sources[:1])
    }
    tests = tuple(data.targets.values())
    flat = [run for group in runs.values() for run in group]
    for number, run in enumerate(flat):
        do_run(run, tests, _share(progress, number, len(flat)))
    cells = [
        Cell(
            labels[name],
            method,
            data.sources[code],
            target,
            tuple(read_prediction(run, target) for run in group),
        )
        for (name, method, code), group in runs.items()
        for target in tests
    ]
    return classify_table(cells), _settings(plan, data, identities, flat)


def _share(progress: Progress | None, number: int, total: int) -> Progress | None:
    """Return the progress of one of several runs, told in hundredths of a run."""
    if progress is None:
        return None
    return lambda done, steps: progress(number * 100 + 100 * done // max(steps, 1), total * 100)


def _settings(
    plan: ClassifyPlan,
    data: ClassifyData,
    identities: Mapping[str, tuple[str, str]],
    runs: Sequence[Run],
) -> dict[str, object]:
    prompts = [r.label_words for r in plan.recipes if r.method == "prompt"]
    labels = portable_names(list(identities))
    return {
        "version": CLASSIFY_VERSION,
        "task": plan.task,
        "data": portable_path(plan.data),
        "train": portable_path(plan.train),
        "sources": list(plan.sources),
        "targets": list(data.targets),
        "seeds": list(plan.seeds),
        "dtype": "float32",
        "recipes": {recipe.method: asdict(recipe) for recipe in plan.recipes},
        "models": {
            labels[name]: {"fingerprint": weights, "tokenizer": tokenizer}
            for name, (weights, tokenizer) in identities.items()
        },
        "subword_rule": SUBWORD_RULE if plan.task == "ner" else "",
        "pair_rule": PAIR_RULE if plan.task == "nli" else "",
        "label_words": {code: words_of(code, w)[0] for w in prompts for code in data.targets},
        "trainings": [found for run in runs if (found := training_record(run))],
        "beside_paper": plan.beside_paper,
        **data.notes,
    }


def classify_step(
    plan: ClassifyPlan,
    model: ModelPlan,
    out: Path,
    store: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Write the table and, beside it, a JSON file of settings; return what people want to see.

    Trainings and predictions stay in `store` (OUT without its ending, with `.store`, if not
    given): the same call does nothing again, another target needs no training.
    """
    store = store or out.with_suffix(".store")
    beside = check_outputs(out, store)
    frame, settings = run_classify(plan, model, (), store, progress)
    write_frame(out, frame)
    write_json(beside, settings)
    told: dict[str, object] = {
        "out": str(out),
        "store": str(store),
        "rows": frame.height,
        "split": settings["split"],
        "left_out_or_noted": settings["counts"],
        "scores": score_rows(frame),
    }
    if plan.beside_paper:
        told["paper"] = paper_table(frame)
    return told


def score_rows(frame: pl.DataFrame) -> list[dict[str, object]]:
    """Return a row a model, method, source and target: main score and efficiency."""
    main = "accuracy" if (frame["measure"] == "accuracy").any() else "entity_f1"
    found: dict[tuple[str, ...], dict[str, object]] = {}
    for row in frame.filter(pl.col("measure").is_in([main, f"efficiency_{main}"])).iter_rows(
        named=True
    ):
        key = tuple(row[name] for name in ("model", "method", "source", "target"))
        cell = found.setdefault(
            key, dict(zip(("model", "method", "source", "target"), key, strict=True))
        )
        name = "efficiency" if row["measure"].startswith("efficiency") else main
        cell[name] = {k: _known(row[k]) for k in ("value", "low", "high", "n")}
    return list(found.values())


def paper_table(frame: pl.DataFrame) -> list[dict[str, object]]:
    """Return the second paper's printed cells beside this table's, with what recomputes."""
    rows: list[dict[str, object]] = []
    for printed in PRINTED:
        own = frame.filter(
            (pl.col("model") == printed.model)
            & (pl.col("target") == printed.target)
            & (pl.col("source") == "eng_Latn")
        )
        rows.append(
            {
                "model": printed.model,
                "target": printed.target,
                "printed_accuracy": printed.accuracy,
                "printed_efficiency": printed.efficiency,
                "recomputed_efficiency": round(recomputed_efficiency(printed), 3),
                "own_accuracy": _first(own, "accuracy"),
                "own_efficiency": _first(own, "efficiency_accuracy"),
                "paper": PAPER,
            }
        )
    return rows


def _first(frame: pl.DataFrame, measure: str) -> dict[str, object] | None:
    rows = frame.filter(pl.col("measure") == measure)
    if rows.is_empty():
        return None
    row = rows.row(0, named=True)
    return {k: _known(row[k]) for k in ("value", "low", "high", "n")}


def _known(value: float | None) -> float | None:
    return value if value is not None and value == value else None
