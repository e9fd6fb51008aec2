"""The smallest pieces of work of a study: one variant's answers, or lens, in one language.

A cell is a small picklable description; with the store and the data it can be executed in any
process. Its key is the digest of everything that can change its result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from babelscope.data.prompts import pick_demonstrations
from babelscope.errors import StoreError
from babelscope.identity import digest
from babelscope.infer.generate import Decoding, generate_answers, plan_answers
from babelscope.models.encoding import EncodedPrompt, Rendering, encode_prompt
from babelscope.models.loading import LoadedModel
from babelscope.records import Example, QuestionSet
from babelscope.store import (
    FINISHED,
    finish,
    finished,
    read_json,
    read_jsonl,
    shard,
    write_jsonl,
)
from babelscope.study.answers import answer_of, kept_row

ANSWERING_VERSION = "4"
"""Raised whenever the same model and prompt may be answered otherwise than before."""

SAMPLING_VERSION = "2"
"""The same for answers that are drawn, not the most probable."""

Progress = Callable[[int, int], None]
"""Called with the items that are done and all items."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A model as adapted: recipe, source, seed and step; the unadapted one is `base`."""

    recipe: str
    source: str = ""
    seed: int = -1
    step: int = 0

    @property
    def is_base(self) -> bool:
        """Whether nothing was adapted."""
        return not self.source


@dataclass(frozen=True, slots=True)
class Cell:
    """One variant on one task in one target language; `task` is "qa" or "contest:CODE"."""

    variant: Variant
    task: str
    target: str


@dataclass(frozen=True, slots=True)
class Answering:
    """How questions are put and answered: rendering, decoding, demonstrations."""

    rendering: Rendering
    decoding: Decoding
    batch_tokens: int = 8192
    demonstrations: int = 0
    demonstrations_seed: int = 0
    pool: QuestionSet | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """What happened to the prompts of a cell."""

    questions: int
    truncated: int
    gold_lost: int


def answering_key(
    model: str, dtype: str, adapter: str, questions: QuestionSet, answering: Answering
) -> str:
    """Return the key of a cell's answers; `model` and `adapter` are fingerprints."""
    pool = answering.pool.examples if answering.pool and answering.demonstrations else ()
    drawn = f" drawn {SAMPLING_VERSION}" if answering.decoding.temperature > 0 else ""
    return digest(
        {
            "version": f"{ANSWERING_VERSION}{drawn}",
            "model": model,
            "dtype": dtype,
            "adapter": adapter,
            "questions": questions.examples,
            "rendering": answering.rendering,
            "decoding": answering.decoding,
            "batch_tokens": answering.batch_tokens,
            "demonstrations": answering.demonstrations,
            "demonstrations_seed": answering.demonstrations_seed,
            "pool": pool,
        }
    )


def encode_questions(
    loaded: LoadedModel, questions: QuestionSet, answering: Answering
) -> list[EncodedPrompt]:
    """Render the questions of a cell, each with its own demonstrations."""
    return [
        encode_prompt(loaded.tokenizer, answering.rendering, e, demonstrations_of(answering, e))
        for e in questions.examples
    ]


def demonstrations_of(answering: Answering, example: Example) -> tuple[Example, ...]:
    """Return the worked examples that a question is shown: the same ones every time."""
    if not answering.demonstrations or answering.pool is None:
        return ()
    return pick_demonstrations(
        answering.pool, example, answering.demonstrations, answering.demonstrations_seed
    )


def answer_cell(
    loaded: LoadedModel,
    questions: QuestionSet,
    answering: Answering,
    folder: Path,
    progress: Progress | None = None,
) -> None:
    """Answer a cell's questions into its slot; rounds that are there already are kept.

    The rounds are planned from all questions, finished or not, so that an interrupted cell ends
    with the same bytes as an undisturbed one.
    """
    if finished(folder):
        return
    prompts = encode_questions(loaded, questions, answering)
    done = 0
    rounds = plan_answers(loaded, prompts, answering.decoding, answering.batch_tokens)
    for index, places in enumerate(rounds):
        path = shard(folder, index, "jsonl")
        if not path.exists():
            answers = generate_answers(
                loaded,
                [prompts[i] for i in places],
                answering.decoding,
                language=questions.language,
                batch_tokens=answering.batch_tokens,
            )
            write_jsonl(path, [kept_row(a) for a in answers])
        done += len(places)
        if progress:
            progress(done, len(prompts))
    rows = [row for i in range(len(rounds)) for row in read_jsonl(shard(folder, i, "jsonl"))]
    by_id = {answer.id: answer for answer in map(answer_of, rows)}
    ordered = [kept_row(by_id[e.id]) for e in questions.examples]
    write_jsonl(folder / "answers.jsonl", ordered)
    finish(
        folder,
        {
            "questions": len(prompts),
            "truncated": sum(p.truncated for p in prompts),
            "gold_lost": sum(p.gold_lost for p in prompts),
        },
    )


def read_counts(folder: Path) -> AnswerCounts:
    """Read what happened to the prompts of a finished cell."""
    values = read_json(folder / FINISHED)
    if not isinstance(values, dict) or not all(k in values for k in AnswerCounts.__slots__):
        raise StoreError(str(folder / FINISHED), expected="the counts of a cell", found="others")
    return AnswerCounts(**{k: int(values[k]) for k in AnswerCounts.__slots__})
