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
from babelscope.measure.alignment import align_depth
from babelscope.measure.projections import projections
from babelscope.measure.resampling import Array, generator
from babelscope.records import Estimate
from babelscope.study.cells import Progress

SCHEMA: Mapping[str, type[pl.DataType]] = {
    "texts": pl.String,
    "measure": pl.String,
    "depth": pl.Int64,
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
does not depend on the model."""

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


def alignment_table(
    bitext: Bitext,
    states: Mapping[str, States],
    *,
    seed: int = 0,
    maps: bool = True,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Measure every depth of the states of a bitext; one depth at a time is held as float64."""
    rows = list(_same_texts(bitext))
    depths = next(iter(states.values())).depths
    for depth in range(depths):
        here = {code: x.at(depth) for code, x in states.items()}
        for found in align_depth(here, bitext.contexts, seed=seed):
            names = (found.measure, found.source, found.target)
            rows.append(_row(bitext.name, *names, found.estimate, depth, found.p_value))
        if progress is not None:
            progress(depth + 1, depths)
    if maps:
        rows += _map_rows(bitext, states, seed)
    return pl.DataFrame(rows, schema=SCHEMA)


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
    names = {"texts": texts, "measure": measure, "depth": depth, "source": source}
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
