"""How the name of a file or a folder names a language.

A name is cut into words at all but letters and digits. Split names, numbers and versions are passed
over; what then stands last is the language, if it is a code: `xquad.en`, `mgsm_bn`, `dev-de`,
`xquad_or_test`, `tydiqa.goldp.sw.train`, `ms-MY`. A word inside a name is none (`qa-as-csv`). The
rules beyond that:

- A tag is one thing: `fr-CA` is French, `zh-TW` Chinese in traditional script; the region is never
  a language. In small letters (`fr_ca`, `en_de`) it is a tag where the language is at home or
  official in the region, else two languages.
- A tag of a language that babelscope does not know names none of those that it knows: `sr-Latn`,
  `fy-NL`.
- Codes side by side (`qa_en_hi`, `yes_or_no`) name several languages.
- Besides the end: a code of language and script anywhere (`ory_Orya`), `en2ru` (the second), the
  first of `en_ewt-ud-train`, both where each has its own word (`context-de-question-en`).
- Withdrawn codes (`in` for Indonesian) must fill the name.
- A file whose name has no language takes that of the nearest folder that has one. A folder that is
  all code (`ru/`) decides between the languages of a name, and contradicts another one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from babelscope.languages import Language, language_or_none, region

SPLIT_WORDS = {
    "train": frozenset({"train", "training"}),
    "dev": frozenset({"dev", "validation", "valid", "val"}),
    "validation": frozenset({"dev", "validation", "valid", "val"}),
    "test": frozenset({"test", "testing"}),
}
"""What files call a split; "train" asked of a file named "..._validation_..." is another split."""

ALL_SPLIT_WORDS = frozenset().union(*SPLIT_WORDS.values())
PASSED_OVER = re.compile("|".join(sorted(ALL_SPLIT_WORDS)) + r"|devtest|v?\d+")
WITHDRAWN = frozenset({"in", "iw", "ji", "jw", "mo"})
CODE = re.compile("[A-Za-z]{2,3}")
WORD = re.compile(r"[^\W_]+")
LANGUAGE_AND_SCRIPT = re.compile(r"(?<![^\W_])[a-z]{2,3}[-_][A-Z][a-z]{3}(?![^\W_])")
TRANSLATED = re.compile(r"([a-z]{2,3})2([a-z]{2,3})")
TREEBANK = re.compile(r"([a-z]{2,3})_([a-z\d]+)-ud(?:-[a-z]+)?")
NO_REGIONS = frozenset({"QA"})
"""What names of data mean otherwise, but where the language is at home: my_QA is not from Qatar."""
MOST_SUBTAGS = 4


@dataclass(frozen=True, slots=True)
class Named:
    """A language as a name has it; None is one that babelscope does not know.

    `region` is in capitals, "" if the name has none.
    """

    language: Language | None
    region: str = ""


def languages_named(path: Path) -> set[Named]:
    """Return the languages that a path names: one if it is clear, more where it is ambiguous.

    The file's suffix is no part of its name. The rules are those of this module.
    """
    named = set[Named]()
    for component in (path.stem, *reversed(path.parent.parts)):
        found, fills = _in_name(component)
        if not named:
            named = found
        elif fills and len(found) == 1:
            named = _decided(named, next(iter(found)))
    return named


def languages_in(name: str) -> set[Named]:
    """Return the languages that a name without folder and suffix names, as `languages_named`."""
    return _in_name(name)[0]


def tag_of(text: str, *, alone: bool = True) -> Named | None:
    """Return what a text names if the whole of it is a language tag, else None.

    `alone` tells that it fills a name: only then are a withdrawn code, or a code of three letters
    that babelscope does not know before a region, taken for tags.
    """
    first, *rest = re.split("[-_]", text)
    if not CODE.fullmatch(first) or PASSED_OVER.fullmatch(first.lower()):
        return None
    if first.lower() in WITHDRAWN and not alone:
        return None
    if rest and alone and _is_foreign(first):
        return Named(None) if _is_tag(text) else None
    if rest and not _is_locale(first, rest[-1]):
        return None
    if found := language_or_none(text):
        return Named(found, region(text))
    other = language_or_none(first) or (len(first) == 2 and _is_foreign(first))
    return Named(None) if rest and other and _is_tag(text) else None


def words_of(name: str) -> frozenset[str]:
    """Return the words of a name, in small letters."""
    return frozenset(WORD.findall(name.lower()))


def spans(name: str) -> list[tuple[int, int]]:
    """Return the places in a name where a tag may stand: words that `-` or `_` join."""
    words = list(WORD.finditer(name))
    found = []
    for start, first in enumerate(words):
        found.append(first.span())
        for before, word in pairwise(words[start : start + MOST_SUBTAGS]):
            if name[before.end() : word.start()] not in ("-", "_"):
                break
            found.append((first.start(), word.end()))
    return found


def _in_name(name: str) -> tuple[set[Named], bool]:
    """Return what one part of a path names, and whether that fills it."""
    found, rest = _at_the_end(name)
    lower = name.lower()
    if treebank := TREEBANK.fullmatch(lower):
        found |= _known("nn" if treebank[2].startswith("nynorsk") else treebank[1])
    words = [word for word in WORD.findall(lower) if not PASSED_OVER.fullmatch(word)]
    for word in words:
        if (pair := TRANSLATED.fullmatch(word)) and language_or_none(pair[1]):
            found |= _known(pair[2])
    if len(words) > 3 and [bool(_known(word)) for word in words[-4:]] == [False, True] * 2:
        found |= _known(words[-3])
    for tag in LANGUAGE_AND_SCRIPT.findall(name):
        if (named := tag_of(tag)) and named.language not in {other.language for other in found}:
            found.add(named)
    return found, not rest


def _at_the_end(name: str) -> tuple[set[Named], str]:
    """Return what the tags at the end of a name name, and what stands before them."""
    found: set[Named] = set()
    end = len(name)
    while words := list(WORD.finditer(name, 0, end)):
        end = words[-1].end()
        starts = sorted(start for start, stop in spans(name[:end]) if stop == end)
        for start in starts:
            alone = not found and all(
                PASSED_OVER.fullmatch(word) for word in WORD.findall(name[:start].lower())
            )
            if named := tag_of(name[start:end], alone=alone):
                found.add(named)
                end = start
                break
        else:
            if not PASSED_OVER.fullmatch(words[-1][0].lower()):
                return found, name[:end]
            end = words[-1].start()
    return found, ""


def _known(code: str) -> set[Named]:
    named = tag_of(code)
    return {named} if named else set()


def _decided(named: set[Named], folder: Named) -> set[Named]:
    """Return the one of several languages that a folder names, or its contradiction too."""
    same = {one for one in named if one.language == folder.language}
    written = {one.language and one.language.iso3 for one in named}  # zh/zh-TW: no contradiction
    if len(named) == 1 and folder.language and written == {folder.language.iso3}:
        (one,) = named
        bare = not one.region and one.language == language_or_none(folder.language.iso3)
        exact = bool(folder.region) or folder.language != one.language
        return {folder} if bare and exact else named  # zh-TW/zh: the folder tells more
    return same or named | {folder}


def _is_locale(first: str, last: str) -> bool:
    """Tell whether a tag's last subtag may be a region, rather than a second language."""
    if last.upper() in NO_REGIONS:
        return _is_home(first.lower(), last.upper())
    if len(last) != 2 or (first.islower() and last.isupper()):
        return True
    code = last.lower()
    if not _is_language(code) or _is_likeliest(first.lower(), last.upper()):
        return True
    # English is official in many places, and first in most pairs: en_kn may be English of St Kitts
    # or a pair with Kannada
    paired = first.lower() in ("en", "eng") and language_or_none(code) is not None
    return not paired and _is_home(first.lower(), last.upper())


