"""What a classification does: its data, languages, methods and seeds, as a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from babelscope.adapt.classify_recipes import ClassifyRecipe, change_classify
from babelscope.errors import SettingError
from babelscope.languages import language
from babelscope.study.values import Table, filled, setting_of

TASKS = ("nli", "ner")


@dataclass(frozen=True, slots=True)
class ClassifyPlan:
    """One classification study.

    `data` has the test sets. `train` and `dev` are where the sources' training and dev sets lie:
    "" stands for atlas's or the Hub's own splits of `data`, or, where `data` is files, for their
    even rows (the odd ones are then the test set); without a dev set every fifth context of the
    training set is one. `models` replaces the study's model, `targets` its targets. `train_items`
    cuts training sets to their first items, `test_items` draws that many of a test set from as many
    contexts (premises, sentences) as there are (0: all). `beside_paper` sets the second
    paper's printed numbers beside the table. `repair` takes an I- tag without its beginning as B-,
    which makes IOB2 of IOB1.

    Raises:
        SettingError: a value is unknown, or the method cannot do the task.
    """

    task: str
    data: str
    sources: tuple[str, ...]
    recipes: tuple[ClassifyRecipe, ...]
    targets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    train: str = ""
    dev: str = ""
    seeds: tuple[int, ...] = (0,)
    train_items: int = 0
    test_items: int = 0
    beside_paper: bool = False
    repair: bool = False

    def __post_init__(self) -> None:
        """Check what can be checked before data or models are read."""
        if self.task not in TASKS:
            raise SettingError("task", expected=" or ".join(TASKS), found=repr(self.task))
        if not self.sources:
            raise SettingError("source", expected="a language to train on", found="none")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise SettingError("seeds", expected="each once, one at least", found=str(self.seeds))
        methods = [recipe.method for recipe in self.recipes]
        if not methods or len(set(methods)) < len(methods):
            raise SettingError("methods", expected="each once, one at least", found=str(methods))
        if self.task == "ner" and "prompt" in methods:
            raise SettingError(
                "method prompt", expected="the task nli", found="ner", remedy="train a head"
            )
        for name in ("train_items", "test_items"):
            if getattr(self, name) < 0:
                raise SettingError(name, expected="0 (all) or more", found=str(getattr(self, name)))


def classify_plan(table: Table, folders: Mapping[str, str]) -> ClassifyPlan:
    """Return the plan of a study file's section `[classify]`; `folders` fill `{name}` in paths.

    Beside the plan's own keys it may hold every switch of the recipe; `methods` lists several.
    """
    methods = table.texts("methods", (table.text("method", "full"),))
    switches = [f.name for f in fields(ClassifyRecipe) if f.name != "method"]
    given = {name: value for name in switches if (value := table.take(name)) is not None}
    plan = ClassifyPlan(
        task=table.choice("task", TASKS, "nli"),
        data=filled(table.text("data"), folders),
        sources=codes(table.texts("sources", (table.text("source", "en"),))),
        recipes=tuple(change_classify(ClassifyRecipe(), {**given, "method": m}) for m in methods),
        targets=codes(table.texts("targets", ())),
        models=table.texts("models", ()),
        train=filled(table.text("train", ""), folders),
        dev=filled(table.text("dev", ""), folders),
        seeds=table.integers("seeds", (0,), low=0),
        train_items=table.integer("train_items", 0, low=0),
        test_items=table.integer("test_items", 0, low=0),
        beside_paper=table.switch("beside_paper", False),
        repair=table.switch("repair", False),
    )
    table.done()
    return plan


def recipes_of(methods: Sequence[str], settings: Sequence[str]) -> tuple[ClassifyRecipe, ...]:
    """Return a recipe for each method, with `switch=value` settings applied."""
    given = dict(map(setting_of, settings))
    return tuple(change_classify(ClassifyRecipe(), {**given, "method": m}) for m in methods)


def codes(languages: Sequence[str]) -> tuple[str, ...]:
    """Return languages as codes, each once."""
    return tuple(dict.fromkeys(language(code).code for code in languages))
