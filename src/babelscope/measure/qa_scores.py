"""Scores of one answer text against its golds, by the rules of the official scorers.

`squad_*` follows the SQuAD v1.1 scorer (Rajpurkar et al., 2016) in every language. `mlqa_*`
follows the MLQA scorer (Lewis et al., 2020) in its seven languages, oddities included: its Arabic
rule replaces "ال" anywhere in a word by a space. Elsewhere Unicode P* is removed, no word counts
as an article, and text is split at spaces or, in languages written without them, at each character
of such a script.

The official scores compare code points as they are written; all else is compared in NFC, where a
letter is the same whether it is one code point or several.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from babelscope.data.normal_forms import nfc, stands_in
from babelscope.languages import UNSPACED, language, scripts_of_language

MLQA_LANGUAGES = frozenset(
    {"arb_Arab", "deu_Latn", "eng_Latn", "spa_Latn", "hin_Deva", "vie_Latn", "zho_Hans"}
)
"""The languages of MLQA; in all others its rules are continued as the module says."""

SQUAD_PUNCTUATION = str.maketrans("", "", string.punctuation)
# `re`, not `regex`: their word boundaries differ next to combining marks, the scorers use `re`
SQUAD_ARTICLES = re.compile(r"\b(a|an|the)\b")
MLQA_ARTICLES = {
    "eng_Latn": SQUAD_ARTICLES,
    "spa_Latn": re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b"),
    "vie_Latn": re.compile(r"\b(của|là|cái|chiếc|những)\b"),
    "deu_Latn": re.compile(r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    "arb_Arab": re.compile(r"\sال^|ال"),
}
PUNCTUATION = regex.compile(r"\p{P}+")
MLQA_PUNCTUATION = regex.compile(r"[\p{P}$+<=>^`|~]+")
MLQA_CHINESE = regex.compile("([\u4e00-\u9fa5])")
UNSPACED_CHARACTER = regex.compile(
    # ー, the sound mark of kana, has no script of its own
    r"([\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}"
    r"\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}ー])"
)


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """The scores of one answer, each in 0-1 and the best over its golds.

    `length` and `gold_length` are in code points of NFC; the gold is the one nearest by `char_f1`,
    the first of equals. `exact` is `mlqa_em` in NFC: it decides causes, not the official score.
    Without golds (an unanswerable question) silence scores 1, all else 0.
    """

    squad_em: float
    squad_f1: float
    squad_f1_best_prefix: float
    mlqa_em: float
    mlqa_f1: float
    char_f1: float
    gold_contained: float
    length: int
    gold_length: int
    exact: float


def score_answer(prediction: str, golds: Sequence[str], language: str) -> AnswerScores:
    """Return all scores of an answer to a question asked in `language`.

    Raises:
        LanguageError: the language is unknown.
    """
    if not golds:
        silent = float(not prediction.strip())
        return AnswerScores(silent, silent, silent, silent, silent, silent, silent,
                            len(nfc(prediction)), 0, silent)  # fmt: skip
    squad = squad_tokens(prediction)
    mlqa = mlqa_tokens(prediction, language)
    squad_golds = [squad_tokens(gold) for gold in golds]
    mlqa_golds = [mlqa_tokens(gold, language) for gold in golds]
    by_characters = [char_f1(prediction, gold) for gold in golds]
    nearest = by_characters.index(max(by_characters))
    return AnswerScores(
        squad_em=float(squad in squad_golds),
        squad_f1=max(token_f1(squad, gold) for gold in squad_golds),
        squad_f1_best_prefix=max(best_prefix_f1(squad, gold) for gold in squad_golds),
        mlqa_em=float(mlqa in mlqa_golds),
        mlqa_f1=max(token_f1(mlqa, gold) for gold in mlqa_golds),
        char_f1=by_characters[nearest],
        gold_contained=float(any(holds(prediction, gold, language) for gold in golds)),
        length=len(nfc(prediction)),
        gold_length=len(nfc(golds[nearest])),
        exact=float(mlqa in mlqa_golds or _exact(prediction, golds, language)),
    )


def _exact(prediction: str, golds: Sequence[str], language: str) -> bool:
    return own_tokens(prediction, language) in [own_tokens(gold, language) for gold in golds]


def squad_tokens(text: str) -> list[str]:
    """Return the tokens that the SQuAD v1.1 scorer compares, whatever the language."""
    return SQUAD_ARTICLES.sub(" ", text.lower().translate(SQUAD_PUNCTUATION)).split()


def mlqa_tokens(text: str, language_code: str) -> list[str]:
    """Return the tokens that the MLQA scorer compares, continued to other languages."""
    lang = language(language_code)
    if lang.code in MLQA_LANGUAGES:
        bare = MLQA_PUNCTUATION.sub("", text.lower())
        if lang.code in MLQA_ARTICLES:
            bare = MLQA_ARTICLES[lang.code].sub(" ", bare)
        return (MLQA_CHINESE.sub(r" \1 ", bare) if lang.code == "zho_Hans" else bare).split()
    bare = PUNCTUATION.sub("", text.lower())
    return split_unspaced(bare) if is_unspaced(lang.code) else bare.split()


def own_tokens(text: str, language_code: str) -> list[str]:
    """Return the MLQA rules' tokens in NFC, whatever normal form the text is in."""
    # again at the end: to take marks off, or case, may leave what is no longer composed
    return [nfc(token) for token in mlqa_tokens(nfc(text), language_code)]


