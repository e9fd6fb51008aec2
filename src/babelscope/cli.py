"""The command line: parse, import lazily, call one function, print."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from babelscope.errors import BabelscopeError, SettingError, StoreError

EXIT_FAULT = 2
EXIT_INTERRUPTED = 130

app = App(
    name="babelscope",
    help="In which language should training examples be written, and what does it do to others?",
    version_flags=["--version"],
    result_action="return_value",  # the status is ours to return
)

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs.")]
Settings = Annotated[
    tuple[str, ...],
    Parameter(name="--set", negative="", help="KEY=VALUE, as often as needed."),
]
Adapter = Annotated[Path | None, Parameter(help="The folder of a tuned adapter.")]


@Parameter(name="*")
@dataclass(frozen=True)
class DataOptions:
    """Which questions."""

    data: Annotated[
        str, Parameter(help="atlas, a file, a folder, a pattern with {language}, or a Hub name.")
    ]
    language: Annotated[str, Parameter(help="Any usual code: or, ory, or-IN, ory_Orya.")]


@Parameter(name="*")
@dataclass(frozen=True)
class SomeDataOptions(DataOptions):
    """Which questions, and how many of them."""

    limit: Annotated[int, Parameter(help="Only the first N questions, in file order.")] = 0


@Parameter(name="*")
@dataclass(frozen=True)
class LensOptions:
    """What the lens looks at: questions, or prompts as they stand."""

    data: Annotated[str, Parameter(help="Questions: as in `answer`, with --language.")] = ""
    language: Annotated[str, Parameter(help="Any usual code: or, ory, or-IN, ory_Orya.")] = ""
    limit: Annotated[int, Parameter(help="Only the first N questions, in file order.")] = 0
    prompts: Annotated[
        Path | None, Parameter(help='JSON lines {"id", "prompt", "answer"}, taken as they stand.')
    ] = None
    position: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="last, gold, generated or a token's number; repeatable."),
    ] = ()
    per_prompt: Annotated[bool, Parameter(negative="", help="A row for each prompt.")] = False
    tokens: Annotated[
        Path | None, Parameter(help="Write here what single positions say: leading tokens, rank.")
    ] = None
    example: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="Ids of prompts to tell every position of in --tokens."),
    ] = ()

    def source(self) -> tuple[str, str]:
        """Return data and language, checked against each other and --prompts."""
        given = bool(self.data), bool(self.language)
        if self.prompts is not None and (any(given) or self.limit):
            raise SettingError(
                "--prompts", expected="no --data, --language or --limit beside it", found="some"
            )
        if self.prompts is None and not all(given):
            raise SettingError(
                "lens", expected="--data with --language, or --prompts FILE", found="neither whole"
            )
        return self.data, self.language


@Parameter(name="*")
@dataclass(frozen=True)
class TuningOptions:
    """How one tuning run differs from the next."""

    seed: Annotated[int, Parameter(help="Of LoRA's start, data order and dropout.")] = 0
    save_steps: Annotated[int, Parameter(help="Keep a variant every N steps.")] = 0


@Parameter(name="*")
@dataclass(frozen=True)
class ModelOptions:
    """How a model is loaded."""

    dtype: Annotated[str, Parameter(help="auto, float32, bfloat16 or float16.")] = "auto"
    device: Annotated[str, Parameter(help="auto, cpu, cuda, or spread over devices.")] = "auto"
    revision: Annotated[str | None, Parameter(help="A Hub revision to pin.")] = None


@Parameter(name="*")
@dataclass(frozen=True)
class RecipeOptions:
    """How a model is adapted, or how it answers."""

    recipe: Annotated[str, Parameter(help="default or seed.")] = "default"
    settings: Settings = ()


LOADING = ModelOptions()
LENS = LensOptions()
RECIPE = RecipeOptions()
TUNING = TuningOptions()


@app.command
def demo(*, out: Path = Path("demo-study"), as_json: Json = False) -> None:
    """Run the embedded study, offline, and print where its report is.

    Example: babelscope demo
    """
    from babelscope.study.ready import ready_study

    run(ready_study("demo"), out=out, as_json=as_json)


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

        _print(estimate_cost(plan), as_json)
        return
    from babelscope.progress import watching
    from babelscope.report.page import write_report
    from babelscope.study.run import run_study

    folder = out or Path("runs") / plan.name
    words = ["babelscope", "run", str(study), "--out", str(folder)]
    words += [w for s in settings for w in ("--set", s)]
    with watching(quiet=as_json) as watch:
        run_study(plan, folder, command=shlex.join(words), watch=watch)
    page = write_report(folder)
    _print({"out": str(folder), "report": str(page)}, as_json)


@app.command
def status(folder: Path, *, as_json: Json = False) -> None:
    """Say how far a study has come.

    Example: babelscope status demo-study
    """
    from babelscope.study.status import study_status

    _print(study_status(folder), as_json)


@app.command
def report(folder: Path, *, as_json: Json = False) -> None:
    """Draw the report of a finished study again.

    Example: babelscope report demo-study
    """
    from babelscope.report.page import write_report

    _print({"report": str(write_report(folder))}, as_json)


@app.command
def tune(
    model: str,
    *,
    questions: SomeDataOptions,
    out: Path,
    tuning: TuningOptions = TUNING,
    recipe: RecipeOptions = RECIPE,
    loading: ModelOptions = LOADING,
    as_json: Json = False,
) -> None:
    """Tune an adapter on a training set; --set turns single switches of the recipe.

    Example: babelscope tune mini --data atlas --language or --set max_steps=2 --out adapter
    """
    from babelscope.adapt.saving import Saving
    from babelscope.progress import counting
    from babelscope.study import steps

    choice = steps.ModelChoice(model, None, loading.dtype, loading.device, loading.revision)
    chosen = steps.recipe_with(recipe.recipe, recipe.settings)
    read = steps.questions_step(questions.data, questions.language, questions.limit, "train")
    with counting("tune", quiet=as_json) as progress:
        saving = Saving(out, save_steps=tuning.save_steps)
        _print(steps.tune_step(choice, read, chosen, tuning.seed, saving, progress), as_json)


@app.command
def answer(
    model: str,
    *,
    questions: SomeDataOptions,
    out: Path,
    adapter: Adapter = None,
    recipe: RecipeOptions | None = None,
    loading: ModelOptions = LOADING,
    as_json: Json = False,
) -> None:
    """Answer the questions of a data set.

    Example: babelscope answer mini --data atlas --language or --limit 4 --out answers.jsonl
    """
    from babelscope.progress import counting
    from babelscope.study import steps

    choice = steps.ModelChoice(model, adapter, loading.dtype, loading.device, loading.revision)
    chosen = steps.recipe_with(recipe.recipe, recipe.settings) if recipe else None
    read = steps.questions_step(questions.data, questions.language, questions.limit, "test")
    with counting("answer", quiet=as_json) as progress:
        _print(steps.answer_step(choice, read, out, chosen, progress=progress), as_json)


@app.command
def score(answers: Path, *, questions: DataOptions, as_json: Json = False) -> None:
    """Score answers; only answered ids count.

    Example: babelscope score answers.jsonl --data atlas --language or --json
    """
    from babelscope.study.scoring import score_step

    _print(score_step(answers, questions.data, questions.language), as_json)


@app.command
def lens(
    model: str,
    *,
    out: Path,
    asked: LensOptions = LENS,
    adapter: Adapter = None,
    map_file: Annotated[Path | None, Parameter(name="--map", help="A language map.")] = None,
    loading: ModelOptions = LOADING,
    as_json: Json = False,
) -> None:
    """Look at which language each depth leans to; writes a parquet table.

    Example: babelscope lens mini --data atlas --language or --limit 4 --out lens.parquet
    """
    from babelscope.data.prompt_files import read_prompts
    from babelscope.progress import counting
    from babelscope.study import steps
    from babelscope.study.lens_step import LensWish, lens_step

    choice = steps.ModelChoice(model, adapter, loading.dtype, loading.device, loading.revision)
    positions = asked.position or ("last", "gold")
    wish = LensWish(positions, asked.per_prompt, map_file, asked.tokens, asked.example)
    data, language = asked.source()
    read = (
        read_prompts(asked.prompts)
        if asked.prompts
        else steps.questions_step(data, language, asked.limit, "test")
    )
    with counting("lens", quiet=as_json) as progress:
        _print(lens_step(choice, read, out, wish, progress), as_json)


@app.command(name="lens-published")
def lens_published(file: Path, *, out: Path, as_json: Json = False) -> None:
    """Make a study that `report` draws from the lens arrays published with the first paper.

    Example: babelscope lens-published lens.csv --out published
    """
    from babelscope.study.published import published_step

    command = shlex.join(["babelscope", "lens-published", str(file), "--out", str(out)])
    _print(published_step(file, out, command), as_json)


@app.command(name="map-languages")
def map_languages(
    model: str,
    *,
    text: Annotated[
        list[str],
        Parameter(help="atlas, or a folder of text by language; the first gives the languages."),
    ],
    out: Path,
    method: Annotated[str, Parameter(help="counts, or langid: the published map.")] = "counts",
    as_json: Json = False,
) -> None:
    """Make a token-to-language map from one or several text collections, and tell its quality.

    Example: babelscope map-languages mini --text texts --text atlas --out map.safetensors
    """
    from babelscope.study.mapping import map_step

    _print(map_step(model, text, out, method), as_json)


@app.command
def check(
    model: str,
    *,
    drift: Annotated[
        bool, Parameter(negative="", help="Count answers that batch, padding or dtype turn over.")
    ] = False,
    loading: ModelOptions = LOADING,
    as_json: Json = False,
) -> None:
    """Say whether a model works here: its parts, its size, its tokens per language.

    Example: babelscope check mini
    """
    from babelscope.study.check import check_model

    found = check_model(
        model,
        dtype=loading.dtype,
        device=loading.device,
        revision=loading.revision,
        drift=drift,
    )
    _print(found, as_json)


def _print(values: dict[str, object], as_json: bool) -> None:
    if as_json:
        print(json.dumps(values, ensure_ascii=False))
        return
    for key, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            print(f"{key}:")
            _print_rows(value)
        else:
            print(f"{key}: {_words(value)}")


def _print_rows(rows: Sequence[dict[str, object]]) -> None:
    names = list(rows[0])
    cells = [names, *([_words(row[n]) for n in names] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    for row in cells:
        print("  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)))


def _words(value: object) -> str:
    if isinstance(value, dict):
        if {"value", "low", "high"} <= set(value):
            if value["value"] is None:
                return "no data"
            low, high = value["low"], value["high"]
            between = "" if low is None else f" ({low:.3f} to {high:.3f})"
            return f"{value['value']:.3f}{between}, n = {value.get('n')}"
        return ", ".join(f"{k} {_words(v)}" for k, v in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, or 2 with one line on standard error."""
    return _guarded(lambda: app(arguments, exit_on_error=False, print_error=False))


def _guarded(work: Callable[[], object]) -> int:
    try:
        work()
        sys.stdout.flush()
    except (BabelscopeError, CycloptsError) as error:
        return _fault(error)
    except BrokenPipeError:
        # the reader of a pipe has gone; keep the interpreter from complaining about it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        name = error.filename or "a file"
        return _fault(
            StoreError(str(name), expected="a file that works", found=error.strerror or str(error))
        )
    except RecursionError:
        return _fault(SettingError("input", expected="less deeply nested data"))
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _fault(error: Exception) -> int:
    print("error: " + " ".join(str(error).split()), file=sys.stderr)
    return EXIT_FAULT


if __name__ == "__main__":
    sys.exit(main())
