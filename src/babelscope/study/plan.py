"""A study file, read into a typed plan: TOML in, every value checked, nothing guessed."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from babelscope.adapt.recipes import Recipe, change, find_recipe
from babelscope.data.prompts import TEMPLATES, Template, read_templates
from babelscope.errors import SettingError
from babelscope.languages import language
from babelscope.study.values import Table

MEASURES = ("mlqa_f1", "mlqa_em", "squad_f1", "squad_em", "char_f1", "gold_contained")
POSITIONS = ("last", "gold")


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
    """What is asked: `questions` a target (0: all), as whole contexts; contest pairs of atlas."""

    __test__ = False  # a record, whatever its name looks like to a collector of tests

    data: str
    questions: int = 0
    sample_seed: int = 0
    contests: tuple[tuple[str, str], ...] = ()
    demonstrations: int = 0
    demonstrations_data: str = ""
    demonstrations_language: str = "same"


@dataclass(frozen=True, slots=True)
class LensPlan:
    """What the lens looks at: `questions` a target (0: none), and the map's text folder."""

    questions: int = 0
    positions: tuple[str, ...] = POSITIONS
    text: str = ""
    map_file: str = ""


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """Everything that a study does."""

    name: str
    title: str
    model: ModelPlan
    recipes: tuple[Recipe, ...]
    sources: tuple[SourcePlan, ...]
    seeds: tuple[int, ...]
    targets: tuple[str, ...]
    test: TestPlan
    lens: LensPlan
    measure: str = "mlqa_f1"
    save_steps: int = 0
    batch_tokens: int = 8192
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    templates: Mapping[str, Template] = field(default_factory=lambda: dict(TEMPLATES))

    @property
    def languages(self) -> tuple[str, ...]:
        """The study's languages, sorted: targets, sources and both sides of the contests."""
        pairs = [code for pair in self.test.contests for code in pair]
        return tuple(sorted({*self.targets, *(s.language for s in self.sources), *pairs}))


