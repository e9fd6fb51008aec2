"""One function a command: what the command line does, and what a program may call instead."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from babelscope.adapt.recipes import Recipe, change, find_recipe, rendering_of
from babelscope.adapt.saving import Saving, check_out
from babelscope.adapt.tuning import known_of_card, tune
from babelscope.data.draws import draw_questions, per_context_of
from babelscope.data.prompts import TEMPLATES
from babelscope.data.qa import first, read_qa, set_counts
from babelscope.errors import AdapterError, DataError, SettingError
from babelscope.models.adapters import (
    AdapterCard,
    adapter_fingerprint,
    answering_rendering,
    attach_adapters,
    check_rendering,
    read_adapter_card,
    use_adapter,
)
from babelscope.models.loading import (
    LoadedModel,
    load_model,
)
from babelscope.records import QuestionSet
from babelscope.store import check_folder, check_writable, slot, write_jsonl
from babelscope.study.answers import answer_row, read_answers
from babelscope.study.cells import (
    Answering,
    Progress,
    answer_cell,
    answering_key,
    read_counts,
)
from babelscope.study.schedule import decoding_of
from babelscope.study.values import setting_of


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model is loaded, how, and with which adapter."""

    name: str
    adapter: Path | None = None
    dtype: str = "auto"
    device: str = "auto"
    revision: str | None = None


def load_choice(choice: ModelChoice) -> LoadedModel:
    """Load a model; its adapter, if any, is checked before the weights are read."""
    if choice.adapter is not None:
        read_adapter_card(choice.adapter)
    return load_model(
        choice.name, dtype=choice.dtype, device=choice.device, revision=choice.revision
    )


def recipe_with(name: str, settings: Sequence[str]) -> Recipe:
    """Return a recipe with `switch=value` settings applied."""
    return change(find_recipe(name), dict(map(setting_of, settings)))


def recipe_of_card(card: AdapterCard) -> Recipe:
    """Return the recipe that an adapter was tuned by."""
    known = {f.name for f in fields(Recipe)}
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in card.recipe.items()}
    if set(values) != known:
        raise AdapterError(
            f"adapter from {card.source}",
            expected="a recipe of this version",
            found=f"other switches: {', '.join(sorted(set(values) ^ known))}",
            remedy="tune it again",
        )
    return Recipe(**values)  # type: ignore[arg-type]  # Recipe checks every type


def how_to_answer(
    loaded: LoadedModel, choice: ModelChoice, recipe: Recipe | None, batch_tokens: int
) -> Answering:
    """Return the answering of an adapter's own recipe, or of the given one, checked."""
    card = read_adapter_card(choice.adapter) if choice.adapter else None
    if card is not None and recipe is None:
        recipe, rendering = recipe_of_card(card), answering_rendering(card)
    else:
        recipe = recipe or find_recipe("default")
        rendering = rendering_of(recipe, TEMPLATES, "answering")
    if card is not None:
        check_rendering(card, loaded, rendering)
    return Answering(rendering, decoding_of(recipe), batch_tokens)


def tune_step(
    choice: ModelChoice,
    questions: QuestionSet,
    recipe: Recipe,
    seed: int,
    saving: Saving,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Tune an adapter; returns what its card says, without the example."""
    check_out(saving, known_of_card(questions, recipe, seed))
    cards = tune(
        load_choice(choice), questions, recipe, seed=seed, saving=saving, progress=progress
    )
    final = cards[-1]
    return {
        "out": str(saving.out),
        "variants": [card.step for card in cards],
        "recipe": final.recipe["name"],
        "source": final.source,
        "seed": final.seed,
        "precision": final.precision_used,
        "first_loss_nats": final.loss_curve[0],
        "last_loss_nats": final.loss_curve[-1],
        **final.counts,
        **set_counts(questions),
    }


def answer_step(
    choice: ModelChoice,
    questions: QuestionSet,
    out: Path,
    recipe: Recipe | None = None,
    batch_tokens: int = 8192,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Answer questions into `out`; an interrupted call is continued by the next one."""
    check_writable(out)
    work = out.with_name(f".{out.name}.work")
    check_folder(work)
    loaded = load_choice(choice)
    answering = how_to_answer(loaded, choice, recipe, batch_tokens)
    adapter = adapter_fingerprint(choice.adapter) if choice.adapter else ""
    key = answering_key(loaded.fingerprint, str(loaded.dtype), adapter, questions, answering)
    folder = slot(work, "answers", key)
    with adapted(loaded, choice.adapter) as ready:
        answer_cell(ready, questions, answering, folder, progress)
    counts = read_counts(folder)
    write_jsonl(out, [answer_row(a) for a in read_answers(folder / "answers.jsonl")])
    shutil.rmtree(work, ignore_errors=True)
    told = {**asdict(counts), "contexts": context_count(questions)}
    return {"out": str(out), **told, **set_counts(questions)}


def questions_step(data: str, language: str, limit: int, split: str) -> QuestionSet:
    """Read the questions that a command works on; `limit` of 0 means all."""
    if limit < 0:
        raise SettingError("--limit", expected="0 (all) or more", found=str(limit))
    questions = read_qa(data, language, split=split)
    return first(questions, limit) if limit else questions


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a command draws questions: N from as many contexts as there are (0: all), by a seed.

    `per_context` is a whole number of at least 1, "all" or "fewest"; "" stands for the last.
    """

    questions: int = 0
    per_context: str = ""
    seed: int = 0


def asked_step(data: str, language: str, limit: int, drawing: Drawing) -> QuestionSet:
    """Read the questions that a command asks: the first `limit` of the file, or some drawn.

    Raises:
        SettingError: both are asked for, or a value is out of range.
        DataError: the data cannot be read, or has too few questions for `per_context`.
    """
    if limit and (drawing.questions or drawing.per_context):
        raise SettingError(
            "--limit", expected="the first of the file, or --questions drawn of it", found="both"
        )
    for name, value in (("--questions", drawing.questions), ("--sample-seed", drawing.seed)):
        if value < 0:
            raise SettingError(name, expected="0 or more", found=str(value))
    given = drawing.per_context
    number = int(given) if given.isascii() and given.isdigit() else given or None
    per_context = per_context_of(number, "--questions-per-context")
    questions = questions_step(data, language, limit, "test")
    if len(questions.examples) < drawing.questions:
        raise DataError(
            f"{questions.name} in {questions.language}",
            expected=f"{drawing.questions} questions",
            found=f"{len(questions.examples)}",
            remedy="ask fewer, or leave --questions out for all",
        )
    return draw_questions(questions, drawing.questions, drawing.seed, per_context)


def context_count(questions: QuestionSet) -> int:
    """Return from how many contexts questions are."""
    return len({example.context_id for example in questions.examples})


@contextmanager
def adapted(loaded: LoadedModel, adapter: Path | None) -> Iterator[LoadedModel]:
    """Use an adapter for the length of a block; without one, the base itself."""
    if adapter is None:
        yield loaded
        return
    ready = attach_adapters(loaded, {"adapter": adapter})
    with use_adapter(ready, "adapter"):
        yield ready
