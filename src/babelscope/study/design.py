"""What a study asks: questions and contexts of each target, known before any work."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from babelscope.data.draws import drawn_words
from babelscope.measure.flips import smallest_flip_p
from babelscope.measure.inference import LEVEL, PRIOR_DF, Spread, smallest_gain, smallest_p
from babelscope.study.materials import QA, Materials
from babelscope.study.plan_records import StudyPlan
from babelscope.study.schedule import lens_questions, lens_tasks

QUESTION_SD, SEED_SD = 0.5, 0.015
"""Assumed before any work: how much a question's score changes, and a gain from run to run."""
LENS_CONTEXTS = 20
"""The fewest contexts from which the lens's differences can be told from chance at many depths."""


POWER = ("smallest_p", "smallest_p_adapters", "smallest_gain")


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
    """Return what is told of a design: `sample`, its rows `targets`, `sample_notes`, `power`.

    `sample` is a line such as "48 questions from 48 contexts", of each kind of target one. Notes
    are sentences, there only where something must be said: fewer questions than asked for,
    targets that ask different ones, too few contexts for the lens. `power` tells, of a study with
    sources, what no outcome could decide, and what gains can be seen. Empty without questions.
    """
    if not designs:
        return {}
    wanted = plan.test.questions
    kinds: dict[str, list[str]] = {}
    for d in designs:
        kinds.setdefault(drawn_words(d.questions, d.contexts, wanted), []).append(d.name)
    lines = [f"{', '.join(names)}: {words}" for words, names in kinds.items()]
    notes, power = list(_notes(designs)), list(power_notes(plan, designs))
    return {
        "sample": next(iter(kinds)) if len(kinds) == 1 else lines,
        "targets": [design_row(design) | power_row(plan, design) for design in designs],
        **({"sample_notes": notes} if notes else {}),
        **({"power": power} if power else {}),
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


def pairs_of(plan: StudyPlan) -> int:
    """Return how many gains of a recipe are corrected together: sources times targets."""
    return len(plan.sources) * len(plan.targets)


def power_row(plan: StudyPlan, design: TargetDesign) -> dict[str, object]:
    """Return what a target's gains can show: `smallest_p`, `smallest_p_adapters`, `smallest_gain`.

    p are the smallest that any outcome can have after the correction, None with one seed for the
    claim of tuning. The gain is the smallest found with 80 % power if questions change by
    `QUESTION_SD`, one by one, and runs differ by `SEED_SD`; with one seed it is that of these
    adapters. Empty without sources, and for contests.
    """
    pairs, seeds = pairs_of(plan), len(plan.seeds)
    if not pairs or design.task != QA:
        return dict.fromkeys(POWER) if pairs else {}
    tuning = smallest_p(design.contexts, seeds) * pairs if seeds > 1 else None
    gain = smallest_gain(_assumed(design, seeds, pairs), pairs)
    return {
        "smallest_p": None if tuning is None else _brief(min(1.0, tuning)),
        "smallest_p_adapters": _brief(min(1.0, smallest_flip_p(design.contexts) * pairs)),
        "smallest_gain": _brief(gain) if math.isfinite(gain) else None,
    }


def _brief(value: float) -> float:
    """Return three digits of a number: it rests on assumptions."""
    return float(f"{value:.3g}")


def _assumed(design: TargetDesign, seeds: int, pairs: int) -> Spread:
    """Return the spread that a gain would have under the assumptions."""
    df = design.contexts - 1
    questions = QUESTION_SD**2 / design.questions
    if seeds < 2:
        return Spread(questions, df, math.nan, math.nan, 0)
    runs = SEED_SD**2 / seeds
    run_df = min(PRIOR_DF, (pairs - 1) * (seeds - 1)) + seeds - 1
    return Spread(questions, df, runs, runs, run_df)


def power_notes(plan: StudyPlan, designs: Sequence[TargetDesign]) -> Iterator[str]:
    """Yield what the design cannot decide, and the gains that it can see."""
    seeds, pairs = len(plan.seeds), pairs_of(plan)
    sizes: dict[str, list[str]] = {}
    for d in designs:
        row = power_row(plan, d)
        if not row or d.task != QA:
            continue
        known = [p for p in (row["smallest_p"], row["smallest_p_adapters"]) if p is not None]
        least = min(float(str(p)) for p in known)
        if least >= LEVEL:
            yield (
                f"{d.name}: this design cannot decide it: {drawn_words(d.questions, d.contexts, 0)}"
                f" and {pairs} pairs of a source with a target give no p below {least:.2g} after "
                "correction: ask more contexts, or run more seeds"
            )
        elif row["smallest_gain"] is not None:
            size = f"{100 * float(str(row['smallest_gain'])):.1f} points"
            sizes.setdefault(size, []).append(d.name)
    runs = "1 seed: of these adapters only" if seeds < 2 else f"{seeds} seeds"
    for size, names in sizes.items():
        yield (
            f"{', '.join(names)}: gains of {size} and more are found with 80 % power after "
            f"correction for {pairs} pairs ({runs}), if a question's score changes by SD "
            f"{QUESTION_SD} and runs differ by SD {100 * SEED_SD:.1f} points"
        )


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
