"""The published language map, kept for comparison: a language identifier asked about each token.

It is an artefact (a short ASCII string gets the identifier's prior, a broken piece of a character
becomes Chinese); `language_map.build_map` makes the map to use.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from babelscope.errors import LanguageError
from babelscope.languages import Language, language
from babelscope.measure.language_map import LanguageMap
from babelscope.measure.language_use import PY3LANGID_LABELS
from babelscope.records import TokenForm


def langid_map(
    forms: Sequence[TokenForm], languages: Sequence[str], *, tokenizer_fingerprint: str
) -> LanguageMap:
    """Make the map of py3langid's scores of each decoded token, softmax over the languages.

    Tokens of digits and punctuation alone are unknown, nothing is shared, and a language that
    the identifier lacks has mass 0; languages under one label (Chinese in both scripts) halve it.

    Raises:
        LanguageError: a language is unknown, or the identifier has none of them.
    """
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    labels = [_label(language(code), identifier) for code in languages]
    known = sorted({label for label in labels if label is not None})
    if not known:
        raise LanguageError(
            "languages of a map by langid",
            expected="one that py3langid knows",
            found=", ".join(languages) or "none",
        )
    identifier.set_languages(known)
    spread = _spread(known, labels)
    probability = np.zeros((len(forms), len(languages) + 2), dtype=np.float32)
    for row, form in enumerate(forms):
        text = form.data.decode("utf-8", errors="replace")
        if form.special or not any(_says_something(character) for character in text):
            probability[row, -1] = 1.0
            continue
        ranked = dict(identifier.rank(text))
        scores = np.array([ranked[label] for label in known])
        likely = np.exp(scores - scores.max())
        probability[row, :-2] = (likely / likely.sum()) @ spread
    return LanguageMap(tuple(languages), probability, tokenizer_fingerprint)


def _says_something(character: str) -> bool:
    # letters, marks, and the replacement character of a broken piece
    return character == "\ufffd" or unicodedata.category(character)[0] in "LM"


def _label(lang: Language, identifier: LanguageIdentifier) -> str | None:
    names = (PY3LANGID_LABELS.get(lang.code, lang.tag), lang.iso3)
    return next((name for name in names if name in identifier.labels), None)


def _spread(known: Sequence[str], labels: Sequence[str | None]) -> NDArray[np.float64]:
    """Return (labels, languages) that shares each label's mass among its languages."""
    same = np.array([[label == name for label in labels] for name in known], dtype=np.float64)
    return same / same.sum(axis=1, keepdims=True)
