"""Script shares, what is not copied, and the language of an answer."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from babelscope.languages import language
from babelscope.measure.language_use import (
    language_of_answer,
    letters_by_script,
    script_share,
    uncopied,
)

STUDY = ("en", "de", "es", "hi", "mr", "or", "ja", "zh", "ru")


def test_letters_are_counted_by_script() -> None:
    # vowel signs, digits and the sound mark ー are no letters of one script
    assert letters_by_script("Ab1 दिल्ली データ!") == {"Latn": 2, "Deva": 3, "Kana": 2}
    assert script_share("ab дог", "en") == pytest.approx(2 / 5)
    assert script_share("東京タワー", "ja") == 1.0
    assert script_share("東京タワ", "zh") == pytest.approx(2 / 4)
    assert math.isnan(script_share("1889 !", "en"))


def test_uncopied_leaves_out_words_of_the_context() -> None:
    assert uncopied("Die Stadt, PARIS!", "In paris steht die Mauer") == "Stadt,"
    assert uncopied("in Pariser", "Paris") == "in Pariser"
    # runs of four characters and more, in scripts without spaces
    assert uncopied("它在北京大学旁边", "北京大学很大") == "它在旁边"
    assert uncopied("它在北京旁边", "北京大学很大") == "它在北京旁边"
    assert uncopied("在GPT旁边", "GPT很大") == "在旁边"
    assert uncopied("", "x") == ""


def test_script_decides_first() -> None:
    assert language_of_answer("ଓଡ଼ିଶା", "", "en", STUDY) == "ory_Orya"
    assert language_of_answer("да", "", "en", STUDY) == "rus_Cyrl"
    assert language_of_answer("ไทย", "", "en", STUDY) is None  # of no language of the study
    assert language_of_answer("1889", "", "en", STUDY) is None
    # the target counts as one of the study
    assert language_of_answer("ไทย", "", "th", STUDY) == "tha_Thai"
    # what is copied does not speak for a language
    copied = "Eiffel Tower Company ଓଡ଼ିଶା"
    assert language_of_answer(copied, "the Eiffel Tower company", "or", STUDY) == "ory_Orya"


def test_few_letters_are_undecided() -> None:
    german = "Das ist ein schönes kleines Haus"
    assert language_of_answer(german, "", "en", STUDY) == "deu_Latn"
    assert language_of_answer("Das ist ein Haus", "", "en", STUDY) is None  # 13 letters
    assert language_of_answer(german, "schönes kleines haus", "en", STUDY) is None
    assert (
        language_of_answer("東京は日本の首都であり、とても大きな都市です", "", "zh", STUDY)
        == "jpn_Jpan"
    )


def test_languages_that_cannot_be_told_apart_are_undecided() -> None:
    english = "this is certainly an English sentence of some length"
    # py3langid does not know Tsonga: it could only guess among the others
    assert language_of_answer(english, "", "tso", STUDY) is None
    assert language_of_answer(english, "", "en", ("en", "tso")) is None
    assert language_of_answer(english, "", "en", ("en", "tso", "de")) == "eng_Latn"
    # both ways of writing Chinese have one label: the target's is taken
    chinese = "这座城市非常大而且人口很多，是这个国家的首都和最重要的中心"
    for target in ("zho_Hans", "zho_Hant"):
        assert language_of_answer(chinese, "", target, ("zho_Hans", "zho_Hant", "ja")) == target


@pytest.mark.real_data
def test_flores_sentences_are_told_apart(unpacked) -> None:  # type: ignore[no-untyped-def]
    folder: Path = unpacked("flores200")
    files = {path.name.split(".")[0]: path for path in folder.rglob("*.devtest")}
    codes = [language(c).code for c in ("en", "de", "es", "hi", "mr", "ru", "uk", "zh", "ja", "or")]
    present = [code for code in codes if code in files]
    assert len(present) >= 6
    for code in present:
        lines = files[code].read_text(encoding="utf-8").splitlines()[:60]
        found = [language_of_answer(line, "", code, present) for line in lines]
        assert sum(f not in (code, None) for f in found) <= 1, code
        assert sum(f == code for f in found) >= 54, code
