"""Progress for people, on standard error: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from babelscope.records import Event

LINE_SECONDS = 10.0
"""Outside a terminal a line is written at most this often."""


@contextmanager
def _bar(quiet: bool) -> Iterator[Progress | None]:
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress


@contextmanager
def counting(stage: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show the progress of one piece of work, told as (done, total)."""
    with _bar(quiet) as bar:
        task = bar.add_task(stage, total=None) if bar else None

        def told(done: int, total: int) -> None:
            if bar is not None and task is not None:
                bar.update(task, completed=done, total=total)

        yield told


@contextmanager
def watching(*, quiet: bool = False) -> Iterator[Callable[[Event], None]]:
    """Show the progress of a study, told as events; the time left is that of all its cells."""
    began, last = time.monotonic(), 0.0
    with _bar(quiet) as bar:
        whole = bar.add_task("study", total=None) if bar else None
        cell = bar.add_task("", total=None) if bar else None

        def told(event: Event) -> None:
            nonlocal last
            now = time.monotonic()
            if bar is not None and whole is not None and cell is not None:
                bar.update(whole, completed=event.cells_done, total=event.cells_total)
                words = f"{event.stage} {event.cell}"
                bar.update(cell, description=words, completed=event.done, total=event.total)
            elif not quiet and now - last >= LINE_SECONDS:
                last = now
                print(_line(event, now - began), file=sys.stderr, flush=True)

        yield told


def _line(event: Event, seconds: float) -> str:
    done = event.cells_done + event.done / max(1, event.total)
    left = seconds * (event.cells_total - done) / done if done else float("nan")
    about = f", about {left / 60:.0f} min left" if done >= 1 else ""
    return (
        f"{event.cells_done}/{event.cells_total} {event.stage} {event.cell} "
        f"{event.done}/{event.total}{about}"
    )
