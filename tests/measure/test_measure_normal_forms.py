"""One letter in two normal forms is one letter to our measures, and two to the official ones."""

from __future__ import annotations

from dataclasses import replace
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.data.normal_forms import is_nfc, nfc, stands_at, stands_in
from babelscope.data.prompts import pick_demonstrations
from babelscope.data.qa import check_disjoint
from babelscope.data.quality import quality
from babelscope.errors import DataError, SettingError
from babelscope.infer.contrast import gold_beginnings, gold_pairs
from babelscope.measure.answers import score_answers
from babelscope.measure.cut_gold import control_of, cut_gold
from babelscope.measure.produced import EXACT
from babelscope.measure.qa_scores import (
    AnswerScores,
    holds,
    mlqa_tokens,
    score_answer,
    squad_tokens,
)
from babelscope.records import Answer, Example, QuestionSet
from babelscope.study.scores import interference

FORMS = ("NFC", "NFD")
LANGUAGES = ("ben_Beng", "hin_Deva", "kor_Hang", "vie_Latn", "jpn_Jpan", "eng_Latn")
# letters with two forms in each script, RRA and YYA of Bengali and Hindi among them, whose NFC is
# the longer one
TEXT = st.text(
    st.sampled_from("\u09dc\u09df\u0995\u09be \u0958\u0921가각ếệがガ é.,1ab"), max_size=24
)
BENGALI = "\u0986\u09b7\u09be\u09dd"  # with RHA as one code point: not NFC, where it is two


def example(context: str, gold: str, language: str = "ben_Beng") -> Example:
    return Example("1", language, context, "?", (gold,), "1")


def scored(prediction: str, asked: Example) -> tuple[object, ...]:
    questions = QuestionSet("set", asked.language, (asked,))
    answer = Answer("1", asked.language, prediction, 1, 1, False, "eos")
    (found,) = score_answers([answer], questions, LANGUAGES)
    own = {
        name: getattr(found.scores, name)
        for name in ("char_f1", "gold_contained", "exact", "length", "gold_length")
    }
    return own, found.cause, found.produced, found.control


def test_the_facts_of_unicode_that_the_tests_stand_on() -> None:
    assert not is_nfc(BENGALI)
    assert (len(BENGALI), len(nfc(BENGALI))) == (4, 5)


@given(TEXT, TEXT, TEXT, st.sampled_from(LANGUAGES))
def test_our_measures_are_the_same_in_every_form(
    before: str, gold: str, prediction: str, language: str
) -> None:
    gold = gold if gold.strip() else "é"
    context = f"{before} {gold} {before[::-1]}"
    wanted = scored(prediction, example(context, gold, language))
    for form in FORMS:
        other = example(normalize(form, context), gold, language)
        assert scored(prediction, other) == wanted
        assert scored(prediction, replace(other, answers=(normalize(form, gold),))) == wanted
        assert scored(normalize(form, prediction), other) == wanted


@given(TEXT, TEXT, st.sampled_from(LANGUAGES))
def test_official_scores_compare_code_points(prediction: str, gold: str, language: str) -> None:
    gold = gold if gold.strip() else "é"
    found = score_answer(prediction, [gold], language)
    assert found.squad_em == float(squad_tokens(prediction) == squad_tokens(gold))
    assert found.mlqa_em == float(mlqa_tokens(prediction, language) == mlqa_tokens(gold, language))
    assert found.exact >= found.mlqa_em


def test_bengali_by_hand() -> None:
    said, gold = nfc(BENGALI), BENGALI
    found = score_answer(said, [gold], "bn")
    official = ("squad_em", "squad_f1", "squad_f1_best_prefix", "mlqa_em", "mlqa_f1")
    assert [getattr(found, name) for name in official] == [0.0] * 5
    assert (found.exact, found.gold_contained, found.char_f1) == (1.0, 1.0, 1.0)
    assert (found.length, found.gold_length) == (5, 5)
    _, cause, produced, control = scored(said, example(f"x {gold} y", gold))
    assert cause.name == "exact"  # type: ignore[attr-defined]  # a tuple of unlike things
    assert produced == EXACT
    assert control.squad_f1 == control.mlqa_f1 == control.char_f1 == 1.0  # type: ignore[attr-defined]
    longer = scored(f"{said} {said}", example(f"x {gold} y", gold))
    assert longer[1].name == "overgeneration"  # type: ignore[attr-defined]
    # what stands in the context is copied, whatever its form
    assert holds(f"x {gold} y", said, "bn")


