"""The data-quality row: hand-counted values, laws, and the published faults of real sources."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.data.qa import read_qa
from babelscope.data.quality import count_sentences, quality
from babelscope.languages import known_languages
from babelscope.records import Example, QuestionSet


def question_set(language: str, *contexts: str, each: int = 2) -> QuestionSet:
    made = [
        Example(f"{c}.{q}", language, text, "q?", (text[:3],), f"{c}.0")
        for c, text in enumerate(contexts)
        for q in range(each)
    ]
    return QuestionSet("made", language, tuple(made), {"no id": 2, "unanswerable": 1}, {"x": 3})


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four…", 4),
        ("It cost 3.50 in 2.0.1, he said.", 1),
        ("No full stop", 1),
        ('He said "yes." Then he left.', 2),
        ("Wait... What?! Yes.", 3),
        ("J. R. R. Tolkien wrote. C. S. Lewis too.", 2),
        ("कटक एक शहर है। यह महानदी पर है॥", 2),
        ("କଟକ।ପୁରୀ।", 2),
        ("你好。世界！好吗？", 3),
        ("これはペンです。それは「本です。」", 2),
        ("هل هذا كتاب؟ نعم. شكرا.", 3),
        ("یہ کتاب ہے۔ وہ قلم ہے۔", 2),
        ("ይህ መጽሐፍ ነው። ያ ብዕር ነው።", 2),
        ("នេះជាសៀវភៅ។ នោះជាប៊ិច។", 2),
        ("ဒါကစာအုပ်ပါ။ ဟိုဟာဘောပင်ပါ။", 2),
        ("", 0),
        ("?! ...", 0),
    ],
)
def test_sentences_by_their_terminators(text: str, sentences: int) -> None:
    assert count_sentences(text) == sentences


@given(st.lists(st.sampled_from(["One two.", "कटक।", "Why?", "3.5 kg!"]), max_size=8))
def test_sentences_add_up(parts: list[str]) -> None:
    assert count_sentences(" ".join(parts)) == len(parts)


def test_a_source_against_itself() -> None:
    text = "Cuttack lies on the Mahanadi river. It was the capital of Odisha until 1948."
    train = question_set("eng_Latn", text, "Puri is on the coast of the Bay of Bengal.")
    row = quality(train, train)
    assert (row.gold_verbatim, row.length_ratio, row.sentences_kept) == (1.0, 1.0, 1.0)
    assert row.chrf == pytest.approx(100.0)
    assert (row.shared, row.shared_contexts, row.gold_verbatim_n, row.records) == (4, 2, 4, 4)
    assert (row.identified, row.identified_n) == (1.0, 2)
    assert (row.dropped, row.dropped_reasons, row.noted) == (3, train.dropped, train.noted)


def test_hand_counted_values() -> None:
    human = question_set("eng_Latn", "abcd. efgh.", "ijkl. mnop.")  # 11 code points each
    ours = question_set("eng_Latn", "abcd.", "ijkl. mnop.")
    moved = tuple(replace(e, answers=("zzz",)) if e.id == "0.1" else e for e in ours.examples)
    row = quality(replace(ours, examples=moved), human)
    assert row.gold_verbatim == 3 / 4
    assert row.length_ratio == pytest.approx((5 / 11 + 5 / 11 + 1 + 1) / 4)
    assert row.sentences_kept == 3 / 4
    assert 0 < row.chrf < 100


def test_chrf_by_its_formula() -> None:
    # one character differs, spaces do not count: "abcdef" against "abcxef".
    # shared n-grams of n = 1..6: 5/6, 3/5, 1/4, 0/3, 0/2, 0/1; precision = recall = their mean
    ours, human = question_set("eng_Latn", "abc def"), question_set("eng_Latn", "abc xef")
    expected = 100 * (5 / 6 + 3 / 5 + 1 / 4) / 6
    assert quality(ours, human).chrf == pytest.approx(expected, abs=1e-4)


def test_bleu_by_its_formula_beside_its_signature() -> None:
    # one word of six differs: 5/6, 3/5, 2/4 and 1/3 of the n-grams are shared, lengths are equal
    ours, human = question_set("eng_Latn", "a b c d e f"), question_set("eng_Latn", "a b c d x f")
    row = quality(ours, human)
    assert row.bleu == pytest.approx(100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    assert "|tok:13a|" in row.bleu_signature
    assert "|version:" in row.bleu_signature
    assert "|nc:6|" in row.chrf_signature


@pytest.mark.parametrize(("code", "words"), [("tha_Thai", "char"), ("zho_Hans", "zh")])
def test_bleu_takes_characters_where_a_script_parts_no_words(code: str, words: str) -> None:
    text = {"tha_Thai": "กขคงจฉ", "zho_Hans": "你好世界书人"}[code]
    ours, human = question_set(code, text), question_set(code, f"{text[:4]}x{text[5:]}")
    row = quality(ours, human)
    assert row.bleu == pytest.approx(100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    assert f"|tok:{words}|" in row.bleu_signature


def test_a_reference_in_another_language_gives_no_chrf_and_no_bleu() -> None:
    row = quality(question_set("deu_Latn", "Ja. Nein."), question_set("eng_Latn", "Yes. No."))
    assert math.isnan(row.chrf)
    assert math.isnan(row.bleu)
    assert (row.chrf_signature, row.bleu_signature) == ("", "")
    assert (row.length_ratio, row.sentences_kept) == (9 / 8, 1.0)
    assert row.reference == "made (eng_Latn)"


def test_missing_is_not_zero() -> None:
    lone = quality(question_set("eng_Latn", "Yes."), None)
    assert (lone.shared, lone.shared_contexts, lone.reference) == (0, 0, "")
    apart = question_set("eng_Latn", "No.")
    apart = replace(apart, examples=tuple(replace(e, id="z" + e.id) for e in apart.examples))
    for row in (lone, quality(question_set("eng_Latn", "Yes."), apart)):
        assert all(math.isnan(v) for v in (row.length_ratio, row.chrf, row.sentences_kept))
    thai = quality(question_set("tha_Thai", "สวัสดี"), question_set("eng_Latn", "Hello."))
    assert math.isnan(thai.sentences_kept)
    assert thai.length_ratio == 1.0
    unknown = quality(question_set("ace_Arab", "x"), None)
    assert (math.isnan(unknown.identified), unknown.identified_n) == (True, 0)
    silent = question_set("eng_Latn", "Yes.")
    silent = replace(silent, examples=tuple(replace(e, answers=()) for e in silent.examples))
    assert (
        math.isnan(quality(silent, None).gold_verbatim),
        quality(silent, None).gold_verbatim_n,
    ) == (True, 0)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("path", "code", "verbatim"),
    [
        # the shares that the first paper's files are known for
        ("en/xquad_en_train.json", "en", 1.0),
        ("or/xquad_or_train.json", "or", 0.845),
        ("ru/xquad_en2ru_nllb_train.json", "ru", 0.194),
        ("el/xquad_en2el_nllb_train.json", "el", 0.214),
        ("th/xquad_en2th_nllb_train.json", "th", 0.301),
        ("de/xquad_en2de_train.json", "de", 0.515),
        ("de/xquad_en2de_nllb_train.json", "de", 0.359),
        ("es/xquad_en2es_train.json", "es", 0.563),
    ],
)
def test_the_published_sources(shared: Path, path: str, code: str, verbatim: float) -> None:
    english = read_qa(str(shared / "data/xquad_in"), "en", split="train")
    row = quality(read_qa(str(shared / "data/xquad_in" / path), code), english)
    assert row.gold_verbatim == pytest.approx(verbatim, abs=5e-4)
    assert (row.gold_verbatim_n, row.shared, row.shared_contexts) == (103, 103, 20)
    assert row.identified == 1.0
    if "nllb" in path and code != "th":  # NLLB lost sentences, and the text with them
        assert row.sentences_kept < 0.85
        assert row.length_ratio < 0.85
    elif code != "th":
        assert row.sentences_kept > 0.9
        assert row.length_ratio > 0.9


@pytest.mark.real_data
def test_two_human_translations_of_one_text(shared: Path) -> None:
    ours = read_qa(str(shared / "data/xquad_in"), "hi")
    row = quality(ours, read_qa(str(shared / "data/xquad"), "hi"))
    assert (row.shared, row.shared_contexts) == (1190, 240)
    assert 40 < row.chrf < 60
    assert row.identified == 1.0


@pytest.mark.real_data
def test_identified_language_on_real_text(unpacked: Callable[[str], Path]) -> None:
    known = {lang.code: lang for lang in known_languages()}
    shares = {}
    for path in sorted(unpacked("flores200").rglob("*.devtest")):
        lines = path.read_text(encoding="utf-8").split("\n")[:60]
        contexts = [" ".join(lines[i : i + 6]) for i in range(0, 60, 6)]
        shares[path.stem] = quality(question_set(known[path.stem].code, *contexts), None).identified
    right = {code: share for code, share in shares.items() if share >= 0.9}
    assert len(right) >= 0.9 * len(shares), shares
