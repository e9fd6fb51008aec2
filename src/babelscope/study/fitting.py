"""Whether a study's prompts fit a model: which would be cut, which would lose their gold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from babelscope.errors import SettingError
from babelscope.models.encoding import Rendering
from babelscope.models.loading import LoadedModel
from babelscope.models.parts import positions_of
from babelscope.records import Example, QuestionSet
from babelscope.study.cells import Answering, Cell, Variant, encode_questions
from babelscope.study.materials import QA, Materials, with_pool
from babelscope.study.plan import StudyPlan
from babelscope.study.schedule import answering_of

UNCUT = 1 << 40
"""Room for any prompt, so that its whole length is known."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Fit:
    """How the prompts of a recipe in one set fit, in tokens; `what` is a target or a source.

    `room` is what the recipe leaves for a prompt, `longest` the longest prompt uncut. `cut`
    prompts lose the end of their context, `gold_lost` of them all golds; `too_long` do not fit
    even without a context; `beyond_positions`, after any cut, do not fit the model.
    """

    recipe: str
    what: str
    prompts: int
    room: int
    longest: int
    cut: int
    gold_lost: int
    too_long: int
    beyond_positions: int


def study_fits(
    loaded: LoadedModel,
    plan: StudyPlan,
    materials: Materials,
    progress: Progress = lambda done, total: None,
) -> list[Fit]:
    """Return a row for each recipe's way of rendering and set of prompts; nothing is answered."""
    sets = list(_sets(plan, materials))
    total = sum(len(questions.examples) for _, _, questions, _ in sets)
    found, done = [], 0
    for recipe, what, questions, answering in sets:
        found.append(_fit(loaded, recipe, what, questions, answering))
        done += len(questions.examples)
        progress(done, total)
    return found


def warnings_of(loaded: LoadedModel, fits: Sequence[Fit]) -> list[str]:
    """Return a sentence for each set of prompts that does not fit as it stands."""
    limit = positions_of(loaded.model)
    told = []
    for fit in fits:
        where = f"{fit.what}, recipe {fit.recipe}: "
        of = f"of {fit.prompts} prompts"
        if fit.cut:
            told.append(
                f"{where}{fit.cut} {of} exceed {fit.room} tokens, the longest has {fit.longest}: "
                f"the end of their context will be cut, and {fit.gold_lost} lose their gold; "
                "raise max_tokens"
            )
        if fit.too_long:
            told.append(
                f"{where}{fit.too_long} {of} exceed {fit.room} tokens even without a context: "
                "the study would stop; raise max_tokens"
            )
        if fit.beyond_positions:
            told.append(
                f"{where}{fit.beyond_positions} {of}, with their answers, exceed the model's "
                f"{limit} positions: the study would stop; lower max_tokens"
            )
    return told


def fit_rows(fits: Sequence[Fit]) -> list[dict[str, object]]:
    """Return the fits as rows to be printed."""
    return [asdict(fit) for fit in fits]


def _sets(
    plan: StudyPlan, materials: Materials
) -> Iterator[tuple[str, str, QuestionSet, Answering]]:
    """Yield (recipe, target or source, questions, answering), each way of rendering once."""
    seen: set[str] = set()
    for recipe in plan.recipes:
        answering = answering_of(plan, recipe, 0)
        key = f"{answering.rendering} {answering.demonstrations}"
        if key in seen:
            continue
        seen.add(key)
        for (task, target), questions in materials.tests.items():
            cell = Cell(Variant(recipe.name), task, target)
            name = target if task == QA else f"{target} {task}"
            yield recipe.name, name, questions, with_pool(materials, answering, cell)
        for name, questions in materials.sources.items():
            yield recipe.name, f"source {name}", questions, replace(answering, demonstrations=0)


def _fit(
    loaded: LoadedModel, recipe: str, what: str, questions: QuestionSet, answering: Answering
) -> Fit:
    rendering = answering.rendering
    room = rendering.max_tokens - rendering.answer_tokens
    limit = positions_of(loaded.model) or UNCUT
    lengths = [
        len(p.ids) for p in encode_questions(loaded, questions, _uncut(answering, rendering))
    ]
    cut = gold_lost = too_long = 0
    for example, length in zip(questions.examples, lengths, strict=True):
        if length > room:
            lost = _loses_gold(loaded, questions, example, answering)
            cut, too_long = cut + (lost is not None), too_long + (lost is None)
            gold_lost += bool(lost)
    beyond = sum(min(length, room) + rendering.answer_tokens > limit for length in lengths)
    return Fit(
        recipe, what, len(lengths), room, max(lengths, default=0), cut, gold_lost, too_long, beyond
    )


def _uncut(answering: Answering, rendering: Rendering) -> Answering:
    return replace(answering, rendering=replace(rendering, max_tokens=UNCUT))


def _loses_gold(
    loaded: LoadedModel, questions: QuestionSet, example: Example, answering: Answering
) -> bool | None:
    """Tell whether a prompt that is cut loses its gold; None if it does not fit at all."""
    alone = replace(questions, examples=(example,))
    try:
        return encode_questions(loaded, alone, answering)[0].gold_lost
    except SettingError:
        return None
