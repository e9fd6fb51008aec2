"""The cut-gold control: what the gold itself would score at the length of an answer.

The gold is cut, or extended by the context around it, to the answer's length in code points. Its
content is right, so that all it loses is lost to length and to how a scorer cuts texts into words.
Lengths are the same in every measure and language: what one measure takes off in one script and
not in another is that measure's doing, not the model's. Answer, golds and context are taken in NFC:
their lengths are counted, and the gold's place found, in the same code points.
"""

from __future__ import annotations

from dataclasses import dataclass

import regex

from babelscope.data.normal_forms import nfc
from babelscope.measure.qa_scores import char_f1, mlqa_tokens, squad_tokens, token_f1
from babelscope.records import Example

CUT_GOLD = "cut_gold_"
CONTROLLED = ("squad_f1", "mlqa_f1", "char_f1")
"""The measures that have a control; its name is `CUT_GOLD` and the measure's."""

GRAPHEME = regex.compile(r"\X")


@dataclass(frozen=True, slots=True)
class CutGold:
    """The scores of a cut gold, each in 0-1 and the best over the golds."""

    squad_f1: float
    mlqa_f1: float
    char_f1: float


def cut_gold(gold: str, context: str, length: int) -> str | None:
    """Return a gold at another length in code points; whole user-perceived characters only.

    A shorter one is the gold's beginning. A longer one goes on as the context does behind the
    gold's first place in it, then takes in what stands before that place, and is no longer than
    the context; it is None where the gold is not in the context.
    """
    gold, context = nfc(gold), nfc(context)
    if length <= len(gold):
        return _beginning(gold, length)
    start = context.find(gold)
    if start < 0:
        return None
    after = _beginning(context[start:], length)
    room = length - (len(context) - start)
    return _end(context[:start], room) + after if room > 0 else after


def control_of(prediction: str, example: Example) -> CutGold | None:
    """Return the scores of the gold nearest to an answer, at the answer's length.

    The nearest gold is that of `AnswerScores.gold_length`. None where the question has no gold, or
    the gold must be extended and is not in the context.

    Raises:
        LanguageError: the example's language is unknown.
    """
    if not example.answers:
        return None
    golds, prediction = tuple(map(nfc, example.answers)), nfc(prediction)
    nearest = golds[0] if len(golds) == 1 else max(golds, key=lambda g: char_f1(prediction, g))
    text = cut_gold(nearest, example.context, len(prediction))
    if text is None:
        return None
    squad, mlqa = squad_tokens(text), mlqa_tokens(text, example.language)
    return CutGold(
        squad_f1=max(token_f1(squad, squad_tokens(gold)) for gold in golds),
        mlqa_f1=max(token_f1(mlqa, mlqa_tokens(gold, example.language)) for gold in golds),
        char_f1=max(char_f1(text, gold) for gold in golds),
    )


def _beginning(text: str, length: int) -> str:
    end = 0
    for character in GRAPHEME.finditer(text):
        if character.end() > length:
            break
        end = character.end()
    return text[:end]


def _end(text: str, length: int) -> str:
    earliest = len(text) - length
    starts = (c.start() for c in GRAPHEME.finditer(text) if c.start() >= earliest)
    return text[next(starts, len(text)) :]
