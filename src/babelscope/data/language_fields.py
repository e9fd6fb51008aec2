"""What a file's own words for a language mean: codes in any spelling, or English names."""

from __future__ import annotations

from babelscope.errors import LanguageError
from babelscope.languages import Language
from babelscope.languages import language as find_language


def named_so(written: str, lang: Language) -> bool:
    """Tell whether a code or an English name is just that of a language."""
    written = written.strip()
    if written.lower() == lang.name.lower():  # TyDi QA writes "finnish"
        return True
    try:
        return find_language(written) == lang
    except LanguageError:
        return False


def means(written: str, lang: Language) -> bool:
    """Tell whether a code or a name does not contradict a language: "zh" says no script."""
    if named_so(written, lang):
        return True
    try:
        bare = len(written.strip()) <= len(lang.iso3)
        return bare and find_language(written).iso3 == lang.iso3
    except LanguageError:
        return False