def test_the_gold_is_extended_from_its_place_in_the_composed_context() -> None:
    """Golds and contexts grow or shrink in NFC; the cut is made where the gold then stands."""
    e_acute = "e\u0301"
    context = f"{e_acute * 5} {BENGALI} {e_acute} end"
    assert cut_gold(nfc(BENGALI), context, 5) == nfc(BENGALI)
    assert cut_gold(BENGALI, context, 7) == f"{nfc(BENGALI)} é"
    assert cut_gold(BENGALI, context, 4) == nfc(BENGALI)[:3]  # RHA and its nukta are one letter
    assert cut_gold("\u00e9 end", context, 5) == "é end"
    control = control_of(f"{nfc(BENGALI)} é", example(context, BENGALI))
    assert control is not None
    assert control.char_f1 == pytest.approx(2 * 5 / (6 + 5))


@given(TEXT, TEXT, TEXT)
def test_places_are_found_in_any_form(before: str, part: str, after: str) -> None:
    part = part if part.strip() else "é"
    for context_form in FORMS:
        left = normalize(context_form, before) + " "
        text = left + normalize(context_form, f"{part} {after}")
        for form in FORMS:
            assert stands_at(normalize(form, part), text, len(left))
            assert stands_in(normalize(form, part), text)


def test_a_gold_at_another_place_is_not_at_this_one() -> None:
    assert not stands_at("é", "abc e\u0301", 0)
    assert stands_at("é", "abc e\u0301", 4)


def test_quality_counts_golds_and_lengths_in_nfc() -> None:
    composed = [Example("1", "ben_Beng", f"x {nfc(BENGALI)}", "?", (nfc(BENGALI),), "1")]
    written = [replace(composed[0], context=f"x {BENGALI}")]
    train = QuestionSet("a", "ben_Beng", tuple(written))
    found = quality(train, QuestionSet("b", "ben_Beng", tuple(composed)))
    assert (found.gold_verbatim, found.length_ratio) == (1.0, 1.0)


def test_a_context_in_another_form_is_the_same_context() -> None:
    train = QuestionSet("a", "eng_Latn", (Example("1", "eng_Latn", "caf\u00e9", "?", ("a",), "1"),))
    copied = Example("2", "eng_Latn", "cafe\u0301", "?", ("a",), "2")
    with pytest.raises(DataError, match="0 ids and 1 contexts"):
        check_disjoint(train, replace(train, examples=(copied,)))
    with pytest.raises(SettingError, match="1 contexts other than"):
        pick_demonstrations(train, copied, 1, seed=0)


def test_parallel_golds_in_two_forms_are_equal() -> None:
    index = {"é".encode(): [0], b"e": [1], "é".encode()[:1]: [2]}
    pairs, equal = gold_pairs({"eng_Latn": "e\u0301", "fra_Latn": "é"}, "eng_Latn", index)
    assert (len(pairs), equal) == (1, 1)
    assert gold_beginnings("e\u0301", index) == frozenset({0, 1, 2})


def test_contests_are_decided_in_nfc() -> None:
    mine = QuestionSet("a", "ben_Beng", (example("x", nfc(BENGALI)),))
    theirs = replace(mine, examples=(example("x", "z"),))
    answer = Answer("1", "ben_Beng", BENGALI, 1, 1, False, "eos")
    found = score_answers([answer], mine, LANGUAGES)
    assert interference(found, mine, theirs).tolist() == [0.0]
    assert (
        interference(score_answers([replace(answer, prediction="z")], mine), mine, theirs)[0] == 1
    )


def test_silence_is_exact_where_nothing_can_be_answered() -> None:
    assert isinstance(score_answer(" ", [], "en"), AnswerScores)
    assert score_answer(" ", [], "en").exact == 1.0
