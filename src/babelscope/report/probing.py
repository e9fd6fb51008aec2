"""Probes in the report: its tasks one by one, and the tables of best depths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from babelscope.measure.probe_tables import tied_depths
from babelscope.records import MISSING, Estimate, depth_name
from babelscope.report.depths import depth_text, norm_of, norm_words
from babelscope.report.figures import Panel
from babelscope.report.matrix import View
from babelscope.report.names import (
    NO_DATA,
    count_text,
    estimate_text,
    interval,
    is_number,
    isolated,
    listed,
    share_text,
    signed,
)
from babelscope.report.panels import Table
from babelscope.report.probing_figures import BASELINES, Key, curve, heat, target_name
from babelscope.report.tables import estimate

TASKS = {
    "ner": "named entities",
    "pos": "parts of speech",
    "topic": "labels of texts",
    "paraphrase": "paraphrase",
    "language": "language identity",
}
SHOWN = (
    ("accuracy", "Accuracy", "Share of labels that the probe gets right, points of 100."),
    ("macro_f1", "Macro-F1", "Mean of the labels’ F1, points of 100."),
    ("selectivity", "Selectivity", "Accuracy minus that of the control, points."),
    ("control_accuracy", "Control", "Accuracy of the control, points of 100."),
)


@dataclass(frozen=True)
class Probing:
    """What the report shows of one task.

    `views` are heat maps, a row a target and a cell a depth of `depths`, of which `norm` is that
    after the final norm; `curves` has a panel a target; `best` and `numbers` are the tables behind
    them.
    """

    key: str
    title: str
    notes: tuple[Markup, ...]
    depths: tuple[int, ...]
    norm: int | None
    views: tuple[View, ...]
    curves: tuple[Panel, ...]
    best: Table
    numbers: Table

    @property
    def heads(self) -> tuple[tuple[str, str], ...]:
        """The columns of the heat maps: what the pointer shows, and what stands there."""
        return tuple((depth_name(d, self.norm), depth_text(d, self.norm)) for d in self.depths)


def probing(frame: pl.DataFrame, settings: Mapping[str, Any]) -> tuple[Probing, ...]:
    """Return what is shown of each task of `probes.parquet` and its JSON; nothing without rows."""
    if frame.is_empty():
        return ()
    found = []
    for number, told in enumerate(settings["tasks"]):
        keys = ("task", "probe", "pooling", "source")
        own = frame.filter(*(pl.col(key) == told[key] for key in keys))
        if not own.is_empty():
            found.append(_task(f"probe-{number}", own, told, settings))
    return tuple(found)


def _task(
    key: str, frame: pl.DataFrame, told: Mapping[str, Any], settings: Mapping[str, Any]
) -> Probing:
    rows = _chosen(frame)
    depths = tuple(sorted({depth for _, _, depth in rows if depth is not None}))
    targets = _targets(rows, told["source"])
    norm = norm_of(settings)
    return Probing(
        key,
        f"{TASKS[told['task']].capitalize()}, {told['probe']} on {told['pooling']}",
        _notes(told, settings),
        depths,
        norm,
        tuple(
            View(f"{key}-{measure}", label, legend, heat(rows, measure, targets, depths, norm))
            for measure, label, legend in SHOWN
            if any(name == measure for name, _, _ in rows)
        ),
        tuple(curve(f"{key}-curve-{n}", rows, t, depths, norm) for n, t in enumerate(targets)),
        _best(rows, targets, depths, told["source"], norm),
        _numbers(rows, targets, depths, norm),
    )


def _chosen(frame: pl.DataFrame) -> dict[Key, Estimate]:
    """Return the estimates by measure, target and depth; of two controls the selectivity's own."""
    used = frame.filter(pl.col("measure") == "selectivity").select("target", "control").unique()
    kept = frame.join(used, on=("target", "control"), how="semi").filter(
        pl.col("measure") == "control_accuracy"
    )
    plain_rows = frame.filter(pl.col("measure") != "control_accuracy")
    return {
        (row["measure"], row["target"], row["depth"]): estimate(row)
        for row in (*plain_rows.to_dicts(), *kept.to_dicts())
    }


def _targets(rows: Mapping[Key, Estimate], source: str) -> tuple[str, ...]:
    """Return the targets: the source first, the whole of all languages last."""
    names = dict.fromkeys(target for measure, target, _ in rows if measure == "accuracy")
    return tuple(sorted(names, key=lambda t: (t != source or t == "all", t == "all", t)))


