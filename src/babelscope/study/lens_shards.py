"""Readings of the lens kept batch by batch, so that an interruption costs one batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from babelscope.infer.batches import plan_batches
from babelscope.infer.lens import Lens, LensPrompt, LensReading, PlaceReading, read_lens
from babelscope.store import read_arrays, read_jsonl, shard, write_arrays, write_jsonl
from babelscope.study.cells import Progress

MASS, HALF = "mass.", "half_mass."
"""What the names of arrays by map begin with."""

Array = NDArray[np.float32]


def keep_reading(
    lens: Lens,
    prompts: Sequence[LensPrompt],
    positions: Sequence[str],
    folder: Path,
    *,
    batch_tokens: int,
    progress: Progress | None = None,
) -> dict[str, Array]:
    """Read prompts into numbered shards of a slot; returns the joined arrays by name.

    `mass.MAP` and `half_mass.MAP` are (prompts, positions, depths or blocks, columns), the other
    arrays as in `LensReading`; contrasts have a column for each language of the prompts' golds,
    sorted. Shards that are there already are kept.
    """
    languages = sorted({code for prompt in prompts for code in prompt.golds})
    batches = plan_batches([len(p.ids) for p in prompts], batch_tokens)
    done = 0
    for index, batch in enumerate(batches):
        path = shard(folder, index, "safetensors")
        if not path.exists():
            reading = read_lens(lens, [prompts[i] for i in batch], positions=positions)
            if reading.places:  # before the arrays, whose being there says that all is
                rows = [_place_row(prompts[batch[p.prompt]].id, p) for p in reading.places]
                write_jsonl(shard(folder, index, "jsonl"), rows)
            arrays = _arrays(reading, languages)
            write_arrays(path, {**arrays, "item": np.array(batch, dtype=np.int64)})
        done += len(batch)
        if progress:
            progress(done, len(prompts))
    return _joined(folder, len(batches))


def kept_places(folder: Path) -> list[dict[str, object]]:
    """Return what the shards of a slot tell of single positions, unsorted.

    Raises:
        StoreError: a shard is broken.
    """
    found = sorted((folder / "shards").glob("*.jsonl"))
    rows = [row for path in found for row in read_jsonl(path)]
    return [row for row in rows if isinstance(row, dict)]


def _arrays(reading: LensReading, languages: Sequence[str]) -> dict[str, Array]:
    prompts, _, depths = reading.entropy_bits.shape
    contrasts = np.full((prompts, depths, len(languages), 2), np.nan, dtype=np.float32)
    for column, code in enumerate(reading.gold_languages):
        contrasts[:, :, languages.index(code)] = reading.contrasts[:, :, column]
    return {
        **{f"{MASS}{name}": mass for name, mass in reading.mass.items()},
        **{f"{HALF}{name}": mass for name, mass in reading.half_mass.items()},
        "entropy_bits": reading.entropy_bits,
        "next_probability": reading.next_probability,
        "next_reciprocal_rank": reading.next_reciprocal_rank,
        "contrasts": contrasts,
    }


def _joined(folder: Path, batches: int) -> dict[str, Array]:
    parts = [read_arrays(shard(folder, i, "safetensors")) for i in range(batches)]
    items = np.concatenate([p["item"] for p in parts]).astype(np.int64)
    joined = {}
    for name in (n for n in parts[0] if n != "item"):
        values = np.concatenate([p[name] for p in parts]).astype(np.float32)
        joined[name] = np.empty_like(values)
        joined[name][items] = values
    return joined


def _place_row(prompt: str, place: PlaceReading) -> dict[str, object]:
    """Return one position as JSON: lists over depths; what is not known is null."""
    known = place.expected >= 0
    return {
        "id": prompt,
        "position": place.position,
        "place": place.place,
        "token": place.token,
        "next": place.expected if known else None,
        "entropy_bits": place.entropy_bits.tolist(),
        "next_probability": place.expected_probability.tolist() if known else None,
        "next_rank": place.expected_rank.astype(int).tolist() if known else None,
        "top": place.top_ids.tolist(),
        "top_probability": place.top_probability.tolist(),
        "mass": {name: mass.tolist() for name, mass in place.mass.items()},
    }
