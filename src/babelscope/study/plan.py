"""A study file, read into a typed plan: TOML in, every value checked, nothing guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from babelscope.adapt.recipes import Recipe, change, find_recipe
from babelscope.data.draws import per_context_of
from babelscope.data.parallel import TRANSLATION, translation_template
from babelscope.data.prompts import TEMPLATES, read_templates
from babelscope.errors import SettingError
from babelscope.languages import language
from babelscope.reading import read_toml
from babelscope.study.align_plan import align_plan
from babelscope.study.classify_plan import ClassifyPlan, classify_plan
from babelscope.study.plan_checks import check_plan
from babelscope.study.plan_records import (
    COUNTED,
    FILE,
    LANGID,
    MEASURES,
    POSITIONS,
    LensPlan,
    ModelPlan,
    SourcePlan,
    StudyPlan,
    TestPlan,
)
from babelscope.study.probe_plan import probe_plan
from babelscope.study.values import Table, filled, setting_of

__all__ = [
    "COUNTED",
    "FILE",
    "LANGID",
    "MEASURES",
    "POSITIONS",
    "LensPlan",
    "ModelPlan",
    "SourcePlan",
    "StudyPlan",
    "TestPlan",
    "plan_of",
    "read_plan",
]

TASKS = ("qa", "translation")
NOTHING_ASKED = TestPlan(data="", answers=False)


def read_plan(path: Path, settings: Sequence[str] = ()) -> StudyPlan:
    """Read a study file; `settings` are `key=value` pairs that replace or add its values.

    Raises:
        SettingError: the file is missing, is not TOML, or a value is unknown or out of range.
    """
    document: dict[str, object] = read_toml(path, f"study {path}")
    for setting in settings:
        _apply(document, setting)
    return plan_of(document, path.stem)


def _apply(document: dict[str, object], setting: str) -> None:
    key, value = setting_of(setting)
    steps = key.split(".")
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
    test = _test(top.table("test"), folders) if "test" in top.names() else NOTHING_ASKED
    if test.translated_from:
        templates[TRANSLATION] = translation_template(test.translated_from)
    plan = StudyPlan(
        name=name,
        title=top.text("title", name),
        model=ModelPlan(model) if isinstance(model, str) else _model(top.table("model")),
        recipes=tuple(_recipe(chosen.table(key), key) for key in chosen.names())
        or (find_recipe("default"),),
        sources=tuple(_source(sources.table(key), key, folders) for key in sources.names()),
        seeds=top.integers("seeds", (0,), low=0),
        targets=tuple(language(code).code for code in top.texts("targets")),
        test=test,
        lens=_lens(top.table("lens"), folders),
        align=align_plan(top.table("align"), folders) if "align" in top.names() else None,
        probe=probe_plan(top.table("probe"), folders) if "probe" in top.names() else None,
        classify=_classify(top.table("classify"), folders),
        measure=top.choice("measure", MEASURES, "mlqa_f1"),
        save_steps=top.integer("save_steps", 0, low=0),
        batch_tokens=top.integer("batch_tokens", 8192, low=1),
        groups={k: _codes(v) for k, v in top.table("groups").lists().items()},
        templates=templates,
    )
    top.done()
    check_plan(plan)
    return plan


def _classify(table: Table, folders: Mapping[str, str]) -> tuple[ClassifyPlan, ...]:
    """Return a plan for `[classify]`, or one for each of its tables, `[classify.nli]` and so on."""
    if not table.names():
        return ()
    if "data" in table.names():
        return (classify_plan(table, folders),)
    plans = tuple(classify_plan(table.table(name), folders) for name in table.names())
    table.done()
    return plans


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
        data=filled(table.text("data"), folders),
        origin=table.text("origin", "unknown"),
        reference=filled(table.text("reference", ""), folders),
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
    task = table.choice("task", TASKS, "qa")
    other = table.text("from", "")
    plan = TestPlan(
        data=filled(table.text("data"), folders),
        task=task,
        translated_from=language(other).code if other else "",
        answers=table.switch("answers", task == "qa"),
        questions=table.integer("questions", 0, low=0),
        questions_per_context=per_context_of(
            table.take("questions_per_context"), "study.test.questions_per_context"
        ),
        sample_seed=table.integer("sample_seed", 0, low=0),
        contests=tuple((language(t).code, language(s).code) for t, s in pairs),
        demonstrations=table.integer("demonstrations", 0, low=0),
        demonstrations_data=filled(table.text("demonstrations_data", ""), folders),
        demonstrations_language=demonstrations_language,
    )
    table.done()
    return plan


def _lens(table: Table, folders: Mapping[str, str]) -> LensPlan:
    one = table.text("map", "")  # short for a list of one
    maps = table.texts("maps", (one or COUNTED,))
    if one and maps != (one,):
        raise SettingError("study, lens.map", expected="map or maps, not both", found=repr(one))
    plan = LensPlan(
        questions=table.integer("questions", 0, low=0),
        positions=tuple(table.texts("positions", ("last", "gold"))),
        maps=tuple(filled(name, folders) for name in maps),
        half_depths=table.switch("half_depths", False),
        contests=table.switch("contests", False),
        text=filled(table.text("text", ""), folders),
        grids=table.integer("grids", LensPlan().grids, low=0),
    )
    table.done()
    return plan
