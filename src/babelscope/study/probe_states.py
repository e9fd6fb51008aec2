"""The states of what is probed: words or texts of one language, read depth by depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from babelscope.identity import digest, item_digest
from babelscope.infer.hidden import HiddenText
from babelscope.infer.hidden_items import encode_texts
from babelscope.measure.probe_models import Codes
from babelscope.measure.probes import Items
from babelscope.measure.ridge import Floats
from babelscope.models.trunks import Trunk
from babelscope.study.cells import Progress
from babelscope.study.hidden_step import Kept, keep_states
from babelscope.study.probe_data import ALL, ProbeTexts
from babelscope.study.probe_plan import ProbeTask

ENCODED_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Read:
    """One set's items with their states, and what happened to its texts.

    `ids` and `digests` name the items and what they say, in their order.
    """

    items: Items
    facts: dict[str, object]
    ids: tuple[str, ...]
    digests: tuple[str, ...]


def read_states(
    trunk: Trunk,
    texts: ProbeTexts,
    task: ProbeTask,
    codes: dict[str, int],
    batch_tokens: int,
    store: Path,
    progress: Progress | None,
) -> Read:
    """Return a set's items that have a state; the others are counted."""
    wanted = [HiddenText(i.id, i.text, i.span) for i in texts.items]
    if task.task == "paraphrase":
        wanted += [HiddenText(f"{i.id}:second", i.second) for i in texts.items]
    kept = keep_states(
        trunk, wanted, (task.pooled,), store, batch_tokens=batch_tokens, progress=progress
    )[task.pooled]
    n = len(texts.items)
    absent = {place % n for place in kept.missing}
    rows = np.array([place for place in range(n) if place not in absent], dtype=np.intp)
    items = [texts.items[row] for row in rows]
    pieces = _pieces(trunk, wanted, task.pooled)
    bags = [sum((pieces[place] for place in range(row, len(pieces), n)), ()) for row in rows]
    found = Items(
        texts.language,
        _reader(kept, rows, len(wanted) // n),
        np.array([codes[item.label] for item in items], dtype=np.intp),
        tuple(item.group for item in items),
        tuple(item.word for item in items) if task.words else (),
        tuple(bags),
    )
    facts = {
        "name": texts.name,
        "language": texts.language,
        "items": len(items),
        "texts": len(set(found.groups)),
        "labels": dict(sorted(Counter(item.label for item in items).items())),
        "digest": digest([(i.id, i.text, i.second, i.span, i.label) for i in texts.items]),
        "dropped": dict(texts.dropped),
        "noted": dict(texts.noted),
        "without_state": len(absent),
        "truncated": len({wanted[place].text for place in kept.truncated}),
    }
    said = [item_digest((i.text, i.second, i.span, i.label)) for i in items]
    return Read(found, facts, tuple(i.id for i in items), tuple(said))


def _reader(kept: Kept, rows: Codes, parts: int) -> Callable[[int], Floats]:
    """Return what reads a depth: states, or of pairs |u - v| and u x v (Conneau et al., 2017)."""
    n = kept.states.shape[1] // parts

    def read(depth: int) -> Floats:
        first = kept.states[depth, :n][rows].astype(np.float32)
        if parts == 1:
            return first
        second = kept.states[depth, n:][rows].astype(np.float32)
        return np.hstack([np.abs(first - second), first * second])

    return read


def _pieces(trunk: Trunk, texts: Sequence[HiddenText], pooling: str) -> list[tuple[int, ...]]:
    """Return the ids of the subwords that each text's state is pooled from."""
    found: list[tuple[int, ...]] = []
    for start in range(0, len(texts), ENCODED_AT_ONCE):
        encoded = encode_texts(trunk, texts[start : start + ENCODED_AT_ONCE])
        found += [tuple(item.ids[place] for place in item.places(pooling)) for item in encoded]
    return found


def joined(tests: Sequence[Items]) -> Items:
    """Return the tests of all languages as one."""

    def read(depth: int) -> Floats:
        return np.concatenate([test.read(depth) for test in tests]).astype(np.float32)

    return Items(
        ALL,
        read,
        np.concatenate([test.labels for test in tests]),
        tuple(group for test in tests for group in test.groups),
        (),
        tuple(pieces for test in tests for pieces in test.pieces),
    )
