"""The lens cells of a study, and the language map that they use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from babelscope.data import atlas
from babelscope.data.texts import read_texts
from babelscope.identity import digest
from babelscope.infer.batches import plan_batches
from babelscope.infer.lens import lens_masses
from babelscope.measure.language_map import LanguageMap, build_map, load_map, save_map
from babelscope.models.encoding import encode_training
from babelscope.models.loading import LoadedModel, Tokenizer, tokenizer_fingerprint
from babelscope.models.tokens import count_tokens, token_forms
from babelscope.records import QuestionSet
from babelscope.store import finish, finished, read_arrays, shard, write_arrays
from babelscope.study.cells import Answering, Progress, encode_questions

LENS_VERSION = "1"
"""Raised whenever the same model, prompt and map may give other masses than before."""

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
    key = digest({"texts": texts, "tokenizer": fingerprint, "version": LENS_VERSION})
    file = path / f"{key}.safetensors"
    if not file.exists():
        save_map(make_map(loaded.tokenizer, loaded.parts.vocabulary_rows, texts), file)
    return load_map(file, tokenizer_fingerprint=fingerprint)


def lens_key(answering_key: str, language_map: LanguageMap, positions: Sequence[str]) -> str:
    """Return the key of a lens cell; the answering key holds model, adapter and prompts."""
    return digest(
        {
            "version": LENS_VERSION,
            "answering": answering_key,
            "map": map_digest(language_map),
            "positions": positions,
        }
    )


def lens_cell(
    loaded: LoadedModel,
    questions: QuestionSet,
    answering: Answering,
    language_map: LanguageMap,
    positions: Sequence[str],
    folder: Path,
    progress: Progress | None = None,
) -> None:
    """Put the masses (prompts, positions, depths, languages + 2) of a cell into its slot."""
    if finished(folder):
        return
    prompts = encode_questions(loaded, questions, answering)
    golds = gold_ids(loaded, questions, answering)
    batches = plan_batches([len(p.ids) for p in prompts], answering.batch_tokens)
    done = 0
    for index, batch in enumerate(batches):
        path = shard(folder, index, "safetensors")
        if not path.exists():
            masses = lens_masses(
                loaded,
                [prompts[i].ids for i in batch],
                [golds[i] for i in batch],
                language_map.probability,
                positions=tuple(positions),
            ).mass
            write_arrays(path, {"mass": masses, "item": np.array(batch, dtype=np.int64)})
        done += len(batch)
        if progress:
            progress(done, len(prompts))
    write_arrays(folder / "masses.safetensors", {"mass": _joined(folder, len(batches))})
    finish(folder, {"questions": len(prompts), "positions": list(positions)})


def _joined(folder: Path, batches: int) -> NDArray[np.float32]:
    parts = [read_arrays(shard(folder, i, "safetensors")) for i in range(batches)]
    masses = np.concatenate([p["mass"] for p in parts]).astype(np.float32)
    items = np.concatenate([p["item"] for p in parts]).astype(np.int64)
    ordered = np.empty_like(masses)
    ordered[items] = masses
    return ordered


def gold_ids(
    loaded: LoadedModel, questions: QuestionSet, answering: Answering
) -> list[tuple[int, ...]]:
    """Return the tokens of each question's first gold, as they would follow its prompt."""
    encoded = [
        encode_training(loaded.tokenizer, answering.rendering, e, train_eos=False, loss="answer")
        for e in questions.examples
    ]
    return [e.ids[e.answer_start : e.answer_end] for e in encoded]


def read_masses(folder: Path) -> NDArray[np.float32]:
    """Read the masses of a finished lens cell."""
    return read_arrays(folder / "masses.safetensors")["mass"].astype(np.float32)
