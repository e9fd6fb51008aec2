"""Everything that a study reads before it works: training sets, test sets, their quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from babelscope.data.draws import draw_questions
from babelscope.data.parallel import read_translations
from babelscope.data.qa import check_disjoint, first, read_qa
from babelscope.data.quality import SourceQuality, quality
from babelscope.errors import SettingError
from babelscope.identity import digest
from babelscope.records import QuestionSet
from babelscope.study.cells import Answering, Cell
from babelscope.study.maps import map_inputs
from babelscope.study.plan import SourcePlan, StudyPlan

QA = "qa"
CONTEST = "contest:"


@dataclass(frozen=True, slots=True)
class Materials:
    """What was read: `tests` by (task, target), `rivals` the other language's contest items.

    `wholes` holds each target's test set before questions were drawn from it, `sizes` of every
    test the questions and contexts there were to draw from. `references` are what sources are
    compared with, `maps` is the digest of what language maps are made from.
    """

    sources: Mapping[str, QuestionSet]
    qualities: Mapping[str, SourceQuality]
    tests: Mapping[tuple[str, str], QuestionSet]
    rivals: Mapping[tuple[str, str], QuestionSet]
    pools: Mapping[str, QuestionSet]
    wholes: Mapping[str, QuestionSet]
    sizes: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    references: Mapping[str, QuestionSet] = field(default_factory=dict)
    maps: str = ""

    def digest(self) -> str:
        """Return one digest of all that was read, and of what was left out of it."""
        return digest(
            {
                "sources": self.sources,
                "references": self.references,
                "tests": {f"{task} {t}": s for (task, t), s in self.tests.items()},
                "rivals": {f"{task} {t}": s for (task, t), s in self.rivals.items()},
                # golds in other languages and the best constant answers are taken from these
                "wholes": self.wholes,
                "pools": self.pools,
                "maps": self.maps,
            }
        )


def gather(plan: StudyPlan) -> Materials:
    """Read all that a plan names, and check that training and test sets are apart.

    Raises:
        DataError: a set cannot be read, is empty, or shares an id or a context with a test set.
    """
    whole = {code: _asked(plan, code) for code in plan.targets} if plan.test.data else {}
    asked = {(QA, code): questions for code, questions in whole.items()}
    rivals: dict[tuple[str, str], QuestionSet] = {}
    for target, other in plan.test.contests:
        task = f"{CONTEST}{other}"
        asked[task, target] = _contest(plan, target, other)
        rivals[task, target] = _drawn(plan, _contest(plan, other, target))
    tests = {key: _drawn(plan, questions) for key, questions in asked.items()}
    sources = {s.name: _source(s) for s in plan.sources}
    for questions in sources.values():
        for test in whole.values():
            check_disjoint(questions, test)
    references = {s.name: found for s in plan.sources if (found := _reference(s))}
    qualities = {name: quality(s, references.get(name)) for name, s in sources.items()}
    maps = map_inputs(plan, sources)
    sizes = {key: _size(questions) for key, questions in asked.items()}
    return Materials(
        sources, qualities, tests, rivals, _pools(plan), whole, sizes, references, maps
    )


def _asked(plan: StudyPlan, target: str) -> QuestionSet:
    if plan.test.task == "translation":
        return read_translations(Path(plan.test.data), plan.test.translated_from, target)
    return read_qa(plan.test.data, target, split="test")


def _drawn(plan: StudyPlan, questions: QuestionSet) -> QuestionSet:
    test = plan.test
    return draw_questions(questions, test.questions, test.sample_seed, test.questions_per_context)


def _size(questions: QuestionSet) -> tuple[int, int]:
    return len(questions.examples), len({e.context_id for e in questions.examples})


def parallel_golds(materials: Materials, task: str, target: str) -> dict[str, dict[str, str]]:
    """Return each question's first gold in every language that has it: id -> language -> text.

    The languages are the study's targets; in a contest, the two that it is between.
    """
    asked = materials.tests[task, target]
    if task == QA:
        sets = list(materials.wholes.values())
    else:
        sets = [asked, materials.rivals[task, target]]
    golds: dict[str, dict[str, str]] = {e.id: {} for e in asked.examples}
    for questions in sets:
        for example in questions.examples:
            if example.id in golds and example.answers:
                golds[example.id][questions.language] = example.answers[0]
    return golds


def with_pool(materials: Materials, answering: Answering, cell: Cell) -> Answering:
    """Return an answering with the demonstrations that a cell's questions are shown."""
    pool = materials.pools.get(cell.target) if cell.task == QA else None
    return replace(answering, demonstrations=answering.demonstrations if pool else 0, pool=pool)


def _source(source: SourcePlan) -> QuestionSet:
    questions = read_qa(source.data, source.language, split="train")
    return replace(first(questions, source.limit or len(questions.examples)), name=source.name)


def _reference(source: SourcePlan) -> QuestionSet | None:
    if not source.reference:
        return None
    return read_qa(source.reference, source.reference_language, split="train")


def _contest(plan: StudyPlan, target: str, other: str) -> QuestionSet:
    if not plan.test.data.startswith("atlas"):
        raise SettingError(
            "study, test.contests", expected="atlas as the test set", found=plan.test.data
        )
    return read_qa(f"atlas:{CONTEST}{other}", target, split="test")


def _pools(plan: StudyPlan) -> dict[str, QuestionSet]:
    """Read the set that demonstrations come from, by the target they are shown to."""
    if not plan.test.demonstrations:
        return {}
    chosen = plan.test.demonstrations_language
    return {
        code: read_qa(
            plan.test.demonstrations_data, code if chosen == "same" else chosen, split="train"
        )
        for code in plan.targets
    }
