"""Hidden states kept in files: one `.npy` (depths, items, width) for a model, texts and pooling.

A file is written in place under a temporary name, a mark says how many batches are in it, and it
is renamed when it is whole: an interrupted run goes on with the next batch. Memory does not grow
with the number of texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from babelscope.errors import SettingError
from babelscope.identity import digest
from babelscope.infer.hidden import (
    BATCH_TOKENS,
    SPAN_POOLINGS,
    HiddenPlan,
    HiddenText,
    check_poolings,
    plan_hidden,
    pool_batch,
)
from babelscope.models.trunks import Trunk
from babelscope.store import FINISHED, finish, finished, read_json, slot
from babelscope.study.cells import Progress
from babelscope.study.hidden_file import (
    MARK,
    Array,
    Part,
    map_states,
    name_part,
    open_part,
    write_batch,
)

HIDDEN_VERSION = "2"
"""Raised whenever the same texts may give other states than before."""

FORMATS = {"float32": np.float32, "float16": np.float16}


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Kept states (depths, items, width), mapped from their file, and what they are.

    `truncated` and `missing` are places in the list of texts: cut to the model's room, and
    without a token to pool (NaN at every depth). `identity` is what the file's key is made from.
    """

    states: Array
    identity: Mapping[str, object]
    truncated: tuple[int, ...]
    missing: tuple[int, ...]


def kept_states(
    trunk: Trunk,
    texts: Sequence[HiddenText],
    pooling: str,
    root: Path,
    progress: Progress | None = None,
    batch_tokens: int = BATCH_TOKENS,
) -> Array:
    """Return the float32 states (depths, items, width) of texts by one pooling; see `keep_states`.

    Depth 0 is the input of the first block, depth d the output of block d before the final norm;
    the last depth is that after the final norm, where the model has one.
    """
    kept = keep_states(trunk, texts, (pooling,), root, batch_tokens=batch_tokens, progress=progress)
    return kept[pooling].states


def keep_states(
    trunk: Trunk,
    texts: Sequence[HiddenText],
    poolings: Sequence[str],
    root: Path,
    *,
    store_as: str = "float32",
    batch_tokens: int = BATCH_TOKENS,
    progress: Progress | None = None,
) -> dict[str, Kept]:
    """Return the states of texts by pooling, computed once in one pass for all that are absent.

    `store_as` is float32 or float16 (half the room, rounded to about 3 digits).

    Raises:
        SettingError: a pooling or a format is unknown.
        DataError: there is no text, a pooling needs a span that is absent, or a state is too
            large for float16.
        StoreError: a file cannot be written or read.
    """
    check_poolings(poolings)
    if store_as not in FORMATS:
        raise SettingError("store_as", expected=" or ".join(FORMATS), found=store_as)
    identities = {p: _identity(trunk, texts, p, store_as, batch_tokens) for p in poolings}
    folders = {p: slot(root, "hidden", digest(i)) for p, i in identities.items()}
    absent = [p for p in poolings if not finished(folders[p])]
    if absent:
        plan = plan_hidden(trunk, texts, absent, batch_tokens=batch_tokens)
        shape = (trunk.depths, len(texts), trunk.width)
        form = np.dtype(FORMATS[store_as])
        with ExitStack() as stack:
            parts = {p: stack.enter_context(open_part(folders[p], shape, form)) for p in absent}
            _fill(trunk, texts, plan, parts, progress)
        for p in absent:
            name_part(folders[p])
            counts = {"truncated": plan.truncated, "missing": plan.missing[p]}
            finish(folders[p], {"identity": identities[p], **counts})
            (folders[p] / MARK).unlink(missing_ok=True)
    return {p: _read(folders[p], identities[p]) for p in poolings}


def _identity(
    trunk: Trunk, texts: Sequence[HiddenText], pooling: str, store_as: str, batch_tokens: int
) -> dict[str, object]:
    spans = pooling in SPAN_POOLINGS
    return {
        "version": HIDDEN_VERSION,
        "model": trunk.fingerprint,
        "dtype": str(trunk.dtype),
        "tokenizer": trunk.tokenizer_fingerprint,
        # neither ids nor, where it is not looked at, the span can change a state
        "texts": digest([(t.text, t.span) if spans else t.text for t in texts]),
        "pooling": pooling,
        "max_tokens": trunk.max_tokens,
        "store_as": store_as,
        "batch_tokens": batch_tokens,
    }


def _fill(
    trunk: Trunk,
    texts: Sequence[HiddenText],
    plan: HiddenPlan,
    parts: Mapping[str, Part],
    progress: Progress | None,
) -> None:
    """Write the batches that are not in the files yet."""
    done = 0
    for number, batch in enumerate(plan.batches):
        wanted = [p for p, part in parts.items() if part.done <= number]
        found = pool_batch(trunk, texts, wanted, batch) if wanted else ()
        for pooling, states in zip(wanted, found, strict=True):
            write_batch(parts[pooling], batch, number, states)
        done += len(batch)
        if progress:
            progress(done, len(texts))


def _read(folder: Path, identity: Mapping[str, object]) -> Kept:
    told = read_json(folder / FINISHED)
    counts = told if isinstance(told, dict) else {}
    truncated, missing = (tuple(counts.get(k, ())) for k in ("truncated", "missing"))
    return Kept(map_states(folder), identity, truncated, missing)
