"""What predicts transfer in a study: a row a source-target pair, from the study's own tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import polars as pl

from babelscope.data import atlas
from babelscope.languages import language
from babelscope.measure.predictors import Pair, Predictor, predict_transfer
from babelscope.models.loading import load_tokenizer
from babelscope.portable import portable_path
from babelscope.records import BLOCK, MISSING, Estimate
from babelscope.study.materials import QA
from babelscope.study.output import write_frame
from babelscope.study.plan import StudyPlan

ALIGNED = ("cosine_d", "accuracy", "cka")
"""Measures of alignment that are tried: Cohen's d, retrieval at 1, CKA."""
TASKS = {"accuracy": "nli", "entity_f1": "ner"}

Key = tuple[str, str]
Values = dict[Key, float]

SCHEMA: Mapping[str, type[pl.DataType]] = {
    **dict.fromkeys(("outcome", "name", "quantity"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    **dict.fromkeys(("n", "languages"), pl.Int64),
    **dict.fromkeys(("p_value", "p_holm"), pl.Float64),
}


def write_predictors(plan: StudyPlan, out: Path) -> None:
    """Write `pairs.parquet` and `predictors.parquet`, where there is transfer and an inside.

    Where there is none, what an earlier plan left is taken away.

    Outcomes are the gain of the main measure by tuning, and accuracy or entity F1 as a share of
    the source's; the first recipe, and the study's own model, stand for all.
    """
    outcomes = {name: values for name, values in _outcomes(plan, out) if values}
    inside = dict(_measures(plan, out))
    if not outcomes or not inside:
        for name in ("pairs", "predictors"):
            (out / f"{name}.parquet").unlink(missing_ok=True)
        return
    pairs, rows = [], []
    for outcome, scores in outcomes.items():
        known = [_pair(key, score, inside) for key, score in sorted(scores.items())]
        pairs += [_pair_rows(outcome, pair) for pair in known]
        for found in predict_transfer(known):
            rows += list(_rows(outcome, found))
    write_frame(out / "pairs.parquet", pl.DataFrame(pairs))
    write_frame(out / "predictors.parquet", pl.DataFrame(rows, schema=SCHEMA))


def _outcomes(plan: StudyPlan, out: Path) -> Iterator[tuple[str, Values]]:
    gains = _read(out, "comparisons")
    if gains is not None:
        spoken = {source.name: source.language for source in plan.sources}
        own = gains.filter(
            (pl.col("recipe") == plan.recipes[0].name)
            & (pl.col("task") == QA)
            & (pl.col("measure") == plan.measure)
            & (pl.col("step") == pl.col("step").max())
            & pl.col("target").is_in(plan.targets)
        )
        yield f"gain in {plan.measure}", _mean(own, spoken, "difference")
    found = _read(out, "classification")
    if found is not None:
        for measure, task in TASKS.items():
            own = found.filter(
                (pl.col("measure") == f"efficiency_{measure}")
                & (pl.col("model") == portable_path(plan.model.name))
                & (pl.col("task") == task)
            )
            yield f"efficiency, {task} {measure}", _mean(own, {}, "value")


def _mean(frame: pl.DataFrame, spoken: Mapping[str, str], column: str) -> Values:
    """Return the mean of a column over all rows of a pair of languages that have a value."""
    found: dict[Key, list[float]] = {}
    for row in frame.iter_rows(named=True):
        source = spoken.get(row["source"], row["source"])
        if row[column] is not None and math.isfinite(row[column]):
            found.setdefault((source, row["target"]), []).append(row[column])
    return {key: sum(values) / len(values) for key, values in found.items()}


def _measures(plan: StudyPlan, out: Path) -> Iterator[tuple[str, Values]]:
    """Yield every measure of the inside by name, for the pairs that have it."""
    if (aligned := _read(out, "alignment")) is not None:
        yield from _alignment(aligned)
    if (probes := _read(out, "probes")) is not None:
        yield from _probes(probes)
    if (lens := _read(out, "lens")) is not None and lens.height:
        yield "lens: change of the target's mass", _lens_shift(plan, lens)
    codes = [code for code in atlas.languages() if code in plan.languages]
    if len(codes) > 1:
        tokenizer = load_tokenizer(plan.model.name, revision=plan.model.revision)
        size = {
            code: sum(
                len(tokenizer(line, add_special_tokens=False)["input_ids"])
                for line in atlas.sentences(code, "test")
            )
            for code in codes
        }
        yield (
            "fertility, target / source",
            {(s, t): size[t] / size[s] for s in codes for t in codes},
        )


def _alignment(frame: pl.DataFrame) -> Iterator[tuple[str, Values]]:
    """Yield measures at the depth with the highest mean over pairs, and at the middle one."""
    first = frame.filter(pl.col("texts") == frame["texts"][0])
    for measure in ALIGNED:
        own = first.filter((pl.col("measure") == measure) & pl.col("value").is_finite())
        if own.is_empty():
            continue
        means = own.group_by("depth").agg(pl.col("value").mean()).sort("depth")
        best = int(means["depth"][int(means["value"].arg_max() or 0)])
        for place, depth in {"best": best, "middle": _middle(own)}.items():
            values: Values = {}
            for row in own.filter(pl.col("depth") == depth).iter_rows(named=True):
                values.setdefault((row["target"], row["source"]), row["value"])
                values[row["source"], row["target"]] = row["value"]
            yield f"alignment: {measure}, {place} depth ({depth})", values


def _probes(frame: pl.DataFrame) -> Iterator[tuple[str, Values]]:
    """Yield accuracies at the depth that is best in training, and at the middle one."""
    for (task, source), own in frame.group_by("task", "source", maintain_order=True):
        trained = own.filter(pl.col("measure") == "cv_accuracy").sort("depth")
        if trained.is_empty():
            continue
        best = int(trained["depth"][int(trained["value"].arg_max() or 0)])
        for place, depth in {"best": best, "middle": _middle(trained)}.items():
            rows = own.filter((pl.col("measure") == "accuracy") & (pl.col("depth") == depth))
            values = {
                (str(source), row["target"]): row["value"] for row in rows.iter_rows(named=True)
            }
            yield f"probe: {task}, {place} depth ({depth})", values


def _middle(frame: pl.DataFrame) -> int:
    """Return the middle of the depths between blocks; that after the final norm is beside them."""
    blocks = frame.filter(pl.col("state") == BLOCK)
    last = (blocks if blocks.height else frame)["depth"].max()
    return int(last) // 2  # type: ignore[arg-type]  # depths are whole


def _lens_shift(plan: StudyPlan, lens: pl.DataFrame) -> Values:
    spoken = {source.name: source.language for source in plan.sources}
    own = lens.filter(
        (pl.col("kind") == "difference")
        & (pl.col("measure") == "mass")
        & (pl.col("subset") == "all")
        & (pl.col("position") == "last")
        & (pl.col("map") == plan.lens.map_names[0])
        & (pl.col("recipe") == plan.recipes[0].name)
        & (pl.col("language") == pl.col("target"))
        & (pl.col("depth") == pl.col("depth").max())
        & (pl.col("step") == pl.col("step").max())
    )
    return _mean(own, spoken, "value")


def _pair(key: Key, score: float, inside: Mapping[str, Values]) -> Pair:
    source, target = (language(code) for code in key)
    measures = {
        "same_script": float(source.script == target.script),
        "same_family": float(source.family == target.family),
        **{name: values.get(key, math.nan) for name, values in inside.items()},
    }
    return Pair(*key, score, measures)


def _pair_rows(outcome: str, pair: Pair) -> dict[str, object]:
    names = {"source": pair.source, "target": pair.target, "score": pair.score}
    return {"outcome": outcome, **names, **pair.measures}


def _rows(outcome: str, found: Predictor) -> Iterator[dict[str, object]]:
    explained = Estimate(found.explained, math.nan, math.nan, found.pairs)
    numbers = {"error": found.error, "explained": explained, "slope": found.slope}
    told = {"outcome": outcome, "name": found.name, "languages": found.languages}
    for quantity, value in numbers.items():
        yield {**told, "quantity": quantity, **asdict(value), "p_value": None, "p_holm": None}
    gain = found.gain.difference if found.gain else MISSING
    p_value = found.gain.p_value if found.gain else math.nan
    yield {**told, "quantity": "gain", **asdict(gain), "p_value": p_value, "p_holm": found.p_holm}


def _read(out: Path, name: str) -> pl.DataFrame | None:
    path = out / f"{name}.parquet"
    return pl.read_parquet(path) if path.exists() else None
