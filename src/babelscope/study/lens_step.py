"""The command `lens`: what each depth leans to, for a data set or for prompts as they stand."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from babelscope.data import atlas
from babelscope.data.prompt_files import RawPrompt
from babelscope.data.qa import set_counts
from babelscope.errors import SettingError
from babelscope.identity import digest
from babelscope.infer.batches import plan_batches
from babelscope.infer.generate import generate_answers
from babelscope.infer.lens import (
    Lens,
    LensPrompt,
    LensSettings,
    check_positions,
    prepare_lens,
)
from babelscope.measure.language_map import LanguageMap, load_map
from babelscope.measure.lens import lens_rows
from babelscope.models.adapters import adapter_fingerprint
from babelscope.models.encoding import EncodedPrompt, encode_verbatim
from babelscope.models.loading import LoadedModel, tokenizer_fingerprint
from babelscope.models.token_text import token_text
from babelscope.models.tokens import token_forms
from babelscope.records import QuestionSet
from babelscope.store import check_folder, check_writable, slot
from babelscope.study.cells import Answering, Progress, encode_questions
from babelscope.study.lens_places import place_table
from babelscope.study.lens_shards import MASS, Array, keep_reading, kept_places
from babelscope.study.lensing import LENS_VERSION, gold_ids
from babelscope.study.maps import make_map, map_digest, study_texts
from babelscope.study.output import write_frame
from babelscope.study.steps import ModelChoice, adapted, how_to_answer, load_choice

MAP = "map"
TOP_K = 10


@dataclass(frozen=True, slots=True)
class LensWish:
    """What is looked at, and what is written.

    `per_prompt` gives a row for each prompt instead of means. `tokens` is a file for what single
    positions say, `examples` the ids of which every position is told there.
    """

    positions: tuple[str, ...] = ("last", "gold")
    per_prompt: bool = False
    map_file: Path | None = None
    tokens: Path | None = None
    examples: tuple[str, ...] = ()
    batch_tokens: int = 4096

    def __post_init__(self) -> None:
        """Check what can be checked before a model is loaded."""
        check_positions(self.positions)
        if self.examples and self.tokens is None:
            raise SettingError(
                "--example", expected="--tokens FILE, where its positions are written", found="none"
            )


def lens_step(
    choice: ModelChoice,
    asked: QuestionSet | Sequence[RawPrompt],
    out: Path,
    wish: LensWish | None = None,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Write the language mass of each depth and position; without a map, atlas's languages.

    Questions are rendered as the adapter's recipe, or the default one, renders them; prompts are
    taken as they stand. An interrupted call is continued by the next one.
    """
    wish = wish or LensWish()
    work = out.with_name(f".{out.name}.work")
    _check_outputs(out, wish.tokens, work)
    loaded = load_choice(choice)
    answering = how_to_answer(loaded, choice, None, wish.batch_tokens)
    language_map = _map(loaded, asked, wish.map_file)
    settings = LensSettings(top_k=TOP_K if wish.tokens else 0)
    with adapted(loaded, choice.adapter) as ready:
        prompts, contexts = _prompts(ready, asked, answering, wish)
        lens = prepare_lens(ready, {MAP: language_map.probability}, settings)
        adapter = adapter_fingerprint(choice.adapter) if choice.adapter else ""
        key = _key(lens, language_map, prompts, wish, adapter)
        folder = slot(work, "lens", key)
        arrays = keep_reading(
            lens, prompts, wish.positions, folder, batch_tokens=wish.batch_tokens, progress=progress
        )
    ids = [prompt.id for prompt in prompts]
    frame = _frame(arrays[f"{MASS}{MAP}"], ids, contexts, language_map.columns, wish)
    write_frame(out, frame)
    counts: dict[str, object] = {"out": str(out), "rows": frame.height, "prompts": len(prompts)}
    counts["contexts"] = len(set(contexts))
    counts |= set_counts(asked) if isinstance(asked, QuestionSet) else {}
    if wish.tokens is not None:
        forms = token_forms(loaded.tokenizer, loaded.parts.vocabulary_rows)
        told = place_table(
            kept_places(folder),
            ids,
            language_map.columns,
            MAP,
            lambda row: token_text(loaded.tokenizer, forms, row),
        )
        write_frame(wish.tokens, told)
        counts |= {"tokens": str(wish.tokens), "token_rows": told.height}
    shutil.rmtree(work, ignore_errors=True)
    return counts


