"""The language map of a study: the texts it is counted on, made once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from babelscope.data import atlas
from babelscope.data.texts import read_texts
from babelscope.identity import digest
from babelscope.measure.language_map import LanguageMap, build_map, load_map, save_map
from babelscope.models.loading import LoadedModel, Tokenizer, tokenizer_fingerprint
from babelscope.models.tokens import count_tokens, token_forms
from babelscope.records import QuestionSet

MAP_VERSION = "1"
"""Raised whenever the same tokenizer and texts may give another map than before."""

Texts = Mapping[str, Sequence[str]]


def study_texts(
    languages: Sequence[str], sources: Mapping[str, QuestionSet], folder: str
) -> dict[str, list[str]]:
    """Return the texts a study's map is counted on, by language.

    They are the text files of `folder` if one is named, else atlas's sentences and the contexts
    and questions of the study's own training sets; test sets are never counted.
    """
    if folder:
        given = read_texts(Path(folder))
        return {code: list(given[code]) for code in languages if code in given}
    texts: dict[str, list[str]] = {}
    for code in languages:
        lines = atlas.sentences(code) if code in atlas.languages() else []
        for questions in sources.values():
            if questions.language == code:
                lines += list(dict.fromkeys(e.context for e in questions.examples))
                lines += [e.question for e in questions.examples]
        if lines:
            texts[code] = lines
    return texts


def make_map(tokenizer: Tokenizer, rows: int, texts: Texts) -> LanguageMap:
    """Build a language map from texts; alternate lines are the two halves of its inner split."""
    languages = tuple(sorted(texts))
    halves = [{code: texts[code][start::2] for code in languages} for start in (0, 1)]
    return build_map(
        np.stack([count_tokens(tokenizer, half, rows)[1] for half in halves]),
        token_forms(tokenizer, rows),
        languages,
        tokenizer_fingerprint=tokenizer_fingerprint(tokenizer),
    )


def map_digest(language_map: LanguageMap) -> str:
    """Return 32 hex digits over a map's languages and probabilities."""
    total = hashlib.sha256(digest(language_map.languages).encode())
    total.update(np.ascontiguousarray(language_map.probability).tobytes())
    return total.hexdigest()[:32]


def study_map(
    loaded: LoadedModel,
    languages: Sequence[str],
    sources: Mapping[str, QuestionSet],
    text: str,
    path: Path,
    given: str = "",
) -> LanguageMap:
    """Return the map of a study: the given file, or one made once and kept at `path`."""
    fingerprint = tokenizer_fingerprint(loaded.tokenizer)
    if given:
        return load_map(Path(given), tokenizer_fingerprint=fingerprint)
    texts = study_texts(languages, sources, text)
    key = digest({"texts": texts, "tokenizer": fingerprint, "version": MAP_VERSION})
    file = path / f"{key}.safetensors"
    if not file.exists():
        save_map(make_map(loaded.tokenizer, loaded.parts.vocabulary_rows, texts), file)
    return load_map(file, tokenizer_fingerprint=fingerprint)
