"""The language map of a study: the texts it is counted on, made once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from scipy import sparse

from babelscope.data import atlas
from babelscope.data.texts import read_texts
from babelscope.errors import DataError, LanguageError
from babelscope.identity import digest, digest_files
from babelscope.measure.langid_map import langid_map
from babelscope.measure.language_map import LanguageMap, build_map, load_map, quality, save_map
from babelscope.models.loading import LoadedModel, Tokenizer, tokenizer_fingerprint
from babelscope.models.tokens import count_tokens, token_forms
from babelscope.records import QuestionSet
from babelscope.study.plan_records import COUNTED, LANGID, StudyPlan

MAP_VERSION = "3"
"""Raised whenever the same tokenizer and texts may give another map than before."""

ATLAS = "atlas"
"""The name of the embedded world where a folder of text is asked for."""

Texts = Mapping[str, Sequence[str]]


def read_collection(name: str) -> dict[str, list[str]]:
    """Return the lines of a text collection by language: `atlas`, or a folder of text files."""
    if name == ATLAS:
        return {code: atlas.sentences(code) for code in atlas.languages()}
    return read_texts(Path(name))


def study_texts(
    languages: Sequence[str],
    sources: Mapping[str, QuestionSet],
    collections: str | Sequence[str] = (),
) -> dict[str, list[str]]:
    """Return the first text a study's map is counted on, by language.

    It is the first of the collections if any is named, else atlas's sentences and the contexts
    and questions of the study's own training sets; test sets are never counted.
    """
    names = _named(collections)
    if names:
        given = read_collection(names[0])
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


def map_inputs(plan: StudyPlan, sources: Mapping[str, QuestionSet]) -> str:
    """Return 32 hex digits over what a study's maps are made from: a given file, texts as read.

    Texts in languages that the study does not have are left out, as from its maps.

    Raises:
        DataError, StoreError: a text or the given map cannot be read.
    """
    lens, languages, given = plan.lens, plan.languages, ""
    if not lens.questions:
        return ""
    if lens.map_file:
        given = digest_files([Path(lens.map_file)])
        # the published map beside it has the file's languages
        if COUNTED not in lens.map_names:
            languages = load_map(Path(lens.map_file)).languages
    counted = set(lens.map_names) & {COUNTED, LANGID}
    return digest([given, study_texts(languages, sources, lens.text) if counted else {}])


def _named(collections: str | Sequence[str]) -> tuple[str, ...]:
    names = (collections,) if isinstance(collections, str) else tuple(collections)
    return tuple(name for name in names if name)


def make_map(
    tokenizer: Tokenizer, rows: int, texts: Texts, further: Sequence[Texts] = ()
) -> LanguageMap:
    """Build a language map from texts; alternate lines are the two halves of its inner split.

    The map's languages are those of `texts`; `further` collections add to them what the inner
    split shows them to be worth (`not_mapped` names their other languages).

    Raises:
        DataError: there is no text, or a language's has no tokens.
    """
    languages = tuple(sorted(texts))
    if not languages:
        raise DataError("text for a language map", expected="a language", found="none")
    halves = [{code: texts[code][start::2] for code in languages} for start in (0, 1)]
    more = [{code: given.get(code, ()) for code in languages} for given in further]
    return build_map(
        [_counted(tokenizer, half, rows) for half in halves],
        token_forms(tokenizer, rows),
        languages,
        tokenizer_fingerprint=tokenizer_fingerprint(tokenizer),
        further=[_counted(tokenizer, part, rows) for part in more],
    )


def _counted(tokenizer: Tokenizer, texts: Texts, rows: int) -> sparse.csr_array:
    return sparse.csr_array(count_tokens(tokenizer, texts, rows)[1])


def not_mapped(texts: Texts, further: Sequence[Texts]) -> dict[str, int]:
    """Return the lines, by language, of further collections in languages that `texts` lack."""
    lines: dict[str, int] = {}
    for given in further:
        for code in sorted(set(given) - set(texts)):
            lines[code] = lines.get(code, 0) + len(given[code])
    return lines


def published_map(tokenizer: Tokenizer, rows: int, languages: Sequence[str]) -> LanguageMap:
    """Return the published map, of a language identifier asked about each token, to compare."""
    return langid_map(
        token_forms(tokenizer, rows),
        tuple(languages),
        tokenizer_fingerprint=tokenizer_fingerprint(tokenizer),
    )


def measured_map(language_map: LanguageMap, tokenizer: Tokenizer, texts: Texts) -> LanguageMap:
    """Return the map with its quality on texts, by language, that it was not made from."""
    rows = len(language_map.probability)
    used = {code: texts[code] for code in language_map.languages}
    held = count_tokens(tokenizer, used, rows)[1]
    return replace(language_map, quality=asdict(quality(language_map, held)))


def map_digest(language_map: LanguageMap) -> str:
    """Return 32 hex digits over a map's languages and probabilities."""
    total = hashlib.sha256(digest(language_map.languages).encode())
    total.update(np.ascontiguousarray(language_map.probability).tobytes())
    return total.hexdigest()[:32]


def study_map(
    loaded: LoadedModel,
    languages: Sequence[str],
    sources: Mapping[str, QuestionSet],
    text: str | Sequence[str],
    path: Path,
    given: str = "",
) -> LanguageMap:
    """Return the map of a study: the given file, or one made once and kept at `path`.

    `text` names text collections, as in `study_texts`; those after the first are further text.

    Raises:
        LanguageError: the given file, or the text, lacks a language of the study.
    """
    fingerprint, rows = tokenizer_fingerprint(loaded.tokenizer), loaded.parts.vocabulary_rows
    if given:
        read = load_map(Path(given), tokenizer_fingerprint=fingerprint)
        _check_languages(read, languages, given)
        return read
    texts = study_texts(languages, sources, text)
    if lacking := [code for code in languages if code not in texts]:
        raise LanguageError(
            "text for the study's language map",
            expected=f"some in {', '.join(lacking)}",
            found=f"text in {', '.join(texts) or 'no language'}",
            remedy="name a text that has them in [lens] text, or set lens.questions = 0",
        )
    further = [read_collection(name) for name in _named(text)[1:]]
    used = [{code: t[code] for code in texts if code in t} for t in further]
    key = digest(
        {
            "texts": texts,
            "further": used,
            "tokenizer": fingerprint,
            "rows": rows,
            "version": MAP_VERSION,
        }
    )
    file = path / f"{key}.safetensors"
    if not file.exists():
        save_map(make_map(loaded.tokenizer, rows, texts, used), file)
    return load_map(file, tokenizer_fingerprint=fingerprint)


def _check_languages(language_map: LanguageMap, languages: Sequence[str], name: str) -> None:
    lacking = [code for code in languages if code not in language_map.languages]
    if lacking:
        raise LanguageError(
            f"language map {name}",
            expected=", ".join(lacking),
            found=", ".join(language_map.languages),
            remedy="make it from text in these languages with `babelscope map-languages`",
        )