def _check_outputs(out: Path, tokens: Path | None, work: Path) -> None:
    if tokens is not None and tokens.absolute() == out.absolute():
        raise SettingError("--tokens", expected="another file than --out", found=str(tokens))
    for path in (out, tokens):
        if path is not None:
            check_writable(path)
    check_folder(work)


def _map(
    loaded: LoadedModel, asked: QuestionSet | Sequence[RawPrompt], file: Path | None
) -> LanguageMap:
    if file is not None:
        return load_map(file, tokenizer_fingerprint=tokenizer_fingerprint(loaded.tokenizer))
    languages, sources = set(atlas.languages()), {}
    if isinstance(asked, QuestionSet):
        languages.add(asked.language)
        sources[""] = asked
    texts = study_texts(tuple(sorted(languages)), sources, "")
    return make_map(loaded.tokenizer, loaded.parts.vocabulary_rows, texts)


def _key(
    lens: Lens,
    language_map: LanguageMap,
    prompts: Sequence[LensPrompt],
    wish: LensWish,
    adapter: str,
) -> str:
    return digest(
        {
            "version": LENS_VERSION,
            "model": lens.loaded.fingerprint,
            "dtype": str(lens.loaded.dtype),
            "adapter": adapter,
            "map": map_digest(language_map),
            "prompts": [asdict(prompt) for prompt in prompts],
            "positions": wish.positions,
            "settings": asdict(lens.settings),
            "batch_tokens": wish.batch_tokens,
        }
    )


def _prompts(
    loaded: LoadedModel,
    asked: QuestionSet | Sequence[RawPrompt],
    answering: Answering,
    wish: LensWish,
) -> tuple[list[LensPrompt], list[str]]:
    """Return what the lens reads, and the context of each."""
    if isinstance(asked, QuestionSet):
        encoded = encode_questions(loaded, asked, answering)
        golds = gold_ids(loaded, asked, answering)
        prompts = [LensPrompt(e.id, e.ids, g) for e, g in zip(encoded, golds, strict=True)]
        contexts = [e.context_id for e in asked.examples]
    else:
        prompts = [
            LensPrompt(p.id, *encode_verbatim(loaded.tokenizer, p.prompt, p.answer)) for p in asked
        ]
        contexts = [prompt.id for prompt in prompts]
    absent = set(wish.examples) - {prompt.id for prompt in prompts}
    if absent:
        raise SettingError(
            "--example", expected="the id of a prompt", found=", ".join(sorted(absent))
        )
    told = frozenset(wish.examples)
    prompts = [replace(p, every=True) if p.id in told else p for p in prompts]
    if "generated" in wish.positions:
        prompts = _with_answers(loaded, prompts, answering)
    return prompts, contexts


def _with_answers(
    loaded: LoadedModel, prompts: Sequence[LensPrompt], answering: Answering
) -> list[LensPrompt]:
    """Let the model answer each prompt, so that `generated` can be read."""
    found = list(prompts)
    for batch in plan_batches([len(p.ids) for p in prompts], answering.batch_tokens):
        encoded = [EncodedPrompt(prompts[i].id, prompts[i].ids, False, False) for i in batch]
        answers = generate_answers(loaded, encoded, answering.decoding, language="")
        for i, answer in zip(batch, answers, strict=True):
            found[i] = replace(found[i], generated=answer.tokens)
    return found


def _frame(
    masses: Array,
    ids: Sequence[str],
    contexts: Sequence[str],
    columns: Sequence[str],
    wish: LensWish,
) -> pl.DataFrame:
    """Return the rows of the table: means with their intervals, or one prompt after another."""
    if not wish.per_prompt:
        rows = lens_rows(masses, contexts, wish.positions, columns)
        return pl.DataFrame(
            {
                "depth": [row.depth for row in rows],
                "position": [row.position for row in rows],
                "language": [row.language for row in rows],
                "mass": [row.value for row in rows],
                "low": [row.low for row in rows],
                "high": [row.high for row in rows],
                "n": [row.n for row in rows],
            }
        )
    prompts, positions, depths, languages = np.indices(masses.shape).reshape(4, -1)
    values = masses.ravel().astype(np.float64)
    missing = np.full(len(values), np.nan)
    return pl.DataFrame(
        {
            "id": np.array(ids, dtype=object)[prompts].tolist(),
            "depth": depths,
            "position": np.array(wish.positions)[positions],
            "language": np.array(columns)[languages],
            "mass": values,
            "low": missing,
            "high": missing,
            "n": np.isfinite(values).astype(np.int64),
        }
    )
