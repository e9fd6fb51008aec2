"""P(gold in l): how much probability goes to beginnings of a gold, for parallel golds.

A contrast of two languages that needs no language map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babelscope.data.normal_forms import nfc
from babelscope.records import TokenForm

Beginnings = Mapping[bytes, Sequence[int]]


def token_index(forms: Sequence[TokenForm]) -> dict[bytes, list[int]]:
    """Return the rows of a vocabulary by their bytes, leading space removed."""
    index: dict[bytes, list[int]] = {}
    for row, form in enumerate(forms):
        data = form.data.removeprefix(b" ")
        if data and not form.special:
            index.setdefault(data, []).append(row)
    return index


def gold_beginnings(gold: str, index: Beginnings) -> frozenset[int]:
    """Return the tokens whose bytes are a non-empty prefix of a gold, as written or in NFC."""
    texts = {text.strip().encode() for text in (gold, nfc(gold))}
    prefixes = {data[:n] for data in texts for n in range(1, len(data) + 1)}
    return frozenset(row for prefix in prefixes for row in index.get(prefix, ()))


@dataclass(frozen=True, slots=True)
class Pair:
    """The beginnings of a gold in one language, and of the prompt's own, without common ones."""

    language: str
    other: frozenset[int]
    own: frozenset[int]


def gold_pairs(
    golds: Mapping[str, str], own: str, index: Beginnings
) -> tuple[tuple[Pair, ...], int]:
    """Return the pairs of a prompt's own gold with each other language's, and how many are equal.

    The own language's pair holds its gold twice, whole. A pair of golds that are equal in NFC
    cannot be told apart and is left out.
    """
    if own not in golds:
        return (), 0
    starts = {code: gold_beginnings(gold, index) for code, gold in golds.items()}
    mine = starts[own]
    pairs = [Pair(own, mine, mine)]
    equal = 0
    for code, gold in golds.items():
        if code == own:
            continue
        if nfc(gold.strip()) == nfc(golds[own].strip()):
            equal += 1
            continue
        common = mine & starts[code]
        pairs.append(Pair(code, starts[code] - common, mine - common))
    return tuple(pairs), equal


def pair_sums(
    probabilities: NDArray[np.float32], ids: Sequence[int], pairs: Sequence[Pair]
) -> dict[str, NDArray[np.float32]]:
    """Return, by language, (depths, 2): P(gold in l) and P(own gold).

    `probabilities` (depths, len(ids)) are those of the tokens `ids`.
    """
    place = {row: n for n, row in enumerate(ids)}

    def total(rows: frozenset[int]) -> NDArray[np.float32]:
        columns = [place[row] for row in sorted(rows)]
        return probabilities[:, columns].sum(axis=1, dtype=np.float64).astype(np.float32)

    return {p.language: np.stack([total(p.other), total(p.own)], axis=1) for p in pairs}