def read_plan(path: Path, settings: Sequence[str] = ()) -> StudyPlan:
    """Read a study file; `settings` are `key=value` pairs that replace or add its values.

    Raises:
        SettingError: the file is missing, is not TOML, or a value is unknown or out of range.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(
            f"study {path}", expected="a TOML file", found=error.strerror or str(error)
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"study {path}", expected="TOML", found=str(error)) from error
    for setting in settings:
        _apply(document, setting)
    return plan_of(document, path.stem)


def _apply(document: dict[str, object], setting: str) -> None:
    key, equals, text = setting.partition("=")
    steps = key.strip().split(".")
    if not equals or not all(steps):
        raise SettingError(f"--set {setting}", expected="key=value", found=setting)
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string: --set model.name=mini
    table = document
    for step in steps[:-1]:
        inner = table.setdefault(step, {})
        if not isinstance(inner, dict):
            raise SettingError(f"--set {setting}", expected=f"a table at {step}", found=repr(inner))
        table = inner
    # `model = "mini"` is short for `model.name`; a table is not replaced by a word
    if isinstance(table.get(steps[-1]), dict) and not isinstance(value, dict):
        table = table[steps[-1]]  # type: ignore[assignment]  # the line above says it is a dict
        steps = ["name"]
    table[steps[-1]] = value


def plan_of(document: Mapping[str, object], name: str) -> StudyPlan:
    """Make a plan from a parsed study file."""
    top = Table("study", document)
    folders = top.table("paths").strings()
    model = top.take("model") or "mini"
    sources = top.table("sources")
    chosen = top.table("recipes")
    templates = dict(TEMPLATES)
    if extra := top.text("templates", ""):
        templates |= read_templates(Path(extra))
    plan = StudyPlan(
        name=name,
        title=top.text("title", name),
        model=ModelPlan(model) if isinstance(model, str) else _model(top.table("model")),
        recipes=tuple(_recipe(chosen.table(key), key) for key in chosen.names())
        or (find_recipe("default"),),
        sources=tuple(_source(sources.table(key), key, folders) for key in sources.names()),
        seeds=top.integers("seeds", (0,), low=0),
        targets=tuple(language(code).code for code in top.texts("targets")),
        test=_test(top.table("test"), folders),
        lens=_lens(top.table("lens"), folders),
        measure=top.choice("measure", MEASURES, "mlqa_f1"),
        save_steps=top.integer("save_steps", 0, low=0),
        batch_tokens=top.integer("batch_tokens", 8192, low=1),
        groups={k: _codes(v) for k, v in top.table("groups").lists().items()},
        templates=templates,
    )
    top.done()
    _check(plan)
    return plan


def _codes(codes: Sequence[str]) -> tuple[str, ...]:
    return tuple(language(code).code for code in codes)


def _model(table: Table) -> ModelPlan:
    plan = ModelPlan(
        name=table.text("name"),
        revision=table.text("revision", "") or None,
        dtype=table.text("dtype", "auto"),
        device=table.text("device", "auto"),
        trust_remote_code=table.switch("trust_remote_code", False),
    )
    table.done()
    return plan


def _recipe(table: Table, key: str) -> Recipe:
    base = find_recipe(table.text("base", key))
    changed = change(base, {k: table.take(k) for k in table.names() if k != "base"})
    # the study's own name for it: which switches were turned stands in plan.json
    return replace(changed, name=key)


def _source(table: Table, key: str, folders: Mapping[str, str]) -> SourcePlan:
    code = language(table.text("language")).code
    other = table.text("reference_language", "")
    plan = SourcePlan(
        name=key,
        language=code,
        data=_filled(table.text("data"), folders),
        origin=table.text("origin", "unknown"),
        reference=_filled(table.text("reference", ""), folders),
        reference_language=language(other).code if other else code,
        limit=table.integer("limit", 0, low=0),
    )
    table.done()
    return plan


def _test(table: Table, folders: Mapping[str, str]) -> TestPlan:
    pairs = table.pairs("contests")
    demonstrations_language = table.text("demonstrations_language", "same")
    if demonstrations_language != "same":
        demonstrations_language = language(demonstrations_language).code
    plan = TestPlan(
        data=_filled(table.text("data"), folders),
        questions=table.integer("questions", 0, low=0),
        sample_seed=table.integer("sample_seed", 0, low=0),
        contests=tuple((language(t).code, language(s).code) for t, s in pairs),
        demonstrations=table.integer("demonstrations", 0, low=0),
        demonstrations_data=_filled(table.text("demonstrations_data", ""), folders),
        demonstrations_language=demonstrations_language,
    )
    table.done()
    return plan


def _lens(table: Table, folders: Mapping[str, str]) -> LensPlan:
    plan = LensPlan(
        questions=table.integer("questions", 0, low=0),
        positions=tuple(table.texts("positions", POSITIONS)),
        text=_filled(table.text("text", ""), folders),
        map_file=_filled(table.text("map", ""), folders),
    )
    table.done()
    return plan


def _filled(text: str, folders: Mapping[str, str]) -> str:
    """Put the folders of `[paths]` in; `{language}` stays for the reader of the data."""
    for name, folder in folders.items():
        text = text.replace(f"{{{name}}}", folder)
    return text


def _check(plan: StudyPlan) -> None:
    if not plan.targets:
        raise SettingError("study, targets", expected="at least one language", found="none")
    for what, items in (
        ("targets", plan.targets),
        ("seeds", plan.seeds),
        ("recipes", [r.name for r in plan.recipes]),
    ):
        if len(set(items)) != len(items):
            raise SettingError(f"study, {what}", expected="each once", found=str(list(items)))
    for position in plan.lens.positions:
        if position not in POSITIONS:
            near = difflib.get_close_matches(position, POSITIONS, n=1, cutoff=0.0)[0]
            raise SettingError(
                "study, lens.positions",
                expected=" or ".join(POSITIONS),
                found=repr(position),
                remedy=f"did you mean {near}?",
            )
    for recipe in plan.recipes:
        if recipe.template not in plan.templates:
            raise SettingError(
                f"recipe {recipe.name!r}, template",
                expected=" or ".join(plan.templates),
                found=repr(recipe.template),
            )
    if plan.test.demonstrations and not plan.test.demonstrations_data:
        raise SettingError(
            "study, test.demonstrations_data",
            expected="the set that demonstrations are taken from",
            found="nothing",
        )
