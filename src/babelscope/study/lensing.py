"""The lens cells of a study: what one variant holds in one language, depth by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from babelscope.identity import digest
from babelscope.infer.lens import Lens, LensPrompt
from babelscope.measure.language_map import LanguageMap
from babelscope.models.encoding import encode_training
from babelscope.models.loading import LoadedModel
from babelscope.records import QuestionSet
from babelscope.store import finish, finished, read_arrays, write_arrays
from babelscope.study.cells import Answering, Progress, encode_questions
from babelscope.study.lens_shards import Array, keep_reading
from babelscope.study.maps import map_digest

LENS_VERSION = "4"
"""Raised whenever the same model, prompt and map may give other values than before."""

ARRAYS = "lens.safetensors"


@dataclass(frozen=True, slots=True)
class LensTask:
    """What a cell of the lens looks at.

    `golds` are the parallel golds: question's id -> language -> text. `answers` is the key of the
    answers whose tokens the position `generated` reads, "" without that position.
    """

    questions: QuestionSet
    answering: Answering
    positions: tuple[str, ...]
    half_depths: bool = False
    golds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    answers: str = ""


def lens_key(answering_key: str, task: LensTask, maps: Mapping[str, LanguageMap]) -> str:
    """Return the key of a lens cell; the answering key holds model, adapter and prompts."""
    return digest(
        {
            "version": LENS_VERSION,
            "answering": answering_key,
            "maps": {name: map_digest(found) for name, found in maps.items()},
            "positions": task.positions,
            "half_depths": task.half_depths,
            "golds": {e.id: task.golds.get(e.id, {}) for e in task.questions.examples},
            "answers": task.answers,
        }
    )


def lens_cell(
    lens: Lens,
    task: LensTask,
    folder: Path,
    generated: Mapping[str, Sequence[int]] | None = None,
    progress: Progress | None = None,
) -> None:
    """Put what the lens sees in a cell into its slot; `generated` has answers' tokens by id."""
    if finished(folder):
        return
    prompts = lens_prompts(lens.loaded, task, generated or {})
    tokens = task.answering.batch_tokens
    arrays = keep_reading(
        lens, prompts, task.positions, folder, batch_tokens=tokens, progress=progress
    )
    write_arrays(folder / ARRAYS, arrays)
    finish(folder, {"questions": len(prompts), "positions": list(task.positions)})


def lens_prompts(
    loaded: LoadedModel, task: LensTask, generated: Mapping[str, Sequence[int]]
) -> list[LensPrompt]:
    """Return the questions of a cell as the lens takes them."""
    encoded = encode_questions(loaded, task.questions, task.answering)
    golds = gold_ids(loaded, task.questions, task.answering)
    return [
        LensPrompt(
            prompt.id,
            prompt.ids,
            gold,
            tuple(generated.get(prompt.id, ())),
            task.golds.get(prompt.id, {}),
            task.questions.language,
        )
        for prompt, gold in zip(encoded, golds, strict=True)
    ]


def gold_ids(
    loaded: LoadedModel, questions: QuestionSet, answering: Answering
) -> list[tuple[int, ...]]:
    """Return the tokens of each question's first gold, as they would follow its prompt."""
    encoded = [
        encode_training(loaded.tokenizer, answering.rendering, e, train_eos=False, loss="answer")
        for e in questions.examples
    ]
    return [e.ids[e.answer_start : e.answer_end] for e in encoded]


def read_cell(folder: Path) -> dict[str, Array]:
    """Read the arrays of a finished lens cell by name, prompts in the order of the questions.

    `mass.MAP` and `half_mass.MAP` are (prompts, positions, depths or blocks, columns), the other
    arrays as in `LensReading`.
    """
    return {k: v.astype(np.float32) for k, v in read_arrays(folder / ARRAYS).items()}
