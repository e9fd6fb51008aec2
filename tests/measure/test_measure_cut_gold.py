"""The gold at other lengths, and what scorers make of it, derived by hand."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from babelscope.measure.cut_gold import CutGold, control_of, cut_gold
from babelscope.measure.qa_scores import score_answer
from babelscope.records import Example

CONTEXT = "The tower of Paris was built in 1889."


def example(gold: str, context: str, code: str = "eng_Latn") -> Example:
    return Example("q", code, context, "what?", (gold,), "c")


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, ""),
        (3, "Par"),
        (5, "Paris"),
        (9, "Paris was"),
        (24, "Paris was built in 1889."),
        # nothing is left behind the gold: what stands before it comes in
        (27, "of Paris was built in 1889."),
        (500, CONTEXT),
    ],
)
def test_the_gold_takes_the_length_of_the_answer(length: int, text: str) -> None:
    assert cut_gold("Paris", CONTEXT, length) == text


def test_a_gold_that_is_not_in_its_context_cannot_be_extended() -> None:
    assert cut_gold("London", CONTEXT, 4) == "Lond"
    assert cut_gold("London", CONTEXT, 7) is None


@given(st.integers(0, 30), st.text("କ୍ଷaéी 👩‍👧", max_size=20), st.text("ab ି", max_size=8))
def test_no_character_is_cut_in_two(length: int, rest: str, gold: str) -> None:
    context = f"{rest}{gold}{rest}"
    found = cut_gold(gold, context, length)
    assert found is not None
    assert len(found) <= length
    assert found in (gold if length <= len(gold) else context)
    if length <= len(gold):
        whole = regex.findall(r"\X", gold)
        assert found in ["".join(whole[:n]) for n in range(len(whole) + 1)]


def test_the_control_of_an_answer_with_the_golds_length_is_full() -> None:
    found = control_of("Ghent", example("Paris", CONTEXT))
    assert found == CutGold(1.0, 1.0, 1.0)


def test_the_same_length_costs_what_each_scorer_makes_of_it() -> None:
    # the answer has 9 code points: "Paris was", one of two words right, 5 of 8 letters
    found = control_of("Versaille", example("Paris", CONTEXT))
    assert found is not None
    assert found.squad_f1 == found.mlqa_f1 == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert found.char_f1 == pytest.approx(2 * 1 * (5 / 8) / (1 + 5 / 8))


def test_a_script_without_spaces_loses_all_by_squads_words_and_none_by_characters() -> None:
    # ปารีส (5 code points) is extended by ถูกส (4; ร would be torn from its mark): to SQuAD one
    # wrong word, to the others 9 characters of which 5 are right
    gold, context = "ปารีส", "หอคอยปารีสถูกสร้างใน"
    found = control_of("ก" * 10, example(gold, context, "tha_Thai"))
    assert found is not None
    assert found.squad_f1 == 0.0
    assert found.mlqa_f1 == found.char_f1 == pytest.approx(2 * (5 / 9) / (1 + 5 / 9))


def test_of_several_golds_the_nearest_is_cut_and_the_best_counts() -> None:
    several = Example("q", "eng_Latn", CONTEXT, "what?", ("the tower of Paris", "1889"), "c")
    found = control_of("188", several)
    assert found is not None
    assert found.char_f1 == pytest.approx(2 * 1 * 0.75 / 1.75)
    assert control_of("x", Example("q", "eng_Latn", CONTEXT, "what?", (), "c")) is None


@given(st.text("ab cd", min_size=1, max_size=12), st.text("ab cd", max_size=30))
def test_the_control_is_scored_as_answers_are(gold: str, said: str) -> None:
    asked = example(gold, f"x {gold} yz {gold}")
    found = control_of(said, asked)
    text = cut_gold(gold, asked.context, len(said))
    assert found is not None
    assert text is not None
    official = score_answer(text, asked.answers, "eng_Latn")
    assert (found.squad_f1, found.mlqa_f1, found.char_f1) == (
        official.squad_f1, official.mlqa_f1, official.char_f1,
    )  # fmt: skip
