"""What a study asks: questions, contexts and what is told of them before any work."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from babelscope.data import atlas
from babelscope.errors import BabelscopeError, DataError, SettingError
from babelscope.study.design import (
    LENS_CONTEXTS,
    QUESTION_SD,
    SEED_SD,
    design_words,
    study_design,
)
from babelscope.study.estimate import estimate_cost
from babelscope.study.materials import QA, Materials, gather
from babelscope.study.plan import StudyPlan, plan_of
from babelscope.study.schedule import lens_questions

TARGETS = ["en", "or", "el"]
CODES = ("eng_Latn", "ory_Orya", "ell_Grek")


def plan(lens: int = 0, **test: object) -> StudyPlan:
    return plan_of(
        {"targets": TARGETS, "test": {"data": "atlas", **test}, "lens": {"questions": lens}}, "s"
    )


def asked(materials: Materials, target: str, task: str = QA) -> tuple[list[str], list[str]]:
    examples = materials.tests[task, target].examples
    return [e.id for e in examples], [e.context_id for e in examples]


def sizes(contexts: Sequence[str]) -> list[int]:
    return sorted(contexts.count(c) for c in set(contexts))


@pytest.mark.parametrize(
    ("test", "wanted"),
    [
        ({"questions": 48}, [1] * 48),
        ({"questions": 48, "questions_per_context": "fewest"}, [1] * 48),
        ({"questions": 77}, [1] * 77),
        ({"questions": 100}, [1] * 54 + [2] * 23),  # atlas: 77 contexts
        ({"questions": 48, "questions_per_context": 1}, [1] * 48),
        ({"questions": 48, "questions_per_context": 2}, [2] * 24),
        ({"questions": 0, "questions_per_context": 1}, [1] * 77),
    ],
)
def test_what_is_asked_is_the_same_in_every_language(
    test: dict[str, object], wanted: list[int]
) -> None:
    materials = gather(plan(**test))
    ids, contexts = asked(materials, CODES[0])
    assert sizes(contexts) == wanted
    assert all(asked(materials, code) == (ids, contexts) for code in CODES)
    assert ids != [e.id for e in atlas.questions("en").examples[: len(ids)]]


def test_whole_contexts_remain_a_choice() -> None:
    _, contexts = asked(gather(plan(questions=48, questions_per_context="all")), CODES[0])
    whole = [e.context_id for e in atlas.questions("en").examples]
    assert 48 <= len(contexts) < 48 + 3
    assert all(contexts.count(c) == whole.count(c) for c in set(contexts))


def test_both_sides_of_a_contest_are_asked_alike() -> None:
    found = gather(plan(questions=20, contests=[["or", "bn"], ["bn", "or"]]))
    one = asked(found, "ory_Orya", "contest:ben_Beng")
    assert one == asked(found, "ben_Beng", "contest:ory_Orya")
    rival = found.rivals["contest:ben_Beng", "ory_Orya"].examples
    assert [e.id for e in rival] == one[0]
    assert len(set(one[1])) == 20


def test_another_seed_asks_other_questions_and_changes_the_data() -> None:
    one, two = (gather(plan(questions=30, sample_seed=seed)) for seed in (0, 1))
    assert asked(one, CODES[0]) != asked(two, CODES[0])
    digests = {
        gather(plan(**test)).digest()
        for test in (
            {"questions": 30},
            {"questions": 30, "sample_seed": 1},
            {"questions": 30, "questions_per_context": 2},
            {"questions": 30, "questions_per_context": 3},
        )
    }
    assert len(digests) == 4
    # the same questions are the same data, whatever words asked for them
    again = gather(plan(questions=30, questions_per_context=1))
    assert again.digest() == one.digest()


@pytest.mark.parametrize("way", ["fewest", 3, "all"])
def test_the_lens_looks_at_as_many_contexts_as_it_can(way: object) -> None:
    study = plan(24, questions=72, questions_per_context=way)
    tested = gather(study).tests[QA, CODES[0]]
    looked = lens_questions(study, tested)
    ids = {e.id for e in tested.examples}
    assert len(looked.examples) == 24
    assert {e.id for e in looked.examples} <= ids
    assert len({e.context_id for e in looked.examples}) == 24 >= LENS_CONTEXTS
    assert looked.examples != tested.examples[:24]
    other = lens_questions(study, gather(study).tests[QA, CODES[1]])
    assert [e.id for e in other.examples] == [e.id for e in looked.examples]


def test_the_design_stands_beside_the_cost_before_any_work() -> None:
    cost = estimate_cost(plan(24, questions=48, contests=[["or", "bn"]]))
    assert cost["sample"] == "48 questions from 48 contexts"
    assert "sample_notes" not in cost
    rows: list[dict[str, object]] = cost["targets"]  # type: ignore[assignment]  # rows
    assert [row["target"] for row in rows] == [*CODES, "ory_Orya contest:ben_Beng"]
    whole = atlas.questions("en").examples
    assert rows[0] == {
        "target": "eng_Latn", "questions": 48, "contexts": 48, "most_a_context": 1,
        "of_questions": len(whole), "of_contexts": len({e.context_id for e in whole}),
        "lens_questions": 24, "lens_contexts": 24,
    }  # fmt: skip
    assert (rows[3]["of_questions"], rows[3]["lens_questions"]) == (80, 0)
    assert json.loads(json.dumps(cost)) == cost


def words(study: StudyPlan) -> dict[str, object]:
    return design_words(study, study_design(study, gather(study)))


def tuned(seeds: Sequence[int], **test: object) -> StudyPlan:
    told = {"targets": TARGETS, "test": {"data": "atlas", **test}, "seeds": list(seeds)}
    sources = {code: {"language": code, "data": "atlas", "limit": 4} for code in ("en", "or")}
    return plan_of({**told, "sources": sources}, "s")


def test_a_study_without_sources_has_no_power_to_tell() -> None:
    assert "power" not in words(plan(questions=48))


def test_the_smallest_p_and_gain_are_told_before_any_work() -> None:
    found = words(tuned((0, 1), questions=48, contests=[["or", "bn"]]))
    rows: list[dict[str, object]] = found["targets"]  # type: ignore[assignment]  # rows
    # 2 sources x 3 targets; every context differs by the same in the best case
    assert rows[0]["smallest_p_adapters"] == pytest.approx(6 / 100_001, rel=1e-2)
    assert rows[0]["smallest_p"] == pytest.approx(6 * 2 * t.sf(48, 47), rel=1e-2)
    assert rows[3]["smallest_gain"] is None  # contests have other pairs
    (line,) = found["power"]  # type: ignore[misc]  # texts
    assert line.startswith("eng_Latn, ory_Orya, ell_Grek: gains of ")
    assert (
        "6 pairs (2 seeds), if a question's score changes by SD 0.5 and runs differ by SD" in line
    )
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("seeds", [(0,), (0, 1), (0, 1, 2, 3, 4)])
def test_the_smallest_gain_is_found_in_four_of_five_studies(seeds: Sequence[int]) -> None:
    row = words(tuned(seeds, questions=48))["targets"][0]  # type: ignore[index]  # rows
    gain, runs = row["smallest_gain"], len(seeds)
    rng = np.random.default_rng(runs)
    found = 0
    for _ in range(600):
        question = rng.normal(0, QUESTION_SD, 48)
        run = rng.normal(0, SEED_SD, runs) if runs > 1 else np.zeros(1)
        found += ttest_1samp(gain + question + run.mean(), 0).pvalue < 0.05 / 6
    # the spread over questions is the larger part by far
    assert 0.74 < found / 600 < 0.86


def test_a_design_that_cannot_decide_says_so() -> None:
    one = words(tuned((0,), questions=8))
    # 6 pairs x 2 / 2^8 = .047 could be reached, 6 x 2 / 2^7 = .094 could not
    assert not any("cannot decide" in line for line in one["power"])  # type: ignore[attr-defined]  # texts
    found = words(tuned((0,), questions=7))
    assert all("this design cannot decide it" in line for line in found["power"])  # type: ignore[attr-defined]  # texts
    assert "7 questions from 7 contexts and 6 pairs" in found["power"][0]  # type: ignore[index]  # texts
    assert "no p below 0.094" in found["power"][0]  # type: ignore[index]  # texts
    assert found["targets"][0]["smallest_p"] is None  # type: ignore[index]  # rows
    # two seeds can, by Student's t
    two = words(tuned((0, 1), questions=7))
    assert not any("cannot decide" in line for line in two["power"])  # type: ignore[attr-defined]  # texts


def test_fewer_than_asked_for_is_told() -> None:
    found = words(plan(questions=100, contests=[["or", "bn"]]))
    assert found["sample"] == [
        "eng_Latn, ory_Orya, ell_Grek: 100 questions from 77 contexts",
        "ory_Orya contest:ben_Beng: 80 questions from 80 contexts, all there are; 100 were asked "
        "for",
    ]


def test_a_lens_on_few_contexts_is_told_where_there_are_more() -> None:
    (note, *others) = words(plan(16, questions=48))["sample_notes"]  # type: ignore[misc]  # texts
    assert note.startswith("eng_Latn: the lens looks at 16 contexts; from fewer than 20")
    assert len(others) == 2
    assert "sample_notes" not in words(plan(20, questions=48))
    assert "sample_notes" not in words(plan(0, questions=48))
    whole = words(plan(24, questions=48, questions_per_context="all"))["sample_notes"]
    assert "the lens looks at 16 contexts" in whole[0]  # type: ignore[index]  # texts


def test_targets_that_ask_other_questions_are_told(tmp_path: Path) -> None:
    for code, numbers in (("en", range(40)), ("or", range(1, 41)), ("el", range(40))):
        rows = [
            {"id": f"q{n}", "context": f"context {n} {code}", "question": "?", "answers": ["c"]}
            for n in numbers
        ]
        path = tmp_path / f"{code}.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    data = f"{tmp_path}/{{language}}.jsonl"
    found = words(plan(data=data))
    assert found["sample_notes"] == [
        f"{code}: 1 of 40 questions are not asked in every target, as the test sets do not have "
        "the same"
        for code in CODES
    ]
    # what one language lacks changes one question, not the draw
    study = plan(data=data, questions=39)
    ids = [{e.id for e in gather(study).tests[QA, code].examples} for code in CODES]
    assert ids[0] == ids[2]
    assert len(ids[0] - ids[1]) <= 1


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"questions_per_context": 0}, "found 0"),
        ({"questions_per_context": -2}, "found -2"),
        ({"questions_per_context": True}, "found True"),
        ({"questions_per_context": 1.5}, "found 1.5"),
        ({"questions_per_context": "2"}, "found '2'"),
        ({"questions_per_context": "whole"}, "found 'whole'"),
        ({"questions_per_context": [1]}, "found (1,)"),
        ({"questions_per_contexts": 1}, "did you mean questions_per_context?"),
    ],
)
def test_bad_values_are_found_in_the_file(value: dict[str, object], told: str) -> None:
    with pytest.raises(SettingError) as error:
        plan(**value)
    assert told in str(error.value)
    assert str(error.value).startswith("study.test")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("questions", "per_context", "there"), [(100, 1, 77), (226, 2, 154), (500, 2, 154)]
)
def test_too_few_questions_for_that_many_a_context_are_an_error(
    questions: int, per_context: int, there: int
) -> None:
    asked_for = plan(questions=questions, questions_per_context=per_context)
    with pytest.raises(DataError) as error:
        gather(asked_for)
    assert f"found {there} such from 77 contexts, 226 in all" in str(error.value)
    assert isinstance(error.value, BabelscopeError)


def test_no_questions_no_design() -> None:
    study = plan_of({"targets": TARGETS, "align": {"data": "atlas"}}, "s")
    assert words(study) == {}