@cache
def _is_language(code: str) -> bool:
    import langcodes  # only here and below: few names need a registry

    return bool(langcodes.tag_is_valid(code))


@cache
def _is_home(code: str, place: str) -> bool:
    """Tell whether a language is official in a region, or CLDR's likeliest region for it."""
    from babel.languages import get_official_languages

    official = get_official_languages(place, regional=True, de_facto=True)
    return _is_likeliest(code, place) or _in_cldr(code) in {t.partition("_")[0] for t in official}


def _is_likeliest(code: str, place: str) -> bool:
    import langcodes

    return bool(place == langcodes.Language.get(_in_cldr(code)).maximize().territory)


@cache
def _in_cldr(code: str) -> str:
    """Return a code as CLDR has it: members stand there under their macrolanguage, cmn is zh."""
    import langcodes

    return str(langcodes.Language.get(code).prefer_macrolanguage().language or code)


@cache
def _is_foreign(code: str) -> bool:
    """Tell whether CLDR knows a language that babelscope does not."""
    from babel import Locale

    return code.lower() in Locale("en").languages and language_or_none(code) is None


def _is_tag(text: str) -> bool:
    """Tell whether a text is a tag of BCP 47, without extensions and with known members only."""
    import langcodes

    if any(len(subtag) == 1 for subtag in re.split("[-_]", text)):
        return False
    try:
        # a known member replaces its macrolanguage (zh-nan); any three letters would else pass
        return bool(langcodes.tag_is_valid(text)) and not langcodes.Language.get(text).extlangs
    except ValueError:  # subtags in a wrong order
        return False
