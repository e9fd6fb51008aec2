"""The table of alignment: a row a measure, depth and pair of languages, its controls beside it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from babelscope.data.bitext import Bitext
from babelscope.identity import item_digest
from babelscope.measure.alignment import align_depth
from babelscope.measure.distribution import Gain, distribution_readings
from babelscope.measure.pair_alignment import Reading
from babelscope.measure.projections import projections
from babelscope.measure.resampling import Array, generator
from babelscope.records import Estimate
from babelscope.study.cells import Progress
from babelscope.study.inside import state_of

SCHEMA: Mapping[str, type[pl.DataType]] = {
    "texts": pl.String,
    "measure": pl.String,
    "depth": pl.Int64,
    "state": pl.String,
    "source": pl.String,
    "target": pl.String,
    "item": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n": pl.Int64,
    "p_value": pl.Float64,
}
"""`texts` names the set, `item` is filled for the points of maps alone; depth is null for what
does not depend on the model. `state` is "norm" for the depth after the final norm, else "block"."""

ITEM_SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("texts", "measure"), pl.String),
    "depth": pl.Int64,
    **dict.fromkeys(("state", "source", "target"), pl.String),
    "values": pl.List(pl.Float32),
    **dict.fromkeys(("ids", "contexts", "digests"), pl.List(pl.String)),
}
"""A row a measure, depth and pair with a value an item, and a row `items` a language that names
them: two studies are compared item by item."""
ITEM_MEASURES = ("cosine", "centred_cosine", "accuracy", "centred_accuracy", "mutual")
ITEM_LANGUAGES = 12
"""Values of items are kept for pairs of the first languages, so that the file stays small."""

MAP_ITEMS, MAP_LANGUAGES = 60, 12
MAP_STREAM = 7
AXES = ("x", "y")


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """States (depths, texts, width) of one language, mapped from a file or not.

    `places` are those of the items among the texts.
    """

    whole: NDArray[np.floating[Any]]
    places: NDArray[np.intp]

    @property
    def depths(self) -> int:
        """The number of depths."""
        return len(self.whole)

    def at(self, depth: int, items: NDArray[np.intp] | None = None) -> Array:
        """Return (items, width) of one depth as float64, of all items or of some."""
        chosen = self.places if items is None else self.places[items]
        return np.asarray(self.whole[depth][chosen], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Depths:
    """What is special at some depths.

    `norm` is the depth after the final norm, None without one, and `gain` what that norm does;
    at `told` the distribution of the states is measured.
    """

    norm: int | None = None
    gain: Gain | None = None
    told: tuple[int, ...] = ()


def alignment_table(
    bitext: Bitext,
    states: Mapping[str, States],
    *,
    depths: Depths | None = None,
    seed: int = 0,
    maps: bool = True,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Measure every depth of the states of a bitext; one depth at a time is held as float64."""
    made = alignment_tables(bitext, states, depths=depths, seed=seed, maps=maps, progress=progress)
    return made[0]


