"""Atlas is parallel, answers stand in their contexts, and its splits share no territory."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from babelscope.data import atlas
from babelscope.errors import DataError
from babelscope.languages import language, script_of, scripts_of_language

CODES = atlas.languages()
REQUIRED = (
    *("en", "de", "es", "fr", "ru", "el", "ar", "zh", "th", "vi", "tr", "hi", "bn", "or", "as"),
    *("gu", "kn", "ml", "mr", "pa", "ta", "te", "ur", "sw", "fi", "et", "id", "sv", "ja", "ko"),
    "eu",
)


def test_the_languages_asked_for_are_there() -> None:
    assert {language(tag).code for tag in REQUIRED} <= set(CODES)


def test_there_are_many_territories_with_four_facts_each() -> None:
    assert len(atlas.territories()) >= 200
    assert len(atlas.FIELDS) == 4


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("split", ["tune", "test"])
def test_the_answer_stands_once_as_a_value_in_its_context(code: str, split: str) -> None:
    questions = atlas.questions(code, split)
    assert len(questions.examples) >= 103
    for example in questions.examples:
        assert example.answers[0] in example.context
        assert example.question
        assert example.kind in atlas.KINDS


@pytest.mark.parametrize("split", ["pretrain", "tune", "test", "contest:ben_Beng"])
def test_ids_contexts_and_kinds_are_the_same_in_all_languages(split: str) -> None:
    english = atlas.questions("en", split).examples
    for code in CODES:
        other = atlas.questions(code, split).examples
        assert [(e.id, e.context_id, e.kind) for e in other] == [
            (e.id, e.context_id, e.kind) for e in english
        ]


def test_splits_share_no_territory() -> None:
    parts = [{t.code for t in atlas.split_territories(s)} for s in atlas.SPLITS]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(atlas.territories())
    assert min(map(len, parts)) >= 50


@pytest.mark.parametrize("split", ["tune", "test"])
def test_questions_ask_only_for_territories_of_their_split(split: str) -> None:
    own = {t.code for t in atlas.split_territories(split)}
    for plan in atlas.plan_questions(split, 30):
        assert {f.territory.code for f in plan.facts} <= own


def test_golds_are_not_to_be_guessed() -> None:
    examples = atlas.questions("en", "test").examples
    assert set(atlas.KINDS) == {e.kind for e in examples}
    for kind in ("currency", "language", "territory"):
        golds = Counter(e.answers[0] for e in examples if e.kind == kind)
        assert golds.most_common(1)[0][1] / golds.total() <= 0.15


@pytest.mark.parametrize("code", [c for c in CODES if not c.endswith("_Latn")])
def test_text_is_in_its_own_script(code: str) -> None:
    own = scripts_of_language(language(code))
    letters = Counter(script_of(c) for line in atlas.sentences(code) for c in line if c.isalpha())
    assert sum(letters[s] for s in own) / letters.total() > 0.95


def test_facts_are_those_of_cldr() -> None:
    india = next(t for t in atlas.territories() if t.code == "IN")
    assert (india.currency, india.language, india.script) == ("INR", "hi", "Deva")
    odia = Locale("or")
    assert atlas.name_of(india, "territory", "ory_Orya") == odia.territories["IN"]
    assert atlas.name_of(india, "currency", "ory_Orya") == odia.currencies["INR"]


def test_sentences_are_parallel() -> None:
    lengths = {code: len(atlas.sentences(code)) for code in CODES}
    assert set(lengths.values()) == {len(atlas.territories())}
    english, odia = atlas.sentences("en"), atlas.sentences("or")
    for territory, one, other in zip(atlas.territories(), english, odia, strict=True):
        assert one.startswith(atlas.name_of(territory, "territory", "eng_Latn"))
        assert other.startswith(atlas.name_of(territory, "territory", "ory_Orya"))


@given(st.sampled_from(CODES), st.sampled_from(CODES))
def test_a_contest_has_one_context_and_a_gold_for_each_language(one: str, other: str) -> None:
    if one == other:
        return
    mine = atlas.questions(one, f"contest:{other}").examples
    theirs = atlas.questions(other, f"contest:{one}").examples
    assert [e.context for e in mine] == [e.context for e in theirs]
    for a, b in zip(mine, theirs, strict=True):
        assert a.answers[0] in a.context
        assert b.answers[0] in a.context


def test_either_language_stands_first_in_half_of_the_contests() -> None:
    examples = atlas.questions("or", "contest:bn").examples
    first = Counter(script_of(next(c for c in e.context if c.isalpha())) for e in examples)
    assert set(first) == {"Orya", "Beng"}
    assert min(first.values()) / first.total() >= 0.4
    by_kind = Counter(e.kind for e in examples)
    assert max(by_kind.values()) - min(by_kind.values()) <= 1


@pytest.mark.parametrize("split", ["dev", "contest:", "contest", ""])
def test_unknown_splits_are_refused(split: str) -> None:
    with pytest.raises(DataError, match="atlas split"):
        atlas.questions("en", split)


def test_a_language_that_atlas_has_not_is_refused() -> None:
    with pytest.raises(DataError, match="xho_Latn"):
        atlas.questions("xh")


def test_weekdays_are_in_their_own_language_whoever_asked_babel_first() -> None:
    # Babel lends one table of days to all locales without their own; here Urdu fills it
    script = (
        "from babel import Locale; Locale.parse('ur').days['stand-alone']['wide'][0]\n"
        "from babelscope.data import atlas; print(len(atlas.territories()))\n"
        "print(*(n for c in ('swh_Latn', 'eus_Latn', 'fin_Latn') for n in weekdays(c)))"
    )
    helper = (
        "def weekdays(code):\n"
        "    asked = atlas.questions(code, 'test').examples\n"
        "    return sorted({e.answers[0] for e in asked if e.kind == 'weekday'})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", helper + script], capture_output=True, text=True, check=True
    )
    count, days = done.stdout.splitlines()
    assert int(count) == len(atlas.territories())
    told = set(days.split())
    assert {"Jumatatu", "Jumapili", "astelehena", "igandea", "maanantai", "sunnuntai"} <= told
    assert all(script_of(letter) == "Latn" for letter in "".join(told) if letter.isalpha())
