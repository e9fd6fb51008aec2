"""One answer's scores: the official scorers' numbers, hand values, laws and slow references."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.languages import known_languages
from babelscope.measure.answers import RATES, score_answer
from babelscope.measure.qa_scores import (
    best_prefix_f1,
    char_f1,
    holds,
    mlqa_tokens,
    squad_tokens,
    token_f1,
)

LANGUAGES = ["en", "de", "es", "ar", "hi", "vi", "zh", "ru", "or", "th", "ja", "km", "ko", "fi"]
TEXT = st.text(alphabet="abthe .,-$1日本ア東กาのاлинهଓ।？ ́", max_size=30)
WORDS = st.lists(st.sampled_from(["a", "b", "c", "日", "日本", "日本語", "x日"]), max_size=8)


@pytest.mark.real_data
def test_equals_official_scorers(shared: Path) -> None:
    compared: Counter[str] = Counter()
    for line in (shared / "oracles" / "qa_scores.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        scores = score_answer(row["prediction"], row["golds"], row["language"])
        for name in ("squad_em", "squad_f1", "mlqa_em", "mlqa_f1"):
            if row.get(name) is not None:
                assert getattr(scores, name) == pytest.approx(row[name], abs=1e-9), row
                compared[name] += 1
    assert compared["squad_f1"] == 8320
    assert compared["mlqa_f1"] == 6 * 1040


def xquad_golds(path: Path) -> list[str]:
    data = json.loads(path.read_text(encoding="utf-8"))["data"]
    questions = [q for a in data for p in a["paragraphs"] for q in p["qas"]]
    return [q["answers"][0]["text"] for q in questions]


@pytest.mark.real_data
def test_golds_and_cut_golds_of_every_xquad_language(shared: Path) -> None:
    paths = sorted((shared / "data" / "xquad").glob("xquad.*.json"))
    assert len(paths) == 8
    for path in paths:
        language, golds = path.name.split(".")[1], xquad_golds(path)
        assert len(golds) == 1190
        own = [score_answer(gold, [gold], language) for gold in golds]
        for name in RATES:
            # the scorers themselves give F1 0 to a gold of articles and punctuation alone
            worst = [gold for gold, s in zip(golds, own, strict=True) if getattr(s, name) < 1]
            assert not worst, (language, name, worst)
        cut = [score_answer(g[: max(1, int(0.75 * len(g)))], [g], language) for g in golds]
        assert 0.78 <= sum(s.char_f1 for s in cut) / len(cut) <= 0.86, language


def test_gold_against_itself_is_one_in_every_language() -> None:
    gold = "Zürich 1998, 北京 ଓଡ଼ିଆ กรุงเทพ"
    for lang in known_languages():
        scores = score_answer(gold, ["x", gold], lang.code)
        assert all(getattr(scores, name) == 1.0 for name in RATES), lang.code
        assert scores.length == scores.gold_length == len(gold)


def test_rules_by_hand() -> None:
    # SQuAD: ASCII punctuation and English articles only, in every language
    assert squad_tokens("The «cat», a dog-house") == ["«cat»", "doghouse"]
    assert squad_tokens("दिल्ली।") == ["दिल्ली।"]
    # MLQA: Unicode punctuation, the language's own articles
    assert mlqa_tokens("«Der» Hund, die $Katze", "de") == ["hund", "katze"]
    assert mlqa_tokens("der Hund", "en") == ["der", "hund"]
    assert mlqa_tokens("قال", "ar") == ["ق"]  # its oddity: "ال" goes anywhere
    assert mlqa_tokens("2020年 GDP增长", "zh") == ["2020", "年", "gdp", "增", "长"]
    # elsewhere: P* only (a currency sign is no punctuation), no articles
    assert mlqa_tokens("the $5। ଦିଲ୍ଲୀ।", "or") == ["the", "$5", "ଦିଲ୍ଲୀ"]
    assert mlqa_tokens("กา a1 b", "th") == ["ก", "า", "a1", "b"]
    assert mlqa_tokens("データとA", "ja") == ["デ", "ー", "タ", "と", "a"]
    assert mlqa_tokens("서울 특별시", "ko") == ["서울", "특별시"]
    # "ab" against "abb": 2 same of 2 and 3, F1 = 2 * 1 * (2/3) / (5/3) = .8
    assert char_f1("ＡＢ!", "a b b") == pytest.approx(0.8)


def test_gold_contained_needs_token_boundaries() -> None:
    assert holds("It was in Paris, France", "paris", "en")
    assert not holds("a Parisian", "Paris", "en")
    assert holds("首都是北京市", "北京", "zh")
    assert holds("เมืองหลวงคือกรุงเทพมหานคร", "กรุงเทพ", "th")
    assert not holds("12020年", "2020", "zh")
    # a gold without tokens must stand there as it is
    assert holds("rated %", "%", "en")
    assert not holds("anything", "%", "en")
    assert not holds("anything", " ", "en")


def test_length_is_of_the_nearest_gold_and_the_first_of_equals() -> None:
    scores = score_answer("abcd", ["zzz", "dcba  ", "abcd"], "en")
    assert (scores.length, scores.gold_length, scores.char_f1) == (4, 6, 1.0)
    assert scores.squad_em == 1.0


def test_without_golds_only_silence_is_right() -> None:
    assert astuple(score_answer(" ", [], "en"))[:7] == (1.0,) * 7
    assert astuple(score_answer("Paris", [], "en"))[:7] == (0.0,) * 7


def slow_best_prefix(prediction: list[str], gold: list[str]) -> float:
    """Every prefix, cut after each token and beside each CJK character, scored from nothing."""

    def is_cjk(character: str) -> bool:
        return unicodedata.name(character, "").startswith("CJK UNIFIED")

    best = 0.0
    for place, token in enumerate(prediction):
        for cut in range(1, len(token) + 1):
            inside = cut < len(token)
            if not inside or is_cjk(token[cut - 1]) or is_cjk(token[cut]):
                best = max(best, token_f1([*prediction[:place], token[:cut]], gold))
    return best


@given(WORDS, WORDS)
def test_best_prefix_equals_slow_reference(prediction: list[str], gold: list[str]) -> None:
    assert best_prefix_f1(prediction, gold) == slow_best_prefix(prediction, gold)


def test_best_prefix_explains_over_generation() -> None:
    long = score_answer("Paris is the capital of France", ["Paris"], "en")
    assert long.squad_f1 == pytest.approx(2 / 6)  # 1 of 5 tokens ("the" goes), 1 of 1
    assert long.squad_f1_best_prefix == 1.0
    unspaced = score_answer("北京是中国的首都", ["北京"], "zh")
    assert (unspaced.squad_f1, unspaced.squad_f1_best_prefix) == (0.0, 1.0)
    # a word of a spaced script is never cut
    assert score_answer("Parisian", ["Paris"], "en").squad_f1_best_prefix == 0.0


@given(TEXT, st.lists(TEXT, min_size=1, max_size=3), st.sampled_from(LANGUAGES))
def test_laws(prediction: str, golds: list[str], language: str) -> None:
    scores = score_answer(prediction, golds, language)
    for name in RATES:
        assert 0.0 <= getattr(scores, name) <= 1.0
    assert scores.squad_f1_best_prefix >= scores.squad_f1
    assert char_f1(prediction, golds[0]) == char_f1(golds[0], prediction)
    more = score_answer(prediction, [*golds, prediction], language)
    assert more.squad_em == more.mlqa_em == 1.0
    for name in RATES:
        assert getattr(more, name) >= getattr(scores, name)
    if scores.mlqa_f1 == 1.0:
        assert scores.char_f1 > 0.0


@given(TEXT, TEXT, TEXT, st.sampled_from(["or", "th", "hi", "ja"]))
def test_what_was_put_in_is_held(before: str, part: str, after: str, language: str) -> None:
    if mlqa_tokens(part, language):
        assert holds(f"{before} {part} {after}", part, language)
