"""What a study leaves in its folder: the plan, the tables, and the mark that it is complete."""

from __future__ import annotations

import io
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import polars as pl

from babelscope.controls import FORMULA
from babelscope.identity import digest
from babelscope.measure.inference import score_interval
from babelscope.measure.language_map import LanguageMap
from babelscope.models.folders import MINI, folder_fingerprint, resolve_folder
from babelscope.models.loading import LoadedModel
from babelscope.portable import portable_path
from babelscope.store import read_json, write_json, write_jsonl, write_text, writing
from babelscope.study import tables
from babelscope.study.cells import Variant
from babelscope.study.completion import COMPLETE
from babelscope.study.design import design_words, study_design
from babelscope.study.lens_items import lens_items
from babelscope.study.lens_tables import lens_table
from babelscope.study.materials import QA, Materials
from babelscope.study.plan import StudyPlan
from babelscope.study.quality_table import quality_table
from babelscope.study.recipe_table import recipe_table
from babelscope.study.schedule import bases, planned_cells, stage_totals, tunings
from babelscope.study.score_table import SCORES_VERSION, score_table
from babelscope.study.scores import CellScores, group_cells, guessing
from babelscope.study.set_counts import material_counts

OUTPUT_VERSION = "9"
"""Raised whenever the same answers may give other tables than before."""

MAP_QUALITY = ("nats", "uniform_nats", "accuracy", "ece")

PACKAGES = (
    "babelscope",
    "torch",
    "transformers",
    "peft",
    "tokenizers",
    "numpy",
    "scipy",
    "scikit-learn",
    "babel",
    "py3langid",
    "polars",
    "regex",
    "sacrebleu",
    "unicodedataplus",
)


@dataclass(frozen=True, slots=True)
class Study:
    """A study whose every cell is done; `seen` has the lens's slots by variant, task, target.

    `samples` are the rows of `samples.jsonl`, `grids` is their table, None without grids.
    """

    plan: StudyPlan
    materials: Materials
    bases: Mapping[str, str]
    cells: Mapping[tuple[Variant, str, str], CellScores]
    seen: Mapping[tuple[Variant, str, str], Path]
    maps: Mapping[str, LanguageMap]
    samples: Sequence[Mapping[str, object]] = ()
    grids: pl.DataFrame | None = None


def plan_digest(plan: StudyPlan, materials: Materials, sections: Sequence[str]) -> str:
    """Return the digest of what decides a study's tables: plan, data, model, version.

    `sections` are the keys of its parts beside questions.
    """
    folder = resolve_folder(plan.model.name, revision=plan.model.revision)
    return digest(
        {
            "output": OUTPUT_VERSION,
            "versions": versions(),
            "plan": replace(plan, templates={}),
            "templates": plan.templates,
            "materials": materials.digest(),
            "model": folder_fingerprint(folder, code=plan.model.trust_remote_code),
            "sections": sections,
        }
    )


def is_complete(out: Path, study: str) -> bool:
    """Tell whether a folder holds the finished tables of just the study with this digest."""
    path = out / COMPLETE
    return path.exists() and read_json(path) == {"study": study}


def mark_complete(out: Path, study: str) -> None:
    """Mark a folder as holding the finished tables of the study with this digest."""
    write_json(out / COMPLETE, {"study": study})


def versions() -> dict[str, str]:
    """Return the versions of what computed the numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def write_plan(
    out: Path,
    plan: StudyPlan,
    materials: Materials,
    loaded: LoadedModel | None,
    maps: Mapping[str, LanguageMap],
    study: str,
    command: str,
) -> None:
    """Write `plan.json`: what the report tells of the study's origin; `study` is its digest."""
    model = _model_facts(plan, loaded)
    sources = [
        {
            "name": source.name,
            "language": source.language,
            "origin": source.origin,
            "records": len(materials.sources[source.name].examples),
            "digest": digest(materials.sources[source.name].examples),
        }
        for source in plan.sources
    ]
    write_json(
        out / "plan.json",
        {
            "name": plan.name,
            "title": plan.title,
            "task": QA,
            "asked": plan.test.task,
            "answers": plan.test.answers,
            "design": design_words(plan, study_design(plan, materials)),
            "model": model,
            "targets": list(plan.targets),
            "sources": sources,
            "left_out_or_noted": material_counts(materials),
            "recipes": [r.name for r in plan.recipes],
            "seeds": list(plan.seeds),
            "main_measure": plan.measure,
            "scores_version": SCORES_VERSION,
            "groups": {name: list(codes) for name, codes in plan.groups.items()},
            "versions": versions(),
            "command": command,
            "settings": {r.name: asdict(r) for r in plan.recipes},
            "fingerprints": {
                "model": model["fingerprint"],
                "data": materials.digest(),
                "study": study,
            },
            "bases": bases(plan),
            "cells": len(list(planned_cells(plan))),
            "adapters": tunings(plan),
            "pieces": stage_totals(plan),
            "language_maps": {name: _quality(found) for name, found in maps.items()},
        },
    )


