"""The values of single items that a study keeps, and the items that two studies share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from babelscope.errors import StoreError
from babelscope.report.inside_lines import Values

NAMED = ("ids", "contexts", "digests")
PAIRED = "paired over {n:,} shared items"
FEWEST = 2


@dataclass(frozen=True, eq=False)
class Items:
    """The rows of values by their key, and the items' names by language.

    A name is an id with its context and the digest of what it says.
    """

    values: Mapping[tuple[Any, ...], Sequence[float]]
    named: Mapping[str, Mapping[str, tuple[int, str, str]]]


@dataclass(frozen=True, eq=False)
class Shared:
    """Items that both studies have: contexts, their places in each, and words for what is left.

    Without items in common `contexts` is empty and `why` says so.
    """

    contexts: tuple[str, ...] = ()
    first: tuple[int, ...] = ()
    second: tuple[int, ...] = ()
    why: str = ""
    left: tuple[int, int] = (0, 0)


def read_items(path: Path) -> pl.DataFrame | None:
    """Read a table of values of single items; None where a study has none.

    Raises:
        StoreError: it cannot be read.
    """
    if not path.is_file():
        return None
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(
            str(path),
            expected="a table of a finished study",
            found=str(error).splitlines()[0],
            remedy="run the study again: what is finished stays",
        ) from error


def items_of(frame: pl.DataFrame | None, keys: Sequence[str], language: str) -> Items | None:
    """Return the rows of one set or task; `keys` name its rows, `language` whose items they are."""
    if frame is None:
        return None
    names = frame.filter(pl.col("measure") == "items")
    rows = frame.filter(pl.col("measure") != "items")
    values = {tuple(row[key] for key in keys): row["values"] for row in rows.to_dicts()}
    named = {}
    for row in names.to_dicts():
        columns = zip(*(row[name] for name in NAMED), strict=True)
        found: dict[str, tuple[int, str, str]] = {}
        for place, (item, context, told) in enumerate(columns):
            found.setdefault(item, (place, context, told))
        named[row[language]] = found
    return Items(values, named)


def shared_items(a: Items | None, b: Items | None, languages: Iterable[str]) -> Shared:
    """Return the items with one id and one text in both studies, in all of the languages."""
    codes = list(languages)
    if a is None or b is None:
        return Shared(why="unpaired: a study kept no values of single items")
    if any(code not in items.named for items in (a, b) for code in codes):
        return Shared(why="unpaired: a study kept no items of some languages")
    first = codes[0]
    kept = [
        item
        for item in a.named[first]
        if all(
            item in a.named[code]
            and item in b.named[code]
            and a.named[code][item][2] == b.named[code][item][2]
            for code in codes
        )
    ]
    if len(kept) < FEWEST:
        return Shared(why="unpaired: the studies read other texts")
    sizes = len(a.named[first]) - len(kept), len(b.named[first]) - len(kept)
    return Shared(
        contexts=tuple(a.named[first][item][1] for item in kept),
        first=tuple(a.named[first][item][0] for item in kept),
        second=tuple(b.named[first][item][0] for item in kept),
        why=PAIRED.format(n=len(kept)),
        left=sizes,
    )


def mean_values(
    items: Items, keys: Iterable[tuple[Any, ...]], places: Sequence[int]
) -> Values | None:
    """Return each item's mean over rows (items,), NaN where it has none; None if a row lacks."""
    rows = []
    for key in keys:
        if key not in items.values:
            return None
        rows.append(np.array(items.values[key], dtype=np.float64)[list(places)])
    if not rows:
        return None
    found = np.stack(rows)
    known = np.isfinite(found)
    empty = np.full(found.shape[1], np.nan)
    total = np.where(known, found, 0.0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=empty, where=known.any(axis=0))
