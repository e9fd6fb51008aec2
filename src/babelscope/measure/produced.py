"""The language that an answer came in, for a table of languages asked against those produced."""

from __future__ import annotations

from collections.abc import Iterable

from babelscope.measure.causes import Cause
from babelscope.measure.language_use import language_of_answer, letters_by_script
from babelscope.measure.qa_scores import AnswerScores
from babelscope.records import Example

EXACT, UNDECIDED, NO_LETTERS = "exact", "undecided", "no_letters"
"""What stands for a language of a copied gold, where it could not be told, and without letters."""


def produced_language(
    prediction: str,
    example: Example,
    scores: AnswerScores,
    cause: Cause,
    study: Iterable[str] | None = None,
) -> str:
    """Return the code of the language that an answer came in, `EXACT`, `UNDECIDED` or `NO_LETTERS`.

    An exact answer (MLQA match in NFC) repeats the gold, which stands in the context: its language
    is the context's and is not judged. Any other is decided by `language_of_answer`, whose verdict
    is that of the cause where the cause needed it. `study` are the languages that may be meant
    (None: every known one). Empty answers and those of digits and punctuation have no letters.

    Raises:
        LanguageError: a language is unknown.
    """
    if not letters_by_script(prediction):
        return NO_LETTERS
    if scores.exact:
        return EXACT
    if cause.language is not None or cause.language_undecided:
        return cause.language or UNDECIDED
    found = language_of_answer(prediction, example.context, example.language, study)
    return found or UNDECIDED