def _model_facts(plan: StudyPlan, loaded: LoadedModel | None) -> dict[str, object]:
    """Return what is told of a model; a study without questions leaves loading to its parts."""
    facts: dict[str, object] = {
        "name": portable_path(plan.model.name),
        "is_mini": plan.model.name == MINI,
    }
    if loaded is None:
        folder = resolve_folder(plan.model.name, revision=plan.model.revision)
        code = plan.model.trust_remote_code
        return facts | {"fingerprint": folder_fingerprint(folder, code=code)}
    return facts | {
        "fingerprint": loaded.fingerprint,
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "parameters": sum(p.numel() for p in loaded.model.parameters()),
        "depth": loaded.parts.depth,
    }


def _quality(language_map: LanguageMap) -> dict[str, object]:
    """Return what the report tells of a map: its held-out nats, accuracy and calibration."""
    found = language_map.quality
    return {name: found[name] for name in MAP_QUALITY if name in found}


def write_outputs(out: Path, study: Study) -> None:
    """Write every table of a finished study, each whole or not at all."""
    plan, materials = study.plan, study.materials
    cells = {**study.cells, **group_cells(study.cells, plan.groups)}
    name = portable_path(plan.model.name)
    found = pl.concat([tables.results(name, cells), prior_rows(study)])
    write_frame(out / "results.parquet", found)
    write_text(out / "results.csv", inert_frame(found).write_csv())
    write_frame(out / "scores.parquet", score_table(study.cells, materials.tests))
    write_frame(out / "comparisons.parquet", tables.comparisons(cells, study.bases))
    write_frame(out / "best.parquet", tables.best(plan, cells))
    write_frame(out / "recipes.parquet", recipe_table(plan, cells, study.bases))
    write_frame(out / "transfer.parquet", tables.transfer(plan, study.cells, study.bases))
    maps = {name: found.columns for name, found in study.maps.items()}
    looked = (study.cells, study.seen, study.bases)
    write_frame(out / "lens.parquet", lens_table(plan, materials, maps, *looked))
    write_frame(out / "lens_items.parquet", lens_items(plan, materials, maps, study.seen))
    write_frame(out / "quality.parquet", quality_table(plan, materials))
    write_jsonl(out / "samples.jsonl", study.samples)
    if study.grids is None:
        (out / "grids.parquet").unlink(missing_ok=True)
    else:
        write_frame(out / "grids.parquet", study.grids)


def inert_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose texts no spreadsheet takes for formulas, see `controls.inert`."""
    text = pl.col(pl.String)
    risky = text.str.contains(f"^{FORMULA.pattern}")
    return frame.with_columns(pl.when(risky).then("'" + text).otherwise(text).name.keep())


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """Write a parquet file whole or not at all."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    with writing(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def prior_rows(study: Study) -> pl.DataFrame:
    """Return, for questions that have kinds, what the best constant answer a kind would score."""
    rows = []
    for (task, target), questions in study.materials.tests.items():
        if not study.plan.test.answers or task != QA or not any(e.kind for e in questions.examples):
            continue
        contexts = [e.context_id for e in questions.examples]
        found = score_interval(guessing(questions, study.materials.wholes[target]), contexts)
        rows.append(
            {
                "model": portable_path(study.plan.model.name),
                "recipe": "base",
                "source": "",
                "seed": tables.POOLED,
                "step": 0,
                "task": task,
                "target": target,
                "subset": "all",
                "measure": "prior_mlqa_em",
                **asdict(found),
            }
        )
    return pl.DataFrame(rows, schema=tables.RESULTS)
