"""What a study's plan must be: each rule that joins several of its values, in one place."""

from __future__ import annotations

import difflib

from babelscope.errors import SettingError
from babelscope.study.plan_records import COUNTED, LANGID, POSITIONS, StudyPlan


def check_plan(plan: StudyPlan) -> None:
    """Check what several values of a plan must be together.

    Raises:
        SettingError: a list is empty or holds something twice, a name is unknown, or two values
            contradict each other.
    """
    if not plan.targets:
        raise SettingError("study, targets", expected="at least one language", found="none")
    for what, items in (
        ("targets", plan.targets),
        ("seeds", plan.seeds),
        ("recipes", [r.name for r in plan.recipes]),
    ):
        if len(set(items)) != len(items):
            raise SettingError(f"study, {what}", expected="each once", found=str(list(items)))
    _check_lens(plan)
    if plan.test.data:
        _check_test(plan)
    else:
        _check_untested(plan)
    for recipe in plan.recipes:
        if recipe.template not in plan.templates:
            raise SettingError(
                f"recipe {recipe.name!r}, template",
                expected=" or ".join(plan.templates),
                found=repr(recipe.template),
            )


def _check_lens(plan: StudyPlan) -> None:
    lens = plan.lens
    for position in lens.positions:
        if position not in POSITIONS:
            near = difflib.get_close_matches(position, POSITIONS, n=1, cutoff=0.0)[0]
            raise SettingError(
                "study, lens.positions",
                expected=" or ".join(POSITIONS),
                found=repr(position),
                remedy=f"did you mean {near}?",
            )
    for what, items in (("positions", lens.positions), ("maps", lens.maps)):
        if not items or len(set(items)) != len(items):
            found = ", ".join(items) or "none"
            raise SettingError(f"study, lens.{what}", expected="some, each once", found=found)
    for name in lens.maps:
        if name not in (COUNTED, LANGID) and not name.endswith(".safetensors"):
            raise SettingError(
                "study, lens.maps",
                expected=f"{COUNTED}, {LANGID} or a file .safetensors",
                found=repr(name),
            )
    if len(set(lens.map_names)) != len(lens.map_names):
        raise SettingError("study, lens.maps", expected="one file at most", found="several")
    if "generated" in lens.positions and not plan.test.answers:
        raise SettingError(
            "study, lens.positions",
            expected="last or gold, as nothing is answered",
            found="generated",
            remedy="set test.answers = true",
        )


def _check_untested(plan: StudyPlan) -> None:
    """Check a plan that asks no questions: nothing in it may need them."""
    if not (plan.align or plan.probe or plan.classify):
        raise SettingError(
            "study", expected="[test], [align], [probe] or [classify]", found="none of them"
        )
    for what, given in (("sources", plan.sources), ("lens.questions", plan.lens.questions)):
        if given:
            raise SettingError(
                f"study, {what}", expected="[test] with questions for it", found="no [test]"
            )


def _check_test(plan: StudyPlan) -> None:
    test = plan.test
    translating = test.task == "translation"
    if translating != bool(test.translated_from):
        raise SettingError(
            "study, test.from",
            expected="the language translated from, for task = translation alone",
            found=test.translated_from or "none",
        )
    if translating and test.answers:
        raise SettingError(
            "study, test.answers",
            expected="false: translations are looked at, not scored",
            found="true",
        )
    if test.translated_from in plan.targets:
        raise SettingError(
            "study, targets",
            expected=f"languages other than test.from, {test.translated_from}",
            found="it among them",
        )
    if not test.answers and not plan.lens.questions:
        raise SettingError(
            "study, test.answers = false",
            expected="a lens that looks instead: lens.questions",
            found="0",
        )
    if test.contests and (translating or not test.answers):
        raise SettingError(
            "study, test.contests", expected="questions that are answered", found="none"
        )
    if plan.test.demonstrations and not plan.test.demonstrations_data:
        raise SettingError(
            "study, test.demonstrations_data",
            expected="the set that demonstrations are taken from",
            found="nothing",
        )