def alignment_tables(
    bitext: Bitext,
    states: Mapping[str, States],
    *,
    depths: Depths | None = None,
    seed: int = 0,
    maps: bool = True,
    progress: Progress | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return `alignment_table`, and the values of single items as `ITEM_SCHEMA` has them."""
    special = depths or Depths()
    rows, items = list(_same_texts(bitext)), _named_items(bitext)
    shown = set(list(bitext.texts)[:ITEM_LANGUAGES])
    count = next(iter(states.values())).depths
    for depth in range(count):
        for found in _readings(states, bitext.contexts, depth, special, seed):
            names = (found.measure, found.source, found.target)
            rows.append(_row(bitext.name, *names, found.estimate, depth, found.p_value))
            if found.measure in ITEM_MEASURES and {found.source, found.target} <= shown:
                items.append(_item_row(bitext.name, found, depth))
        if progress is not None:
            progress(depth + 1, count)
    if maps:
        rows += _map_rows(bitext, states, seed)
    state = state_of(special.norm)
    return (
        pl.DataFrame(rows, schema=SCHEMA).with_columns(state=state),
        pl.DataFrame(items, schema=ITEM_SCHEMA).with_columns(state=state),
    )


def _readings(
    states: Mapping[str, States], contexts: Sequence[str], depth: int, special: Depths, seed: int
) -> Iterator[Reading]:
    here = {code: x.at(depth) for code, x in states.items()}
    yield from align_depth(here, contexts, seed=seed)
    if depth in special.told:
        gain = special.gain if depth == special.norm else None
        yield from distribution_readings(here, contexts, gain=gain, seed=seed)


def _named_items(bitext: Bitext) -> list[dict[str, object]]:
    """Name the items of each language: id, context and digest of text and span."""
    rows: list[dict[str, object]] = []
    for code, texts in bitext.texts.items():
        spans = bitext.spans.get(code) or (None,) * len(texts)
        digests = [item_digest(pair) for pair in zip(texts, spans, strict=True)]
        named = {"ids": list(bitext.ids), "contexts": list(bitext.contexts), "digests": digests}
        head = {"texts": bitext.name, "measure": "items", "source": code, "target": ""}
        rows.append({**head, **named})
    return rows


def _item_row(texts: str, found: Reading, depth: int) -> dict[str, object]:
    values = [] if found.items is None else np.round(found.items, 4).astype(np.float32).tolist()
    names = {"texts": texts, "measure": found.measure, "depth": depth}
    return names | {"source": found.source, "target": found.target, "values": values}


def _row(
    texts: str,
    measure: str,
    source: str,
    target: str,
    found: Estimate,
    depth: int | None,
    p_value: float = math.nan,
) -> dict[str, object]:
    numbers = {"value": found.value, "low": found.low, "high": found.high, "n": found.n}
    names = {"texts": texts, "measure": measure, "depth": depth, "state": "", "source": source}
    return {**names, "target": target, "item": "", **numbers, "p_value": p_value}


def _same_texts(bitext: Bitext) -> Iterator[dict[str, object]]:
    """Tell for each pair how many items are written the same: they are found without a model."""
    n = len(bitext.ids)
    for one, other in itertools.combinations(bitext.texts, 2):
        pairs = zip(bitext.texts[one], bitext.texts[other], strict=True)
        share = sum(a == b for a, b in pairs) / n
        found = Estimate(share, math.nan, math.nan, n)
        yield _row(bitext.name, "identical_text", one, other, found, None)


def map_sample(bitext: Bitext, seed: int = 0) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Return the languages and the items of the maps: the first 12, and 60 drawn of all."""
    n = len(bitext.ids)
    drawn = generator(seed, MAP_STREAM).choice(n, size=min(MAP_ITEMS, n), replace=False)
    return tuple(bitext.texts)[:MAP_LANGUAGES], np.sort(drawn)


def _map_rows(
    bitext: Bitext, states: Mapping[str, States], seed: int
) -> Iterator[dict[str, object]]:
    codes, items = map_sample(bitext, seed)
    names = [(code, bitext.ids[i]) for code in codes for i in items]
    depths = range(next(iter(states.values())).depths)
    points = (np.concatenate([states[c].at(d, items) for c in codes]) for d in depths)
    for depth, found in enumerate(projections(points, seed=seed)):
        for axis, share in zip(AXES, found.explained, strict=True):
            told = Estimate(share, math.nan, math.nan, len(names))
            yield _row(bitext.name, f"pca_explained_{axis}", "", "", told, depth)
        for kind, places in (("pca", found.pca), ("tsne", found.tsne)):
            yield from _point_rows(bitext.name, kind, depth, names, places)


def _point_rows(
    texts: str, kind: str, depth: int, names: Sequence[tuple[str, str]], places: Array
) -> Iterator[dict[str, object]]:
    for number, axis in enumerate(AXES):
        for (code, item), value in zip(names, places[:, number], strict=True):
            found = Estimate(round(float(value), 4), math.nan, math.nan, 1)
            yield _row(texts, f"{kind}_{axis}", code, "", found, depth) | {"item": item}