def _notes(told: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[Markup, ...]:
    train = told["train"]
    head = Markup(
        "Probes ({}) are trained on {} {} in {}, on states ({} over the tokens, {}), and tested in "
        "every language on others; the strength is chosen by {}-fold cross-validation in training. "
        "{}"
    ).format(
        told["probe"],
        f"{train['items']:,}",
        "words" if told["task"] in ("ner", "pos") else "texts",
        isolated(target_name(told["source"])),
        told["pooling"],
        settings["dtype"],
        told["folds"],
        norm_words(settings),
    )
    if told["task"] in ("ner", "pos"):
        control = Markup(
            "Control: in the source language labels drawn once a word type (Hewitt and Liang, "
            "2019), elsewhere shuffled labels."
        )
    else:
        control = Markup("Control: the same probe trained on shuffled labels.")
    notes = [head, control]
    counts = [_left_out(test) for test in (train, *told["tests"])]
    if any(counts):
        notes.append(Markup("Left out or noted: {}.").format(listed([c for c in counts if c])))
    if told["task"] == "paraphrase":
        words = "Pairs are held apart by id: where ids are not shared, as in PAWS-X, a translation "
        notes.append(Markup(words + "of a training pair may be among the tests."))
    if told["unconverged"]:
        fits = count_text(told["unconverged"], "fit")
        notes.append(Markup("{} stopped before converging.").format(fits))
    return tuple(notes)


def _left_out(facts: Mapping[str, Any]) -> Markup:
    counts = {**facts["dropped"], **facts["noted"]}
    for name in ("without_state", "truncated", "label_not_in_training"):
        counts[name.replace("_", " ")] = facts.get(name, 0)
    said = [f"{name} {n:,}" for name, n in counts.items() if n]
    name = isolated(target_name(facts["language"]))
    return Markup("{}: {}").format(name, ", ".join(said)) if said else Markup("")


def _best(
    rows: Mapping[Key, Estimate],
    targets: Sequence[str],
    depths: Sequence[int],
    source: str,
    norm: int | None,
) -> Table:
    """Return each target's best depth, how sure it is, and what the depth best in training has."""
    trained = {d: rows["cv_accuracy", source, d].value for d in depths}
    chosen = max(depths, key=lambda d: (trained[d], -d))
    lines = []
    for target in targets:
        best = rows.get(("best_depth", target, None), MISSING)
        if not is_number(best.value):
            continue
        depth = int(best.value)
        shares = {
            d: e.value
            for (m, t, d), e in rows.items()
            if m == "best_share" and t == target and d is not None
        }
        tied = [depth_text(d, norm) for d in sorted(tied_depths(shares))] if shares else [NO_DATA]
        at = [rows.get((m, target, depth), MISSING) for m in ("accuracy", "control_accuracy")]
        gap = rows.get(("selectivity", target, depth), MISSING)
        base = [rows.get((m, target, None), MISSING) for m in BASELINES]
        lines.append(
            (
                target_name(target),
                depth_text(depth, norm),
                share_text(shares.get(depth)),
                ", ".join(tied),
                *map(estimate_text, at),
                f"{signed(gap.value)} ({interval(gap.low, gap.high, sign=True)})",
                estimate_text(rows.get(("accuracy", target, chosen), MISSING)),
                *map(estimate_text, base),
                f"{at[0].n:,}",
            )
        )
    head = (
        "Target", "Best depth", "Best in", "Depths that win 90 %", "Accuracy there (95 %)",
        "Control there", "Selectivity", f"Accuracy at {depth_name(chosen, norm)}, best in training",
        *(label.capitalize() for label in BASELINES.values()), "n",
    )  # fmt: skip
    caption = (
        "Best depth by accuracy on the test itself, so that the accuracy there is flattered; "
        "shares are of resamples"
    )
    return Table(caption, head, tuple(lines), names=1)


def _numbers(
    rows: Mapping[Key, Estimate], targets: Sequence[str], depths: Sequence[int], norm: int | None
) -> Table:
    lines = tuple(
        (
            target_name(target),
            depth_text(depth, norm),
            *(estimate_text(rows.get((m, target, depth), MISSING)) for m, _, _ in SHOWN[:2]),
            estimate_text(rows.get(("control_accuracy", target, depth), MISSING)),
            signed(rows.get(("selectivity", target, depth), MISSING).value),
        )
        for target in targets
        for depth in depths
    )
    head = (
        "Target",
        "Depth",
        "Accuracy (95 %)",
        "Macro-F1 (95 %)",
        "Control (95 %)",
        "Selectivity",
    )
    return Table("Probes by target and depth, points of 100", head, lines)
