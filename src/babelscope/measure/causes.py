"""Why an answer is what it is: the first cause of an ordered list that holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import regex

from babelscope.data.normal_forms import nfc
from babelscope.languages import language
from babelscope.measure.language_use import language_of_answer, script_share
from babelscope.measure.qa_scores import (
    PUNCTUATION,
    AnswerScores,
    holds,
    own_tokens,
    split_unspaced,
)
from babelscope.records import Example, Stop

CAUSES = (
    "empty",
    "exact",
    "overgeneration",
    "repetition",
    "no_stop",
    "wrong_script",
    "wrong_language",
    "copies_context",
    "wrong_span",
    "other",
)
"""The causes in the order in which they are tried."""

MIN_REPEATS = 3
# shorter runs inside a word are ordinary: "1000", "III", "www"
MIN_RUN_IN_WORD = 10
RUN_IN_WORD = regex.compile(r"(.+?)\1{2,}")
COPY_LENGTH_RATIO = 3
COPY_MIN_TOKENS = 5


@dataclass(frozen=True, slots=True)
class Cause:
    """The cause of one answer, a name of `CAUSES`.

    `language_undecided` is true where the answer's language had to be asked for and could not be
    told; `language` is its code where it could, None where it was undecided or not asked for.
    """

    name: str
    language_undecided: bool = False
    language: str | None = None


def cause_of(
    prediction: str,
    example: Example,
    scores: AnswerScores,
    *,
    stopped: Stop,
    study: Iterable[str] | None = None,
) -> Cause:
    """Return the first cause that holds of an answer to `example`.

    `scores` are the answer's own; `study` are the languages that the answer may be written in
    (None: every known one). Texts are compared in NFC.

    Raises:
        LanguageError: a language is unknown.
    """
    prediction = nfc(prediction)
    plain = _plain_cause(prediction, example, scores, stopped)
    if plain:
        return Cause(plain)
    found = language_of_answer(prediction, example.context, example.language, study)
    if found is not None and found != language(example.language).code:
        return Cause("wrong_language", False, found)
    return Cause(_span_cause(prediction, example, scores), found is None, found)


def _plain_cause(prediction: str, example: Example, scores: AnswerScores, stopped: Stop) -> str:
    """Return the cause if it is one that needs no language identification, else ""."""
    if not prediction.strip():
        return "empty"
    if scores.exact:
        return "exact"
    if scores.gold_contained:
        return "overgeneration"
    if is_repetition(prediction):
        return "repetition"
    if stopped == "length":
        return "no_stop"
    # NaN, an answer without letters, is no wrong script
    return "wrong_script" if script_share(prediction, example.language) < 0.5 else ""


def _span_cause(prediction: str, example: Example, scores: AnswerScores) -> str:
    if not holds(example.context, prediction, example.language):
        return "other"
    tokens = len(own_tokens(prediction, example.language))
    long = scores.length >= COPY_LENGTH_RATIO * scores.gold_length and tokens >= COPY_MIN_TOKENS
    return "copies_context" if long else "wrong_span"


def is_repetition(text: str) -> bool:
    """Say whether half or more of a text is one unit that occurs three times or more.

    A unit is one or more whole tokens, anywhere in the text (characters, in scripts without
    spaces), or a piece of a word that follows itself over 10 code points and more. Spaces, case
    and punctuation are left out of the count of code points.
    """
    tokens = split_unspaced(PUNCTUATION.sub(" ", nfc(text).lower()))
    total = sum(map(len, tokens))
    runs = (match for token in tokens for match in RUN_IN_WORD.finditer(token))
    if any(len(run[0]) >= MIN_RUN_IN_WORD and 2 * len(run[0]) >= total for run in runs):
        return True
    return _repeats_tokens(tokens, total)


def _repeats_tokens(tokens: list[str], total: int) -> bool:
    # each distinct token becomes one character, so that units are substrings
    numbers = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    names = list(numbers)
    coded = "".join(chr(numbers[token]) for token in tokens)
    for size in range(1, len(coded) // MIN_REPEATS + 1):
        units = Counter(coded[i : i + size] for i in range(len(coded) - size + 1))
        often = [unit for unit, count in units.items() if count >= MIN_REPEATS]
        if not often:  # then no longer unit can be frequent
            return False
        for unit in often:
            times = coded.count(unit)  # without overlaps
            length = sum(len(names[ord(character)]) for character in unit)
            if times >= MIN_REPEATS and 2 * times * length >= total:
                return True
    return False
