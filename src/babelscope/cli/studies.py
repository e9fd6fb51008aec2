"""Commands on whole studies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from babelscope.cli.app import app
from babelscope.cli.options import Json, Settings
from babelscope.cli.printing import print_values

if TYPE_CHECKING:
    from babelscope.study.plan import StudyPlan


@app.command
def demo(*, out: Path = Path("demo-study"), as_json: Json = False) -> None:
    """Run the embedded study, offline, and print where its report is.

    Example: babelscope demo
    """
    from babelscope.study.plan import read_plan
    from babelscope.study.ready import ready_study

    words = ["babelscope", "demo", "--out", str(out)]
    _run(read_plan(ready_study("demo")), out, words, as_json)


@app.command
def run(
    study: Path,
    *,
    out: Path | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    settings: Settings = (),
    as_json: Json = False,
) -> None:
    """Run a study file, or continue it; results and report go to --out.

    Example: babelscope run studies/demo.toml --out demo-study --dry-run
    """
    from babelscope.study.plan import read_plan

    plan = read_plan(study, settings)
    if dry_run:
        from babelscope.study.estimate import estimate_cost

        print_values(estimate_cost(plan), as_json)
        return
    folder = out or Path("runs") / plan.name
    words = ["babelscope", "run", str(study), "--out", str(folder)]
    words += [w for s in settings for w in ("--set", s)]
    _run(plan, folder, words, as_json)


def _run(plan: StudyPlan, folder: Path, words: Sequence[str], as_json: bool) -> None:
    """Run a plan, draw its report and tell what was found; `words` are the command to repeat it."""
    from babelscope.portable import portable_command
    from babelscope.progress import watching
    from babelscope.report.page import write_report
    from babelscope.study.run import run_study
    from babelscope.study.schedule import stage_totals
    from babelscope.study.summary import study_summary

    with watching(stage_totals(plan), quiet=as_json) as watch:
        run_study(plan, folder, command=portable_command(words), watch=watch)
    page = write_report(folder)
    summary = study_summary(folder)
    print_values({**summary, "out": str(folder), "report": str(page)}, as_json)


@app.command
def status(folder: Path, *, as_json: Json = False) -> None:
    """Say how far a study has come.

    Example: babelscope status demo-study
    """
    from babelscope.study.status import study_status

    print_values(study_status(folder), as_json)


@app.command
def report(
    folder: Path,
    other: Path | None = None,
    *,
    figures: Annotated[str, Parameter(help="Write figures for papers too: pdf, svg or png.")] = "",
    tables: Annotated[str, Parameter(help="Write the tables too: latex, markdown or csv.")] = "",
    out: Annotated[Path | None, Parameter(help="Where a comparison goes.")] = None,
    as_json: Json = False,
) -> None:
    """Draw the report of a finished study again, or compare it with OTHER, a second study.

    Example: babelscope report demo-study --figures pdf --tables latex
    """
    if other is not None:
        from babelscope.report.compare import write_comparison

        print_values(write_comparison(folder, other, out, figures, tables), as_json)
        return
    from babelscope.report.files import write_files

    print_values(write_files(folder, out, figures, tables), as_json)
