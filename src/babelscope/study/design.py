"""What a study asks: questions and contexts of each target, known before any work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from babelscope.data.draws import drawn_words
from babelscope.study.materials import QA, Materials
from babelscope.study.plan_records import StudyPlan
from babelscope.study.schedule import lens_questions, lens_tasks

LENS_CONTEXTS = 20
"""The fewest contexts from which the lens's differences can be told from chance at many depths."""


@dataclass(frozen=True, slots=True)
class TargetDesign:
    """What is asked of one task in one target, and what there was to draw it from.

    `questions` come from `contexts`, `most_a_context` of them from one at most; `of_questions`
    and `of_contexts` are the whole test set's. `shared` are those whose ids every target of the
    task asks. The lens looks at `lens_questions` from `lens_contexts`, 0 where it does not look.
    """

    task: str
    target: str
    questions: int
    contexts: int
    most_a_context: int
    of_questions: int
    of_contexts: int
    shared: int
    lens_questions: int
    lens_contexts: int

    @property
    def name(self) -> str:
        """The target, and the task where it is a contest."""
        return self.target if self.task == QA else f"{self.target} {self.task}"


def study_design(plan: StudyPlan, materials: Materials) -> list[TargetDesign]:
    """Return a record for each task and target, in the order of work; nothing is loaded or read."""
    ids = [{e.id for e in s.examples} for (task, _), s in materials.tests.items() if task == QA]
    common = set.intersection(*ids) if ids else set()
    seen = lens_tasks(plan)
    found = []
    for (task, target), drawn in materials.tests.items():
        contexts = Counter(e.context_id for e in drawn.examples)
        looked = lens_questions(plan, drawn).examples if (task, target) in seen else ()
        everywhere = sum(task != QA or e.id in common for e in drawn.examples)
        found.append(
            TargetDesign(
                task,
                target,
                len(drawn.examples),
                len(contexts),
                max(contexts.values()),
                *materials.sizes[task, target],
                everywhere,
                len(looked),
                len({e.context_id for e in looked}),
            )
        )
    return found


def design_words(plan: StudyPlan, designs: Sequence[TargetDesign]) -> dict[str, object]:
    """Return what is told of a design: `sample`, its rows `targets`, and `sample_notes`.

    `sample` is a line such as "48 questions from 48 contexts", of each kind of target one. Notes
    are sentences, there only where something must be said: fewer questions than asked for,
    targets that ask different ones, too few contexts for the lens. Empty without questions.
    """
    if not designs:
        return {}
    wanted = plan.test.questions
    kinds: dict[str, list[str]] = {}
    for d in designs:
        kinds.setdefault(drawn_words(d.questions, d.contexts, wanted), []).append(d.name)
    lines = [f"{', '.join(names)}: {words}" for words, names in kinds.items()]
    notes = list(_notes(designs))
    return {
        "sample": next(iter(kinds)) if len(kinds) == 1 else lines,
        "targets": [design_row(design) for design in designs],
        **({"sample_notes": notes} if notes else {}),
    }


def design_row(design: TargetDesign) -> dict[str, object]:
    """Return one target's row, as `--dry-run`, `check` and plan.json have it."""
    return {
        "target": design.name,
        "questions": design.questions,
        "contexts": design.contexts,
        "most_a_context": design.most_a_context,
        "of_questions": design.of_questions,
        "of_contexts": design.of_contexts,
        "lens_questions": design.lens_questions,
        "lens_contexts": design.lens_contexts,
    }


def _notes(designs: Sequence[TargetDesign]) -> list[str]:
    notes = []
    for d in designs:
        if d.shared < d.questions:
            notes.append(
                f"{d.name}: {d.questions - d.shared} of {d.questions} questions are not asked in "
                "every target, as the test sets do not have the same"
            )
        if 0 < d.lens_contexts < LENS_CONTEXTS and d.lens_contexts < d.of_contexts:
            notes.append(
                f"{d.name}: the lens looks at {d.lens_contexts} contexts; from fewer than "
                f"{LENS_CONTEXTS} its differences can hardly be told from chance: raise "
                "lens.questions, or ask questions from more contexts"
            )
    return notes
