"""A study from its plan to its tables; continued by default, left alone once it is complete."""

from __future__ import annotations

from pathlib import Path

from babelscope.adapt.proof import prove_tuning
from babelscope.infer.lens import LensSettings, prepare_lens
from babelscope.infer.reading_proof import verify_reading
from babelscope.models.loading import load_model
from babelscope.store import check_folder
from babelscope.study.costs import CostBook
from babelscope.study.explorer import with_examples
from babelscope.study.lens_maps import study_maps
from babelscope.study.materials import Materials, gather
from babelscope.study.output import (
    COMPLETE,
    Study,
    is_complete,
    mark_complete,
    plan_digest,
    write_outputs,
    write_plan,
)
from babelscope.study.plan import StudyPlan
from babelscope.study.predictor_step import write_predictors
from babelscope.study.schedule import bases, grid_pieces, planned_cells, tunings
from babelscope.study.sections import do_sections, planned_sections
from babelscope.study.work import Watch, Work, execute


def run_study(
    plan: StudyPlan, out: Path, *, command: str = "", watch: Watch = lambda event: None
) -> Path:
    """Run a study, or continue it, and leave its tables in `out`; returns `out`.

    A study that is complete, of the same plan, data and model, is left as it is.

    Raises:
        BabelscopeError: whatever is wrong with plan, data, model or disk, in one line; what was
            finished stays and is not done again.
    """
    if not (out / COMPLETE).exists():
        _check_folders(out)
    materials = gather(plan)
    sections = planned_sections(plan)
    study = plan_digest(plan, materials, [section.key for section in sections])
    if is_complete(out, study):
        return out
    _check_folders(out)
    costs = CostBook(out / "cost.csv")
    worked = len(list(planned_cells(plan))) + tunings(plan)
    pieces = worked + grid_pieces(plan)
    total = pieces + len(sections)
    if plan.test.data:
        work = _work(plan, materials, out, costs, watch, total)
        write_plan(out, plan, materials, work.loaded, work.maps, study, command)
        scores, seen = execute(work)
        found = Study(plan, materials, bases(plan), scores, seen, work.maps)
        found = with_examples(work, found, worked)
    else:
        write_plan(out, plan, materials, None, {}, study, command)
        found = Study(plan, materials, bases(plan), {}, {}, {})
    write_outputs(out, found)
    do_sections(sections, out, costs, watch, pieces, total)
    write_predictors(plan, out)
    mark_complete(out, study)
    return out


def _check_folders(out: Path) -> None:
    """Fail before the work where the study, its pieces or its report could not be written."""
    for folder in (out, out / "store", out / "report"):
        check_folder(folder)


def _work(
    plan: StudyPlan, materials: Materials, out: Path, costs: CostBook, watch: Watch, total: int
) -> Work:
    """Load the model, and make the lens if the plan asks for one."""
    loaded = load_model(
        plan.model.name,
        dtype=plan.model.dtype,
        device=plan.model.device,
        revision=plan.model.revision,
        trust_remote_code=plan.model.trust_remote_code,
    )
    verify_reading(loaded)
    for recipe in plan.recipes if tunings(plan) else ():
        prove_tuning(loaded, recipe)  # before the base has answered anything
    store = out / "store"
    maps, lens = {}, None
    if plan.lens.questions:
        maps = study_maps(plan, materials, loaded, store / "maps")
        tables = {name: found.probability for name, found in maps.items()}
        lens = prepare_lens(loaded, tables, LensSettings(half_depths=plan.lens.half_depths))
    return Work(plan, materials, loaded, store, costs, maps, lens, watch, total)
