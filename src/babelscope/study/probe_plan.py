"""The section `[probe]` of a study, and what the command `probe` is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from babelscope.errors import SettingError
from babelscope.languages import language
from babelscope.measure.probe_models import KINDS
from babelscope.records import POOLINGS, SPAN_POOLINGS
from babelscope.study.values import Table, filled

TASKS = ("ner", "pos", "topic", "paraphrase", "language")
WORD_TASKS = ("ner", "pos")
BATCH_TOKENS = 1024
"""Small, as a pass over a sentence gives a state for each of its words at every depth."""


@dataclass(frozen=True, slots=True)
class ProbeTask:
    """What is probed: `topic` stands for texts with any label, `language` for whose text it is.

    `source` is the language of training; language identity is trained on all languages. Without
    `pooling`, words take the mean of their subwords and texts that of their tokens. `limit` keeps
    the first sentences of each set (0: all). Where DATA has no split for training, `test_percent`
    of the ids are kept for testing, the same in every language. `repair` takes an I- tag without
    its beginning as B-. `depths` are those probed (none: all).
    """

    task: str
    data: str
    source: str = "eng_Latn"
    pooling: str = ""
    probe: str = "ridge"
    limit: int = 0
    test_percent: int = 40
    depths: tuple[int, ...] = ()
    repair: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what can be checked before data and model are read."""
        if self.task not in TASKS:
            raise SettingError("task", expected=" or ".join(TASKS), found=repr(self.task))
        if self.probe not in KINDS:
            raise SettingError("probe", expected=" or ".join(KINDS), found=repr(self.probe))
        wanted = SPAN_POOLINGS if self.words else tuple(set(POOLINGS) - set(SPAN_POOLINGS))
        if self.pooled not in wanted:
            raise SettingError(
                f"pooling of the task {self.task}",
                expected=" or ".join(p for p in POOLINGS if p in wanted),
                found=repr(self.pooling),
            )
        if not 0 < self.test_percent < 100:
            raise SettingError("test_percent", expected="1 to 99", found=str(self.test_percent))

    @property
    def words(self) -> bool:
        """Whether words are probed, not whole texts."""
        return self.task in WORD_TASKS

    @property
    def pooled(self) -> str:
        """The pooling in use."""
        return self.pooling or ("word" if self.words else "mean")


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """The tasks that are probed, and in which languages; without any, a study's targets."""

    tasks: tuple[ProbeTask, ...]
    targets: tuple[str, ...] = ()
    batch_tokens: int = BATCH_TOKENS

    def __post_init__(self) -> None:
        """Check that the rows of two tasks can be told apart."""
        names = [f"{t.task}, {t.probe}, {t.pooled}, {t.source}" for t in self.tasks]
        if len(set(names)) < len(names):
            raise SettingError(
                "probe",
                expected="tasks that differ in task, probe, pooling or source",
                found=next(name for name in names if names.count(name) > 1),
            )


def probe_plan(table: Table, folders: Mapping[str, str]) -> ProbePlan:
    """Return the plan of a study's `[probe]`; `folders` are those of `[paths]`.

    Each inner table is a task, `[probe.pos]`, `[probe.topic]`; its name is the task's unless the
    key `task` says so. `targets` and `batch_tokens` stand in `[probe]` itself.

    Raises:
        SettingError: a key is unknown, missing, or its value cannot be; no task is named.
        LanguageError: a language is unknown.
    """
    targets = tuple(language(code).code for code in table.texts("targets", ()))
    batch_tokens = table.integer("batch_tokens", BATCH_TOKENS, low=1)
    names = [name for name in table.names() if name not in ("targets", "batch_tokens")]
    tasks = tuple(_task(table.table(name), name, folders) for name in names)
    table.done()
    if not tasks:
        raise SettingError("study.probe", expected="a task such as [probe.topic]", found="none")
    return ProbePlan(tasks, targets, batch_tokens)


def _task(table: Table, name: str, folders: Mapping[str, str]) -> ProbeTask:
    data = filled(table.text("data"), folders)
    task = ProbeTask(
        task=table.choice("task", TASKS, name),
        data=data,
        source=language(table.text("source", "en")).code,
        pooling=table.text("pooling", ""),
        probe=table.choice("probe", KINDS, "ridge"),
        limit=table.integer("limit", 0, low=0),
        test_percent=table.integer("test_percent", 40, low=1),
        # an empty list stands for all depths
        depths=table.integers("depths", (0,), low=0) if "depths" in table.names() else (),
        repair=table.switch("repair", False),
        seed=table.integer("seed", 0, low=0),
    )
    table.done()
    return task
