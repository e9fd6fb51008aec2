"""The language that answers came in."""

from __future__ import annotations

import pytest

from babelscope.measure.answers import score_answers
from babelscope.records import Answer, Example, QuestionSet

STUDY = ("eng_Latn", "deu_Latn", "ory_Orya", "ben_Beng")
CONTEXT = "The tower was built in Paris in 1889."


@pytest.mark.parametrize(
    ("said", "produced"),
    [
        ("", "no_letters"),
        ("1889", "no_letters"),
        ("?!", "no_letters"),
        # a copied gold tells no language, however sure its own is
        ("Paris", "exact"),
        # one language of the study alone is written so
        ("প্যারিস", "ben_Beng"),
        # several are: too short to tell, then long enough
        ("Rom", "undecided"),
        ("Der Turm wurde vor vielen Jahren in der Hauptstadt gebaut", "deu_Latn"),
        # copied words tell nothing
        ("built in Paris", "undecided"),
        # a letter beside a copied span: it is not what the answer is written in
        ("built in Paris প", "undecided"),
        ("Paris প্যারিস শহরে", "ben_Beng"),
        # a script of no language of the study
        ("Париж", "undecided"),
    ],
)
def test_an_answer_has_the_language_it_is_written_in(said: str, produced: str) -> None:
    asked = Example("q", "eng_Latn", CONTEXT, "Where?", ("Paris",), "c")
    (found,) = score_answers(
        [Answer("q", "eng_Latn", said, 5, 2, False, "eos")],
        QuestionSet("set", "eng_Latn", (asked,)),
        STUDY,
    )
    assert found.produced == produced
    # one verdict: where the cause asked for the language, both say the same
    if found.cause.language:
        assert found.produced == found.cause.language
