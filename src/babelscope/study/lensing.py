"""The lens cells of a study: what one variant holds in one language, depth by depth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from babelscope.identity import digest
from babelscope.infer.batches import plan_batches
from babelscope.infer.lens import LensPrompt, prepare_lens, read_lens
from babelscope.measure.language_map import LanguageMap
from babelscope.models.encoding import encode_training
from babelscope.models.loading import LoadedModel
from babelscope.records import QuestionSet
from babelscope.store import finish, finished, read_arrays, shard, write_arrays
from babelscope.study.cells import Answering, Progress, encode_questions
from babelscope.study.maps import map_digest

LENS_VERSION = "2"
"""Raised whenever the same model, prompt and map may give other masses than before."""


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
    lens = prepare_lens(loaded, {"counted": language_map.probability})
    done = 0
    for index, batch in enumerate(batches):
        path = shard(folder, index, "safetensors")
        if not path.exists():
            asked = [LensPrompt(prompts[i].id, prompts[i].ids, golds[i]) for i in batch]
            masses = read_lens(lens, asked, positions=positions).mass["counted"]
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
