"""Orders of the transfer matrix: as the study names them, by family, by script, by likeness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from babel import Locale
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from babelscope.errors import LanguageError
from babelscope.languages import Language, language
from babelscope.report.names import count_text, language_name, source_language, variant_name
from babelscope.report.tables import Tables, differences, variants

UNTUNED, UNKNOWN = "before tuning", "not known"
Groups = tuple[tuple[str, tuple[int, ...]], ...]
"""Labels, "" where none is drawn, and the places of what stands under each."""


@dataclass(frozen=True)
class Order:
    """An order of rows (places in `variants`) and of columns (places in the plan's targets)."""

    key: str
    label: str
    note: str
    rows: Groups
    columns: Groups


def orders(tables: Tables) -> tuple[Order, ...]:
    """Return the orders that the matrix can take; the study's own is the first.

    Clustering is left out where gains are known of fewer than three rows and three columns.
    """
    shown, targets = variants(tables), tables.plan["targets"]
    own = Order("study", "the study", "", (("", tuple(range(len(shown)))),), (("", _all(targets)),))
    bases = tuple(i for i, v in enumerate(shown) if v.is_base)
    tuned = [i for i, v in enumerate(shown) if not v.is_base]
    # recipes on one source stand together: where the source came first counts
    first = {shown[i].source: i for i in reversed(tuned)}
    tuned.sort(key=lambda i: (first[shown[i].source], i))
    spoken = {i: source_language(tables, shown[i].source) for i in tuned}
    found = [own]
    for key, label, of in (("family", "language family", family), ("script", "script", script)):
        rows = ((UNTUNED, bases), *_grouped(spoken, of))
        found.append(Order(key, label, "", rows, _grouped(dict(enumerate(targets)), of)))
    return (*found, *_clustering(tables))


def family(code: str) -> str:
    """Return the name of a language's family, or `UNKNOWN`."""
    known = _known(code)
    return known.family if known else UNKNOWN


def script(code: str) -> str:
    """Return the English name of a language's script, or `UNKNOWN`."""
    known = _known(code)
    return _scripts().get(known.script, known.script) if known else UNKNOWN


@cache
def _scripts() -> dict[str, str]:
    return dict(Locale("en").scripts)


def _known(code: str) -> Language | None:
    try:
        return language(code)
    except LanguageError:
        return None


def _all(items: Sequence[object]) -> tuple[int, ...]:
    return tuple(range(len(items)))


def _grouped(codes: dict[int, str], of: Callable[[str], str]) -> Groups:
    """Sort places by group, then by language; those of one language stay as they come."""
    groups: dict[str, list[int]] = {}
    for place in sorted(codes, key=lambda i: (of(codes[i]), language_name(codes[i]))):
        groups.setdefault(of(codes[place]), []).append(place)
    return tuple((name, tuple(places)) for name, places in groups.items())


def _clustering(tables: Tables) -> tuple[Order, ...]:
    shown, targets = variants(tables), tables.plan["targets"]
    rows = differences(tables, tables.plan["main_measure"])
    tuned = [i for i, v in enumerate(shown) if not v.is_base]
    gains = np.full((len(tuned), len(targets)), np.nan)
    for y, place in enumerate(tuned):
        for x, target in enumerate(targets):
            row = rows.get((shown[place].recipe, shown[place].source, target))
            gains[y, x] = row["difference"] if row else np.nan
    by_row, by_column = clustered(gains), clustered(gains.T)
    if max(len(by_row.order), len(by_column.order)) < 3:
        return ()
    bases = tuple(i for i, v in enumerate(shown) if v.is_base)
    names = [variant_name(tables, shown[tuned[i]]) for i in by_row.apart]
    names += [language_name(targets[i]) for i in by_column.apart]
    note = (
        "Neighbours have like gains: average linkage, distance is the root mean square difference "
        "over the cells that both have."
    )
    if lonely := by_row.strangers + by_column.strangers:
        note += f" {count_text(lonely, 'pair')} without such a cell stand as far as the farthest."
    if names:
        note += f" No gain is known of {', '.join(names)}: last."
    places = (*bases, *(tuned[i] for i in (*by_row.order, *by_row.apart)))
    columns = (*by_column.order, *by_column.apart)
    return (Order("gains", "likeness of gains", note, (("", places),), (("", columns),)),)


@dataclass(frozen=True)
class Clustered:
    """Places in the order of a clustering, those without any value, and pairs without a distance.

    The end of the order with the higher mean comes first.
    """

    order: tuple[int, ...]
    apart: tuple[int, ...]
    strangers: int


def clustered(points: NDArray[np.float64]) -> Clustered:
    """Order points (n, m), NaN = missing, so that like ones are neighbours.

    Average linkage with the best order of its leaves (Bar-Joseph et al. 2001); the distance of two
    is the root mean square difference over what both have, that of two without a shared value the
    largest of all.
    """
    known = np.flatnonzero(np.isfinite(points).any(axis=1))
    apart = tuple(i for i in range(len(points)) if i not in set(known.tolist()))
    if len(known) < 3:
        return Clustered(tuple(known.tolist()), apart, 0)
    own = points[known]
    squares = (own[:, None, :] - own[None, :, :]) ** 2
    shared = np.isfinite(squares).sum(axis=2)
    sums = np.where(np.isfinite(squares), squares, 0.0).sum(axis=2)
    distances = np.sqrt(np.divide(sums, shared, out=np.full(sums.shape, np.nan), where=shared > 0))
    strangers = int(np.isnan(distances).sum()) // 2
    farthest = np.nanmax(distances)
    full = squareform(np.where(np.isnan(distances), farthest, distances), checks=False)
    leaves = leaves_list(linkage(full, "average", optimal_ordering=True))
    means = np.nanmean(own, axis=1)[leaves]
    if means[0] < means[-1]:
        leaves = leaves[::-1]
    return Clustered(tuple(known[leaves].tolist()), apart, strangers)
