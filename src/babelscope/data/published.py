"""The lens arrays that the first paper's authors published: read, checked, their average mended.

A file has a row for each saved step, language of the prompts and depth, and a column for each
language. The values are an exponential moving average over prompts that was started at zero.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from babelscope.errors import DataError, LanguageError
from babelscope.languages import language
from babelscope.reading import read_text

KEYS = ("step", "prompt_language", "layer")
PERIOD = 30
"""Of the moving average: each prompt weighs one thirtieth."""
UPDATES = 150
"""Found from the arrays: at depth 0 all is one language, and 1 - (29/30) ** 150 = 0.993813."""
DIVISOR = 1 - (1 - 1 / PERIOD) ** UPDATES
SUM_TOLERANCE = 0.005
"""How far a depth's sum may be from DIVISOR; a bfloat16 softmax moves it by up to 0.0007."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Arrays:
    """Corrected masses (steps, prompt languages, depths, languages), 0-1, and what was in the file.

    `merged` has the columns of each language that several meant, `unknown` the greatest mass of
    each column whose code the package does not know; such a column keeps its own code.
    """

    steps: tuple[int, ...]
    targets: tuple[str, ...]
    depths: tuple[int, ...]
    languages: tuple[str, ...]
    values: Array
    merged: Mapping[str, tuple[str, ...]]
    unknown: Mapping[str, float]


def read_published(path: Path) -> Arrays:
    """Read a published file and divide its moving average by 1 - (29/30) ** 150.

    Raises:
        DataError: the file lacks rows, columns or numbers, or its sums are not the known average's.
        LanguageError: a prompt language is unknown.
    """
    header, lines = _lines(path)
    codes = _codes(path, header)
    rows: dict[tuple[int, str, int], list[float]] = {}
    for number, cells in lines:
        key, masses = _row(f"{path} line {number}", cells, len(header))
        if key in rows:
            raise DataError(f"{path} line {number}", expected="a new row", found=f"{key} again")
        rows[key] = masses
    steps, targets, depths = _axes(path, list(rows))
    whole = np.array([[[rows[s, t, d] for d in depths] for t in targets] for s in steps])
    _check_sums(path, whole)
    return _by_language(codes, steps, targets, depths, whole / DIVISOR)


def _lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    reader = csv.reader(io.StringIO(read_text(path, may_be_empty=True), newline=""))
    try:
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise DataError(str(path), expected="a CSV file", found=str(error)) from error
    if len(lines) < 2:
        raise DataError(str(path), expected="a header and rows", found=f"{len(lines)} lines")
    return [name.strip() for name in lines[0][1]], lines[1:]


def _codes(path: Path, header: Sequence[str]) -> tuple[str, ...]:
    what = f"{path} header"
    if tuple(header[: len(KEYS)]) != KEYS:
        raise DataError(
            what, expected=f"{', '.join(KEYS)}, then languages", found=", ".join(header[:4])
        )
    codes = tuple(header[len(KEYS) :])
    twice = [code for code, count in Counter(codes).items() if count > 1]
    if twice or "" in codes:
        raise DataError(what, expected="one column a language", found=f"{twice or codes} in it")
    if not any(_known(code) for code in codes):
        raise DataError(
            what, expected="columns of known languages", found=", ".join(codes[:4]) or "none"
        )
    return codes


def _known(code: str) -> str:
    """Return the package's code of a column, "" where it has none."""
    try:
        return language(code).code
    except LanguageError:
        return ""


def _row(what: str, cells: Sequence[str], width: int) -> tuple[tuple[int, str, int], list[float]]:
    if len(cells) != width:
        raise DataError(what, expected=f"{width} values", found=str(len(cells)))
    try:
        step, depth = int(cells[0]), int(cells[2])
        masses = [float(cell) for cell in cells[len(KEYS) :]]
    except ValueError as error:
        raise DataError(what, expected="numbers", found=str(error)) from error
    if step < 0 or depth < 0 or not all(0 <= mass <= 1 for mass in masses):
        bad = next((m for m in masses if not 0 <= m <= 1), min(step, depth))
        raise DataError(what, expected="steps and depths from 0, masses of 0 to 1", found=str(bad))
    return (step, language(cells[1]).code, depth), masses


def _axes(
    path: Path, keys: Sequence[tuple[int, str, int]]
) -> tuple[tuple[int, ...], tuple[str, ...], tuple[int, ...]]:
    """Return steps, prompt languages in the file's order, and depths, all crossed and gapless."""
    steps, depths = sorted({key[0] for key in keys}), sorted({key[2] for key in keys})
    targets = tuple(dict.fromkeys(key[1] for key in keys))
    if steps[0] != 0 or len(steps) < 2:
        raise DataError(str(path), expected="step 0, the base, and later ones", found=f"{steps}")
    if depths != list(range(len(depths))):
        raise DataError(str(path), expected="layers 0, 1, 2, ...", found=f"{depths}")
    present = set(keys)
    for key in ((s, t, d) for s in steps for t in targets for d in depths):
        if key not in present:
            name = f"step {key[0]}, {key[1]}, layer {key[2]}"
            raise DataError(str(path), expected="a row of every step and layer", found=f"no {name}")
    return tuple(steps), targets, tuple(depths)


def _check_sums(path: Path, whole: Array) -> None:
    sums = whole.sum(axis=-1)
    worst = float(sums.flat[int(np.abs(sums - DIVISOR).argmax())])
    if abs(worst - DIVISOR) > SUM_TOLERANCE:
        raise DataError(
            str(path),
            expected=f"masses that sum to {DIVISOR:.4f} at each depth, as the published average's",
            found=f"{worst:.4f}",
            remedy="give the published file, uncorrected and with all its columns",
        )


def _by_language(
    codes: Sequence[str],
    steps: tuple[int, ...],
    targets: tuple[str, ...],
    depths: tuple[int, ...],
    values: Array,
) -> Arrays:
    """Add up the columns that mean one language; a code that is not known stands for itself."""
    places: dict[str, list[int]] = {}
    for place, code in enumerate(codes):
        places.setdefault(_known(code) or code, []).append(place)
    summed = np.stack([values[..., found].sum(axis=-1) for found in places.values()], axis=-1)
    merged = {c: tuple(codes[i] for i in found) for c, found in places.items() if len(found) > 1}
    unknown = {
        code: round(float(values[..., place].max()), 6)
        for place, code in enumerate(codes)
        if not _known(code)
    }
    return Arrays(steps, targets, depths, tuple(places), summed, merged, unknown)
