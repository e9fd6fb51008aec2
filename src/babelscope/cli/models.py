"""Commands on one model: tune it, let it answer, score, check."""

from __future__ import annotations

from pathlib import Path

from babelscope.cli.app import app
from babelscope.cli.options import (
    CHECK,
    LOADING,
    RECIPE,
    TUNING,
    Adapter,
    AskedOptions,
    CheckOptions,
    DataOptions,
    Json,
    ModelOptions,
    RecipeOptions,
    SomeDataOptions,
    TuningOptions,
)
from babelscope.cli.printing import print_values


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

    Several GPUs: accelerate launch --multi_gpu --num_processes N -m babelscope.cli tune ...

    Example: babelscope tune mini --data atlas --language or --set max_steps=2 --out adapter
    """
    from babelscope.adapt.processes import is_main_process
    from babelscope.adapt.saving import Saving
    from babelscope.progress import counting
    from babelscope.study import steps

    choice = steps.ModelChoice(model, None, loading.dtype, loading.device, loading.revision)
    chosen = steps.recipe_with(recipe.recipe, recipe.settings)
    read = steps.questions_step(questions.data, questions.language, questions.limit, "train")
    speaks = is_main_process()
    with counting("tune", quiet=as_json or not speaks) as progress:
        saving = Saving(out, save_steps=tuning.save_steps)
        made = steps.tune_step(choice, read, chosen, tuning.seed, saving, progress)
    if speaks:
        print_values(made, as_json)


@app.command
def answer(
    model: str,
    *,
    asked: AskedOptions,
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
    drawing = steps.Drawing(asked.questions, asked.questions_per_context, asked.sample_seed)
    read = steps.asked_step(asked.data, asked.language, asked.limit, drawing)
    with counting("answer", quiet=as_json) as progress:
        print_values(steps.answer_step(choice, read, out, chosen, progress=progress), as_json)


@app.command
def score(answers: Path, *, questions: DataOptions, as_json: Json = False) -> None:
    """Score answers; only answered ids count.

    Example: babelscope score answers.jsonl --data atlas --language or --json
    """
    from babelscope.study.scoring import score_step

    print_values(score_step(answers, questions.data, questions.language), as_json)


@app.command
def check(
    model: str,
    *,
    asked: CheckOptions = CHECK,
    loading: ModelOptions = LOADING,
    as_json: Json = False,
) -> None:
    """Say whether a model works here: its parts, its size, its tokens per language.

    Example: babelscope check mini --study studies/demo.toml
    """
    from babelscope.progress import counting
    from babelscope.study.check import CheckWish, check_model
    from babelscope.study.plan import read_plan

    plan = read_plan(asked.study, asked.settings) if asked.study else None
    with counting("prompts", quiet=as_json) as progress:
        found = check_model(
            model,
            CheckWish(asked.text, plan, asked.drift),
            dtype=loading.dtype,
            device=loading.device,
            revision=loading.revision,
            progress=progress,
        )
    print_values(found, as_json)
