"""The ordered list of causes, one case for each and for each border between two."""

from __future__ import annotations

import pytest

from babelscope.measure.answers import score_answer
from babelscope.measure.causes import CAUSES, Cause, cause_of, is_repetition
from babelscope.records import Example, Stop

CONTEXT = (
    "In 1889 the Eiffel Tower was built in Paris by a company of engineers, and it stayed the "
    "tallest building of the world for forty years. Москва стоит на реке."
)
STUDY = ("en", "de", "es", "ru", "hi", "mr", "zh")


def why(
    prediction: str,
    *,
    gold: str = "forty years",
    language: str = "en",
    stopped: Stop = "eos",
    context: str = CONTEXT,
) -> Cause:
    example = Example("q1", language, context, "How long?", (gold,), "c1")
    scores = score_answer(prediction, example.answers, language)
    return cause_of(prediction, example, scores, stopped=stopped, study=STUDY)


GERMAN = "Das Gebäude blieb leider nur wenige Jahrzehnte das höchste"


@pytest.mark.parametrize(
    ("prediction", "stopped", "cause"),
    [
        ("  ", "length", "empty"),
        ("Forty years!", "length", "exact"),
        ("for forty years", "length", "overgeneration"),
        ("tower tower tower", "length", "repetition"),
        ("the Eiffel Tower was built", "length", "no_stop"),
        ("Москва стоит на реке", "eos", "wrong_script"),
        (GERMAN, "eos", "wrong_language"),
        ("the Eiffel Tower was built in Paris by a company", "eos", "copies_context"),
        ("Eiffel Tower", "newline", "wrong_span"),
        ("some decades", "eos", "other"),
    ],
)
def test_each_cause(prediction: str, stopped: Stop, cause: str) -> None:
    assert why(prediction, stopped=stopped).name == cause


def test_every_cause_is_reached_by_the_cases_above() -> None:
    marks = test_each_cause.pytestmark  # type: ignore[attr-defined]
    assert [case[2] for case in marks[0].args[1]] == list(CAUSES)


def test_language_is_reported_or_counted_as_undecided() -> None:
    assert why(GERMAN) == Cause("wrong_language", False, "deu_Latn")
    # fewer than 20 letters that are not in the context
    assert why("some decades") == Cause("other", True, None)
    assert why("Eiffel Tower") == Cause("wrong_span", True, None)
    # the only language of its script: no letters are needed
    assert why("река", language="ru", gold="сорок") == Cause("other", False, "rus_Cyrl")
    # never asked for where an earlier cause holds
    assert why("forty years") == Cause("exact")


def test_copies_are_long_in_tokens_and_against_the_gold() -> None:
    five = "Tower was built in Paris"  # 5 tokens, 24 code points
    assert why(five, gold="8 letter").name == "copies_context"
    assert why(five, gold="9 letters").name == "wrong_span"
    assert why("Eiffel Tower was built", gold="x").name == "wrong_span"


def test_half_of_the_letters_is_not_more_than_half() -> None:
    assert why("abcd Москва", gold="x").name == "wrong_script"
    assert why("abcdef Москва", gold="x").name != "wrong_script"
    assert why("1234", gold="x").name == "other"  # no letters


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("Paris, Paris, Paris", True),
        ("Paris, Rome, Paris, Oslo, Paris", True),  # 15 of 23 letters
        ("in Rome, in Naples, in Genoa", False),  # 6 of 21
        ("big red dog big red dog big red dog and a cat", True),
        ("Paris Paris", False),
        ("1000", False),
        ("www", False),
        ("hahahahahaha", True),
        ("ଓଓଓଓଓଓଓଓଓଓଓଓ", True),
        ("北京北京北京", True),
        ("北京大学在北京", False),
        ("", False),
        ("......", False),
    ],
)
def test_repetition(text: str, repeats: bool) -> None:
    assert is_repetition(text) is repeats


def test_repetition_finds_a_planted_unit_and_nothing_in_plain_text() -> None:
    unit = [f"w{i}" for i in range(7)]
    others = [f"v{letter}" for letter in "abcdefghijklmnopqrstuv"]
    assert is_repetition(" ".join(unit * 3 + others[:21]))  # 42 of 84 letters
    assert not is_repetition(" ".join(unit * 3 + others))
    assert not is_repetition(CONTEXT)