def split_unspaced(text: str) -> list[str]:
    """Split at spaces, and around each character of a script that is written without them."""
    return UNSPACED_CHARACTER.sub(r" \1 ", text).split()


@lru_cache(maxsize=512)
def is_unspaced(language_code: str) -> bool:
    """Say whether a language puts no spaces between words."""
    return scripts_of_language(language(language_code)) <= UNSPACED


def f1(same: int, predicted: int, wanted: int) -> float:
    """Return the harmonic mean of same/predicted and same/wanted; 0 when nothing is the same."""
    if same == 0:
        return 0.0
    precision, recall = same / predicted, same / wanted
    return 2 * precision * recall / (precision + recall)


def token_f1(predicted: Sequence[str], wanted: Sequence[str]) -> float:
    """Return F1 over multisets of tokens; like both scorers, 0 when both are empty."""
    same = (Counter(predicted) & Counter(wanted)).total()
    return f1(same, len(predicted), len(wanted))


def best_prefix_f1(predicted: Sequence[str], wanted: Sequence[str]) -> float:
    """Return the best F1 that a prefix of the predicted tokens has.

    A prefix ends after a token or, inside a token, beside a character of a script written without
    spaces: there a whole sentence is one token, and its end is no other place to stop. Words of
    spaced scripts are never cut, or a wrong inflection would pass for over-generation.
    """
    left = Counter(wanted)
    best, same = 0.0, 0
    for place, token in enumerate(predicted, start=1):
        # a cut token helps only if its beginning is a gold's token
        if any(count > 0 and _may_end(token, gold) for gold, count in left.items()):
            best = max(best, f1(same + 1, place, len(wanted)))
        if left[token] > 0:
            left[token] -= 1
            same += 1
            best = max(best, f1(same, place, len(wanted)))
    return best


def _may_end(token: str, beginning: str) -> bool:
    if len(beginning) >= len(token) or not token.startswith(beginning):
        return False
    around = token[len(beginning) - 1 : len(beginning) + 1]
    return UNSPACED_CHARACTER.search(around) is not None


def bare_characters(text: str) -> str:
    """Return NFKC, lower case, without P* and spaces; only spaces go where nothing else is."""
    squeezed = "".join(unicodedata.normalize("NFKC", text).lower().split())
    return PUNCTUATION.sub("", squeezed) or squeezed


def char_f1(prediction: str, gold: str) -> float:
    """Return F1 over multisets of code points, in 0-1; symmetric, without a notion of words."""
    return token_f1(bare_characters(prediction), bare_characters(gold))


def holds(text: str, part: str, language_code: str) -> bool:
    """Say whether `part` stands in `text` on token boundaries, by the MLQA rules' tokens.

    Both are compared in NFC. In scripts without spaces each character is a token, so that any
    substring counts there. A part without tokens (only punctuation, an article) must stand in the
    text as it is.
    """
    wanted = own_tokens(part, language_code)
    if not wanted:
        return bool(part.strip()) and stands_in(part.strip(), text)
    return f" {' '.join(wanted)} " in _joined_tokens(text, language_code)


@lru_cache(maxsize=1024)  # a context is asked about several times
def _joined_tokens(text: str, language_code: str) -> str:
    return f" {' '.join(own_tokens(text, language_code))} "
