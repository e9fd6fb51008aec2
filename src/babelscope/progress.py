"""Progress for people, on standard error: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from babelscope.controls import one_line
from babelscope.records import Event

LINE_SECONDS = 10.0
"""Outside a terminal a line is written at most this often."""

BAR_CELLS = 12


def is_lively(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal whose user wants more than plain lines.

    NO_COLOR (no-color.org) and TERM=dumb ask for plain lines.
    """
    dumb = os.environ.get("TERM", "") in ("", "dumb")
    return stream.isatty() and not dumb and not os.environ.get("NO_COLOR")


def silence(stream: TextIO) -> None:
    """Keep the interpreter from complaining at exit about a stream without a reader."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def counting(stage: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show the progress of one piece of work, told as (done, total).

    Outside a terminal, work of less than `LINE_SECONDS` is done without a line.
    """
    if quiet or not is_lively(sys.stderr):
        lines = _Lines(quiet, time.monotonic())
        yield lambda done, total: lines.say(f"{stage} {done}/{total}")
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(BAR_CELLS),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(stage, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def watching(
    stages: Mapping[str, int], *, quiet: bool = False
) -> Iterator[Callable[[Event], None]]:
    """Show the progress of a study, told as events; `stages` has the pieces of each stage."""
    tally = Tally({name: Stage(total) for name, total in stages.items()})
    if quiet or not is_lively(sys.stderr):
        lines = _Lines(quiet, -LINE_SECONDS)

        def told(event: Event) -> None:
            now = time.monotonic()
            tally.tell(event, now)
            lines.say(line_of(tally, now))

        yield told
        return
    with Live(
        console=Console(stderr=True),
        transient=True,
        get_renderable=lambda: table_of(tally, time.monotonic()),
    ):
        yield lambda event: tally.tell(event, time.monotonic())


@dataclass(slots=True)
class _Lines:
    """Writes lines, but seldom; `last` is when the last one was written."""

    quiet: bool
    last: float

    def say(self, line: str) -> None:
        now = time.monotonic()
        if not self.quiet and now - self.last >= LINE_SECONDS:
            self.last = now
            try:
                print(line, file=sys.stderr, flush=True)
            except OSError:
                self.quiet = True  # nobody reads: no reason to stop the work
                silence(sys.stderr)


@dataclass(slots=True)
class Stage:
    """A stage as far as it has come: pieces done, and the seconds of those done in this process.

    `total` is None where the plan did not name the stage.
    """

    total: int | None
    ended: set[str] = field(default_factory=set)
    worked: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Tally:
    """What the events of a study amount to, by stage; times are seconds of one clock."""

    stages: dict[str, Stage]
    now: Event | None = None
    began: float = 0.0

    def tell(self, event: Event, now: float) -> None:
        """Take an event in: see `records.Event` for how a piece begins and ends."""
        stage = self.stages.setdefault(event.stage, Stage(None))
        same = self.now and (self.now.stage, self.now.cell) == (event.stage, event.cell)
        if event.done < event.total:
            stage.ended.discard(event.cell)  # work in several parts ends with each of them
            self.began = self.began if same else now
            self.now = event
            return
        stage.ended.add(event.cell)
        if same:
            stage.worked += 1
            stage.seconds += now - self.began
            self.now = None

    def seconds_left(self, name: str, now: float) -> float | None:
        """Return the seconds that a stage still takes at its pace so far; None if unknown."""
        stage = self.stages[name]
        if stage.total is None:
            return None
        left = float(max(0, stage.total - len(stage.ended)))
        part, spent = 0.0, 0.0
        if self.now and self.now.stage == name and left:
            part, spent = self.now.done / max(1, self.now.total), now - self.began
        pieces, seconds = stage.worked + part, stage.seconds + spent
        if not left:
            return 0.0
        return max(0.0, (left - part) * seconds / pieces) if pieces else None


def line_of(tally: Tally, now: float) -> str:
    """Return one plain line: what is done of each stage, what is worked on, the time left."""
    counts = ", ".join(f"{name} {_count(stage)}" for name, stage in tally.stages.items())
    return "; ".join(part for part in (counts, _work(tally.now), _whole(tally, now)) if part)


def table_of(tally: Tally, now: float) -> Table:
    """Return the live table: a row a stage, what is worked on, the time left."""
    table = Table(
        Column("stage", no_wrap=True),
        Column("done", no_wrap=True, justify="right"),
        Column("left", no_wrap=True, justify="right"),
        Column("now", no_wrap=True, overflow="ellipsis", ratio=1),
        box=None,
        padding=(0, 2, 0, 0),
        expand=True,
        header_style="dim",
    )
    for name, stage in tally.stages.items():
        at = tally.now if tally.now and tally.now.stage == name else None
        done = bool(stage.total) and len(stage.ended) >= (stage.total or 0)
        words = f"{at.done}/{at.total} {one_line(at.cell)}" if at else ""
        table.add_row(
            Text(name, style="green" if done else "bold" if at else ""),
            _count(stage),
            "" if done else duration(tally.seconds_left(name, now)),
            Text(words),
        )
    table.add_row(Text("study", style="bold"), "", _total(tally, now), Text(_waiting(tally)))
    return table


def duration(seconds: float | None) -> str:
    """Return a time for people: "40 s", "8 min", "3 h 20 min"; "?" where it is unknown."""
    if seconds is None:
        return "?"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _count(stage: Stage) -> str:
    return f"{len(stage.ended)}/{'?' if stage.total is None else stage.total}"


def _work(event: Event | None) -> str:
    return f"{event.stage} {one_line(event.cell)} {event.done}/{event.total}" if event else ""


def _waiting(tally: Tally) -> str:
    idle = tally.now is None and not any(stage.ended for stage in tally.stages.values())
    return "reading data and model" if idle else ""


def _whole(tally: Tally, now: float) -> str:
    told = _total(tally, now)
    return f"{told} left" if told != "?" else ""


def _total(tally: Tally, now: float) -> str:
    """Return the time left of all stages; a stage that has not begun makes it a least time."""
    lefts = [tally.seconds_left(name, now) for name in tally.stages]
    known = [left for left in lefts if left is not None]
    if not known or not any(stage.worked for stage in tally.stages.values()):
        return "?"
    return ("> " if len(known) < len(lefts) else "") + duration(sum(known))
