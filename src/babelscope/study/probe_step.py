"""Probes: hidden states once, then classifiers at every depth, in every language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import polars as pl

from babelscope.measure.probe_tables import ProbeRow, probe_rows
from babelscope.measure.probes import ProbeRun, ProbeSettings, probe
from babelscope.models.trunks import Trunk
from babelscope.portable import portable_path
from babelscope.study.cells import Progress
from babelscope.study.inside import (
    Made,
    check_depths,
    planned_trunk,
    state_of,
    trunk_facts,
    write_made,
)
from babelscope.study.plan_records import ModelPlan
from babelscope.study.probe_data import ALL, ProbeData, gather
from babelscope.study.probe_items import probe_items
from babelscope.study.probe_plan import ProbePlan, ProbeTask
from babelscope.study.probe_states import Read, joined, read_states

VERSION = "2"
"""Raised whenever the same states may give other rows than before."""
COLUMNS = (
    *("task", "probe", "pooling", "measure", "control", "depth", "state", "source", "target"),
    *("value", "low", "high", "n"),
)


def probe_step(
    plan: ProbePlan,
    model: ModelPlan,
    out: Path,
    store: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Write the table of the probes, and its settings as JSON beside it.

    Hidden states are kept in `store`; without one they are removed when the table is written. An
    interrupted call is continued by the next one.
    """
    made = write_made(out, store, lambda work: make_probe(plan, model, (), work, progress))
    frame = made.frame
    best = frame.filter(pl.col("measure") == "best_depth").select("task", "target", "value")
    accuracy = frame.filter(pl.col("measure") == "accuracy").drop("measure")
    best = best.with_columns(pl.col("value").cast(pl.Int64).alias("depth")).drop("value")
    told = best.join(accuracy, on=("task", "target", "depth"), how="left", maintain_order="left")
    columns = ("task", "target", "depth", "value", "low", "high", "n")
    return {
        "out": str(out),
        "rows": frame.height,
        "left_out_or_noted": _left_out(made.settings["tasks"]),
        "best": told.select(columns).to_dicts(),
    }


def _left_out(tasks: object) -> dict[str, object]:
    """Return, by set, what its reader left out or noted."""
    found: dict[str, object] = {}
    for task in tasks if isinstance(tasks, list) else []:
        sets = [("train", task["train"]), *(("test", test) for test in task["tests"])]
        for name, facts in sets:
            if counts := {**facts["dropped"], **facts["noted"]}:
                found[f"{name} {facts['language']}"] = counts
    return found


def run_probe(
    plan: ProbePlan,
    model: ModelPlan,
    targets: Sequence[str],
    store: Path,
    progress: Progress | None = None,
) -> tuple[pl.DataFrame, dict[str, object]]:
    """Return the table of the probes and what it was made from; arguments as `make_probe`."""
    made = make_probe(plan, model, targets, store, progress)
    return made.frame, made.settings


def make_probe(
    plan: ProbePlan,
    model: ModelPlan,
    targets: Sequence[str],
    store: Path,
    progress: Progress | None = None,
) -> Made:
    """Return the table of the probes, what it was made from, and the values of single items.

    Without targets in the plan, `targets` are tested beside each task's source. `store` keeps the
    hidden states.

    Raises:
        DataError, SettingError: as `probe_data.gather`, or a depth is not the model's.
        ModelError: the model cannot be loaded.
    """
    asked = plan.targets or tuple(targets)
    data = [gather(task, asked) for task in plan.tasks]  # before the model: its faults come first
    trunk = planned_trunk(model)
    made = [
        _run_task(trunk, task, found, plan.batch_tokens, store, progress)
        for task, found in zip(plan.tasks, data, strict=True)
    ]
    whole: dict[str, object] = {
        "version": VERSION,
        **trunk_facts(trunk),
        "batch_tokens": plan.batch_tokens,
        "tasks": [one.settings for one in made],
    }
    items = [one.items for one in made if one.items is not None]
    return Made(pl.concat([one.frame for one in made]), whole, pl.concat(items))


def _run_task(
    trunk: Trunk,
    task: ProbeTask,
    data: ProbeData,
    batch_tokens: int,
    store: Path,
    progress: Progress | None,
) -> Made:
    depths = task.depths or tuple(range(trunk.depths))
    check_depths("depths", depths, trunk)
    settings = ProbeSettings(depths, task.probe, seed=task.seed)
    codes = {label: n for n, label in enumerate(data.classes)}
    read = [
        read_states(trunk, texts, task, codes, batch_tokens, store, progress)
        for texts in (data.train, *data.tests)
    ]
    train, tests = read[0], read[1:]
    asked = [test.items for test in tests]
    if data.source == ALL:
        asked.append(joined(tuple(asked)))
    run = probe(train.items, asked, settings, progress)
    frame = _frame(probe_rows(run, train.items, data.source), task, data.source)
    items = probe_items(run, tests, task, data.source, trunk.norm_depth)
    return Made(
        frame.with_columns(state=state_of(trunk.norm_depth)).select(*COLUMNS),
        _told(task, data, run, train, tests),
        items,
    )


def _frame(rows: Sequence[ProbeRow], task: ProbeTask, source: str) -> pl.DataFrame:
    n = len(rows)
    return pl.DataFrame(
        {
            "task": [task.task] * n,
            "probe": [task.probe] * n,
            "pooling": [task.pooled] * n,
            "measure": [row.measure for row in rows],
            "control": [row.control for row in rows],
            "depth": pl.Series([row.depth for row in rows], dtype=pl.Int64),
            "source": [source] * n,
            "target": [row.target for row in rows],
            "value": [row.estimate.value for row in rows],
            "low": [row.estimate.low for row in rows],
            "high": [row.estimate.high for row in rows],
            "n": [row.estimate.n for row in rows],
        }
    )


def _told(
    task: ProbeTask, data: ProbeData, run: ProbeRun, train: Read, tests: Sequence[Read]
) -> dict[str, object]:
    """Return what a task's rows were made from, for the JSON beside the table."""
    seen = set(train.items.labels.tolist())
    ids = {item.group for item in (*data.train.items, *data.tests[0].items)}
    sets = []
    for found, texts in zip(tests, data.tests, strict=True):
        groups = {item.group for item in texts.items}
        sets.append(
            found.facts
            | {
                "label_not_in_training": sum(x not in seen for x in found.items.labels.tolist()),
                "ids_shared_with_source": len(groups & ids),
            }
        )
    return {
        **asdict(task),
        "data": portable_path(task.data),
        "pooling": task.pooled,
        "source": data.source,
        "classes": list(data.classes),
        "folds": run.settings.folds,
        "strengths": list(run.settings.strengths),
        "shuffles": run.settings.shuffles,
        "unconverged": run.unconverged,
        "train": train.facts,
        "tests": sets,
    }
