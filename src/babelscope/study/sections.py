"""What a study does beside its questions: alignment, probes, classification, each a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from babelscope.data.bitext import read_bitext
from babelscope.errors import StoreError
from babelscope.identity import digest
from babelscope.models.folders import folder_fingerprint, resolve_folder
from babelscope.records import Event
from babelscope.store import read_json, write_json
from babelscope.study.align_step import VERSION as ALIGN_VERSION
from babelscope.study.align_step import make_align
from babelscope.study.cells import Progress
from babelscope.study.classify_data import gather_sets
from babelscope.study.classify_step import run_classify
from babelscope.study.costs import CostBook
from babelscope.study.inside import Made
from babelscope.study.output import versions, write_frame
from babelscope.study.plan import StudyPlan
from babelscope.study.probe_data import gather
from babelscope.study.probe_step import VERSION as PROBE_VERSION
from babelscope.study.probe_step import make_probe
from babelscope.study.work import Watch

NAMES = ("alignment", "probes", "classification")
"""The tables of all parts, in the order of work."""


@dataclass(frozen=True, slots=True)
class Section:
    """One part: `name` is that of its table, `stage` of its cost, `key` of all it depends on."""

    name: str
    stage: str
    key: str
    make: Callable[[Path, Progress], Made]


def planned_sections(plan: StudyPlan) -> list[Section]:
    """Return the parts that a plan asks for, with their data read once to be part of their keys.

    Raises:
        DataError, SettingError: data cannot be read, or is not what a part needs.
    """
    return list(_sections(plan))


def _sections(plan: StudyPlan) -> Iterator[Section]:
    targets, model = plan.targets, plan.model
    if align := plan.align:
        codes = align.languages or targets
        bitexts = read_bitext(
            align.data, codes, align.unit, carrier=align.carrier, limit=align.limit
        )
        yield Section(
            "alignment",
            "align",
            _key(plan, [ALIGN_VERSION, align], bitexts),
            lambda store, told: make_align(align, model, targets, store, told),
        )
    if probe := plan.probe:
        data = [gather(task, probe.targets or targets) for task in probe.tasks]
        yield Section(
            "probes",
            "probe",
            _key(plan, [PROBE_VERSION, probe], data),
            lambda store, told: make_probe(probe, model, targets, store, told),
        )
    if plan.classify:
        sets = [gather_sets(part, part.targets or targets) for part in plan.classify]
        others = sorted({name for part in plan.classify for name in part.models})
        code = plan.model.trust_remote_code
        weights = [folder_fingerprint(resolve_folder(name), code=code) for name in others]
        yield Section(
            "classification",
            "classify",
            _key(plan, plan.classify, [sets, weights]),
            lambda store, told: _classified(plan, store, told),
        )


def _key(plan: StudyPlan, part: object, data: object) -> str:
    folder = resolve_folder(plan.model.name, revision=plan.model.revision)
    model = folder_fingerprint(folder, code=plan.model.trust_remote_code)
    told = [versions(), plan.model, model, plan.targets]
    return digest([*told, part, data])


def _classified(plan: StudyPlan, store: Path, progress: Progress) -> Made:
    frames, told = [], []
    for part in plan.classify:
        frame, settings = run_classify(part, plan.model, plan.targets, store, progress)
        frames.append(frame.with_columns(pl.lit(part.task).alias("task")))
        told.append(settings)
    return Made(pl.concat(frames), {"tasks": told})


def do_sections(
    sections: list[Section], out: Path, costs: CostBook, watch: Watch, before: int, total: int
) -> None:
    """Make the tables that are not there yet, `NAME.parquet` with `NAME.json` beside it.

    What a part left that the plan no longer asks for is taken away. `before` of the `total` pieces
    of a study are done already.
    """
    for name in {*NAMES} - {section.name for section in sections}:
        _forget(out, name)
    for number, section in enumerate(sections):
        begun = Event(section.stage, section.name, 0, 1, before + number, total)
        there = is_made(out, section)
        if not there:
            watch(begun)
        with costs.measured(section.stage, section.name, unless=there):
            if not there:
                _make(section, out, watch, begun)
        watch(Event(section.stage, section.name, 1, 1, before + number, total))


def _make(section: Section, out: Path, watch: Watch, begun: Event) -> None:
    def told(done: int, of: int) -> None:
        watch(Event(begun.stage, begun.cell, done, of, begun.cells_done, begun.cells_total))

    made = section.make(out / "store" / section.stage, told)
    # the settings go first and come last: their key says that the table is whole
    _forget(out, section.name)
    if made.items is not None:
        write_frame(out / f"{section.name}_items.parquet", made.items)
    write_frame(out / f"{section.name}.parquet", made.frame)
    write_json(out / f"{section.name}.json", {**made.settings, "key": section.key})


def _forget(out: Path, name: str) -> None:
    for ending in (".json", ".parquet", "_items.parquet"):
        (out / f"{name}{ending}").unlink(missing_ok=True)


def is_made(out: Path, section: Section) -> bool:
    """Tell whether a part's table is there, made of just this plan, data and model."""
    path = out / f"{section.name}.json"
    if not path.exists() or not (out / f"{section.name}.parquet").exists():
        return False
    try:
        told = read_json(path)
    except StoreError:
        return False
    return isinstance(told, dict) and told.get("key") == section.key
