"""What each piece of work took, in a file of its own: results compare byte for byte without it."""

from __future__ import annotations

import csv
import io
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from babelscope.controls import inert
from babelscope.store import write_text

COLUMNS = ("stage", "cell", "seconds", "peak_mib")


class CostBook:
    """The file `cost.csv`: a row for each piece of work that was really done, in order.

    `seconds` is wall time, `peak_mib` the process's peak resident memory so far, in MiB.
    """

    def __init__(self, path: Path) -> None:
        """Continue the book at `path`, or begin one."""
        self._path = path
        self._rows: list[list[str]] = []
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                self._rows = [row for row in csv.reader(file) if row and row[0] != COLUMNS[0]]

    @contextmanager
    def measured(self, stage: str, cell: str, *, unless: bool = False) -> Iterator[None]:
        """Measure a block; nothing is written down if it fails, or `unless` it was there."""
        began = perf_counter()
        yield
        if not unless:
            seconds = perf_counter() - began
            self._rows.append([stage, inert(cell), f"{seconds:.3f}", f"{peak_mib():.0f}"])
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows([COLUMNS, *self._rows])
            write_text(self._path, text.getvalue())


def peak_mib() -> float:
    """Return this process's peak resident memory in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / (1 << 10)
