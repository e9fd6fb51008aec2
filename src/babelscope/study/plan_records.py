"""What a study's plan holds: frozen records, made by `plan.read_plan`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from babelscope.adapt.recipes import Recipe
from babelscope.data.draws import FEWEST, PerContext
from babelscope.data.prompts import TEMPLATES, Template
from babelscope.study.align_plan import AlignPlan
from babelscope.study.classify_plan import ClassifyPlan
from babelscope.study.probe_plan import ProbePlan

MEASURES = ("mlqa_f1", "mlqa_em", "squad_f1", "squad_em", "char_f1", "gold_contained")
POSITIONS = ("last", "gold", "generated")
COUNTED, LANGID, FILE = "counted", "langid", "file"
"""Maps of the lens by name: counted from text, by a language identifier as published, or given."""


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """Which model, and how it is loaded."""

    name: str
    revision: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    trust_remote_code: bool = False


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """A named training set: `origin` says who wrote it, `reference` is a parallel human set."""

    name: str
    language: str
    data: str
    origin: str = "unknown"
    reference: str = ""
    reference_language: str = ""
    limit: int = 0


@dataclass(frozen=True, slots=True)
class TestPlan:
    """What is asked: `questions` a target (0: all); contest pairs of atlas.

    Questions are drawn from as many contexts as there are; `questions_per_context` takes a number
    of one context after another instead, or "all" of it (`questions` or a few more, then).
    `task` is "qa", or "translation" of the sentences of a line-parallel folder out of
    `translated_from`. Without `answers`, as in translation, the lens alone looks at the prompts.
    """

    __test__ = False  # a record, whatever its name looks like to a collector of tests

    data: str
    task: str = "qa"
    translated_from: str = ""
    answers: bool = True
    questions: int = 0
    questions_per_context: PerContext = FEWEST
    sample_seed: int = 0
    contests: tuple[tuple[str, str], ...] = ()
    demonstrations: int = 0
    demonstrations_data: str = ""
    demonstrations_language: str = "same"


@dataclass(frozen=True, slots=True)
class LensPlan:
    """What the lens looks at: `questions` a target (0: none), positions, and through which maps.

    They are drawn of those asked, from as many contexts as these have, whatever the test takes of
    each.
    `maps` are "counted" (from the text files of `text`, else the study's own), "langid" (the
    published way) or a file; the first is the one that conclusions are drawn from. With
    `contests` the prompts of the contests are looked at too. Of at most
    `grids` questions a target, those of the samples that changed most, every token is told at
    every depth (0: of none).
    """

    questions: int = 0
    positions: tuple[str, ...] = ("last", "gold")
    maps: tuple[str, ...] = (COUNTED,)
    half_depths: bool = False
    contests: bool = False
    text: str = ""
    grids: int = 4

    @property
    def map_names(self) -> tuple[str, ...]:
        """What the maps are called in tables: a file is "file"."""
        return tuple(m if m in (COUNTED, LANGID) else FILE for m in self.maps)

    @property
    def map_file(self) -> str:
        """The map that is given as a file, "" if none is."""
        return next((m for m in self.maps if m not in (COUNTED, LANGID)), "")


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """Everything that a study does.

    Without test data no question is asked: `align`, `probe` and `classify` are all there is.
    """

    name: str
    title: str
    model: ModelPlan
    recipes: tuple[Recipe, ...]
    sources: tuple[SourcePlan, ...]
    seeds: tuple[int, ...]
    targets: tuple[str, ...]
    test: TestPlan
    lens: LensPlan
    align: AlignPlan | None = None
    probe: ProbePlan | None = None
    classify: tuple[ClassifyPlan, ...] = ()
    measure: str = "mlqa_f1"
    save_steps: int = 0
    batch_tokens: int = 8192
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    templates: Mapping[str, Template] = field(default_factory=lambda: dict(TEMPLATES))

    @property
    def languages(self) -> tuple[str, ...]:
        """The study's languages, sorted: targets, sources and both sides of the contests."""
        others = [code for pair in self.test.contests for code in pair]
        others += [self.test.translated_from] if self.test.translated_from else []
        return tuple(sorted({*self.targets, *(s.language for s in self.sources), *others}))
