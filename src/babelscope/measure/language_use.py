"""The script and the language of an answer, minus what it copied from its context.

The script decides first: where exactly one of the study's languages is written in it, that is the
language. Where several are, py3langid chooses among them. It guesses badly on short text, so fewer
than 20 letters, or a probability below .9, leave the language undecided (None).
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache

import regex
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from babelscope.data.normal_forms import nfc
from babelscope.languages import (
    Language,
    known_languages,
    language,
    script_of,
    scripts_of_language,
)
from babelscope.measure.qa_scores import UNSPACED_CHARACTER, bare_characters

MIN_LETTERS = 20
MIN_PROBABILITY = 0.9
MIN_COPIED_RUN = 4  # characters: shorter runs of Han or Thai stand in most contexts by chance

NO_SCRIPT = frozenset({"Zyyy", "Zinh", "Zzzz"})
# py3langid's labels are those of ISO 639-1 where there is one, but for these
PY3LANGID_LABELS = {"nob_Latn": "no", "zho_Hant": "zh", "grn_Latn": "gug"}
UNSPACED_RUN = regex.compile(f"((?:{UNSPACED_CHARACTER.pattern[1:-1]})+)")


def letters_by_script(text: str) -> Counter[str]:
    """Count the letters (Unicode L*) of each script; letters common to scripts are left out."""
    counts = Counter(script_of(character) for character in text if character.isalpha())
    return Counter({script: n for script, n in counts.items() if script not in NO_SCRIPT})


def script_share(text: str, language_code: str) -> float:
    """Return the share of letters, 0-1, in a script of the language; NaN without letters."""
    counts = letters_by_script(nfc(text))
    if not counts:
        return math.nan
    own = scripts_of_language(language(language_code))
    return sum(counts[script] for script in own) / counts.total()


def uncopied(answer: str, context: str) -> str:
    """Return the answer without the words that stand in the context, whatever their case.

    In scripts without spaces, runs of 4 and more characters that stand there are taken out.
    """
    answer = nfc(answer)
    words, characters = _of_context(context)
    kept = []
    for word in answer.split():
        if bare_characters(word) in words:
            continue
        pieces = [
            _uncopied_run(piece, characters)
            if UNSPACED_RUN.fullmatch(piece)
            else ("" if bare_characters(piece) in words else piece)
            for piece in UNSPACED_RUN.split(word)
        ]
        kept.append("".join(pieces))
    return " ".join(piece for piece in kept if piece)


@lru_cache(maxsize=256)  # a context is asked about several times
def _of_context(context: str) -> tuple[frozenset[str], str]:
    words = {piece for word in context.split() for piece in (word, *UNSPACED_RUN.split(word))}
    return frozenset(bare_characters(word) for word in words), bare_characters(context)


def _uncopied_run(run: str, characters: str) -> str:
    bare, kept, place = bare_characters(run), [], 0
    while place < len(bare):
        end = place
        while end < len(bare) and bare[place : end + 1] in characters:
            end += 1
        if end - place >= MIN_COPIED_RUN:
            place = end
        else:
            kept.append(bare[place])
            place += 1
    return "".join(kept)


def language_of_answer(
    answer: str, context: str, target: str, study: Iterable[str] | None = None
) -> str | None:
    """Return the code of the language that an answer is written in, None when undecided.

    `target` is the question's language; `study` are the languages that may be meant (None: all
    known ones). Undecided are also answers whose script is that of no language of the study, and
    those among several of which py3langid does not know the target or all but one, and those
    with few letters of their own in a foreign script that most of the answer is not in.

    Raises:
        LanguageError: a language is unknown.
    """
    own = language(target)
    answer = nfc(answer)  # a syllable of Hangul would else count as two or three letters
    text = uncopied(answer, context)
    own_letters = letters_by_script(text)
    counts = own_letters or letters_by_script(answer)
    if not counts:
        return None
    script = _main_script(counts)
    codes = _all_codes() if study is None else tuple(sorted({language(c).code for c in study}))
    sharing = _sharing(tuple(sorted({*codes, own.code})), script)
    enough = own_letters.total() >= MIN_LETTERS
    if len(sharing) == 1:
        # a few letters of a foreign script beside a copied span are no answer in its language
        main = script == _main_script(letters_by_script(answer))
        return sharing[0].code if enough or main or sharing[0] == own else None
    if not enough:
        return None
    return _identify(text, own, sharing)


def _main_script(letters: Mapping[str, int]) -> str:
    return min(letters, key=lambda name: (-letters[name], name))


def _identify(text: str, target: Language, among: tuple[Language, ...]) -> str | None:
    labels = {lang: label for lang in among if (label := _label(lang))}
    if (target in among and target not in labels) or len(set(labels.values())) < 2:
        return None
    label, probability = _restricted(tuple(sorted(set(labels.values())))).classify(text)
    if probability < MIN_PROBABILITY:
        return None
    # two languages may share a label (Chinese in both scripts): the target's own comes first
    named = [lang for lang in among if labels.get(lang) == label]
    return target.code if target in named else named[0].code


def _label(lang: Language) -> str | None:
    known = frozenset(_identifier().labels)
    names = (PY3LANGID_LABELS.get(lang.code, lang.tag), lang.iso3)
    return next((name for name in names if name in known), None)


@cache
def _all_codes() -> tuple[str, ...]:
    return tuple(lang.code for lang in known_languages())


@lru_cache(maxsize=512)
def _sharing(codes: tuple[str, ...], script: str) -> tuple[Language, ...]:
    found = (language(code) for code in codes)
    return tuple(lang for lang in found if script in scripts_of_language(lang))


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@lru_cache(maxsize=64)
def _restricted(labels: tuple[str, ...]) -> LanguageIdentifier:
    # a shallow copy shares the large tables; set_languages only rebinds what it narrows
    identifier = copy.copy(_identifier())
    identifier.set_languages(labels)
    return identifier
