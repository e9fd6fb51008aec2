"""Which questions are kept to be read: the largest changes of each model, by hand-made scores."""

from __future__ import annotations

import numpy as np
import pytest

from babelscope.study.cells import AnswerCounts, Cell, Variant
from babelscope.study.plan import StudyPlan, plan_of
from babelscope.study.samples import A_SIDE, FEWEST, Cells, choose
from babelscope.study.scores import CellScores

TARGETS = ("eng_Latn", "ory_Orya")
BASE = (0.5, 0.5, 0.0, 1.0, 0.5, 0.2, 1.0, 0.5)
FIRST, SECOND = Variant("default", "one", 0, 4), Variant("default", "two", 0, 4)


def plan(**more: object) -> StudyPlan:
    sources = {name: {"language": "hi", "data": "atlas"} for name in ("one", "two")}
    document: dict[str, object] = {
        "targets": ["en", "or"], "seeds": [0, 1], "sources": sources, "test": {"data": "atlas"},
        "recipes": {"default": {"max_steps": 4}}, "save_steps": 2,
    }  # fmt: skip
    return plan_of(document | more, "study")


def cell(variant: Variant, target: str, f1: tuple[float, ...]) -> CellScores:
    ids = tuple(f"q{n}" for n in range(len(f1)))
    counts = AnswerCounts(len(f1), 0, 0)
    scores = {"mlqa_f1": np.array(f1)}
    return CellScores(Cell(variant, "qa", target), ids, ids, scores, (), counts, 0, 0)


def cells_of(scores: dict[Variant, tuple[float, ...]], target: str = "eng_Latn") -> Cells:
    return {(v, "qa", target): cell(v, target, f1) for v, f1 in scores.items()}


def changed(**by_place: float) -> tuple[float, ...]:
    """The base's scores but for some places, `p3=0.1`."""
    return tuple(by_place.get(f"p{n}", f1) for n, f1 in enumerate(BASE))


def test_two_gains_and_two_losses_of_each_model_are_kept() -> None:
    assert (A_SIDE, FEWEST) == (2, 4)
    scores = {
        Variant("base"): BASE,
        # gains of .5, .4 and .3, losses of 1, .5 and .2
        FIRST: changed(p0=1.0, p2=0.4, p5=0.5, p3=0.0, p4=0.0, p6=0.8),
        SECOND: changed(p0=0.9, p7=0.4),
    }
    found = choose(plan(), cells_of(scores))
    assert list(found) == ["eng_Latn"]
    assert [(c.place, c.id) for c in found["eng_Latn"]] == [
        (n, f"q{n}") for n in (0, 2, 3, 4, 7)
    ]  # fmt: skip
    picked = {c.place: c.picked for c in found["eng_Latn"]}
    assert picked == {0: (FIRST, SECOND), 2: (FIRST,), 3: (FIRST,), 4: (FIRST,), 7: (SECOND,)}
    sizes = {c.place: c.change for c in found["eng_Latn"]}
    # means over both models: (.5 + .4) / 2, .4 / 2, 1 / 2, .5 / 2, .1 / 2
    assert sizes == pytest.approx({0: 0.45, 2: 0.2, 3: 0.5, 4: 0.25, 7: 0.05})


def test_equal_changes_stand_in_the_order_of_the_questions() -> None:
    found = choose(plan(), cells_of({Variant("base"): (0.0,) * 8, FIRST: (1.0,) * 8}))
    assert [c.place for c in found["eng_Latn"]] == [0, 1, 2, 3]
    assert [bool(c.picked) for c in found["eng_Latn"]] == [True, True, False, False]
    found = choose(plan(), cells_of({Variant("base"): (1.0,) * 8, FIRST: (0.0,) * 8}))
    assert [c.place for c in found["eng_Latn"] if c.picked] == [0, 1]


def test_other_seeds_and_earlier_steps_choose_nothing() -> None:
    lost = (0.0,) * 8
    scores = {
        Variant("base"): BASE,
        Variant("default", "one", 1, 4): lost,
        Variant("default", "one", 0, 2): lost,
    }
    found = choose(plan(), cells_of(scores))
    # filled up with the first questions
    assert [(c.place, c.picked, c.change) for c in found["eng_Latn"]] == [
        (n, (), 0.0) for n in range(FEWEST)
    ]


def test_few_questions_are_all_kept_and_targets_stand_in_the_plans_order() -> None:
    both = {**cells_of({Variant("base"): BASE}, "ory_Orya")}
    both |= cells_of({Variant("base"): BASE[:2]}, "eng_Latn")
    found = choose(plan(), both)
    assert {t: len(chosen) for t, chosen in found.items()} == {"eng_Latn": 2, "ory_Orya": 4}
    assert tuple(found) == TARGETS


def test_each_model_is_compared_with_the_base_that_answers_as_it_does() -> None:
    recipes = {"default": {"max_steps": 4}, "seed": {"max_steps": 4}}
    own = Variant("seed", "one", 0, 4)
    scores = {
        Variant("base"): (0.0,) * 8,
        Variant("base:seed"): BASE,
        own: changed(p1=0.0),
    }
    found = choose(plan(recipes=recipes), cells_of(scores))
    assert [c.place for c in found["eng_Latn"] if c.picked] == [1]
